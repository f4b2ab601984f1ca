"""Check of NO5: the coherence of n random vectors is rarely far below the bound of NO2."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import comb

import numpy as np

from assocmem.vectors.overlaps import coherence_band
from validation.runner import tolerances
from validation.runner.cases import ROUNDING, Case, Context
from validation.vectors.coherences import coherences, pair_tail

DRAWN = ("gaussian", "sphere", "rademacher")


def check(context: Context) -> Iterator[Case]:
    """NO5: how often the coherence falls short of the band, and how often it exceeds it."""
    delta, d, tests = 0.5, 64, 16
    sizes = {2: 20_000, 32: 30_000} if context.full else {2: 2_500, 32: 1_500}
    for family, (n, draws) in product(DRAWN, sizes.items()):
        levels = coherences(family, n, d, draws, context.rng)
        low, high = coherence_band(n, d, delta=delta, family=family)
        below = int(np.sum(levels < low - ROUNDING))
        above = int(np.sum(levels > high + ROUNDING))
        counts = {"below": (delta / 2, below), "above": (delta / 2, above)}
        if n == 2 and family != "rademacher":  # a single pair, a continuous law: equalities
            counts["not below"] = 1 - delta / 2, draws - below
            counts["not above"] = 1 - delta / 2, draws - above
        for name, (bound, hits) in counts.items():
            case = f"{family}, n = {n}: {name} the band at {delta}"
            yield tolerances.frequency(case, bound, hits, draws, tests=tests)
    n = 10**6
    low, _ = coherence_band(n, d, delta=delta)
    p = pair_tail("sphere", d, low)
    spent = (1 - p) / (1 + (comb(n, 2) - 1) * p) / (delta / 2)
    rounding = 2 * d * low**2 / (1 - low**2) * ROUNDING  # |d ln p| <= d t^2/(1-t^2) |2 d ln t|
    yield Case(f"n = {n}: share of delta that the lower limit spends", 1.0, spent, rounding)
    yield Case("... and its reciprocal", 1.0, 1 / spent, rounding)

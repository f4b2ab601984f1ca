"""Check of NO6: at any width the coherence of n random vectors has a known law, up to O(1/n)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import comb, exp, log

import numpy as np
from scipy import stats

from assocmem.vectors.overlaps import coherence_quantile
from validation.runner.cases import FALSE_ALARM, ROUNDING, Case, Context
from validation.vectors.coherences import coherences, pair_tail

DRAWN = ("gaussian", "sphere", "rademacher")


def two_sided(
    case: str, predicted: float, hits: int, trials: int, *, error: float, tests: int
) -> Case:
    """The frequency of an event whose probability is predicted up to an error."""
    most = stats.binom.isf(FALSE_ALARM / (2 * tests), trials, min(1.0, predicted + error))
    least = stats.binom.ppf(FALSE_ALARM / (2 * tests), trials, max(0.0, predicted - error))
    tolerance = max(most / trials - predicted, predicted - least / trials)
    return Case(case, predicted, hits / trials, tolerance, evidence="statistics")


def check(context: Context) -> Iterator[Case]:
    """NO6: the law of the coherence at a few of its quantiles."""
    d, levels = 64, (0.25, 0.5, 0.75)
    sizes = {2: 20_000, 96: 10_000, 512: 3_000} if context.full else {2: 2_500, 96: 4_000}
    tests = 3 * len(sizes) * len(levels)
    for family, (n, draws) in product(DRAWN, sizes.items()):
        measured = coherences(family, n, d, draws, context.rng)
        for q in (q for q in levels if -log(q) < comb(n, 2)):  # else no draw can be below
            t = coherence_quantile(q, n, d, family=family)
            s = comb(n, 2) * pair_tail(family, d, t + ROUNDING)
            if family != "rademacher":
                s = min(-log(q), comb(n, 2))  # t is where the library says that this is so
            error = (s - 1 + exp(-s)) * (8 * n - 14) / (n * (n - 1))
            predicted, error = (exp(-s), error) if n > 2 else (exp(-s) - error, 0.0)
            within = int(np.sum(measured <= t + ROUNDING))
            yield two_sided(
                f"{family}, n = {n}, q = {q}", predicted, within, draws, error=error, tests=tests
            )

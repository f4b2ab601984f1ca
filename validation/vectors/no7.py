"""Check of NO7: how many random vectors fit at a given coherence."""

from __future__ import annotations

from collections.abc import Iterator
from math import comb, exp

import numpy as np

from assocmem.vectors.overlaps import how_many_fit
from validation.runner import tolerances
from validation.runner.cases import ROUNDING, Case, Context
from validation.vectors.coherences import coherences, pair_tail

DRAWN = (("sphere", 64), ("gaussian", 64), ("rademacher", 60))


def check(context: Context) -> Iterator[Case]:
    """NO7: as many vectors as are said to fit do fit, and not many more would."""
    delta, tests = 0.5, 6
    # The sum over pairs, at n and at n + 1; what rounding of d t^2 does to p, at most
    for d, level in ((1000, 0.2), (10**6, 0.007), (10**9, 2e-4)):
        rounding = d * level**2 * ROUNDING
        for sharp in (False, True):
            p = pair_tail("sphere", d, level) if sharp else 2 * exp(-d * level**2 / 2)
            n = how_many_fit(d, level, delta=delta, sharp=sharp)
            name = f"{'sharp' if sharp else 'plain'} at d = {d:.0e}, level {level}: "
            yield Case(name + f"delta spent by {n}", delta, comb(n, 2) * p, delta * rounding).of(
                "a"
            )
            name += "delta over that of one more"
            yield Case(name, 1.0, delta / (comb(n + 1, 2) * p), rounding).of("a")
    draws, level = 10_000 if context.full else 600, 0.5
    for family, d in DRAWN:
        n = how_many_fit(d, level, delta=delta, family=family, sharp=True)
        exceeded = int(np.sum(coherences(family, n, d, draws, context.rng) > level + ROUNDING))
        least = delta * (n - 1) / (n + 1)  # of s
        name = f"{family}, d = {d}: {n} vectors "
        exceeds = name + f"exceed {level}"
        yield tolerances.frequency(exceeds, delta, exceeded, draws, tests=tests).of("a")
        yield tolerances.frequency(
            name + f"stay within {level}",
            1 - least + least**2 / 2,
            draws - exceeded,
            draws,
            tests=tests,
        ).of("b")

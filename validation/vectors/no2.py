"""Check of NO2: all pairs of n random vectors are nearly orthogonal, with probability 1 - delta."""

from __future__ import annotations

from collections.abc import Iterator
from math import comb, log, sqrt

import numpy as np
from scipy import stats

from assocmem import coherence, coherence_bound
from assocmem.vectors.families import FAMILIES
from validation.runner import tolerances
from validation.runner.cases import Case, Context
from validation.vectors.coherences import pair_tail

DRAWN = ("sphere", "rademacher", "gaussian")


def check(context: Context) -> Iterator[Case]:
    """NO2: how often the coherence exceeds its bounds, and how often it does not."""
    n, d, delta, tests = 32, 64, 0.5, 12
    draws = 60_000 if context.full else 4_000
    for family in DRAWN:
        normalised = family != "gaussian"
        drawn = (FAMILIES[family](n, d, rng=context.rng) for _ in range(draws))
        measured = np.array([coherence(u, normalised=normalised) for u in drawn])
        for sharp in (False, True):
            bound = coherence_bound(
                n, d, delta=delta, family=family, normalised=normalised, sharp=sharp
            )
            exceeded = int(np.sum(measured > bound))
            name = f"{family}, {'sharp' if sharp else 'plain'} at {delta}: "
            part = "c" if family == "gaussian" else "b" if sharp else "a"
            case = tolerances.frequency(name + "exceeded", delta, exceeded, draws, tests=tests)
            yield case.of(part)
            case = tolerances.frequency(
                name + "not exceeded",
                1 - least_exceedance(family, n, d, delta, sharp),
                draws - exceeded,
                draws,
                tests=tests,
            )
            if case.predicted + case.tolerance < 1:  # else there are too few draws for it to fail
                yield case.of("c" if family == "gaussian" else "b")


def least_exceedance(family: str, n: int, d: int, delta: float, sharp: bool) -> float:
    """Bonferroni's lower bound on how often the coherence exceeds the threshold NO2 states.

    s - s_2: s sums the tail of one pair over all pairs; s_2 sums the probability that two pairs
    exceed, which may depend on their common vector.
    """
    threshold = stated_threshold(family, n, d, delta, sharp)
    if family == "gaussian":

        def tail_given_norm(squared: np.ndarray) -> np.ndarray:
            """The tail of <u, v>, given squared = d |u|^2."""
            return 2 * stats.norm.sf(threshold * d / np.sqrt(squared))

        p = stats.chi2.expect(tail_given_norm, args=(d,))
        p_shared = stats.chi2.expect(lambda squared: tail_given_norm(squared) ** 2, args=(d,))
    else:
        p = pair_tail(family, d, threshold)
        p_shared = p**2
    pairs, sharing = comb(n, 2), n * comb(n - 1, 2)
    return float(pairs * p - sharing * p_shared - (comb(pairs, 2) - sharing) * p**2)


def stated_threshold(family: str, n: int, d: int, delta: float, sharp: bool) -> float:
    """The threshold as NO2 states it, written out again: the library's is under test."""
    if family == "gaussian":
        if sharp:
            squared_norm = stats.chi2.isf(delta / (2 * n), d) / d
            return float(sqrt(squared_norm / d) * stats.norm.isf(delta / (2 * n * (n - 1))))
        x = log(2 * n / delta)
        return sqrt((1 + 2 * sqrt(x / d) + 2 * x / d) * 2 / d * log(2 * n * (n - 1) / delta))
    if not sharp:
        return sqrt(2 / d * log(n * (n - 1) / delta))
    if family == "sphere":
        return sqrt(stats.beta.isf(delta / comb(n, 2), 0.5, (d - 1) / 2))
    lattice = np.arange(d + 1) / d  # cosines of sign vectors are even multiples of 1/d
    expected = [comb(n, 2) * pair_tail(family, d, t) for t in lattice]
    return float(lattice[np.argmax(np.array(expected) <= delta)])

"""Checks of NO1 to NO7: overlaps of random vectors, one by one and all at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import comb, exp, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from assocmem import (
    FrozenEmbeddings,
    InductionTask,
    coherence,
    coherence_bound,
    orthonormal,
    sphere,
    welch_bound,
)
from assocmem.vectors.families import FAMILIES
from assocmem.vectors.overlaps import coherence_band, coherence_quantile, how_many_fit
from validation import tolerances
from validation.cases import FALSE_ALARM, ROUNDING, Case, Check, Context

Array = NDArray[np.floating[Any]]


def mean_square_overlap(context: Context) -> Iterator[Case]:
    """NO1: E<u, v>^2 = 1/d for independent u and v."""
    widths = (8, 64, 256) if context.full else (8, 64)
    families = ("gaussian", "sphere", "rademacher")
    pairs, tests = 2**16, len(widths) * len(families)
    for d, family in product(widths, families):
        u, v = (FAMILIES[family](pairs, d, rng=context.rng) for _ in range(2))
        squared = np.einsum("ij,ij->i", u, v) ** 2
        yield tolerances.sample_mean(f"{family}, d = {d}", 1 / d, squared, tests=tests)


def coherence_exceedance(context: Context) -> Iterator[Case]:
    """NO2: how often the coherence exceeds its bounds, and how often it does not."""
    n, d, delta, tests = 32, 64, 0.5, 12
    draws = 60_000 if context.full else 4_000
    for family in ("sphere", "rademacher", "gaussian"):
        normalised = family != "gaussian"
        drawn = (FAMILIES[family](n, d, rng=context.rng) for _ in range(draws))
        measured = np.array([coherence(u, normalised=normalised) for u in drawn])
        for sharp in (False, True):
            bound = coherence_bound(
                n, d, delta=delta, family=family, normalised=normalised, sharp=sharp
            )
            exceeded = int(np.sum(measured > bound))
            name = f"{family}, {'sharp' if sharp else 'plain'} at {delta}: "
            yield tolerances.frequency(name + "exceeded", delta, exceeded, draws, tests=tests)
            case = tolerances.frequency(
                name + "not exceeded",
                1 - least_exceedance(family, n, d, delta, sharp),
                draws - exceeded,
                draws,
                tests=tests,
            )
            if case.predicted + case.tolerance < 1:  # else there are too few draws for it to fail
                yield case


def least_exceedance(family: str, n: int, d: int, delta: float, sharp: bool) -> float:
    """Bonferroni's lower bound on how often the coherence exceeds the threshold NO2 states.

    s - s_2: s sums the tail of one pair over all pairs; s_2 sums the probability that two pairs
    exceed, which may depend on their common vector.
    """
    threshold = stated_threshold(family, n, d, delta, sharp)
    if family == "gaussian":

        def tail_given_norm(squared: Array) -> Array:  # of <u, v>, given squared = d |u|^2
            return 2 * stats.norm.sf(threshold * d / np.sqrt(squared))

        p = stats.chi2.expect(tail_given_norm, args=(d,))
        p_shared = stats.chi2.expect(lambda squared: tail_given_norm(squared) ** 2, args=(d,))
    else:
        p = pair_tail(family, d, threshold)
        p_shared = p**2
    pairs, sharing = comb(n, 2), n * comb(n - 1, 2)
    return float(pairs * p - sharing * p_shared - (comb(pairs, 2) - sharing) * p**2)


def pair_tail(family: str, d: int, t: float) -> float:
    """P(|cos| > t) for one pair."""
    if family == "rademacher":
        agreeing = np.floor(d * (1 + t) / 2)  # more than that many equal signs exceed t
        return float(2 * stats.binom.sf(agreeing, d, 0.5))
    return float(special.betaincc(0.5, (d - 1) / 2, t**2))


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


def welch(context: Context) -> Iterator[Case]:
    """NO3: no family beats the bound; equiangular tight frames attain it."""
    golden = (1 + sqrt(5)) / 2
    icosahedron = [np.roll([0, 1, sign * golden], shift) for sign in (1, -1) for shift in range(3)]
    # All arrangements of (3, 3, -1, ..., -1): they sum to zero, so they span R^7.
    lines = [4.0 * np.isin(np.arange(8), (i, j)) - 1 for i in range(8) for j in range(i)]
    frames: list[tuple[str, int, Array]] = [
        ("icosahedron", 3, np.array(icosahedron)),
        ("equiangular lines", 7, np.array(lines)),
        *(("simplex", d, np.eye(d + 1) - 1 / (d + 1)) for d in (2, 8, 64)),
        ("orthonormal", 64, orthonormal(64, 64, rng=context.rng)),
    ]
    for name, d, vectors in frames:
        n, rounding = len(vectors), 4 * vectors.shape[1] * np.finfo(float).eps
        case = f"{name}, n = {n}, d = {d}: attained"
        yield Case(case, welch_bound(n, d) - rounding, coherence(vectors), 2 * rounding)
    sizes = ((16, 8), (256, 64), (4096, 512)) if context.full else ((16, 8), (256, 64))
    for n, d in sizes:
        bound, delta = welch_bound(n, d), FALSE_ALARM / len(sizes)
        below = coherence_bound(n, d, delta=delta, sharp=True)  # NO2 (b)
        vectors = sphere(n, d, rng=context.rng)
        yield Case(f"sphere, n = {n}, d = {d}", bound, coherence(vectors), below - bound)


def remapping(context: Context) -> Iterator[Case]:
    """NO4: norms and self-overlaps of orthonormal vectors under a Gaussian matrix."""
    widths = {64: 1000, 512: 12} if context.full else {64: 250, 256: 20}
    tests = 4 * len(widths)
    for d, draws in widths.items():
        task = InductionTask(n_tokens=d // 4, length=d // 4)
        squares, overlaps = [], []
        for _ in range(draws):
            emb = FrozenEmbeddings.random(task, width=d, family="orthonormal", rng=context.rng)
            images = np.concatenate([emb.remapped_tokens, emb.remapped_positions])
            squares.append(np.sum(images**2, axis=1))
            overlaps.append(np.sum(images * emb.inputs, axis=1))
        square, overlap = np.concatenate(squares), np.concatenate(overlaps)
        freedom = d * square.size  # the squared norms add up to chi-squared, over d
        allowed = stats.chi2.isf(FALSE_ALARM / (2 * tests), freedom) / freedom - 1
        yield Case(f"d = {d}: mean square norm", 1.0, square.mean(), allowed)
        yield tolerances.mean_square(f"d = {d}: mean square overlap", 1 / d, overlap, tests=tests)
        yield tolerances.law(
            f"d = {d}: law of the square norm", d * square, stats.chi2(d).cdf, tests=tests
        )
        yield tolerances.law(
            f"d = {d}: law of the self-overlap", sqrt(d) * overlap, stats.norm.cdf, tests=tests
        )


def coherences(family: str, n: int, d: int, draws: int, rng: np.random.Generator) -> Array:
    """The coherence of each of many draws."""
    return np.array([coherence(FAMILIES[family](n, d, rng=rng)) for _ in range(draws)])


def two_sided(
    case: str, predicted: float, hits: int, trials: int, *, error: float, tests: int
) -> Case:
    """The frequency of an event whose probability is predicted up to an error."""
    most = stats.binom.isf(FALSE_ALARM / (2 * tests), trials, min(1.0, predicted + error))
    least = stats.binom.ppf(FALSE_ALARM / (2 * tests), trials, max(0.0, predicted - error))
    tolerance = max(most / trials - predicted, predicted - least / trials)
    return Case(case, predicted, hits / trials, tolerance)


def both_limits(context: Context) -> Iterator[Case]:
    """NO5: how often the coherence falls short of the band, and how often it exceeds it."""
    delta, d, tests = 0.5, 64, 16
    sizes = {2: 20_000, 32: 30_000} if context.full else {2: 2_500, 32: 1_500}
    for family, (n, draws) in product(("gaussian", "sphere", "rademacher"), sizes.items()):
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


def poisson_law(context: Context) -> Iterator[Case]:
    """NO6: the law of the coherence at a few of its quantiles."""
    d, levels, families = 64, (0.25, 0.5, 0.75), ("gaussian", "sphere", "rademacher")
    sizes = {2: 20_000, 96: 10_000, 512: 3_000} if context.full else {2: 2_500, 96: 1_000}
    tests = len(families) * len(sizes) * len(levels)
    for family, (n, draws) in product(families, sizes.items()):
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


def how_many(context: Context) -> Iterator[Case]:
    """NO7: as many vectors as are said to fit do fit, and not many more would."""
    delta, tests = 0.5, 6
    # The sum over pairs, at n and at n + 1; what rounding of d t^2 does to p, at most
    for d, level in ((1000, 0.2), (10**6, 0.007), (10**9, 2e-4)):
        rounding = d * level**2 * ROUNDING
        for sharp in (False, True):
            p = pair_tail("sphere", d, level) if sharp else 2 * exp(-d * level**2 / 2)
            n = how_many_fit(d, level, delta=delta, sharp=sharp)
            name = f"{'sharp' if sharp else 'plain'} at d = {d:.0e}, level {level}: "
            yield Case(name + f"delta spent by {n}", delta, comb(n, 2) * p, delta * rounding)
            yield Case(
                name + "delta over that of one more", 1.0, delta / (comb(n + 1, 2) * p), rounding
            )
    draws = 10_000 if context.full else 600
    for family, d, level in (("sphere", 64, 0.5), ("gaussian", 64, 0.5), ("rademacher", 60, 0.5)):
        n = how_many_fit(d, level, delta=delta, family=family, sharp=True)
        exceeded = int(np.sum(coherences(family, n, d, draws, context.rng) > level + ROUNDING))
        least = delta * (n - 1) / (n + 1)  # of s
        name = f"{family}, d = {d}: {n} vectors "
        yield tolerances.frequency(name + f"exceed {level}", delta, exceeded, draws, tests=tests)
        yield tolerances.frequency(
            name + f"stay within {level}",
            1 - least + least**2 / 2,
            draws - exceeded,
            draws,
            tests=tests,
        )


CHECKS: dict[str, Check] = {
    "NO1": mean_square_overlap,
    "NO2": coherence_exceedance,
    "NO3": welch,
    "NO4": remapping,
    "NO5": both_limits,
    "NO6": poisson_law,
    "NO7": how_many,
}

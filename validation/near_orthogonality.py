"""Checks of NO1 to NO4: overlaps of random vectors, one by one and all at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import comb, log, sqrt
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
from assocmem.families import FAMILIES
from validation import tolerances
from validation.cases import FALSE_ALARM, Case, Check, Context

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


CHECKS: dict[str, Check] = {
    "NO1": mean_square_overlap,
    "NO2": coherence_exceedance,
    "NO3": welch,
    "NO4": remapping,
}

"""Check of WR3: the law of the right scores of the polar factor of many random pairs."""

from __future__ import annotations

from collections.abc import Iterator
from math import log, sqrt

import numpy as np

from assocmem.capacity import polar_factor, polar_scores
from validation.memory.recall import exponent
from validation.runner import tolerances
from validation.runner.cases import Case, Context
from validation.writers.steps import pairs, scores_of, statistical, zipf

TESTS = 11


def check(context: Context) -> Iterator[Case]:
    """WR3: equal frequencies by the nuclear norm, with an error like 1/d; Zipf items by rank.

    The law at d and 2d, extrapolated by 1/d: what is left is of order 1/d², allowed as (1/2d)².
    """
    within = tolerances.standard_errors(TESTS)
    draws = 4 if context.full else 1
    for c, size in ((0.5, 3), (2, 1), (16, 0.3)):
        widths = np.array([8, 16, 32])
        found = [
            nuclear(round(c * d), d, round(draws * size * r), context.rng)
            for d, r in zip(map(int, widths), (20_000, 8000, 3000), strict=True)
        ]
        law = polar_scores(np.ones(round(32 * c)), 32)[0]
        (_, _), (half, half_error), (full, full_error) = found
        yield statistical(
            f"score of one of n = {c:g} d alike, d = 16 and 32",
            law,
            2 * full - half,
            within * np.hypot(2 * full_error, half_error) + law / 32**2,
        )
        if c > 2 and not context.full:  # so small a gap takes more draws than a second has
            continue
        gaps = np.array([law - mean for mean, _ in found])
        gaps = np.where(gaps > 0, gaps, np.nan)  # a score beyond the law has no exponent: it fails
        errors = np.array([error for _, error in found]) / gaps
        slope, error = exponent(widths, np.log(gaps), errors)
        drift = 2 / 8 / log(32 / 8) * abs(gaps[0] / law)  # of the next order, d^-2, at d = 8
        case = f"exponent of the error, n = {c:g} d"
        yield statistical(case, -1, slope, within * error + drift)
    for alpha in (1.0, 1.5):
        yield from ranks(alpha, draws, within, context.rng)


def nuclear(n: int, d: int, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    """Mean over memories of n equal pairs of ‖M‖_*/n, which is their mean score, and its error."""
    sums = []
    for _ in range(max(1, draws * n * d // 2**20)):
        size = max(2, min(draws, 2**20 // (n * d)))
        u, v = (rng.standard_normal((size, n, d)) / sqrt(d) for _ in range(2))
        M = np.swapaxes(v, 1, 2) @ u
        sums.append(np.linalg.svd(M, compute_uv=False).sum(axis=1) / n)
    found = np.concatenate(sums)
    return float(found.mean()), float(found.std(ddof=1) / sqrt(len(found)))


def ranks(alpha: float, draws: int, within: float, rng: np.random.Generator) -> Iterator[Case]:
    """Mean right scores of Zipf items in two ranges of ranks, over the law: 1 as d → ∞."""
    ratios = []
    for d, memories in ((16, 2000 * draws), (32, 1000 * draws)):
        n = 12 * d
        law = polar_scores(zipf(n, alpha), d)
        ranges = [slice(d // 4, 2 * d), slice(2 * d, n)]
        found = np.empty((memories, 2))
        for row in found:
            u, v = pairs(n, d, rng)
            Q = polar_factor(v.T @ (zipf(n, alpha)[:, None] * u))
            right = np.diagonal(scores_of(Q, u, v))
            row[:] = [right[part].mean() / law[part].mean() for part in ranges]
        ratios.append((found.mean(axis=0), found.std(axis=0, ddof=1) / sqrt(memories)))
    (half, half_error), (full, full_error) = ratios
    for i, part in enumerate(("d/4 to 2d", "2d to 12d")):
        yield statistical(
            f"Zipf, a = {alpha:g}: score over its law, ranks {part}",
            1,
            2 * full[i] - half[i],
            within * np.hypot(2 * full_error[i], half_error[i]) + (1 / 16) ** 2,
        )

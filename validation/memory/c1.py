"""Check of C1: scores and margins over random keys and values have exact moments, for any
weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from assocmem import capacity
from assocmem.vectors.families import FAMILIES
from validation.memory.variances import variances
from validation.runner import tolerances
from validation.runner.cases import Case, Context


def drawn_scores(
    C: np.ndarray, d: int, family: str, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """V Vᵀ C U Uᵀ, the scores of independent memories with coefficients C: (draws, m, n)."""
    m, n = C.shape
    U, V = (FAMILIES[family](draws * k, d, rng=rng).reshape(draws, k, d) for k in (n, m))
    scores: np.ndarray = V @ V.transpose(0, 2, 1) @ C @ U @ U.transpose(0, 2, 1)
    return scores


def check(context: Context) -> Iterator[Case]:
    """C1: moments of margins, then of single scores."""
    yield from (case.of("b") for case in margins(context))
    yield from (case.of("a") for case in variances(context))


def margins(context: Context) -> Iterator[Case]:
    """C1: moments of margins over keys and values drawn again and again."""
    draws, tests, rng = 60_000 if context.full else 16_000, 12, context.rng
    n, m, d = 6, 4, 32
    targets = np.arange(n) % m
    dense = rng.standard_normal((m, n)) + 1  # values share keys: covariances are large
    sparse = np.zeros((m, n))
    sparse[targets, np.arange(n)] = np.geomspace(1, 3, n)
    for family in ("gaussian", "sphere", "rademacher"):
        for name, C in (("dense C", dense), ("one value per key", sparse)):
            drawn = drawn_scores(C, d, family, draws, rng) - C
            right = drawn[:, targets, np.arange(n)][:, None]
            variance = capacity.score_moments(C, d, family=family)[1]
            _, spread = capacity.margin_moments(C, d, targets, family=family)
            wrong = spread > 0
            noise = ((right - drawn) ** 2)[:, wrong] / spread[wrong]
            yield tolerances.sample_mean(
                f"{family}, {name}: noise / var.", 1, noise.mean(axis=1), tests=tests
            )
            covariance = (variance + variance[targets, np.arange(n)] - spread)[wrong] / 2
            products = (right * drawn)[:, wrong]
            if name == "dense C":  # along the direction of covariance that some of the draws show
                shown, products = products[: draws // 4], products[draws // 4 :]
                direction = shown.mean(axis=0)
                direction /= direction @ direction
                products, predicted = products @ direction, covariance @ direction
            else:
                products, predicted = products.mean(axis=1), 0
            yield tolerances.sample_mean(
                f"{family}, {name}: products of noise", predicted, products, tests=tests
            )

"""Mean and variance of every score over drawn keys and values, for C1."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from assocmem import AssociativeMemory
from assocmem.vectors.families import FAMILIES
from validation.runner import tolerances
from validation.runner.cases import Case, Context


def score_variance(C: np.ndarray, d_keys: int, d_values: int, family: str) -> np.ndarray:
    """Variance of every score v_k' W u_i over random keys and values; the mean is C_ki."""

    def squared_overlap(n: int, d: int) -> np.ndarray:  # E (u_l' u_i)^2
        fourth_moment = 1 + 2 / d if family == "gaussian" else 1.0
        return np.where(np.eye(n, dtype=bool), fourth_moment, 1 / d)

    m, n = C.shape
    return squared_overlap(m, d_values) @ C**2 @ squared_overlap(n, d_keys) - C**2


def drawn_scores(
    C: np.ndarray, d_keys: int, d_values: int, family: str, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """The scores of independent memories with coefficients C: (draws, m, n)."""
    m, n = C.shape
    draw = FAMILIES[family]
    memories = (
        AssociativeMemory(
            keys=draw(n, d_keys, rng=rng), values=draw(m, d_values, rng=rng), coefficients=C
        )
        for _ in range(draws)
    )
    return np.stack([W.scores() for W in memories])


def variances(context: Context) -> Iterator[Case]:
    """C1: mean and variance of scores over keys and values drawn again and again."""
    draws, tests, rng = 10_000 if context.full else 2_000, 15, context.rng
    n = d = 32
    right = np.eye(n, dtype=bool)
    for family in ("gaussian", "sphere", "rademacher"):
        noise = drawn_scores(np.eye(n), d, d, family, draws, rng) - np.eye(n)
        variance = score_variance(np.eye(n), d, d, family)
        for name, where in (("right", right), ("wrong", ~right)):
            yield tolerances.sample_mean(
                f"{family}, C = I: variance, {name} score",
                variance[where][0],
                (noise[:, where] ** 2).mean(axis=1),
                tests=tests,
            )
        # Rows and columns of different sizes: exchanging them would show.
        C = np.outer(np.geomspace(1, 4, 6), np.geomspace(3, 1, 9)) * rng.standard_normal((6, 9))
        scores, variance = (
            drawn_scores(C, 32, 160, family, draws, rng),
            score_variance(C, 32, 160, family),
        )
        noise = (scores - C) ** 2
        for name, statistic in (
            ("slope of scores on C", (scores * C).sum((1, 2)) / np.sum(C**2)),
            ("mean of noise / var.", (noise / variance).mean((1, 2))),
            ("slope of noise on var.", (noise * variance).sum((1, 2)) / np.sum(variance**2)),
        ):
            yield tolerances.sample_mean(f"{family}, random C: {name}", 1.0, statistic, tests=tests)

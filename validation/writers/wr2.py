"""Check of WR2: under sign descent over sign vectors, the mean right score is d times a power
index."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from assocmem.capacity import sign_scores
from assocmem.vectors.families import FAMILIES
from validation.runner import tolerances
from validation.runner.cases import Case, Context
from validation.writers.steps import scores_of

FREQUENCIES = {
    "three in a vote": (3.0, 2.0, 2.5),
    "Zipf, a = 1": tuple(1 / np.arange(1, 9)),
    "a dictator": (2.0, 0.9, 0.5, 0.3),
}


def check(context: Context) -> Iterator[Case]:
    """WR2: means and variances of the scores of drawn memories of signs, and of Gaussian ones."""
    draws, d, tests = (100_000 if context.full else 20_000), 6, 18
    for name, p in FREQUENCIES.items():
        beta = sign_scores(p, 1, family="rademacher")
        scores = drawn(p, d, "rademacher", draws, context.rng)
        n = len(p)
        right, item = scores[:, range(n), range(n)], np.arange(n)
        # one combination of all items, each with a weight of its own: an error of any shows
        weight = 1.0 + item
        yield tolerances.sample_mean(
            f"{name}: mean of the right scores",
            float(d * beta @ weight),
            right @ weight,
            tests=tests,
        ).of("a")
        yield tolerances.sample_mean(
            f"{name}: square of the right scores",
            float((1 - beta**2 + d**2 * beta**2) @ weight),
            right**2 @ weight,
            tests=tests,
        ).of("a")
        wrong = ~np.eye(n, dtype=bool)
        variance = 1 + (d - 1) * (beta[:, None] ** 2 + beta**2)
        yield tolerances.sample_mean(
            f"{name}: mean of the wrong scores", 0, scores[:, wrong].mean(axis=1), tests=tests
        ).of("a")
        yield tolerances.sample_mean(
            f"{name}: square of the wrong scores",
            float(variance[wrong].mean()),
            (scores[:, wrong] ** 2).mean(axis=1),
            tests=tests,
        ).of("a")
    for name, p in (*FREQUENCIES.items(), ("ten alike", (1.0,) * 10), ("a rare one", (1.0, 0.02))):
        scores = drawn(p, d, "gaussian", draws, context.rng)
        n = len(p)
        weight = 1.0 + np.arange(n)
        yield tolerances.sample_mean(
            f"Gaussian, {name}: mean of the right scores",
            float(sign_scores(p, d) @ weight),
            scores[:, range(n), range(n)] @ weight,
            tests=tests,
        ).of("c")
    alone = drawn(FREQUENCIES["a dictator"], d, "rademacher", 100, context.rng)
    yield Case("a dictator's score, in every draw", d, float(alone[:, 0, 0].min()), 1e-12).of("b")


def drawn(
    p: tuple[float, ...], d: int, family: str, draws: int, rng: np.random.Generator
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Scores (draws, value, key) of independent memories that sign descent wrote."""
    n = len(p)
    u, v = (FAMILIES[family](draws * n, d, rng=rng).reshape(draws, n, d) for _ in range(2))
    return scores_of(np.sign(np.einsum("j,rja,rjb->rab", p, v, u)), u, v)

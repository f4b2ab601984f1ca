"""Check of WR4: a polar step recalls d^(1 + 1/(2 alpha)) Zipf items, a gradient step fewer."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

import numpy as np

from assocmem.capacity import polar_factor, polar_recall
from validation.memory.recall import exponent
from validation.runner import tolerances
from validation.runner.cases import Case, Context
from validation.writers.steps import gradient_at_zero, pairs, scores_of, statistical, zipf

ALPHA = 1.5


def check(context: Context) -> Iterator[Case]:
    """WR4: items recalled by one step on the true gradient, and their exponent, against the law."""
    widths = (24, 48, 96, 144) if context.full else (16, 32, 64)
    within = tolerances.standard_errors(len(widths) + 1, freedom=99)
    laws, means, errors = [], [], []
    for d in widths:
        n = number(d)
        p, draws = zipf(n, ALPHA), 100 if d > 32 else 400
        counts = [recalled(p, d, context.rng) for _ in range(draws)]
        laws.append(float(polar_recall(p, d).sum()))
        means.append(float(np.mean(counts)))
        errors.append(float(np.std(counts, ddof=1)) / sqrt(draws))
        # the law of a score is off by 1/4d or less (WR3), hence its edge by 1/4ad
        tolerance = within * errors[-1] + laws[-1] / (4 * ALPHA * d)
        yield statistical(
            f"items of {n} that one polar step recalls, d = {d}", laws[-1], means[-1], tolerance
        )
    relative = np.array(errors) / means
    slope, error = exponent(np.array(widths), np.log(means), relative)
    predicted, _ = exponent(np.array(widths), np.log(laws), relative)
    bias = 1 / (4 * ALPHA * widths[0]) / np.log(widths[-1] / widths[0])
    case = f"exponent, a = 1.5, d = {widths[0]} to {widths[-1]} (limit: {1 + 1 / (2 * ALPHA):.2f})"
    yield statistical(case, predicted, slope, within * error + bias)


def number(d: int) -> int:
    """How many items there are, more than any step recalls."""
    return round(5 * d ** (1 + 1 / (2 * ALPHA)))


def recalled(p: np.ndarray, d: int, rng: np.random.Generator) -> int:
    """How many items the polar factor of the true gradient at zero recalls."""
    u, v = pairs(len(p), d, rng)
    scores = scores_of(polar_factor(gradient_at_zero(p, u, v)), u, v)
    return int(np.sum(scores.argmax(axis=0) == np.arange(len(p))))

"""Recall and capacity of one-to-one memories over Gaussian vectors, for C2."""

from __future__ import annotations

from collections.abc import Iterator
from math import log, sqrt
from typing import Any

import numpy as np
from scipy import optimize, stats

from assocmem import AssociativeMemory, gaussian
from validation.memory.recall import exponent, half_recall
from validation.runner import tolerances
from validation.runner.cases import Case, Context


def measured_recall(
    n: int, d: int, memories: int, rng: np.random.Generator, coefficients: Any = None
) -> np.ndarray:
    """Recall of independent memories of n Gaussian pairs, with these coefficients or one to one."""

    def recall() -> float:
        keys, values = gaussian(n, d, rng=rng), gaussian(n, d, rng=rng)
        return AssociativeMemory(keys=keys, values=values, coefficients=coefficients).recall()

    return np.array([recall() for _ in range(memories)])


def recall_law(n: int, d: int, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    """P(X > Y), the exact probability that a pair is recalled, by sampling; and its error.

    X is the right score, Y the largest of n - 1 wrong ones, both over the norm of the wrong ones.
    """

    def chi(freedom: int, size: int) -> np.ndarray:
        return np.sqrt(rng.chisquare(freedom, size))

    size = 8 * draws  # X costs O(1) a draw, Y costs O(n)
    angle = np.arctan2(chi(n - 1, size), chi(d, size))
    along, across = chi(d, size), rng.standard_normal(size)
    right = along * np.cos(angle) + across * np.sin(angle)
    common = along * np.sin(angle) - across * np.cos(angle)
    x = right / np.sqrt(common**2 + rng.chisquare(n - 2, size))

    wrong = rng.standard_normal((draws, n - 1))
    y = wrong.max(axis=1) / np.linalg.norm(wrong, axis=1)

    # Every X against every Y: the variance of the mean is that of the two conditional means.
    x_above = 1 - np.searchsorted(np.sort(x), y, side="right") / size
    y_below = np.searchsorted(np.sort(y), x, side="left") / draws
    return float(x_above.mean()), sqrt(x_above.var() / draws + y_below.var() / size)


def largest_wrong(n: float) -> float:
    """z_n, the median of the largest of n - 1 standard normals."""
    return float(-stats.norm.ppf(-np.expm1(-log(2) / (n - 1))))


def capacity(d: int) -> float:
    """n = d^2 / z_n^2 - 2d + 1: how many pairs make recall 1/2, to leading order."""
    return float(
        optimize.brentq(lambda n: (n + 2 * d - 1) * largest_wrong(n) ** 2 - d**2, 3, d**2 + 3)
    )


def log_square(log_n: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """ln of (n + 2d - 1) z_n^2, which is d^2 at capacity to leading order."""
    n = np.exp(log_n)
    return np.log((n + 2 * widths - 1) * np.vectorize(largest_wrong)(n) ** 2)


def one_to_one(context: Context) -> Iterator[Case]:
    """C2: recall below and above capacity at several widths, and the exponent of capacity."""
    widths = np.array((24, 48, 96, 192) if context.full else (24, 48, 96))
    keys = 200_000 if context.full else 40_000  # asked for, in all memories of one size
    tests = 2 * len(widths) + 2
    fewest = keys // (1.25 * capacity(widths[-1]))  # memories of one size
    within = tolerances.standard_errors(tests, freedom=fewest - 2)
    predicted, measured = [], []
    for d in widths:
        sizes = np.round(capacity(d) * np.array([0.8, 1.25])).astype(int)
        laws, means = [], []
        for n in sizes:
            laws.append(recall_law(n, d, draws=50 * keys // n, rng=context.rng))
            recall = measured_recall(n, d, memories=keys // n, rng=context.rng)
            means.append((recall.mean(), recall.std(ddof=1) / sqrt(len(recall))))
            (law, law_error), (mean, error) = laws[-1], means[-1]
            tolerance = within * np.hypot(law_error, error)
            name = f"recall of n = {n} pairs, d = {d}"
            yield Case(name, law, mean, tolerance, evidence="statistics").of("a")
        predicted.append(half_recall(sizes, *np.transpose(laws)))
        measured.append(half_recall(sizes, *np.transpose(means)))

    for name, log_y in (("n*", lambda log_n, _: log_n), ("(n* + 2d - 1) z^2", log_square)):
        fits = []
        for log_n, error in (np.transpose(predicted), np.transpose(measured)):
            y = log_y(log_n, widths)
            fits.append(exponent(widths, y, log_y(log_n + error, widths) - y))
        (law, law_error), (slope, error) = fits
        case = f"exponent of {name}, d = {widths[0]} to {widths[-1]} (± {error:.1g})"
        tolerance = within * np.hypot(law_error, error)
        yield Case(case, law, slope, tolerance, evidence="statistics").of("b")

"""Checks of AM1 to AM3: the scores of associative memories, their noise, and what is recalled."""

from __future__ import annotations

from collections.abc import Iterator
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from assocmem import AssociativeMemory, FrozenEmbeddings, InductionTask, gaussian, orthonormal
from assocmem.vectors.families import FAMILIES
from validation import tolerances
from validation.cases import Case, Check, Context, agreement

Array = NDArray[np.float64]


# --- AM1


def exact_scores(context: Context) -> Iterator[Case]:
    """AM1: orthonormal keys and values give back the coefficients."""
    n, m, d = (100, 60, 256) if context.full else (30, 20, 64)
    C = context.rng.standard_normal((m, n))
    W = AssociativeMemory(
        keys=orthonormal(n, d, rng=context.rng),
        values=orthonormal(m, d, rng=context.rng),
        coefficients=C,
    )
    # Four products of inner length <= d, each off by d eps in norm, against the largest entry.
    rounding = 4 * d * sqrt(n * m) * np.finfo(float).eps
    yield agreement(f"orthonormal rows, d = {d}", C, W.scores(), rounding)
    read = AssociativeMemory.from_matrix(W.matrix, W.keys, W.values)
    yield agreement("... through the matrix and back", C, read.coefficients, 2 * rounding)

    emb = FrozenEmbeddings.orthonormal(InductionTask(n_tokens=n // 2, length=n // 2))
    C = context.rng.standard_normal((emb.n_outputs, len(emb.atoms)))
    W = AssociativeMemory(keys=emb.atoms, values=emb.outputs, coefficients=C)
    yield agreement("one-hot atoms and outputs: no rounding", C, W.scores(), 0.0)

    integers = context.rng.integers(-(2**40), 2**40, size=(m, n))
    W = AssociativeMemory(
        keys=np.eye(d, dtype=int)[:n], values=np.eye(d, dtype=int)[:m], coefficients=integers
    )
    largest = np.abs(W.scores() - integers).max()  # in integers
    yield Case("integers: largest difference", 0, largest, 0)


# --- AM2


def score_variance(C: Array, d_keys: int, d_values: int, family: str) -> Array:
    """Variance of every score v_k' W u_i over random keys and values; the mean is C_ki."""

    def squared_overlap(n: int, d: int) -> Array:  # E (u_l' u_i)^2
        fourth_moment = 1 + 2 / d if family == "gaussian" else 1.0
        return np.where(np.eye(n, dtype=bool), fourth_moment, 1 / d)

    m, n = C.shape
    return squared_overlap(m, d_values) @ C**2 @ squared_overlap(n, d_keys) - C**2


def drawn_scores(
    C: Array, d_keys: int, d_values: int, family: str, draws: int, rng: np.random.Generator
) -> Array:
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


def score_moments(context: Context) -> Iterator[Case]:
    """AM2: mean and variance of scores over keys and values drawn again and again."""
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


# --- AM3


def measured_recall(n: int, d: int, memories: int, rng: np.random.Generator) -> Array:
    """Recall of independent memories of n Gaussian pairs."""
    return np.array(
        [
            AssociativeMemory(keys=gaussian(n, d, rng=rng), values=gaussian(n, d, rng=rng)).recall()
            for _ in range(memories)
        ]
    )


def recall_law(n: int, d: int, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    """P(X > Y), the exact probability that a pair is recalled, by sampling; and its error.

    X is the right score, Y the largest of n - 1 wrong ones, both over the norm of the wrong ones.
    """

    def chi(freedom: int, size: int) -> Array:
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


def half_recall(sizes: Array, recall: Array, error: Array) -> tuple[float, float]:
    """ln n at recall 1/2, interpolated between two sizes n, and its standard error.

    Phi^-1(recall) is nearly linear in ln n, and equally so for prediction and measurement.
    """
    a, b = stats.norm.ppf(recall)
    a_error, b_error = error / stats.norm.pdf([a, b])
    start, end = np.log(sizes)
    weight_error = np.hypot(b * a_error, a * b_error) / (a - b) ** 2
    return start + a / (a - b) * (end - start), weight_error * (end - start)


def log_square(log_n: Array, widths: Array) -> Array:
    """ln of (n + 2d - 1) z_n^2, which is d^2 at capacity to leading order."""
    n = np.exp(log_n)
    return np.log((n + 2 * widths - 1) * np.vectorize(largest_wrong)(n) ** 2)


def exponent(widths: Array, log_y: Array, error: Array) -> Array:
    """Least-squares slope of log y on ln d, and its standard error."""
    x = np.log(widths) - np.log(widths).mean()
    return np.array([x @ log_y, np.sqrt(x**2 @ error**2)]) / (x @ x)


def recall_and_capacity(context: Context) -> Iterator[Case]:
    """AM3: recall below and above capacity at several widths, and the exponent of capacity."""
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
            yield Case(f"recall of n = {n} pairs, d = {d}", law, mean, tolerance)
        predicted.append(half_recall(sizes, *np.transpose(laws)))
        measured.append(half_recall(sizes, *np.transpose(means)))

    for name, log_y in (("n*", lambda log_n, _: log_n), ("(n* + 2d - 1) z^2", log_square)):
        fits = []
        for log_n, error in (np.transpose(predicted), np.transpose(measured)):
            y = log_y(log_n, widths)
            fits.append(exponent(widths, y, log_y(log_n + error, widths) - y))
        (law, law_error), (slope, error) = fits
        case = f"exponent of {name}, d = {widths[0]} to {widths[-1]} (± {error:.1g})"
        yield Case(case, law, slope, within * np.hypot(law_error, error))


CHECKS: dict[str, Check] = {
    "AM1": exact_scores,
    "AM2": score_moments,
    "AM3": recall_and_capacity,
}

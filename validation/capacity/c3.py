"""Check of C3: about d^(1/(2 alpha)) items are recalled under Zipf weights of exponent alpha."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from assocmem import capacity
from validation.capacity.draws import Estimate
from validation.memory.one_to_one import measured_recall
from validation.memory.recall import exponent
from validation.runner import tolerances
from validation.runner.cases import Case, Context


def recalled_items(
    alpha: float, d: int, n: int, items: NDArray[np.int64], draws: int, rng: np.random.Generator
) -> Estimate:
    """How many of n Zipf-weighted items are recalled, from a random item of each stratum."""
    weights = np.arange(1.0, n + 1) ** -alpha
    rates = np.array(
        [
            capacity.sampled_recall(n, d, weights=weights, item=int(i), draws=draws, rng=rng).value
            for i in items
        ]
    )
    # Within a stratum the variance of one draw is below p(1 - p) of its mean: an upper bound.
    spread = np.maximum(rates * (1 - rates), 1 / draws)
    return float(n * rates.mean()), n * sqrt(spread.sum() / draws) / len(items)


def check(context: Context) -> Iterator[Case]:
    """C3: drawn memories against the exact law, and the exact law against its limit."""
    rng, tests = context.rng, 16 if context.full else 11
    memories, draws = (1000, 1000) if context.full else (200, 200)
    within = tolerances.standard_errors(tests, freedom=memories - 1)
    for d in (32, 128):
        n = round(6 * sqrt(d))
        weights = np.diag(1 / np.arange(1, n + 1))
        counts = n * measured_recall(n, d, memories, rng, weights)
        predicted, law_error = recalled_items(1, d, n, np.arange(n), draws, rng)
        error = np.std(counts, ddof=1) / sqrt(memories)
        tolerance = within * np.hypot(law_error, error)
        yield Case(
            f"recalled of {n} items, a = 1, d = {d}",
            predicted,
            float(np.mean(counts)),
            tolerance,
            evidence="statistics",
        ).of("a")

    for alpha in (1.0, 1.5):
        yield from limit_of_zipf(alpha, (10**5, 10**6, 10**7), 20, within, rng)
    if context.full:
        yield from limit_of_zipf(0.75, (10**4, 10**5, 10**6), 20, within, rng)
    for alpha in (1.0, 1.5) if context.full else (1.0,):
        yield all_of_zipf(alpha, 10**5, memories, within, rng).of("b")


def limit_of_zipf(
    alpha: float, widths: Sequence[int], draws: int, within: float, rng: np.random.Generator
) -> Iterator[Case]:
    """The number of recalled items at widths that no memory is drawn at, and its exponent.

    Of the items up to x = 4 only; for all see `all_of_zipf`. The tolerance adds `crosstalk`.
    """
    strata, reach = 40, 4
    counts, errors, biases = [], [], []
    for d in widths:
        scale = d ** (1 / (2 * alpha))
        n = round(reach * scale)
        items = (np.arange(strata) + rng.random(strata)) / strata * n
        items = items.astype(int)
        x = (items + 1) / scale
        limit = capacity.zipf_recall(x, alpha)
        count, error = recalled_items(alpha, d, n, items, draws, rng)
        bias = crosstalk(alpha, d, n) * n * np.mean(limit * x**alpha)
        predicted = n * limit.mean()
        yield Case(
            f"recalled items, a = {alpha:g}, d = {d:.0e}",
            predicted,
            count,
            within * error + bias,
            evidence="statistics",
        ).of("a")
        counts.append(count)
        errors.append(error / count)
        biases.append(bias / count)
    slope, error = exponent(np.array(widths), np.log(counts), np.array(errors))
    drift = 2 * max(biases) / log(widths[-1] / widths[0])
    case = f"exponent of recalled items, a = {alpha:g} (± {error:.1g})"
    yield Case(case, 1 / (2 * alpha), slope, within * error + drift, evidence="statistics").of("b")


def crosstalk(alpha: float, d: int, n: int) -> float:
    """(1 + 1/a) e, e = sqrt(2 S ln n / d): of what the limit drops.

    Crosstalk lowers the threshold by the factor 1 - e x^a, and so changes the number of items by
    (1 + 1/a) e ∫ F x^a dx.
    """
    squares = np.sum(np.arange(1.0, n + 1) ** (-2 * alpha))
    return float((1 + 1 / alpha) * sqrt(2 * squares * log(n) / d))


def all_of_zipf(alpha: float, d: int, draws: int, within: float, rng: np.random.Generator) -> Case:
    """All recalled items, over d^(1/(2a)): the integral of F over all places, among many items.

    In the limit an item is recalled up to the place min_k k / g_k^(1/a) over the heavy rivals with
    overlaps g_k > 0. That is cheap to draw often; few draws of the law then show what it leaves.
    """
    from scipy.integrate import quad

    reach, places = 40, 100
    scale = d ** (1 / (2 * alpha))
    n = round(reach * scale)
    rank = np.arange(1.0, n + 1)
    weights = rank**-alpha

    def edge(g: np.ndarray) -> np.ndarray:  # beyond rank 200 overlaps matter to edges near 40 only
        smallest: np.ndarray = (rank[: g.shape[-1]] / np.maximum(g, 1e-9) ** (1 / alpha)).min(
            axis=-1
        )
        return np.minimum(smallest, reach)

    left = []
    for _ in range(draws):
        g, h = rng.standard_normal((2, n))
        own, gamma = np.sqrt(rng.chisquare(d, 2))
        items = ((np.arange(places) + rng.random(places)) / places * n).astype(int)
        recalled = sum(is_recalled(int(i), weights, g, h, own, gamma) for i in items)
        left.append(reach * recalled / places - edge(g))
    edges = np.concatenate([edge(rng.standard_normal((5000, 200))) for _ in range(10)])
    error = np.hypot(np.std(left, ddof=1) / sqrt(draws), np.std(edges, ddof=1) / sqrt(edges.size))
    integral, moment = (
        quad(lambda x, p=p: float(capacity.zipf_recall(x, alpha)) * x**p, 0, reach)[0]
        for p in (0, alpha)
    )
    tolerance = within * error + crosstalk(alpha, d, n) * moment
    case = f"items recalled of n = {n} / d^(1/(2a)), a = {alpha:g}, d = {d:.0e}"
    return Case(
        case, integral, float(np.mean(edges) + np.mean(left)), tolerance, evidence="statistics"
    )


def is_recalled(
    i: int, weights: np.ndarray, g: np.ndarray, h: np.ndarray, own: float, gamma: float
) -> bool:
    """Whether item i scores highest, by the exact law of C3 for g, h, A = own and gamma."""
    beta = weights * g
    beta[i] = weights[i] * own
    length = np.linalg.norm(beta)
    scores = beta + length / (gamma - h @ beta / length) * h
    return bool(np.argmax(scores) == i)

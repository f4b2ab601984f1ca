"""Checks of C1 to C7: moments, laws of recall and capacity, against memories that are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

import assocmem as am
from assocmem import capacity
from assocmem.capacity import LinearRule, Rule
from assocmem.vectors.families import FAMILIES
from validation import tolerances
from validation.cases import ROUNDING, Case, Check, Context, agreement
from validation.memory import exponent, half_recall

Array = NDArray[np.float64]
Estimate = tuple[float, float]  # a mean and its standard error


# --- C1


def drawn_scores(C: Array, d: int, family: str, draws: int, rng: np.random.Generator) -> Array:
    """V Vᵀ C U Uᵀ, the scores of independent memories with coefficients C: (draws, m, n)."""
    m, n = C.shape
    U, V = (FAMILIES[family](draws * k, d, rng=rng).reshape(draws, k, d) for k in (n, m))
    scores: Array = V @ V.transpose(0, 2, 1) @ C @ U @ U.transpose(0, 2, 1)
    return scores


def margins_of_scores(context: Context) -> Iterator[Case]:
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


# --- Recall of memories that are drawn, and by the exact law


def drawn_recall(
    n: int, d: int, memories: int, rng: np.random.Generator, *, m: int = 0, rule: Rule
) -> Estimate:
    """Mean recall of independent memories of n Gaussian keys, m values (n if 0); and its error.

    At most 200 keys of each are asked: those of one memory are alike.
    """
    targets = np.arange(n) % (m or n)
    asked = slice(0, 200)

    def recall() -> float:
        keys, values = am.gaussian(n, d, rng=rng), am.gaussian(m or n, d, rng=rng)
        if rule == "outer products":  # the matrix is cheaper than the coefficients
            memory = am.AssociativeMemory(
                keys=np.eye(d), values=np.eye(d), coefficients=values[targets].T @ keys
            )
        else:
            memory = capacity.memorise(keys, values, targets, rule=rule)
        return memory.recall(targets[asked], keys=keys[asked], values=values)

    found = [recall() for _ in range(memories)]
    return float(np.mean(found)), float(np.std(found, ddof=1)) / sqrt(memories)


def law(
    n: int,
    d: int,
    draws: int,
    rng: np.random.Generator,
    *,
    classes: int | None = None,
    rule: LinearRule = "outer products",
) -> Estimate:
    """The exact probability of recall, sampled; and the error of that."""
    rate = capacity.sampled_recall(n, d, classes=classes, rule=rule, draws=draws, rng=rng)
    return rate.value, sqrt(max(rate.value * (1 - rate.value), 1 / draws) / draws)


# --- C2


def many_to_one(context: Context) -> Iterator[Case]:
    """C2: recall below and above capacity, and the exponent of capacity, for two kinds of maps."""
    widths = np.array((24, 48, 96, 192) if context.full else (24, 48, 96))
    memories, draws = (400, 100_000) if context.full else (40, 20_000)
    kinds: tuple[tuple[str, Callable[[int], int]], ...] = (
        ("16 classes", lambda d: 16),
        ("d classes", lambda d: d),
    )
    tests = len(kinds) * (2 * len(widths) + 1)
    within = tolerances.standard_errors(tests, freedom=memories - 1)
    for name, classes in kinds:
        points = []
        for d in map(int, widths):
            m = classes(d)
            most = capacity.capacity(d, classes=m) / m  # keys per class
            sizes = m * np.array([np.floor(0.85 * most), np.ceil(1.2 * most)]).astype(int)
            laws, means = [], []
            for n in sizes:
                laws.append(law(n, d, draws, context.rng, classes=m))
                means.append(drawn_recall(n, d, memories, context.rng, m=m, rule="outer products"))
                (predicted, law_error), (measured, error) = laws[-1], means[-1]
                yield Case(
                    f"recall of n = {n} keys, {m} classes, d = {d}",
                    predicted,
                    measured,
                    within * np.hypot(law_error, error),
                )
            points.append([half_recall(sizes, *np.transpose(side)) for side in (laws, means)])
        sides = np.array(points)  # (width, law or measured, ln n* or its error)
        (slope, slope_error), (found, error) = (
            exponent(widths, sides[:, side, 0], sides[:, side, 1]) for side in (0, 1)
        )
        case = f"exponent of n*, {name}, d = {widths[0]} to {widths[-1]} (± {error:.1g})"
        yield Case(case, slope, found, within * np.hypot(slope_error, error))


# --- C3


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


def zipf_weights(context: Context) -> Iterator[Case]:
    """C3: drawn memories against the exact law, and the exact law against its limit."""
    rng, tests = context.rng, 16 if context.full else 11
    memories, draws = (1000, 1000) if context.full else (200, 200)
    within = tolerances.standard_errors(tests, freedom=memories - 1)
    for d in (32, 128):
        n = round(6 * sqrt(d))
        weights = 1 / np.arange(1, n + 1)
        counts = [
            np.sum(
                am.AssociativeMemory(
                    keys=am.gaussian(n, d, rng=rng),
                    values=am.gaussian(n, d, rng=rng),
                    coefficients=np.diag(weights),
                ).margin()
                > 0
            )
            for _ in range(memories)
        ]
        predicted, law_error = recalled_items(1, d, n, np.arange(n), draws, rng)
        error = np.std(counts, ddof=1) / sqrt(memories)
        tolerance = within * np.hypot(law_error, error)
        yield Case(
            f"recalled of {n} items, a = 1, d = {d}", predicted, float(np.mean(counts)), tolerance
        )

    for alpha in (1.0, 1.5):
        yield from limit_of_zipf(alpha, (10**5, 10**6, 10**7), 20, within, rng)
    if context.full:
        yield from limit_of_zipf(0.75, (10**4, 10**5, 10**6), 20, within, rng)
    for alpha in (1.0, 1.5) if context.full else (1.0,):
        yield all_of_zipf(alpha, 10**5, memories, within, rng)


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
            f"recalled items, a = {alpha:g}, d = {d:.0e}", predicted, count, within * error + bias
        )
        counts.append(count)
        errors.append(error / count)
        biases.append(bias / count)
    slope, error = exponent(np.array(widths), np.log(counts), np.array(errors))
    drift = 2 * max(biases) / log(widths[-1] / widths[0])
    case = f"exponent of recalled items, a = {alpha:g} (± {error:.1g})"
    yield Case(case, 1 / (2 * alpha), slope, within * error + drift)


def crosstalk(alpha: float, d: int, n: int) -> float:
    """(1 + 1/a) e, e = sqrt(2 S ln n / d): of what the limit drops.

    Crosstalk lowers the threshold by the factor 1 - e x^a, and so changes the number of items by
    (1 + 1/a) e ∫ F x^a dx.
    """
    squares = np.sum(np.arange(1.0, n + 1) ** (-2 * alpha))
    return float((1 + 1 / alpha) * sqrt(2 * squares * log(n) / d))


def all_of_zipf(alpha: float, d: int, draws: int, within: float, rng: np.random.Generator) -> Case:
    """All recalled items, over d^(1/2a): the integral of F over all places, among many items.

    In the limit an item is recalled up to the place min_k k / g_k^(1/a) over the heavy rivals with
    overlaps g_k > 0. That is cheap to draw often; few draws of the law then show what it leaves.
    """
    from scipy.integrate import quad

    reach, places = 40, 100
    scale = d ** (1 / (2 * alpha))
    n = round(reach * scale)
    rank = np.arange(1.0, n + 1)
    weights = rank**-alpha

    def edge(g: Array) -> Array:  # beyond rank 200 overlaps matter to edges near 40 only
        smallest: Array = (rank[: g.shape[-1]] / np.maximum(g, 1e-9) ** (1 / alpha)).min(axis=-1)
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
    case = f"items recalled of n = {n} / d^(1/2a), a = {alpha:g}, d = {d:.0e}"
    return Case(case, integral, float(np.mean(edges) + np.mean(left)), tolerance)


def is_recalled(i: int, weights: Array, g: Array, h: Array, own: float, gamma: float) -> bool:
    """Whether item i scores highest, by the exact law of C3 for g, h, A = own and gamma."""
    beta = weights * g
    beta[i] = weights[i] * own
    length = np.linalg.norm(beta)
    scores = beta + length / (gamma - h @ beta / length) * h
    return bool(np.argmax(scores) == i)


# --- C4


def rules(context: Context) -> Iterator[Case]:
    """C4: recall of three rules against their exact laws, at the capacity of outer products."""
    sizes = ((16, 100), (32, 60), (64, 50)) if context.full else ((16, 60), (32, 30))
    names: tuple[LinearRule, ...] = ("outer products", "gradient step", "pseudo-inverse")
    tests, draws = 2 * 3 * len(sizes), 40_000 if context.full else 20_000
    for d, memories in sizes:
        within = tolerances.standard_errors(tests, freedom=memories - 1)
        most = round(capacity.capacity(d))
        for n, rule in ((n, rule) for n in (most, most + d) for rule in names):
            predicted, law_error = law(n, d, draws, context.rng, rule=rule)
            measured, error = drawn_recall(n, d, memories, context.rng, rule=rule)
            tolerance = within * np.hypot(law_error, error)
            yield Case(f"{rule}: recall of {n} pairs, d = {d}", predicted, measured, tolerance)
    d, n = 32, 24
    keys, values = am.gaussian(n, d, rng=context.rng), am.gaussian(n, d, rng=context.rng)
    scores = capacity.memorise(keys, values, rule="pseudo-inverse").scores()
    rounding = ROUNDING * np.linalg.cond(keys)
    yield agreement(
        f"pseudo-inverse, n = {n} < d: values as stored", values @ values.T, scores, rounding
    )


# --- C5


def largest(fits: Callable[[int], bool], low: int, high: int) -> int:
    """The largest number up to `high` that fits, by bisection; `low` is taken to fit."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def recalled_in_full(d: int, most: int, rng: np.random.Generator) -> tuple[int, int]:
    """How many of up to `most` drawn pairs cross-entropy and outer products recall in full."""
    keys, values = am.gaussian(most, d, rng=rng), am.gaussian(most, d, rng=rng)

    def recalls_all(n: int, rule: Rule) -> bool:
        return capacity.memorise(keys[:n], values[:n], rule=rule).recall() == 1

    found = largest(lambda n: recalls_all(n, "cross-entropy"), 1, most)
    outer = max(n for n in range(1, 4 * d) if n == 1 or recalls_all(n, "outer products"))
    return found, outer


def counting(context: Context) -> Iterator[Case]:
    """C5: what cross-entropy recalls in full, between outer products and the counting bound.

    The mean of several draws: in one, outer products may recall a single pair, as any matrix does.
    """
    for d in (4, 8, 16) if context.full else (4, 8):
        bound = capacity.storage_bound(d, delta=1e-7)
        draws = [recalled_in_full(d, 2 * bound, context.rng) for _ in range(6)]
        found, outer = np.mean(draws, axis=0)
        case = f"recalled in full: between outer products and the bound, d = {d}"
        yield Case(case, bound, found, bound - outer)


# --- C6 and C7


def cross_entropy(context: Context) -> Iterator[Case]:
    """C6: cross-entropy where outer products recall half, and at four times as many pairs."""
    sizes = ((8, 40), (16, 40), (32, 20)) if context.full else ((8, 10), (16, 10))
    for d, memories in sizes:
        most = round(capacity.capacity(d))
        full, _ = drawn_recall(most, d, memories, context.rng, rule="cross-entropy")
        yield Case(f"recall of n* = {most} pairs, d = {d}", 1, full, 0.01)
        beyond, _ = drawn_recall(4 * most, d, memories, context.rng, rule="cross-entropy")
        yield Case(f"recall of 4 n* pairs: below 1/2, d = {d}", 0.25, beyond, 0.25)


def gaussian_approximation(context: Context) -> Iterator[Case]:
    """C7: the Gaussian approximation against the exact law, from nearly full recall to little."""
    widths = (8, 16, 32, 64) if context.full else (8, 16, 32)
    draws = 400_000 if context.full else 20_000
    factors = (0.4, 0.7, 1, 2)
    tests = 2 * len(widths) * len(factors)
    within = tolerances.standard_errors(tests)
    for d in widths:
        for classes in (None, 8):
            for factor in factors:
                most = factor * capacity.capacity(d, classes=classes)
                n = 8 * max(1, round(most / 8)) if classes else round(most)
                exact, error = law(n, d, draws, context.rng, classes=classes)
                approximate = capacity.recall_probability(n, d, classes=classes)
                case = f"n = {n}, {f'{classes} classes' if classes else 'one to one'}, d = {d}"
                yield Case(case, approximate, exact, 1 / (2 * d) + within * error)


CHECKS: dict[str, Check] = {
    "C1": margins_of_scores,
    "C2": many_to_one,
    "C3": zipf_weights,
    "C4": rules,
    "C5": counting,
    "C6": cross_entropy,
    "C7": gaussian_approximation,
}

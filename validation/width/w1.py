"""Check of W1: two Bartlett factors have the law of random embeddings at any width d >= n."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import log, sqrt

import numpy as np
from scipy import stats

import assocmem as am
from validation.runner import tolerances
from validation.runner.cases import FALSE_ALARM, Case, Context
from validation.width.direct_draws import TASK, FixedModel, same_mean

SMALL = am.InductionTask(n_tokens=3, length=4)  # n = 16


def pivots(emb: am.FrozenEmbeddings, d: int) -> dict[str, float]:
    """Statistics of known law at every width: squares are chi^2_d, overlaps standard normal."""
    n = len(emb.inputs)
    x, y, image, other = (emb.atoms[i] for i in (0, 1, n, n + 1))
    (value, of_image, of_other), output = emb.values[[0, n, n + 1]], emb.outputs[0]

    def cosine(u: np.ndarray, v: np.ndarray, of: np.ndarray, against: np.ndarray) -> float:
        return float(sqrt(d) * (u @ v) / sqrt((of @ of) * (against @ against)))

    def images(u: np.ndarray, v: np.ndarray, image_u: np.ndarray, image_v: np.ndarray) -> float:
        """Given u and v, the image of what is left of v across u is Gaussian too."""
        along = (u @ v) / (u @ u)
        return cosine(image_u, image_v - along * image_u, image_u, v - along * u)

    return {
        "|x|^2": d * (x @ x),
        "|Phi x|^2 / |x|^2": d * (image @ image) / (x @ x),
        "|W_V Phi x|^2 / |Phi x|^2": d * (of_image @ of_image) / (image @ image),
        "<x, y> / |x|": cosine(x, y, x, np.ones(1)),
        "<x, Phi x> / |x|^2": cosine(x, image, x, x),
        "<u, Phi x> / |u||x|": cosine(output, image, output, x),
        "<Phi x, Phi y'> / |Phi x||y'|": images(x, y, image, other),
        "<W_V x, W_V z'> / |W_V x||z'|": images(x, other, value, of_other),  # z = Phi y
    }


def same_law(case: str, one: np.ndarray, other: np.ndarray, *, tests: int) -> Case:
    """Kolmogorov's distance of two samples of one size, at least 458: [WD2012]."""
    distance = stats.ks_2samp(one, other).statistic
    return Case(
        case, 0.0, distance, sqrt(log(2 * tests / FALSE_ALARM) / len(one)), evidence="statistics"
    )


# Compared by the law of one entry; every kind is compared by the mean square of all its entries.
BY_LAW = (
    "<x, x'>", "<x, Phi x'>", "<Phi x, Phi x'>", "<W_V x, W_V Phi x'>",
    "scores of W_K2", "scores of W_O2", "logits",
)  # fmt: skip


def check(context: Context) -> Iterator[Case]:
    """W1: exact laws up to d = 10^9; direct draws up to d = 2048, the sphere included."""
    rng, full = context.rng, context.full
    widths, draws = ((16, 300, 10**6, 10**9), 1000) if full else ((16, 10**9), 300)
    pairs = [("gaussian", 64, 460)]  # (family, d, draws)
    pairs += [("sphere", 64, 460), ("gaussian", 300, 460), ("gaussian", 2048, 120)] if full else []
    model = FixedModel(rng)
    tests = 8 * len(widths) + (len(model.limit) + len(BY_LAW)) * len(pairs)
    for d in widths:
        rows = [
            pivots(am.FrozenEmbeddings.random(SMALL, width=d, compressed=True, rng=rng), d)
            for _ in range(draws)
        ]
        for name in rows[0]:
            cdf = stats.chi2(d).cdf if name.startswith("|") else stats.norm.cdf
            values = [row[name] for row in rows]
            yield tolerances.law(f"d = {d}: {name}", values, cdf, tests=tests)
    for family, d, draws in pairs:
        yield from without_and_with_the_width(model, family, d, draws, tests, rng)


def without_and_with_the_width(
    model: FixedModel, family: str, d: int, draws: int, tests: int, rng: np.random.Generator
) -> Iterator[Case]:
    """Direct draws of one width against those that never form it."""
    random = partial(am.FrozenEmbeddings.random, TASK, width=d, family=family, rng=rng)
    direct, drawn = (
        model.samples(partial(random, compressed=compressed), draws) for compressed in (False, True)
    )
    where = f"{family}, d = {d}:"
    for name in BY_LAW if draws >= 458 else ():
        yield same_law(f"{where} {name}", direct.first[name], drawn.first[name], tests=tests)
    for name, squares in direct.pooled.items():
        case = f"{where} noise^2 of {name}"
        yield same_mean(case, d * squares, d * drawn.pooled[name], tests=tests)

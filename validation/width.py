"""Checks of W1 to W4: the law without the width, the noise of the steps, and widths that do."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

import assocmem as am
from assocmem.width import moments as step_noise
from assocmem.width.wick import Moments
from validation import tolerances
from validation.cases import FALSE_ALARM, Case, Check, Context
from validation.direct_draws import TASK, FixedModel, same_mean
from validation.gradient_noise import noise_of_gradients
from validation.head import NEAR, Head, crossing, mean_recall

Array = NDArray[Any]


# --- W1

SMALL = am.InductionTask(n_tokens=3, length=4)  # n = 16


def pivots(emb: am.FrozenEmbeddings, d: int) -> dict[str, float]:
    """Statistics of known law at every width: squares are chi^2_d, overlaps standard normal."""
    n = len(emb.inputs)
    x, y, image, other = (emb.atoms[i] for i in (0, 1, n, n + 1))
    (value, of_image, of_other), output = emb.values[[0, n, n + 1]], emb.outputs[0]

    def cosine(u: Array, v: Array, of: Array, against: Array) -> float:
        return float(sqrt(d) * (u @ v) / sqrt((of @ of) * (against @ against)))

    def images(u: Array, v: Array, image_u: Array, image_v: Array) -> float:
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


def same_law(case: str, one: Array, other: Array, *, tests: int) -> Case:
    """Kolmogorov's distance of two samples of one size, at least 458: [WD2012]."""
    distance = stats.ks_2samp(one, other).statistic
    return Case(case, 0.0, distance, sqrt(log(2 * tests / FALSE_ALARM) / len(one)))


# Compared by the law of one entry; every kind is compared by the mean square of all its entries.
BY_LAW = (
    "<x, x'>", "<x, Phi x'>", "<Phi x, Phi x'>", "<W_V x, W_V Phi x'>",
    "scores of W_K2", "scores of W_O2", "logits",
)  # fmt: skip


def law_without_width(context: Context) -> Iterator[Case]:
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
        direct, without_width = (
            model.samples(
                partial(
                    am.FrozenEmbeddings.random,
                    TASK, width=d, family=family, compressed=compressed, rng=rng,
                ),
                draws,
            )
            for compressed in (False, True)
        )  # fmt: skip
        for name in BY_LAW if draws >= 458 else ():
            yield same_law(
                f"{family}, d = {d}: {name}",
                direct.first[name], without_width.first[name], tests=tests,
            )  # fmt: skip
        for name, mean_squares in direct.pooled.items():
            yield same_mean(
                f"{family}, d = {d}: noise^2 of {name}",
                d * mean_squares, d * without_width.pooled[name], tests=tests,
            )  # fmt: skip


# --- W2

KEYS = {"W_O2": "values", "W_K2": "atoms", "W_K1": "positions"}
VALUES = {"W_O2": "outputs", "W_K2": "atoms", "W_K1": "positions"}


def written(
    memory: am.AssociativeMemory, name: str, embeddings: am.FrozenEmbeddings
) -> am.AssociativeMemory:
    """A memory's coefficients, written with other embeddings."""
    return am.AssociativeMemory(
        keys=getattr(embeddings, KEYS[name]),
        values=getattr(embeddings, VALUES[name]),
        coefficients=memory.coefficients,
    )


def asked(memory: am.AssociativeMemory, probe: am.Probe) -> Array:
    """The scores that a probe compares: (cues, answers)."""
    oriented = memory.T if probe.by_query else memory
    return oriented.scores(keys=probe.cues, values=probe.answers).T


def in_context(memory: am.AssociativeMemory, embeddings: am.FrozenEmbeddings, tokens: Array) -> Any:
    """Scores of the first layer on one sequence, (T-2, T): rows t = 2 .. T-1."""
    x = embeddings.tokens[tokens] + embeddings.positions
    return memory.scores(keys=x, values=x[1:-1])


def noise_of_steps(context: Context) -> Iterator[Case]:
    """W2: means, variances and covariances of scores over draws, at widths from n up to 10^8.

    Squares of noise are skewed, at d = 48 most: few draws of those would alarm falsely. The quick
    profile therefore has d = 1000 only, where the exact variances of W_O2 and W_K2 are within 1 %
    of their leading order in 1/d: it is the full profile, at d = 48, that tells the two apart.
    """
    task = am.InductionTask(n_tokens=8, length=8, n_triggers=2)
    widths, draws = ((48, 300, 10**8), 10_000) if context.full else ((1000,), 2500)
    memories = am.top_down(task, evaluate_on=1).memories
    tokens = task.sample(1, rng=context.rng).tokens[0]
    moments = step_noise.recall_moments(task, memories)
    moments["W_K1 in context"] = step_noise.head_moments(
        task, memories["W_K1"].coefficients, tokens, np.arange(1, task.length - 1)
    )
    for d in widths:
        scores: dict[str, list[Array]] = {name: [] for name in moments}
        for _ in range(draws):
            emb = am.FrozenEmbeddings.random(task, width=d, compressed=True, rng=context.rng)
            for name, memory in memories.items():
                W = written(memory, name, emb)
                scores[name].append(asked(W, am.probe(name, task, emb)))
            scores["W_K1 in context"].append(in_context(W, emb, tokens))
        for name, predicted in moments.items():
            yield from moment_cases(
                f"{name}, d = {d}", predicted, np.array(scores[name]), d,
                tests=3 * len(moments) * len(widths),
            )  # fmt: skip


def moment_cases(
    case: str, predicted: Moments, scores: Array, d: int, *, tests: int
) -> Iterator[Case]:
    """Three numbers of each draw against their means, all scores together.

    The noise along its predicted correlations is a weighted mean of the squares and products of all
    scores, so a wrong term anywhere shifts it.
    """
    mean, covariance = predicted.mean(d), predicted.covariance(d)
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    noise = scores - mean
    coefficients = predicted.mean(np.inf)
    over_variance = noise / variance
    along = np.einsum("nqi,qij,nqj->n", over_variance, covariance, over_variance, optimize=True)
    correlations = covariance**2 / (variance[:, :, None] * variance[:, None, :])  # squared
    for name, statistic, value in (
        ("mean, along the coefficients", (noise * coefficients).sum((1, 2)), 0.0),
        ("noise / variance", (noise * over_variance).mean((1, 2)), 1.0),
        ("along correlations", along / np.sum(correlations), 1.0),
    ):
        yield tolerances.sample_mean(f"{case}: {name}", value, statistic, tests=tests)


# --- W3


def sufficient_width(task: am.InductionTask, delta: float) -> tuple[int, dict[str, Any]]:
    """Smallest d where Cantelli and the union bound leave at most delta; and the memories."""
    memories = am.top_down(task, evaluate_on=1).memories
    moments = step_noise.recall_moments(task, memories)
    limit = am.FrozenEmbeddings.orthonormal(task)
    probes = {name: am.probe(name, task, limit) for name in memories}

    def failure(log_d: float) -> float:
        return sum(
            step_noise.cantelli_failure(moments[name], np.exp(log_d), probe.targets, probe.among)
            for name, probe in probes.items()
        )

    root = optimize.brentq(lambda x: failure(x) - delta, log(10), log(1e12), xtol=1e-3)
    return int(np.ceil(np.exp(root + 1e-3))), memories


# Per size the stated width at delta = 0.1; how many times smaller a width is too small; and the
# share of draws where all is recalled there, at most.
SUFFICIENT = {
    (8, 16, 1): (4.25e4, 100, 0.7),
    (16, 32, 1): (6.82e4, 500, 0.7),
    (16, 64, 1): (1.42e6, 300, 0.2),
}


def all_recalled(
    task: am.InductionTask, memories: dict[str, Any], d: int, draws: int, rng: np.random.Generator
) -> int:
    """In how many draws of the embeddings every cue of every memory is recalled."""
    found = 0
    for _ in range(draws):
        emb = am.FrozenEmbeddings.random(task, width=d, compressed=True, rng=rng)
        found += all(
            am.probe(name, task, emb).recall(written(memory, name, emb)) == 1
            for name, memory in memories.items()
        )
    return found


def recalled_with_confidence(context: Context) -> Iterator[Case]:
    """W3: the width of the bound, how often a cue fails there, and that far below many do."""
    sizes = list(SUFFICIENT) if context.full else [(8, 16, 1)]
    delta, draws, few = 0.1, 1000 if context.full else 200, 600
    for size in sizes:
        task = am.InductionTask(*size)
        d, memories = sufficient_width(task, delta)
        stated, times, share = SUFFICIENT[size]
        where = f"(N, T, K) = {size}"
        # three digits stated, each half a unit of the last off at most: by 0.5 % or less
        yield Case(f"{where}: d off {stated:.3g}, |ln|", 0, abs(log(d / stated)), 0.005)
        failed = draws - all_recalled(task, memories, d, draws, context.rng)
        yield tolerances.frequency(
            f"{where}, d = {d}: some cue fails", delta, failed, draws, tests=2 * len(sizes)
        )
        found = all_recalled(task, memories, d // times, few, context.rng)
        yield tolerances.frequency(
            f"{where}: all recalled at d/{times}", share, found, few, tests=2 * len(sizes)
        )


# --- W4

# d* as stated, by (N, T), to 5 %: two digits, one sequence for all, and a probit line between two
# widths for the curve; a normal law for that of the scores.
HEAD_WIDTHS = {(16, 64): 5.1e3, (128, 64): 2.7e3, (16, 96): 6.2e4, (16, 128): 3.2e5}
STATED = log(1.05)


def width_of_first_layer(context: Context) -> Iterator[Case]:
    """W4: d* as stated against draws and against the normal law, and its local exponents."""
    sizes = list(HEAD_WIDTHS) if context.full else list(HEAD_WIDTHS)[:3]
    draws, normals = (2000, 4000) if context.full else (300, 1000)
    by_law = sizes if context.full else sizes[:1]
    pairs = [((16, 64), (128, 64)), ((16, 64), (16, 96)), ((16, 96), (16, 128))]
    pairs = [pair for pair in pairs if pair[1] in sizes]
    tests = len(sizes) + len(by_law) + len(pairs)
    within = tolerances.standard_errors(tests, freedom=draws - 1)
    found = {}
    for size in sizes:
        stated, name = HEAD_WIDTHS[size], f"N = {size[0]}, T = {size[1]}"
        head = Head(am.InductionTask(*size), context.rng, rows=size[1])
        widths, rows = np.round(stated * NEAR).astype(int), len(head.rows)
        recall = [head.measured(d, draws, context.rng) for d in widths]
        found[size] = measured, error = crossing(widths, *mean_recall(recall, rows))
        yield Case(f"ln d*, {name}", log(stated), measured, STATED + within * error)
        if size in by_law:
            rates = [head.normal_law(d, normals, context.rng) for d in widths]
            law, error = crossing(widths, *np.transpose(rates))
            yield Case(
                f"ln d* by the normal law, {name}", log(stated), law, STATED + within * error
            )
    for one, other in pairs:
        axis = 0 if one[1] == other[1] else 1
        apart = log(other[axis] / one[axis])
        stated = log(HEAD_WIDTHS[other] / HEAD_WIDTHS[one]) / apart
        slope = (found[other][0] - found[one][0]) / apart
        error = np.hypot(found[one][1], found[other][1]) / apart
        name = f"{'NT'[axis]} = {one[axis]} to {other[axis]} (± {error:.1g})"
        yield Case(
            f"local exponent of d*, {name}", stated, slope, 2 * STATED / apart + within * error
        )


CHECKS: dict[str, Check] = {
    "W1": law_without_width,
    "W2": noise_of_steps,
    "W3": recalled_with_confidence,
    "W4": width_of_first_layer,
    "W5": noise_of_gradients,
}

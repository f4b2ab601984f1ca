"""Checks of W1 to W4: the law without the width, the noise of the steps, and widths that do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

import assocmem as am
from theory import step_noise
from theory.wick import Moments
from validation import tolerances
from validation.cases import FALSE_ALARM, Case, Check, Context
from validation.gradient_noise import noise_of_gradients
from validation.head import Head, crossing, mean_recall

Array = NDArray[Any]


# --- W1

SMALL = am.InductionTask(n_tokens=3, length=4)  # n = 16


def drawn(d: int, rng: np.random.Generator, family: str = "gaussian") -> am.FrozenEmbeddings:
    """The draw under test."""
    return am.FrozenEmbeddings.random(SMALL, width=d, family=family, compressed=True, rng=rng)


def direct(d: int, rng: np.random.Generator, family: str = "gaussian") -> am.FrozenEmbeddings:
    """The definition: d x d matrices."""
    return am.FrozenEmbeddings.random(SMALL, width=d, family=family, rng=rng)


def pivots(emb: am.FrozenEmbeddings, d: int) -> dict[str, float]:
    """Statistics of known law at every width: squares are chi^2_d, overlaps standard normal."""
    n = len(emb.inputs)
    x, y, image, other = (emb.atoms[i] for i in (0, 1, n, n + 1))
    value, output = emb.values[n], emb.outputs[0]

    def cosine(u: Array, v: Array, of: Array, against: Array) -> float:
        return float(sqrt(d) * (u @ v) / sqrt((of @ of) * (against @ against)))

    # Given x and y, the part of Phi y that is no multiple of Phi x is a Gaussian image too.
    rest, across = y - (x @ y) / (x @ x) * x, other - (x @ y) / (x @ x) * image
    return {
        "|x|^2": d * (x @ x),
        "|Phi x|^2 / |x|^2": d * (image @ image) / (x @ x),
        "|W_V Phi x|^2 / |Phi x|^2": d * (value @ value) / (image @ image),
        "<x, y> / |x|": cosine(x, y, x, np.ones(1)),
        "<x, Phi x> / |x|^2": cosine(x, image, x, x),
        "<u, Phi x> / |u||x|": cosine(output, image, output, x),
        "<Phi x, Phi y'> / |Phi x||y'|": cosine(image, across, image, rest),
    }


def end_to_end(emb: am.FrozenEmbeddings, coefficients: dict[str, Array]) -> dict[str, float]:
    """Inner products of atoms, scores of fixed memories, logits of a fixed transformer."""
    n = len(emb.inputs)
    keys = {"W_K1": emb.positions, "W_K2": emb.atoms, "W_O2": emb.values}
    rows = keys | {"W_O2": emb.outputs}
    memories: dict[str, Any] = {
        name: am.AssociativeMemory(keys=keys[name], values=rows[name], coefficients=C)
        for name, C in coefficients.items()
    }
    model = am.FrozenTransformer(emb, readout="residual", **memories)
    tokens = np.array([[1, 0, 2, 1], [2, 1, 0, 2]])
    logits = model.logits(tokens, positions=[-1])
    return {
        "<x, y>": emb.atoms[0] @ emb.atoms[1],
        "<x, Phi y>": emb.atoms[0] @ emb.atoms[n + 1],
        "<Phi x, Phi y>": emb.atoms[n] @ emb.atoms[n + 1],
        "<W_V x, W_V Phi x>": emb.values[0] @ emb.values[n],
        "score of W_K2": memories["W_K2"].scores()[0, n],
        "score of W_O2": memories["W_O2"].scores()[0, 2],
        "first logit": logits[0, 0, 0],
        "second logit": logits[1, 0, 1],
    }


def same_law(case: str, one: Array, other: Array, *, tests: int) -> Case:
    """Kolmogorov's distance of two samples of one size, at least 458: [WD2012]."""
    distance = stats.ks_2samp(one, other).statistic
    return Case(case, 0.0, distance, sqrt(log(2 * tests / FALSE_ALARM) / len(one)))


def columns(rows: Sequence[dict[str, float]]) -> dict[str, Array]:
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def law_without_width(context: Context) -> Iterator[Case]:
    """W1: exact laws up to d = 10^9; direct draws at small widths, the sphere included."""
    rng, full = context.rng, context.full
    widths, draws = ((16, 300, 10**6, 10**9), 1000) if full else ((16, 10**9), 300)
    pairs = [("gaussian", 24)]
    pairs += [("sphere", 24), ("gaussian", 300)] if full else []
    size, n_atoms = 460, 2 * (3 + 4)
    tests = 7 * len(widths) + 8 * len(pairs)
    for d in widths:
        found = columns([pivots(drawn(d, rng), d) for _ in range(draws)])
        for name, values in found.items():
            cdf = stats.chi2(d).cdf if name.startswith("|") else stats.norm.cdf
            yield tolerances.law(f"d = {d}: {name}", values, cdf, tests=tests)
    coefficients = {
        name: rng.standard_normal(shape)
        for name, shape in (("W_K1", (4, 4)), ("W_K2", (n_atoms,) * 2), ("W_O2", (2, n_atoms)))
    }
    for family, d in pairs:
        one, other = (
            columns([end_to_end(draw(d, rng, family), coefficients) for _ in range(size)])
            for draw in (direct, drawn)
        )
        for name in one:
            yield same_law(f"{family}, d = {d}: {name}", one[name], other[name], tests=tests)


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

    Squares of noise are skewed, at d = 48 most: few draws of those would alarm falsely.
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


def recalled_with_confidence(context: Context) -> Iterator[Case]:
    """W3: how often a cue of some memory fails at the width of the bound."""
    sizes = [(8, 16, 1), *([(16, 32, 1), (16, 64, 1)] if context.full else [])]
    delta, draws = 0.1, 1000 if context.full else 200
    for size in sizes:
        task = am.InductionTask(*size)
        d, memories = sufficient_width(task, delta)
        failures = 0
        for _ in range(draws):
            emb = am.FrozenEmbeddings.random(task, width=d, compressed=True, rng=context.rng)
            failures += any(
                am.probe(name, task, emb).recall(written(memory, name, emb)) < 1
                for name, memory in memories.items()
            )
        yield tolerances.frequency(
            f"(N, T, K) = {size}, d = {d}", delta, failures, draws, tests=len(sizes)
        )


# --- W4


def predicted_and_measured(
    head: Head, draws: int, rng: np.random.Generator
) -> tuple[float, float, float]:
    """ln d* by the normal law, ln d* in draws, and the standard error of the latter."""
    widths = head.around()
    predicted, _ = crossing(widths, [head.predicted(float(d), draws=2000) for d in widths])
    samples = [head.measured(int(d), draws, rng) for d in widths]
    return predicted, *crossing(widths, *mean_recall(samples, len(head.rows)))


def exponents(context: Context) -> Iterator[Case]:
    """W4: exponents of d* in T and in N, predicted from exact moments and measured."""
    by_length = [(16, 64), (16, 96), *([(16, 128)] if context.full else [])]
    by_tokens = [(16, 64), *([(64, 64)] if context.full else []), (128, 64)]
    draws = 600 if context.full else 150
    within = tolerances.standard_errors(2, freedom=draws - 1)
    heads = {
        size: Head(am.InductionTask(*size), context.rng)
        for size in dict.fromkeys(by_length + by_tokens)
    }
    found = {size: predicted_and_measured(head, draws, context.rng) for size, head in heads.items()}
    for name, sizes, axis in (("N = 16, T", by_length, 1), ("T = 64, N", by_tokens, 0)):
        x = np.log([size[axis] for size in sizes])
        weights = (x - x.mean()) / np.sum((x - x.mean()) ** 2)  # of the least-squares slope
        predicted, measured, errors = np.transpose([found[size] for size in sizes])
        yield Case(
            f"exponent of d*, {name} = {sizes[0][axis]} to {sizes[-1][axis]}",
            weights @ predicted,
            weights @ measured,
            within * sqrt(weights**2 @ errors**2),
        )


CHECKS: dict[str, Check] = {
    "W1": law_without_width,
    "W2": noise_of_steps,
    "W3": recalled_with_confidence,
    "W4": exponents,
    "W5": noise_of_gradients,
}

"""Check of W2: at finite width the noise of the three memories has exact means and covariances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import assocmem as am
from assocmem.width import moments as step_noise
from assocmem.width.wick import ScoreMoments
from validation.runner import tolerances
from validation.runner.cases import Case, Context
from validation.width.written import written

DRAWS = 2500  # of the quick profile


def asked(memory: am.AssociativeMemory, probe: am.Probe) -> np.ndarray:
    """The scores that a probe compares: (cues, answers)."""
    oriented = memory.T if probe.by_query else memory
    return oriented.scores(keys=probe.cues, values=probe.answers).T


def in_context(
    memory: am.AssociativeMemory, embeddings: am.FrozenEmbeddings, tokens: np.ndarray
) -> Any:
    """Scores of the first layer on one sequence, (T-2, T): rows t = 2 .. T-1."""
    x = embeddings.tokens[tokens] + embeddings.positions
    return memory.scores(keys=x, values=x[1:-1])


def check(context: Context) -> Iterator[Case]:
    """W2: means, variances and covariances of scores over draws, at widths from n up to 10^8.

    Squares of noise are skewed, at d = 48 most: few draws of those would alarm falsely. The quick
    profile therefore has d = 1000 only, where the exact variances of W_O2 and W_K2 are within 1 %
    of their leading order in 1/d: it is the full profile, at d = 48, that tells the two apart.
    """
    task = am.InductionTask(n_tokens=8, length=8, n_triggers=2)
    widths, draws = ((48, 300, 10**8), 10_000) if context.full else ((1000,), DRAWS)
    memories = am.top_down(task, evaluate_on=None).memories
    tokens = task.sample(1, rng=context.rng).tokens[0]
    moments = step_noise.recall_moments(task, memories)
    moments["W_K1 in context"] = step_noise.head_moments(
        task, memories["W_K1"].coefficients, tokens, np.arange(1, task.length - 1)
    )
    for d in widths:
        scores: dict[str, list[np.ndarray]] = {name: [] for name in moments}
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
    case: str, predicted: ScoreMoments, scores: np.ndarray, d: int, *, tests: int
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
    signal = (scores * coefficients).sum((1, 2)) / np.sum(mean * coefficients)
    for name, statistic, value in (
        ("mean, along the coefficients", signal, 1.0),
        ("noise / variance", (noise * over_variance).mean((1, 2)), 1.0),
        ("along correlations", along / np.sum(correlations), 1.0),
    ):
        yield tolerances.sample_mean(f"{case}: {name}", value, statistic, tests=tests)

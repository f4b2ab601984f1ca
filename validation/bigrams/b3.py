"""Check of B3: the leads of the first steps say when the memories form in training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

import assocmem as am
from assocmem._checks import Array
from assocmem._statistics import softmax
from assocmem.gradients import bigram_predictor, bigram_step
from validation.bigrams.b2_text import characters
from validation.bigrams.b3_flow import answers, curvature, read
from validation.runner.cases import Case, Context, between

Loss = Literal["triggers", "all"]
Ranks = Mapping[str, tuple[int, ...] | range]

LEVELS: dict[Loss, dict[str, float]] = {  # of the median margins, in score units
    "triggers": {"W_O2": 0.1, "W_K2": 0.1},
    "all": {"W_O2": 2e-5, "W_K2": 3e-6},
}
BIGRAMS = 2e-5  # the level of W_F
LEAST = 1e-6  # the probability in W_F of a successor that never comes: far below the leads
RATE, EVERY, MOST = 4.0, 2, 320  # learning rate, updates between looks, updates at most
# With loss on all, updates until the later of the two times and until that of W_F; of them, few in
# the quick profile.
UPDATES, FEW = (64, 8), (12, 4)
STEEPEST = 1.0  # the learning rate times the curvature, at most; at 2 the flow is lost (B3-flow)
BATCH = 256
TRIGGERS: Ranks = {  # ranks of the triggers
    "1": (1,),
    "3": (3,),
    "2": (2,),
    "5": (5,),
    "21": (21,),
    "1 to 5": range(1, 6),
    "2 to 5": range(2, 6),
    "11 to 15": range(11, 16),
    "21 to 25": range(21, 26),
    "1 to 20": range(1, 21),
}
# Where seconds find the leads, and some 64 batches move W_O2 by more than their noise: not for rare
# triggers, for two (all their outputs are enumerated) and for twenty, whose rows of W_K2 are many.
ON_ALL: Ranks = {
    **{name: TRIGGERS[name] for name in ("1", "2", "3")},
    "4": (4,),
    "1 to 3": range(1, 4),
    "2 to 4": range(2, 5),
    **{name: TRIGGERS[name] for name in ("1 to 5", "2 to 5")},
}
SETTINGS: dict[Loss, Ranks] = {"triggers": TRIGGERS, "all": ON_ALL}
QUICK: dict[Loss, str] = {"triggers": "3", "all": "1"}
PARTS: dict[Loss, str] = {"triggers": "a", "all": "c"}
FACTORS = {"W_O2": 2, "W_K2": 3, "W_F": 2}  # within which the times agree
SOONER = ("triggers", "1 to 20")  # where W_K1 does not wait for the median row of W_K2


class Times(NamedTuple):
    """When the median margins of W_O2 and W_K2 reach their levels, in learning rate times updates,
    and the margin of W_K1 when both have."""

    W_O2: float
    W_K2: float
    third: float = np.nan


def check(context: Context) -> Iterator[Case]:
    until, soon = UPDATES if context.full else FEW
    for loss, part in PARTS.items():
        logs = []
        for name in SETTINGS[loss] if context.full else (QUICK[loss],):
            task = characters(SETTINGS[loss][name], loss=loss)
            expected = predicted(task, context.rng)
            rate = learning_rate(task, expected, until)
            training = measured(task, context.rng, rate)
            where = f"ranks {name}, loss on {loss}"
            for matrix in LEVELS[loss]:
                pair = getattr(expected, matrix), getattr(training, matrix)
                logs.append(np.log(pair))
                yield time_of(matrix, where, *pair).of(part)
            there = (loss, name) == SOONER
            level = LEVELS[loss]["W_K2"]
            agrees = training.third >= level if there else training.third < level
            case = f"W_K1 {'already' if there else 'not yet'} there, {where}"
            yield Case(case, 1, agrees, 0, evidence="range").of("b")
            if loss == "all":
                before, after, margin = bigrams_first(task, context.rng, soon)
                yield time_of("W_F", where, before, after).of("d")
                sooner = after < training.W_O2 and margin < 0
                case = f"W_F before W_O2, whose margin is negative, {where}"
                yield Case(case, 1, sooner, 0, evidence="range").of("d")
        if context.full:
            correlation = np.corrcoef(np.transpose(logs))[0, 1]
            name = f"correlation of the logarithms, loss on {loss}"
            yield Case(name, 1, correlation, 0.15, evidence="range").of(part)
            error = np.median(np.abs(np.diff(logs, axis=1)))
            name = f"median factor between the times, loss on {loss}"
            yield Case(name, 1, np.exp(error), 0.25, evidence="range").of(part)


def time_of(matrix: str, where: str, expected: float, training: float) -> Case:
    """The measured time over the predicted one, a factor from 1 at most."""
    name, factor = f"time of {matrix} over the predicted, {where}", FACTORS[matrix]
    return between(name, 1 / factor, factor, training / expected, evidence="range")


def predicted(task: am.BigramTask, rng: np.random.Generator) -> Times:
    """m / Λ_O and √(2m / Λ_K), from the leads alone.

    With the bigrams S in W_F the answers that W_O2 = t G₁ gives are t (1 + S Sᵀ) G₁: B3-flow.
    """
    options: dict[str, Any] = {"sets": 8, "rng": rng}
    level = LEVELS[task.loss]
    if task.loss == "triggers":
        first = bigram_step(task, "W_O2", **options)
        second = bigram_step(task, "W_K2", **options)
    else:
        S = bigrams(task)
        options["predictor"] = softmax(S.T)
        first = bigram_step(task, "W_O2", **options)
        read_as = answers(S, first.coefficients)
        second = bigram_step(task, "W_K2", first=read_as, **options)
    return Times(level["W_O2"] / first.lead, (2 * level["W_K2"] / second.lead) ** 0.5)


def bigrams(task: am.BigramTask) -> Array:
    """The logits (outputs, tokens) that W_F gives, for good, where the bigrams are known."""
    scores = np.log(np.maximum(bigram_predictor(task, "bigrams"), LEAST)).T
    return np.asarray(scores - scores.mean(axis=0))


def learning_rate(task: am.BigramTask, expected: Times, updates: int) -> float:
    """With loss on all, so many updates until the later time, and no steeper than `STEEPEST`."""
    if task.loss == "triggers":
        return RATE
    batch = task.sample(200, rng=0)
    S = bigrams(task)
    _, curve = curvature(S, read(S, batch.tokens, batch.weights))
    return min(max(expected.W_O2, expected.W_K2) / updates, STEEPEST / curve)


def measured(task: am.BigramTask, rng: np.random.Generator, rate: float) -> Times:
    """The same of the trainer in single precision, from zero, by plain gradient descent at infinite
    width."""
    emb = am.FrozenEmbeddings.orthonormal(task).astype(np.float32)
    probes = {name: am.probe(name, task, emb) for name in ("W_O2", "W_K2", "W_K1")}
    weights = dict.fromkeys(probes, np.zeros((emb.width, emb.width), np.float32))
    if task.loss == "all":  # the bigrams, which are not trained
        weights["W_F"] = emb.outputs.T @ bigrams(task).astype(np.float32) @ emb.tokens
    reached: dict[str, float] = {}
    for updates in range(EVERY, MOST + 1, EVERY):
        weights = trained(task, emb, weights, EVERY, rate, rng)
        margins = {name: np.median(each.margins(weights[name])) for name, each in probes.items()}
        for name, level in LEVELS[task.loss].items():
            if margins[name] >= level:
                reached.setdefault(name, updates * rate)
        if len(reached) == len(LEVELS[task.loss]):
            break
    times = [reached.get(name, np.nan) for name in LEVELS[task.loss]]
    return Times(times[0], times[1], float(margins["W_K1"]))


def bigrams_first(
    task: am.BigramTask, rng: np.random.Generator, soon: int
) -> tuple[float, float, float]:
    """When W_F reaches its level, predicted and measured with all four matrices trained from zero,
    and the median margin of W_O2 then."""
    lead = np.median(successors(task, bigram_step(task, "W_F", sets=2, rng=rng)["tokens"]))
    expected, matrices = BIGRAMS / lead, ("W_K1", "W_K2", "W_O2", "W_F")
    emb, rate = am.FrozenEmbeddings.orthonormal(task).astype(np.float32), expected / soon
    weights = dict.fromkeys(matrices, np.zeros((emb.width, emb.width), np.float32))
    for updates in range(1, 4 * soon):
        weights = trained(task, emb, weights, 1, rate, rng, matrices)
        scores = emb.outputs @ weights["W_F"] @ emb.tokens.T
        if np.median(successors(task, scores)) >= BIGRAMS:
            margins = am.probe("W_O2", task, emb).margins(weights["W_O2"])
            return expected, updates * rate, float(np.median(margins))
    return expected, np.nan, np.nan


def successors(task: am.BigramTask, scores: Array) -> Array:
    """The score (outputs, tokens) of the likeliest next token less the largest other, by token that
    is no trigger."""
    plain = np.setdiff1d(range(task.n_tokens), task.trigger_tokens)
    best = task.language.bigram[plain].argmax(axis=1)
    others = scores[:, plain].copy()
    others[best, range(len(plain))] = -np.inf
    return np.asarray(scores[best, plain] - others.max(axis=0))


def trained(
    task: am.BigramTask,
    emb: am.FrozenEmbeddings,
    weights: Mapping[str, Array],
    steps: int,
    rate: float,
    rng: np.random.Generator,
    matrices: tuple[str, ...] = ("W_K1", "W_K2", "W_O2"),
) -> dict[str, Array]:
    """The weights after some more updates of the trainer."""
    run = am.training.train(
        task,
        emb,
        initial=weights,
        steps=steps,
        batch_size=BATCH,
        learning_rate=rate,
        momentum=0,
        weight_decay=0,
        trained=matrices,
        evaluate_every=steps,
        evaluate_on=8,
        readout="residual" if task.loss == "all" else "attention",
        rng=rng,
    )
    return dict(run.weights)

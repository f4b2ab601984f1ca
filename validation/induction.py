"""The induction head, hand-built and learned, run by the reference transformer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import softmax

import assocmem as am
from assocmem.model.blocks import POSITIONS, REMAPPED_POSITIONS, REMAPPED_TOKENS, TOKENS
from validation import reference, tolerances
from validation.cases import FALSE_ALARM, ROUNDING, Case, Check, Context
from validation.conditions import check_T_m1, check_T_S1, check_T_S2, check_T_S3
from validation.gradients import reference_parameters

Array = Any

SIZES = ((32, 32, 1), (64, 64, 1), (32, 64, 2))
MARGINS = (0.5, 10.0, 20.0)
PIECE = 16  # sequences the reference takes at once: larger temporaries leave the cache


def reference_run(
    embeddings: am.FrozenEmbeddings, weights: dict[str, Any], batch: am.Batch
) -> am.Evaluation:
    """Attention and accuracy at the last position, as the reference transformer computes them."""
    params = reference_parameters(embeddings, weights)
    attention, correct = [], []
    for start in range(0, len(batch), PIECE):
        tokens = batch.tokens[start : start + PIECE]
        targets = batch.targets[start : start + PIECE, -1]
        attention.append(reference.attention(params, tokens)[1][:, -1])
        logits = reference.forward(params, tokens)[:, -1]
        right = logits[np.arange(len(tokens)), targets]
        correct.append((logits >= right[:, None]).sum(axis=1) == 1)
    weight, tokens = np.concatenate(attention), batch.tokens
    tau = (tokens[:, :-1] == tokens[:, -1:]).argmax(axis=1)
    on_output = weight[np.arange(len(tokens)), tau + 1]
    return am.Evaluation(
        trigger_position=tau,
        attention_on_output=on_output,
        attends_output=(weight >= on_output[:, None]).sum(axis=1) == 1,
        correct=np.concatenate(correct),
    )


def hand_built_attention(length: int, beta: float, tau: int) -> Array:
    """Attention of the last position for claim IH, tau counted from 1; by hand, no model."""
    e, s = np.exp(beta), np.arange(1, length + 1)
    scores = beta / (e + s - 1)
    scores[: tau - 1] = 0
    scores[tau - 1] = beta if tau == 1 else beta / (e + tau - 1)
    scores[tau] = beta * e / (e + tau)
    scores[-1] *= 2
    return softmax(scores)


def check_IH(context: Context) -> Iterator[Case]:
    length = 12
    content = am.InductionTask(8, length, 2)
    everything = am.InductionTask(8, length, "random", "all")
    for task in (content, everything):
        emb, batch = am.FrozenEmbeddings.orthonormal(task), task.sample(640, rng=context.rng)
        for beta in (2.0, 50.0):
            result = reference_run(emb, am.induction_head(task, emb, beta=beta), batch)
            late = result.where(result.trigger_position > 0)
            first = result.where(result.trigger_position == 0)
            by_hand = [hand_built_attention(length, beta, t)[t] for t in range(1, length - 1)]
            if task is content:
                name, rounding = f"attention, beta={beta:g}", ROUNDING * beta
                second = result.where(result.trigger_position == 1)
                yield Case(f"{name}, tau=2", by_hand[1], second.attention, rounding)
                predicted = np.array(by_hand)[result.trigger_position]
                error = np.abs(result.attention_on_output - predicted).max()
                yield Case(f"{name}, all tau, difference", 0, error, rounding)
                yield Case(f"{name}, tau=1", by_hand[0], first.attention, rounding)
        solved = 1.0 if task is content else 1 - 1 / (length - 2)
        name = "the content" if task is content else "all tokens"
        yield Case(f"accuracy, predicting {name}", solved, result.accuracy.value, 0)
    # Gaussian, one trigger: a wrong score must gain 1 from noise of variance 8/d, with probability
    # at most T exp(-d/16); the same holds in layer 1.
    task, width = am.InductionTask(8, length, 1), 1024
    emb = am.FrozenEmbeddings.random(task, width=width, rng=context.rng).compressed()
    batch = task.sample(500, rng=context.rng)
    result = reference_run(emb, am.induction_head(task, emb, beta=50.0), batch)
    late = result.where(result.trigger_position > 0)
    yield Case("argmax on the output for tau > 1, d=1024", 1, late.attention_argmax.value, 0)


def mean_scores(second: am.BlockTable, b: Array, tau: int) -> Array:
    """Mean of x¹_Tᵀ W_K2 x¹_s given tau (counted from 1), for layer-1 attention b: (T, T).

    Two content tokens at different positions coincide with probability 1/C.
    """
    length, last = len(b), b[-1]
    is_content = np.ones(length, dtype=int)
    is_content[[tau - 1, -1]] = 0
    classes = -is_content  # trigger: the first class; content: the last
    same_token = np.where(
        np.outer(is_content, is_content) == 1, 1 / second.task.n_content, 0.0
    ) + np.outer(1 - is_content, 1 - is_content)
    np.fill_diagonal(same_token, 1)

    def between(query: str, key: str) -> Array:
        """Expected coefficient from the token at i, as a query, to the token at j, as a key."""
        block = second[query, key]
        own = (block.same - np.diagonal(block.different))[classes]
        return block.different[np.ix_(classes, classes)] + same_token * own

    def keys(tokens: str, positions: str) -> Array:
        """Mean score of the atoms of (z_r, r)."""
        to_token = between(TOKENS, tokens)[-1] + last @ between(REMAPPED_TOKENS, tokens)
        by_class = second[POSITIONS, tokens][-1] + last @ second[REMAPPED_POSITIONS, tokens]
        to_position = second[TOKENS, positions][classes[-1]] + second[POSITIONS, positions][-1]
        to_position = to_position + last @ second[REMAPPED_TOKENS, positions][classes]
        to_position = to_position + last @ second[REMAPPED_POSITIONS, positions]
        return to_token + by_class[classes] + to_position

    return keys(TOKENS, POSITIONS) + b @ keys(REMAPPED_TOKENS, REMAPPED_POSITIONS)


def check_tie(context: Context) -> Iterator[Case]:
    for n, length, k in SIZES:
        task = am.InductionTask(n, length, k)
        run = am.top_down(task, margins=MARGINS, rng=context.rng, evaluate_on=1)
        third = am.gradients.third_step(task, MARGINS[1])[POSITIONS, POSITIONS]
        first_layer = np.where(np.tri(length) > 0, run.steps[2].size * third, -np.inf)
        b = softmax(first_layer, axis=1)
        second = am.gradients.second_step(task) * run.steps[1].size
        e = mean_scores(second, b, tau=1)

        batch = task.sample((1000 if context.full else 50) * (length - 2), rng=context.rng)
        tokens = batch.tokens[batch.tokens[:, 0] == batch.tokens[:, -1]]
        params = reference_parameters(run.embeddings, run.memories)
        a = np.concatenate(
            [
                reference.attention(params, tokens[start : start + PIECE])[1][:, -1]
                for start in range(0, len(tokens), PIECE)
            ]
        )
        where = f"({n},{length},{k})"
        gap = np.log(a[:, 1] / a[:, 0])
        within = tolerances.standard_errors(2 * len(SIZES), freedom=len(a) - 1) / np.sqrt(len(a))
        tolerance = within * gap.std(ddof=1) + ROUNDING * abs(e[1])
        yield Case(f"tau=1: e_2 - e_1, {where}", e[1] - e[0], gap.mean(), tolerance)
        # The softmax of the mean is off by at most half the largest variance of a score.
        attention = softmax(e)
        curvature = np.log(a / a[:, 1:2]).var(axis=0).max() / 2
        tolerance = within * a[:, 1].std(ddof=1) + curvature
        yield Case(f"tau=1: attention, {where}", attention[1], a[:, 1].mean(), tolerance)


def check_T(context: Context) -> Iterator[Case]:
    for n, length, k in SIZES:
        task = am.InductionTask(n, length, k)
        yield from _steps(task, context, gradient="closed-form", least=0.999)
    for n, length, k in SIZES if context.full else SIZES[:1]:
        task = am.InductionTask(n, length, k)
        yield from _steps(task, context, gradient="population", least=0.99)


def _steps(
    task: am.InductionTask, context: Context, *, gradient: Any, least: float
) -> Iterator[Case]:
    run = am.top_down(
        task,
        margins=MARGINS,
        gradient=gradient,
        sequences=36_000 if context.full else 12_000,
        evaluate_on=1,
        rng=context.rng,
    )
    where = f"({task.n_tokens},{task.length},{task.n_triggers}) {gradient}"
    if run.failure:
        yield Case(f"steps taken, {where}", 3, len(run.steps), 0)
        return
    inner = run.steps[2].margins[1:-1]  # rows 3 .. T-2
    recall = min(run.recall["W_O2"], run.recall["W_K2"], float(np.mean(inner > 0)))
    yield Case(f"recall, {where}", 1, recall, 0)
    few = task.sample(1000 if context.full else 2 * (task.length - 2), rng=context.rng)
    many = task.sample(100_000 if context.full else 20_000, rng=context.rng)
    independent = reference_run(run.embeddings, run.memories, few)
    late = independent.where(independent.trigger_position > 0)
    yield Case(f"tau>1 accuracy, {where}", least, late.accuracy.value, 1 - least)
    result = am.evaluate(run.model(), many)
    late = result.where(result.trigger_position > 0)
    for name, rate in (("accuracy", late.accuracy), ("argmax", late.attention_argmax)):
        low, _ = rate.interval(1 - 2 * FALSE_ALARM)
        yield Case(f"tau>1 {name} limit, {where}", least, low, 1 - least)


CHECKS: dict[str, Check] = {
    "IH": check_IH,
    "tie": check_tie,
    "T": check_T,
    "T-S1": check_T_S1,
    "T-S2": check_T_S2,
    "T-m1": check_T_m1,
    "T-S3": check_T_S3,
}

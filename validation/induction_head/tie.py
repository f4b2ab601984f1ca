"""Check of tie: if the trigger comes first, the learned head mostly fails for K = 2 and 3."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import softmax
from scipy.stats import binomtest

import assocmem as am
from assocmem.model.families import POSITIONS, REMAPPED_POSITIONS, REMAPPED_TOKENS, TOKENS
from validation import reference
from validation.runner import tolerances
from validation.runner.cases import FALSE_ALARM, ROUNDING, Case, Context, between
from validation.steps.populations import reference_parameters
from validation.steps.three_steps import MARGINS, PIECE, SIZES, reference_run


def mean_scores(second: am.BlockTable, b: np.ndarray, tau: int) -> np.ndarray:
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

    def between(query: str, key: str) -> np.ndarray:
        """Expected coefficient from the token at i, as a query, to the token at j, as a key."""
        block = second[query, key]
        own = (block.same - np.diagonal(block.different))[classes]
        return block.different[np.ix_(classes, classes)] + same_token * own

    def keys(tokens: str, positions: str) -> np.ndarray:
        """Mean score of the atoms of (z_r, r)."""
        to_token = between(TOKENS, tokens)[-1] + last @ between(REMAPPED_TOKENS, tokens)
        by_class = second[POSITIONS, tokens][-1] + last @ second[REMAPPED_POSITIONS, tokens]
        to_position = second[TOKENS, positions][classes[-1]] + second[POSITIONS, positions][-1]
        to_position = to_position + last @ second[REMAPPED_TOKENS, positions][classes]
        to_position = to_position + last @ second[REMAPPED_POSITIONS, positions]
        return to_token + by_class[classes] + to_position

    return keys(TOKENS, POSITIONS) + b @ keys(REMAPPED_TOKENS, REMAPPED_POSITIONS)


def scores_at_start(task: am.InductionTask, run: am.TopDownRun) -> np.ndarray:
    """The mean scores e of the claim, tau = 1, after three closed-form steps with `MARGINS`."""
    third = am.gradients.third_step(task, MARGINS[1])[POSITIONS, POSITIONS]
    first_layer = np.where(np.tri(task.length) > 0, run.steps[2].size * third, -np.inf)
    second = am.gradients.second_step(task) * run.steps[1].size
    return mean_scores(second, softmax(first_layer, axis=1), tau=1)


def at_start(batch: am.InductionBatch) -> am.InductionBatch:
    """The sequences that begin with their trigger."""
    first = batch.trigger_position == 0
    return am.InductionBatch(
        tokens=batch.tokens[first],
        targets=batch.targets[first],
        weights=batch.weights[first] / batch.weights[first].sum(),
        trigger_position=batch.trigger_position[first],
        drawn=True,
    )


def check(context: Context) -> Iterator[Case]:
    for n, length, k in SIZES:
        task = am.InductionTask(n, length, k)
        run = am.top_down(task, margins=MARGINS, rng=context.rng, evaluate_on=None)
        e = scores_at_start(task, run)
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
        name = f"tau=1: e_2 - e_1, {where}"
        yield Case(name, e[1] - e[0], gap.mean(), tolerance, evidence="statistics").of("a")
        # The softmax of the mean is off by at most half the largest variance of a score.
        attention = softmax(e)
        curvature = np.log(a / a[:, 1:2]).var(axis=0).max() / 2
        tolerance = within * a[:, 1].std(ddof=1) + curvature
        yield Case(
            f"tau=1: attention, {where}",
            attention[1],
            a[:, 1].mean(),
            tolerance,
            evidence="statistics",
        ).of("a")
    yield from several_triggers(context)


def several_triggers(context: Context) -> Iterator[Case]:
    """At tau = 1 and K >= 2 the learned head fails most sequences, the hand-built one none."""
    for n, length, k in ((20, 48, 2), (24, 40, 3), *([(40, 64, 3)] if context.full else [])):
        task, where = am.InductionTask(n, length, k), f"({n},{length},{k})"
        run = am.top_down(task, margins=MARGINS, rng=context.rng, evaluate_on=None)
        batch = task.sample((200 if context.full else 100) * (length - 2), rng=context.rng)
        few = at_start(batch)
        correct = reference_run(run.embeddings, run.memories, few).correct
        rate = binomtest(int(correct.sum()), len(correct))
        limit = rate.proportion_ci(1 - 2 * FALSE_ALARM).high
        name = f"tau=1: accuracy at most, learned, {where}"
        yield between(name, 0, 0.5, limit, "statistics").of("b")
        built = am.induction_head(task, run.embeddings, beta=50.0)
        accuracy = reference_run(run.embeddings, built, few).accuracy.value
        name = f"tau=1: accuracy, hand-built, {where}"
        yield Case(name, 1, accuracy, 0, evidence="statistics").of("b")

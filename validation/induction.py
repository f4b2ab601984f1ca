"""The induction head, hand-built and learned, run by the reference transformer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.stats import norm

import assocmem as am
from assocmem.blocks import POSITIONS, REMAPPED_POSITIONS, REMAPPED_TOKENS, TOKENS
from validation import reference
from validation.cases import FALSE_ALARM, ROUNDING, Case, Check, Context

Array = Any

SIZES = ((32, 32, 1), (64, 64, 1), (32, 64, 2))
MARGINS = (0.5, 10.0, 20.0)


def reference_run(
    embeddings: am.FrozenEmbeddings, weights: dict[str, Any], batch: am.Batch
) -> am.Evaluation:
    """Attention and accuracy at the last position, as the reference transformer computes them."""
    emb = embeddings
    params = reference.parameters(
        emb.tokens,
        emb.positions,
        emb.outputs,
        emb.Phi1,
        emb.W_V2,
        **{name: memory.matrix for name, memory in weights.items()},
    )
    attention, correct = [], []
    for start in range(0, len(batch), 250):
        tokens = batch.tokens[start : start + 250]
        targets = batch.targets[start : start + 250, -1]
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
    weight = np.exp(scores - scores.max())
    return weight / weight.sum()


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
                name, rounding = f"attention on the output, beta={beta:g}", ROUNDING * beta
                yield Case(f"{name}, tau=2", by_hand[1], late.attention_on_output[0], 1)
                predicted = np.array(by_hand)[result.trigger_position]
                error = np.abs(result.attention_on_output - predicted).max()
                yield Case(f"{name}, all tau, largest difference", 0, error, rounding)
                yield Case(f"{name}, tau=1", by_hand[0], first.attention, rounding)
        predicted = 1.0 if task is content else 1 - 1 / (length - 2)
        name = "the content" if task is content else "all tokens"
        yield Case(f"accuracy, predicting {name}", predicted, result.accuracy.value, 0)
    # Gaussian, one trigger: a wrong score must gain 1 from noise of variance 8/d, with probability
    # at most T exp(-d/16); the same holds in layer 1.
    task, width = am.InductionTask(8, length, 1), 1024
    emb = am.FrozenEmbeddings.random(task, width=width, rng=context.rng).compressed()
    batch = task.sample(500, rng=context.rng)
    result = reference_run(emb, am.induction_head(task, emb, beta=50.0), batch)
    late = result.where(result.trigger_position > 0)
    yield Case("argmax on the output for tau > 1, d=1024", 1, late.attention_argmax.value, 0)


def predicted_gap(task: am.InductionTask, run: am.TopDownRun) -> float:
    """Mean of e_2 - e_1 over sequences with tau = 1, from the closed forms."""
    second = am.gradients.second_step(task) * run.steps[1].size
    third = am.gradients.third_step(task, MARGINS[1])[POSITIONS, POSITIONS] * run.steps[2].size
    b_last = np.exp(third[-1] - third[-1].max())
    b_last /= b_last.sum()
    b_22 = 1 / (1 + np.exp(third[1, 0] - third[1, 1]))
    on_trigger = b_last[0] + b_last[-1]  # z_1 = z_T = q, z_2 = o, the rest is content
    on_output, on_free = b_last[1], 1 - on_trigger - b_last[1]

    def scores(tokens: str, positions: str) -> tuple[float, float]:
        """Mean score of the atoms of (z_1, 1) and of (z_2, 2)."""
        wanted, remapped = second[TOKENS, tokens], second[REMAPPED_TOKENS, tokens]
        by_class = second[POSITIONS, tokens][-1] + b_last @ second[REMAPPED_POSITIONS, tokens]
        kappa = remapped.same[-1] - remapped.different[-1, -1]
        to_q = wanted.same[0] + by_class[0] + on_trigger * remapped.same[0]
        to_q += (1 - on_trigger) * remapped.different[-1, 0]
        to_o = wanted.different[0, -1] + by_class[-1] + on_trigger * remapped.different[0, -1]
        to_o += (1 - on_trigger) * remapped.different[-1, -1]
        to_o += kappa * (on_output + on_free / task.n_content)
        position = second[TOKENS, positions][0] + second[POSITIONS, positions][-1]
        position = position + b_last @ second[REMAPPED_POSITIONS, positions]
        position = position + on_trigger * second[REMAPPED_TOKENS, positions][0]
        position = position + (1 - on_trigger) * second[REMAPPED_TOKENS, positions][-1]
        return to_q + position[0], to_o + position[1]

    (x_1, x_2), (phi_1, phi_2) = (
        scores(TOKENS, POSITIONS),
        scores(REMAPPED_TOKENS, REMAPPED_POSITIONS),
    )
    return float(x_2 - x_1 - b_22 * (phi_1 - phi_2))


def check_tie(context: Context) -> Iterator[Case]:
    z = norm.isf(FALSE_ALARM / (2 * len(SIZES)))
    for n, length, k in SIZES:
        task = am.InductionTask(n, length, k)
        run = am.top_down(task, margins=MARGINS, rng=context.rng, evaluate_on=1)
        batch = task.sample((2000 if context.full else 200) * (length - 2), rng=context.rng)
        first = (batch.tokens[:, :1] == batch.tokens[:, -1:]).ravel()
        tokens = batch.tokens[first]
        emb = run.embeddings
        params = reference.parameters(
            emb.tokens,
            emb.positions,
            emb.outputs,
            emb.Phi1,
            emb.W_V2,
            **{name: memory.matrix for name, memory in run.memories.items()},
        )
        weight = np.concatenate(
            [reference.attention(params, part)[1][:, -1] for part in np.array_split(tokens, 8)]
        )
        gap = np.log(weight[:, 1] / weight[:, 0])
        error = z * gap.std() / np.sqrt(len(gap)) + ROUNDING
        yield Case(
            f"e_2 - e_1, N={n} T={length} K={k}", predicted_gap(task, run), gap.mean(), error
        )


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
    sequences = 36_000 if context.full else 12_000
    run = am.top_down(
        task,
        margins=MARGINS,
        gradient=gradient,
        sequences=sequences,
        evaluate_on=100_000 if context.full else 5_000,
        rng=context.rng,
    )
    where = f"N={task.n_tokens} T={task.length} K={task.n_triggers} {gradient}"
    inner = run.steps[2].margins[1:-1]  # rows 3 .. T-2
    recall = min(run.recall["W_O2"], run.recall["W_K2"], float(np.mean(inner > 0)))
    yield Case(f"recall, {where}", 1, recall, 0)
    batch = task.sample(250, rng=context.rng)
    independent = reference_run(run.embeddings, run.memories, batch)
    for who, result in (("reference", independent), ("model", run.evaluation)):
        late = result.where(result.trigger_position > 0)
        name = f"{who} {len(late.correct)}, {where}"
        yield Case(f"accuracy, {name}", least, late.accuracy.value, 1 - least)
        yield Case(f"argmax attention, {name}", least, late.attention_argmax.value, 1 - least)


CHECKS: dict[str, Check] = {"IH": check_IH, "tie": check_tie, "T": check_T}

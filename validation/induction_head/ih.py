"""Check of IH: the hand-built memories solve the task, up to a tie."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import softmax

import assocmem as am
from validation.runner.cases import ROUNDING, Case, Context
from validation.steps.three_steps import reference_run


def hand_built_attention(length: int, beta: float, tau: int) -> np.ndarray:
    """Attention of the last position for claim IH, tau counted from 1; by hand, no model."""
    e, s = np.exp(beta), np.arange(1, length + 1)
    scores = beta / (e + s - 1)
    scores[: tau - 1] = 0
    scores[tau - 1] = beta if tau == 1 else beta / (e + tau - 1)
    scores[tau] = beta * e / (e + tau)
    scores[-1] *= 2
    return softmax(scores)


def check(context: Context) -> Iterator[Case]:
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
                yield Case(f"{name}, tau=2", by_hand[1], second.attention, rounding).of("a")
                predicted = np.array(by_hand)[result.trigger_position]
                error = np.abs(result.attention_on_output - predicted).max()
                yield Case(f"{name}, all tau, difference", 0, error, rounding).of("a")
                yield Case(f"{name}, tau=1", by_hand[0], first.attention, rounding).of("a")
        solved = 1.0 if task is content else 1 - 1 / (length - 2)
        name = "the content" if task is content else "all tokens"
        yield Case(f"accuracy, predicting {name}", solved, result.accuracy.value, 0).of("b")
    # Gaussian, one trigger: a wrong score must gain 1 from noise of variance 8/d, with probability
    # at most T exp(-d/16); the same holds in layer 1.
    task, width = am.InductionTask(8, length, 1), 1024
    emb = am.FrozenEmbeddings.random(task, width=width, rng=context.rng).compressed()
    batch = task.sample(500, rng=context.rng)
    result = reference_run(emb, am.induction_head(task, emb, beta=50.0), batch)
    late = result.where(result.trigger_position > 0)
    yield Case(
        "argmax on the output for tau > 1, d=1024",
        1,
        late.attention_argmax.value,
        0,
        evidence="range",
    ).of("a")

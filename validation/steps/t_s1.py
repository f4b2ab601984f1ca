"""Check of T-S1: step 1 always recalls, but a head may read the trigger instead."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import assocmem as am
from assocmem.gradients import conditions
from validation import reference
from validation.runner.cases import ROUNDING, Case, Context
from validation.steps.populations import measured_gradient, reference_parameters, small_tasks
from validation.steps.sizes import moments


# T-S1
def check(context: Context) -> Iterator[Case]:
    differences: dict[str, list[float]] = {"fixed": [], "random": []}
    for task in small_tasks():
        scores = _scores(task, measured_gradient(task, "W_O2"))
        right = scores[np.arange(task.n_outputs), np.arange(task.n_outputs)]
        np.fill_diagonal(scores, -np.inf)
        leads = (right - scores.max(axis=0))[-task.n_content :]  # content keys
        predicted = 1 / (task.n_content * task.length)
        if task.random_triggers:
            predicted, _ = conditions.first_leads(
                task.n_content, float(task.length), moments(task.length)
            )
        scale = float(predicted) or 1 / (task.n_content * task.length)  # N = T = 3: no lead
        triggers = "random" if task.random_triggers else "fixed"
        differences[triggers].append(np.abs(leads - float(predicted)).max() / scale)
    for part, (triggers, found) in zip("ab", differences.items(), strict=True):
        name = f"{len(found)} populations, {triggers} triggers, largest difference of the leads"
        yield Case(name, 0, max(found), ROUNDING, evidence="enumeration").of(part)
    for n, length in ((12, 32), (16, 32), *(((16, 64), (32, 64)) if context.full else ())):
        yield from _reading_with_a_perfect_head(n, length, context)


def _scores(task: am.InductionTask, matrix: np.ndarray) -> np.ndarray:
    """The coefficients between outputs and the images of the predicted tokens."""
    emb = am.FrozenEmbeddings.orthonormal(task)
    return emb.outputs @ matrix @ emb.values[task.outputs].T


def _reading_with_a_perfect_head(n: int, length: int, context: Context) -> Iterator[Case]:
    """Random triggers: how far the output's logit is ahead of the trigger's after step 1."""
    task = am.InductionTask(n, length, "random", "all")
    emb, first = am.FrozenEmbeddings.orthonormal(task), am.gradients.first_step(task)
    head = am.induction_head(task, emb, beta=50.0) | {"W_O2": first.memory(emb)}
    batch = task.sample(length - 2, rng=context.rng)
    late = batch.tokens[:, 0] != batch.tokens[:, -1]  # tau > 1: no tie
    tokens, targets = batch.tokens[late], batch.targets[late, -1]
    logits = reference.forward(reference_parameters(emb, head), tokens)[:, -1]
    rows = np.arange(len(tokens))
    margin = logits[rows, targets] - logits[rows, tokens[:, -1]]
    direct, remapped = conditions.first_leads(n - 1, float(length), moments(length))
    predicted = float(direct - remapped)
    where = f"random triggers, N={n} T={length}"
    worst = margin[np.abs(margin - predicted).argmax()]
    tolerance = ROUNDING * np.abs(logits).max()
    yield Case(f"logit of o less that of q, {where}", predicted, worst, tolerance).of("c")
    answers = logits.argmax(axis=1)
    expected, said = ("o", targets) if predicted > 0 else ("q", tokens[:, -1])
    yield Case(f"answers {expected}, {where}", 1, np.mean(answers == said), 0).of("c")

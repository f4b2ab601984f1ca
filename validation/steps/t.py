"""Check of T: three top-down steps recall all three memories, and the induction head works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import assocmem as am
from validation.runner.cases import FALSE_ALARM, Case, Context, Evidence
from validation.steps.three_steps import MARGINS, SIZES, reference_run


def check(context: Context) -> Iterator[Case]:
    for n, length, k in SIZES:
        task = am.InductionTask(n, length, k)
        yield from _steps(task, context, gradient="closed-form", least=0.999)
    for n, length, k in SIZES if context.full else SIZES[:1]:
        task = am.InductionTask(n, length, k)
        yield from _steps(task, context, gradient="population", least=0.99)


def _steps(
    task: am.InductionTask, context: Context, *, gradient: Any, least: float
) -> Iterator[Case]:
    sequences = None  # of a population
    if gradient == "population":
        sequences = 36_000 if context.full else 12_000
    run = am.top_down(
        task,
        margins=MARGINS,
        gradient=gradient,
        sequences=sequences,
        evaluate_on=None,
        rng=context.rng,
    )
    where = f"({task.n_tokens},{task.length},{task.n_triggers}) {gradient}"
    if run.failure:
        yield Case(f"steps taken, {where}", 3, len(run.steps), 0).of("a")
        return
    inner = run.steps[2].margins[1:-1]  # rows 3 .. T-2
    recall = min(run.recall["W_O2"], run.recall["W_K2"], float(np.mean(inner > 0)))
    how: Evidence = "identity" if gradient == "closed-form" else "range"
    yield Case(f"recall, {where}", 1, recall, 0, evidence=how).of("a")
    few = task.sample(1000 if context.full else 2 * (task.length - 2), rng=context.rng)
    many = task.sample(100_000 if context.full else 20_000, rng=context.rng)
    independent = reference_run(run.embeddings, run.memories, few)
    late = independent.where(independent.trigger_position > 0)
    name = f"tau>1 accuracy, {where}"
    yield Case(name, least, late.accuracy.value, 1 - least, evidence="range").of("c")
    result = am.evaluate(run.model(), many)
    late = result.where(result.trigger_position > 0)
    for name, rate, part in (
        ("accuracy", late.accuracy, "c"),
        ("argmax", late.attention_argmax, "b"),
    ):
        low, _ = rate.interval(1 - 2 * FALSE_ALARM)
        name = f"tau>1 {name} limit, {where}"
        yield Case(name, least, low, 1 - least, evidence="statistics").of(part)

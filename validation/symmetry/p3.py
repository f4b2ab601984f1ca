"""Check of P3: up to a million tokens, S3b agrees with step 3, and finite steps write the head."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

import assocmem as am
from assocmem.model.families import POSITIONS
from assocmem.model.symmetric import LEARNED, SymmetricTransformer
from validation.runner.cases import ROUNDING, Case, Context, agreement, between
from validation.steps.paired import dropped_part
from validation.symmetry.real_steps import _lead_by

LINEAR = 1e-9  # a step so small that the next odd order in it is below rounding


def third_gradient(task: am.InductionTask, lead: float) -> np.ndarray:
    """The exact derivative at η₁ = 0 of -∇ on W_K1, its position block, by central differences."""
    first, second = am.gradients.first_step(task), am.gradients.second_step(task)
    patterns = task.patterns()

    def gradient(margin: float) -> np.ndarray:
        weights = {"W_O2": _lead_by(first, margin), "W_K2": second * (lead / second.lead)}
        tables = SymmetricTransformer(task, **weights).loss_and_tables(patterns, ("W_K1",))[1]
        return -tables["W_K1"][POSITIONS, POSITIONS]

    return (gradient(LINEAR) - gradient(-LINEAR)) * (first.lead / (2 * LINEAR))


def check(context: Context) -> Iterator[Case]:
    task = am.InductionTask(17, 5)
    paired = dropped_part(task, lead=1.0, batch=task.enumerate())
    rounding = ROUNDING * len(task.contents) ** 1.5  # square root of the number of sequences
    name = "derivative of step 3, all sequences, C=16 T=5"
    derivative = third_gradient(task, 1.0)
    yield agreement(name, derivative, paired.exact, rounding, evidence="enumeration").of("a")
    sizes = ((5, 1, 1.0), (8, 1, 10.0), (8, 4, 1.0))
    for (length, k, lead), c in itertools.product(sizes, (10**4, 10**6)):
        task = am.InductionTask(c + k, length, k)
        closed = am.gradients.third_step(task, lead)[POSITIONS, POSITIONS]
        rows = slice(1, -1)  # row 1 is 0
        error = am.gradients.third_step_error(task, lead)[rows.start :]
        exact = third_gradient(task, lead)
        scale = np.abs(closed[rows]).max(axis=1)
        worst = (np.abs(exact - closed)[rows].max(axis=1) / scale).max()
        bound = (error / scale).max()
        where = f"C={c:.0e} T={length} K={k} lead={lead:g}"
        yield Case(
            f"S3b against the derivative, {where}",
            0,
            worst,
            bound + 4 * ROUNDING,
            evidence="bound",
        ).of("a")
    for length in (8, 9, 10) if context.full else (8, 9):
        task = am.InductionTask(10**6, length)
        yield from (case.of("b") for case in _three_real_steps(task))


def _three_real_steps(task: am.InductionTask) -> Iterator[Case]:
    run = am.top_down(task, margins=(0.5, 10.0, 20.0), gradient="exact")
    model = run.model()
    patterns, small = task.patterns(), model.restricted
    recalled = [
        am.probe(name, patterns.representatives, small.embeddings).margins(small.weights[name]) > 0
        for name in reversed(LEARNED)
    ]
    where = f"N=10^6 T={task.length}"
    inner = np.concatenate([*recalled[:2], recalled[2][1:-1]])  # rows 3 .. T-2 of W_K1
    yield Case(f"recall of the three memories, {where}", 1, inner.mean(), 0, evidence="enumeration")
    result = am.evaluate(small, patterns.batch)
    tau, last = result.trigger_position, task.length - 3
    accuracy = patterns.mean(result.correct, where=(tau > 0) & (tau < last))
    yield Case(f"accuracy, 2 <= tau <= T-3, {where}", 1, accuracy, ROUNDING, evidence="enumeration")
    chance = 1 / task.n_content
    accuracy = patterns.mean(result.correct, where=tau == 0)
    yield between(f"accuracy, tau=1, {where}", chance, 2 * chance, accuracy, "range")
    accuracy, rounding = patterns.mean(result.correct, where=tau == last), ROUNDING * chance
    name = f"accuracy, tau={last + 1}, {where}"
    yield Case(name, chance, accuracy, rounding, evidence="enumeration")

"""Check of P3: a million tokens, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

import assocmem as am
from assocmem.model.blocks import POSITIONS
from assocmem.symmetric import LEARNED, SymmetricTransformer
from validation.runner.cases import ROUNDING, Case, Context
from validation.steps.paired import dropped_part
from validation.symmetry.real_steps import _lead_by

Array = NDArray[Any]


LINEAR = 1e-9  # a step so small that the next odd order in it is below rounding


def dropped(task: am.InductionTask, lead: float) -> float:
    """Size of what S3(b) drops, relative to the closed form, exactly; rows t < T."""
    first, second = am.gradients.first_step(task), am.gradients.second_step(task)
    patterns = task.enumerate(up_to_symmetry=True)

    def gradient(margin: float) -> Array:
        weights = {"W_O2": _lead_by(first, margin), "W_K2": second * (lead / second.lead)}
        tables = SymmetricTransformer(task, **weights).loss_and_tables(patterns, ("W_K1",))[1]
        return -tables["W_K1"][POSITIONS, POSITIONS]

    exact = (gradient(LINEAR) - gradient(-LINEAR)) * (first.lead / (2 * LINEAR))
    closed = am.gradients.third_step(task, lead)[POSITIONS, POSITIONS]
    return float(np.linalg.norm((exact - closed)[:-1]) / np.linalg.norm(closed[:-1]))


def check(context: Context) -> Iterator[Case]:
    task = am.InductionTask(17, 5)
    paired = dropped_part(task, lead=1.0, batch=task.enumerate()).relative
    tolerance = ROUNDING * len(task.contents) ** 1.5  # square root of the number of sequences
    yield Case("dropped part, all sequences, C=16 T=5", paired, dropped(task, 1.0), tolerance)
    for length, k, lead, stated in ((5, 1, 1.0, 3.011), (8, 4, 10.0, 5.256)):
        contents = 100.0 * np.array([1, 2, 4])
        scaled = [c**2 * dropped(am.InductionTask(int(c) + k, length, k), lead) for c in contents]
        # c_0 + c_1/C + c_2/C^2 through three sizes; the last term is what a fourth could change
        powers = (1 / contents[:, None]) ** np.arange(3)
        constants = np.linalg.solve(powers, scaled)
        where = f"T={length} K={k} lead={lead:g}"
        yield Case(f"c_0, {where}", stated, constants[0], 0.5e-3)  # half the last digit stated
        for c in (10**4, 10**6):
            predicted = float(constants @ (1 / c) ** np.arange(3.0))
            measured = c**2 * dropped(am.InductionTask(c + k, length, k), lead)
            tolerance = abs(constants[2]) * powers[0, 2] + ROUNDING * c**2
            yield Case(f"C^2 dropped part, {where}, C={c:.0e}", predicted, measured, tolerance)
    for length in (8, 9, 10) if context.full else (8, 9):
        yield from _three_real_steps(am.InductionTask(10**6, length))


def _three_real_steps(task: am.InductionTask) -> Iterator[Case]:
    model = SymmetricTransformer.top_down(task, margins=(0.5, 10.0, 20.0))
    patterns, small = task.enumerate(up_to_symmetry=True), model.restricted
    recalled = [
        am.probe(name, patterns.representatives, small.embeddings).margins(small.weights[name]) > 0
        for name in reversed(LEARNED)
    ]
    where = f"N=10^6 T={task.length}"
    inner = np.concatenate([*recalled[:2], recalled[2][1:-1]])  # rows 3 .. T-2 of W_K1
    yield Case(f"recall of the three memories, {where}", 1, inner.mean(), 0)
    result = am.evaluate(small, patterns.batch)
    tau, last = result.trigger_position, task.length - 3
    accuracy = patterns.mean(result.correct, where=(tau > 0) & (tau < last))
    yield Case(f"accuracy, 2 <= tau <= T-3, {where}", 1, accuracy, ROUNDING)
    bound = 1 / task.n_content
    for place in (0, last):
        accuracy = patterns.mean(result.correct, where=tau == place)
        yield Case(f"accuracy, tau={place + 1}, {where}", bound, accuracy, bound)

"""Check of S3a: step 3 at small lead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

import assocmem as am
from validation.runner.cases import Case, Context
from validation.steps.populations import _compare, _first, measured_gradient

Array = NDArray[Any]


def check(context: Context) -> Iterator[Case]:
    def block(task: am.InductionTask, matrix: Array) -> Array:
        positions = slice(task.n_tokens, task.n_tokens + task.length)
        return matrix[positions, positions]

    def second_direction(task: am.InductionTask) -> dict[str, Array]:
        return {"W_K2": measured_gradient(task, "W_K2", [_first(task)])}

    def previous(task: am.InductionTask, table: Array) -> float:
        return float(table[1, 0])

    yield from _compare(
        "A: p_2 to p_1",
        lambda task: am.gradients.third_step(task, 0)["positions", "positions"],
        lambda task: block(task, measured_gradient(task, "W_K1", [_first(task)])),
        previous,
    )
    yield from _compare(
        "B: p_2 to p_1",
        lambda task: am.gradients.third_step_slope(task, second=am.gradients.second_step(task))[
            "positions", "positions"
        ],
        lambda task: block(
            task, measured_gradient(task, "W_K1", [_first(task), second_direction(task)])
        ),
        previous,
    )

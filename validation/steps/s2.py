"""Check of S2: step 2 writes the induction head: a trigger looks for its own remapped copy."""

from __future__ import annotations

from collections.abc import Iterator

import assocmem as am
from validation.runner.cases import Case, Context
from validation.steps.populations import _compare, _first, _step, _wanted, measured_gradient


def check(context: Context) -> Iterator[Case]:
    yield from _compare(
        "w_E(q) to Phi1 w_E(q)",
        lambda task: _step(am.gradients.second_step(task)),
        lambda task: measured_gradient(task, "W_K2", [_first(task)]),
        lambda task, matrix: _wanted("W_K2", task, matrix),
    )

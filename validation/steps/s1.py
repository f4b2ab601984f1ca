"""Check of S1: step 1 writes the output memory, and a second one on the remapped tokens."""

from __future__ import annotations

from collections.abc import Iterator

import assocmem as am
from validation.runner.cases import ROUNDING, Case, Context
from validation.steps.populations import _compare, _step, _wanted, measured_gradient


def check(context: Context) -> Iterator[Case]:
    yield from _compare(
        "w_E(k) to w_U(k)",
        lambda task: _step(am.gradients.first_step(task)),
        lambda task: measured_gradient(task, "W_O2"),
        lambda task, matrix: _wanted("W_O2", task, matrix),
    )
    task = am.InductionTask(4, 6, "random", "all")
    emb, measured = am.FrozenEmbeddings.orthonormal(task), measured_gradient(task, "W_O2")
    for k, predicted in ((0, 1 / 48), (1, -1 / 144)):
        coefficient = emb.outputs[0] @ measured @ emb.values[k]
        yield Case(
            f"random triggers, w_E({k}) to w_U(0)",
            predicted,
            coefficient,
            ROUNDING,
            evidence="enumeration",
        )

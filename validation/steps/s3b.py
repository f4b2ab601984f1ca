"""Check of S3b: at finite lead, the closed form of step 3 has a relative error of order 1/C^3."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import assocmem as am
from validation import reference
from validation.runner.cases import ROUNDING, Case, Context, agreement
from validation.steps.paired import Dropped, dropped_part
from validation.steps.populations import _describe, _first, reference_parameters


def check(context: Context) -> Iterator[Case]:
    """On whole populations, up to symmetry where the order in C is concerned."""
    for task, lead in (
        (am.InductionTask(9, 5), 1.0),
        (am.InductionTask(6, 7, 1, "all"), 1.0),
        (am.InductionTask(6, 6, 2), 3.0),
    ):
        batch = task.enumerate()
        result, where = dropped_part(task, lead=lead, batch=batch), _describe(task)
        rounding = ROUNDING * len(batch) ** 0.5
        measured = reference_third_step(task, lead)
        yield agreement(
            f"paired sums are the reference's, {where}",
            result.exact,
            measured,
            rounding,
            evidence="enumeration",
        ).of("a")
        closed = am.gradients.third_step(task, lead)["positions", "positions"]
        yield agreement(
            f"closed form is what is kept, {where}",
            closed,
            result.kept,
            rounding,
            evidence="enumeration",
        ).of("a")
    # Dropped = (c_0 + c_1/C + ...) / C^3, so the slope from C to 2C is -3 + O(1/C), and twice the
    # slope from 2C on less that is -3 + O(1/C^2), which is less than their difference.
    sizes = [(5, 1, 1.0), (8, 1, 1.0), (8, 4, 10.0)]
    for length, k, lead in sizes + ([(9, 1, 10.0), (10, 2, 3.0)] if context.full else []):
        parts = [dropped_up_to_symmetry(c + k, length, k, lead) for c in (200, 400, 800)]
        near, far = np.diff(np.log2([part.relative for part in parts]))
        name = f"exponent of C in what is dropped, T={length} K={k} lead={lead:g}"
        yield Case(name, -3, 2 * far - near, abs(far - near), evidence="estimate").of("b")


def reference_third_step(task: am.InductionTask, lead: float) -> np.ndarray:
    """The position block of step 3, differentiated by the reference on all sequences."""
    emb, batch = am.FrozenEmbeddings.orthonormal(task), task.enumerate()
    second = am.gradients.second_step(task)
    params = reference_parameters(emb, {"W_K2": second.memory(emb) * (lead / second.lead)})
    gradient = reference.gradients(
        params, batch.tokens, batch.targets, batch.weights, wrt=["W_K1"], along=[_first(task)]
    )["W_K1"]
    positions = slice(task.n_tokens, task.n_tokens + task.length)
    return -gradient[positions, positions]


def dropped_up_to_symmetry(n: int, length: int, k: int, lead: float) -> Dropped:
    task = am.InductionTask(n, length, k)
    return dropped_part(task, lead=lead, batch=task.patterns())

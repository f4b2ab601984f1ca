"""Check of T-m1: a finite first step repairs step 2: it learns which classes are never labels."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy.stats import t as student

import assocmem as am
from assocmem.gradients import conditions
from validation.runner.cases import FALSE_ALARM, Case, Context
from validation.steps.sizes import moments, over_all


# T-m1
def check(context: Context) -> Iterator[Case]:
    """The sign of the wanted coefficient on both sides of m1*, by sampled population gradients."""
    sizes = [(10, 4, 32), (20, 16, 32), (4, 1, 16)]
    pieces, size = 32, 2000 if context.full else 500
    # Student's t over independent pieces; two levels a size.
    z = student.isf(FALSE_ALARM / (4 * len(sizes)), pieces - 1)
    for content, k, length in sizes:
        x = float(conditions.harmonic_numbers(length)[0])
        threshold = conditions.repairing_margin(content, k, float(length), x, moments(length))
        for factor, predicted in ((2 / 3, -1), (3 / 2, 1)):
            values = [
                _wanted_after(over_all(content, length, k), factor * threshold, size, context)
                for _ in range(pieces)
            ]
            error = z * np.std(values, ddof=1) / math.sqrt(pieces)
            mean = np.mean(values)
            measured = np.sign(mean) if abs(mean) > error else 0
            where = f"C={content} K={k} T={length}"
            yield Case(
                f"sign of the lead at {factor:.2f} m1*, {where}",
                predicted,
                measured,
                0,
                evidence="statistics",
            )


def _wanted_after(task: am.InductionTask, margin: float, size: int, context: Context) -> float:
    """The wanted coefficient of step 2 after a first step of a finite size."""
    emb, first = am.FrozenEmbeddings.orthonormal(task), am.gradients.first_step(task)
    model = am.FrozenTransformer(emb, W_O2=first.memory(emb) * (margin / first.lead))
    batch = task.sample(size, rng=context.rng)
    _, memories = model.loss_and_memories(batch, ("W_K2",))
    atoms, n = memories["W_K2"].coefficients, task.n_tokens
    remapped = n + task.length  # where the atoms Phi1 w_E start
    return -float(np.mean([atoms[q, remapped + q] for q in task.triggers]))

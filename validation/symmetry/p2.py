"""Check of P2: step 2 after a first step of real size: the correction is kappa_T m_1 / C."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

import assocmem as am
from assocmem.model.families import REMAPPED_TOKENS, TOKENS
from assocmem.model.symmetric import SymmetricTransformer
from theory.symmetry.claims import SECOND_ORDER
from validation import reference
from validation.runner.cases import ROUNDING, Case, Context
from validation.steps.populations import reference_parameters
from validation.symmetry.real_steps import _lead_by


def check(context: Context) -> Iterator[Case]:
    sizes = ((3, 1), (40, 3), (10**6 - 1, 1))
    for length, kappa in SECOND_ORDER.items():
        for c, k in sizes if context.full or length == 5 else sizes[::2]:
            task = am.InductionTask(c + k, length, k)
            predicted = float(kappa) / c
            slope, last_correction = _slope(task)
            rounding = ROUNDING * 2**6
            name = f"relative change of the lead per m_1, T={length} C={c} K={k}"
            yield Case(name, predicted, slope, abs(last_correction) + rounding, evidence="estimate")
    task = am.InductionTask(4, 5)
    emb, batch = am.FrozenEmbeddings.orthonormal(task), task.enumerate()
    first = _lead_by(am.gradients.first_step(task), 0.5).memory(emb)
    params = reference_parameters(emb, {"W_O2": first})
    data = (batch.tokens, batch.targets, batch.weights)
    gradient = -reference.gradients(params, *data, wrt=["W_K2"])["W_K2"]
    cue = emb.tokens[0] @ gradient @ emb.remapped_tokens.T
    name = "lead after a step of m_1 = 0.5, T=5 C=3: the reference's"
    predicted = real_lead(task, 0.5)
    yield Case(
        name, predicted, cue[0] - cue[1], ROUNDING * np.abs(gradient).max(), evidence="enumeration"
    )


def real_lead(task: am.InductionTask, margin: float) -> float:
    """Lead of the trigger query in the exact gradient on W_K2 after a first step of this size."""
    first = _lead_by(am.gradients.first_step(task), margin)
    patterns = task.patterns()
    model = SymmetricTransformer(task, W_O2=first)
    block = model.loss_and_tables(patterns, ("W_K2",))[1]["W_K2"][TOKENS, REMAPPED_TOKENS]
    return float(block.different[0, -1] - block.same[0])


def _slope(task: am.InductionTask) -> tuple[float, float]:
    """Slope in m₁ at 0 of lead / (m₁ lead(J₂) / u), by Romberg's rule; and its last correction."""
    unit = am.gradients.second_step(task)[TOKENS, REMAPPED_TOKENS]
    per_margin = (unit.same[0] - unit.different[0, -1]) / am.gradients.first_step(task).lead
    steps = 2.0 ** -np.arange(2, 7)
    table = [
        (real_lead(task, h) / h + real_lead(task, -h) / h) / per_margin / (2 * h) for h in steps
    ]
    last = np.inf
    for order in range(1, len(steps)):  # each round removes the next even power of h
        last = table[-1]
        table = [y + (y - x) / (4**order - 1) for x, y in itertools.pairwise(table)]
    return table[-1], table[-1] - last

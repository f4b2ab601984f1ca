"""Check of T-m1: a finite first step repairs step 2: it learns which classes are never labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

import assocmem as am
from assocmem._statistics import standard_errors
from assocmem.gradients import conditions
from assocmem.model.families import REMAPPED_TOKENS, TOKENS
from assocmem.model.symmetric import SymmetricTransformer
from validation.runner.cases import FALSE_ALARM, Case, Context
from validation.steps.sizes import moments, over_all

NEAR = 0.12  # the crossing is at most so far from the formula, relative; 0.114 at (2, 1, 7)
PIECES = 32  # of independent sequences, for the standard error of a crossing
AROUND = (0.96, 1.02)  # times the formula: a chord between 0.85 and 1.1 moves the root by 1 %


def check(context: Context) -> Iterator[Case]:
    """Where the lead changes sign: exactly, up to symmetry, and by samples for longer sequences."""
    exact = [
        (2, 1, 7),
        (3, 4, 7),
        (5, 64, 7),
        (34, 1024, 7),
        (3, 4, 8),
        (6, 64, 8),
        (5, 16, 9),
        (2, 4, 15),
    ]
    if context.full:
        exact += [(2, 4, 9), (6, 64, 9), (2, 4, 16)]
    for content, k, length in exact:
        formula = threshold(content, k, length)
        crossing = exact_crossing(over_all(content, length, k), formula)
        name = f"m1 where the lead changes sign, C={content} K={k} T={length}"
        yield Case(name, formula, crossing, NEAR * formula, evidence="range")
    sampled = [(6, 6, 12), (8, 32, 16), (10, 4, 32), (20, 16, 32)]
    z = standard_errors(FALSE_ALARM / len(sampled), PIECES - 1)
    for content, k, length in sampled:
        formula, task = threshold(content, k, length), over_all(content, length, k)
        found, error = sampled_crossing(task, formula, 4000 if context.full else 1000, context)
        name = f"m1 where the lead changes sign, by samples, C={content} K={k} T={length}"
        yield Case(name, formula, found, NEAR * formula + z * error, evidence="range")


def threshold(content: int, k: int, length: int) -> float:
    """m1* of the claim."""
    x = float(conditions.harmonic_numbers(length)[0])
    return conditions.repairing_margin(content, k, float(length), x, moments(length))


def exact_crossing(task: am.InductionTask, formula: float) -> float:
    """The margin of the first step at which the lead of the exact second one is 0."""
    first, patterns = am.gradients.first_step(task), task.patterns()

    def lead(margin: float) -> float:
        model = SymmetricTransformer(task, W_O2=first * (margin / first.lead))
        block = model.loss_and_tables(patterns, ("W_K2",))[1]["W_K2"][TOKENS, REMAPPED_TOKENS]
        return -float(block.same[0])

    return float(brentq(lead, formula / 8, 8 * formula, xtol=1e-6 * formula))


def sampled_crossing(
    task: am.InductionTask, formula: float, size: int, context: Context
) -> tuple[float, float]:
    """The same by samples, and its standard error: the lead is nearly linear in the margin."""
    values = np.array(
        [
            [wanted_after(task, factor * formula, batch) for factor in AROUND]
            for batch in (task.sample(size, rng=context.rng) for _ in range(PIECES))
        ]
    )

    def crossing(mean: NDArray[np.float64]) -> float:
        low, high = AROUND
        return float(low - (high - low) * mean[0] / (mean[1] - mean[0])) * formula

    without = [crossing(np.delete(values, piece, axis=0).mean(axis=0)) for piece in range(PIECES)]
    return crossing(values.mean(axis=0)), float(np.sqrt((PIECES - 1) * np.var(without)))


def wanted_after(task: am.InductionTask, margin: float, batch: am.Batch) -> float:
    """The wanted coefficient of step 2 after a first step of a finite size."""
    emb, first = am.FrozenEmbeddings.orthonormal(task), am.gradients.first_step(task)
    model = am.FrozenTransformer(emb, W_O2=first.memory(emb) * (margin / first.lead))
    _, memories = model.loss_and_memories(batch, ("W_K2",))
    atoms, n = memories["W_K2"].coefficients, task.n_tokens
    remapped = n + task.length  # where the atoms Phi1 w_E start
    return -float(np.mean([atoms[q, remapped + q] for q in task.triggers]))

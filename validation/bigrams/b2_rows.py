"""Check of B2-rows: a row of W_K2 lives on its own trigger's frequency, squared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

import assocmem as am
from validation import reference
from validation.bigrams.populations import independent, parameters
from validation.runner.cases import Case, Context

Array = Any

RATES = np.array([1.0, 3.0])
CONTENT, LENGTH = 2, 8
EPSILONS = (2e-4, 1e-4)

LOSSES: dict[str, Literal["triggers", "all"]] = {"a": "triggers", "b": "all"}


def check(context: Context) -> Iterator[Case]:
    kappa, k = wanted_coefficient(), len(RATES)
    yield Case("the wanted coefficient is positive", 1, kappa > 0, 0).of("a")
    shares = RATES**2 / (RATES**2).sum()
    pairs = (LENGTH - 1) * (LENGTH - 2) / 2
    for part, loss in LOSSES.items():
        scale = 1.0 if loss == "triggers" else ((RATES**2).sum() * pairs / LENGTH) ** 2
        rows = [keys(epsilon, loss) / (scale * kappa) for epsilon in EPSILONS]
        for q, share in enumerate(shares):
            values = [row[q] / share for row in rows]
            # linear in ε up to second order, which is the square of what is taken off
            limits = 2 * values[1] - values[0]
            tolerance = 4 * (values[0][q] - 1) ** 2
            where = f"row of trigger {q}, loss on {loss}"
            for key, limit, found in (
                ("own key over the limit", 1, limits[q]),
                ("a content key", -1 / CONTENT, limits[k]),
                ("the other trigger's key", 0, limits[1 - q]),
            ):
                case = Case(f"{where}: {key}", limit, found, tolerance, evidence="estimate")
                yield case.of(part)


def keys(epsilon: float, loss: Literal["triggers", "all"]) -> Array:
    """Rows of triggers, columns Φ₁ w_E, with the bigrams known; over ε⁴ with loss on all."""
    k = len(RATES)
    rates = epsilon * RATES
    f = np.append(rates, np.full(CONTENT, (1 - rates.sum()) / CONTENT))
    task = am.BigramTask(independent(f), LENGTH, triggers=range(k), loss=loss)
    step = am.gradients.bigram_step(task, "W_K2", predictor="bigrams")
    table = step["remapped_tokens"][:k]
    return table if loss == "triggers" else table / epsilon**4


def wanted_coefficient() -> float:
    """κ_T, from InductionTask at all lengths up to T, by the reference."""
    n, lengths = CONTENT + 1, range(3, LENGTH + 1)
    weights = np.array([t - 2 for t in lengths]) / sum(t - 2 for t in lengths)
    tasks = [am.InductionTask(n, t, 1, "content") for t in lengths]
    first = sum(w * padded(task) for w, task in zip(weights, tasks, strict=True))
    return float(sum(w * second(task, first) for w, task in zip(weights, tasks, strict=True)))


def padded(task: am.InductionTask) -> Array:
    """S1 over outputs and keys, positions up to T."""
    table = am.gradients.first_step(task).coefficients()
    wide = np.zeros((len(table), 2 * (task.n_tokens + LENGTH)))
    wide[:, kept(task)] = table
    return wide


def kept(task: am.InductionTask) -> Array:
    """The columns over T positions that a task of fewer positions has."""
    n, t = task.n_tokens, task.length
    half = np.append(np.arange(n), n + np.arange(t))
    return np.append(half, n + LENGTH + half)


def second(task: am.InductionTask, first: Array) -> float:
    """The coefficient of w_E(q) to Φ₁ w_E(q) along a first memory."""
    emb, batch = am.FrozenEmbeddings.orthonormal(task), task.enumerate()
    along = [{"W_O2": emb.outputs.T @ first[:, kept(task)] @ emb.values}]
    slope = reference.gradients(
        parameters(task),
        batch.tokens,
        batch.targets,
        batch.weights,
        wrt=["W_K2"],
        along=along,
    )["W_K2"]
    return float(-emb.tokens[0] @ slope @ emb.remapped_tokens[0])

"""Check of B2-rows: a row of W_K2 lives on its own trigger's frequency, W_K1 on all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np

import assocmem as am
from assocmem._checks import Array
from validation import reference
from validation.bigrams.populations import independent, parameters
from validation.runner.cases import Case, Context

RATES = np.array([1.0, 3.0])
CONTENT, LENGTH = 2, 8
EPSILONS = (2e-4, 1e-4)
PLACES = ((2, 1), (5, 4), (5, 2))  # of a query and a key

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
    limits = wanted_positions()
    for loss in LOSSES.values():
        scale = 1.0 if loss == "triggers" else ((RATES**2).sum() * pairs / LENGTH) ** 2
        tables = [positions(epsilon, loss) / scale for epsilon in EPSILONS]
        for i, name in enumerate(("value path", "slope")):
            values = [[table[i, s, r] / limits[i, s, r] for s, r in PLACES] for table in tables]
            # at some places the first order in ε nearly vanishes: the largest says how large it is
            tolerance = 4 * np.abs(np.array(values[0]) - 1).max() ** 2
            for place, coarse, fine in zip(PLACES, *values, strict=True):
                where = f"positions {place}, loss on {loss}: {name} over the limit"
                case = Case(where, 1, 2 * fine - coarse, tolerance, evidence="estimate")
                yield case.of("c")


def rare(epsilon: float, loss: Literal["triggers", "all"]) -> am.BigramTask:
    """Triggers of these rates on uniform content."""
    rates = epsilon * RATES
    f = np.append(rates, np.full(CONTENT, (1 - rates.sum()) / CONTENT))
    return am.BigramTask(independent(f), LENGTH, triggers=range(len(RATES)), loss=loss)


def keys(epsilon: float, loss: Literal["triggers", "all"]) -> Array:
    """Rows of triggers, columns Φ₁ w_E, with the bigrams known; over ε⁴ with loss on all."""
    step = am.gradients.bigram_step(rare(epsilon, loss), "W_K2", predictor="bigrams")
    table = step["remapped_tokens"][: len(RATES)]
    return table if loss == "triggers" else table / epsilon**4


def positions(epsilon: float, loss: Literal["triggers", "all"]) -> Array:
    """Value path and slope of the positions of W_K1, (2, T, T); over ε⁴ with loss on all."""
    task = rare(epsilon, loss)
    value = am.gradients.bigram_step(task, "W_K1", predictor="bigrams").coefficients
    pairs = second_pairs(task.n_tokens, LENGTH)
    both = am.gradients.bigram_step(task, "W_K1", predictor="bigrams", second=pairs).coefficients
    table = np.stack([value, both - value])
    return table if loss == "triggers" else table / epsilon**4


def second_pairs(n: int, length: int) -> Array:
    """W_K2 from w_E(q) to Φ₁ w_E(q), for every token: only triggers are asked."""
    table = np.zeros((n, 2 * (n + length)))
    table[:, n + length : 2 * n + length] = np.eye(n)
    return table


def wanted_coefficient() -> float:
    """κ_T, from InductionTask at all lengths up to T, by the reference."""
    first = mean_over_lengths(padded)
    return float(mean_over_lengths(lambda task: second(task, first)))


def wanted_positions() -> Array:
    """A_T and B_T, (2, T, T), likewise."""
    first = mean_over_lengths(padded)
    return mean_over_lengths(lambda task: third(task, first))


def mean_over_lengths(step: Callable[[am.InductionTask], Any]) -> Any:
    """Σ_t (t - 2) step(t) / Σ_t (t - 2) over InductionTask of the lengths t = 3..T."""
    lengths = range(3, LENGTH + 1)
    tasks = [am.InductionTask(CONTENT + 1, t, 1, "content") for t in lengths]
    return sum((task.length - 2) * step(task) for task in tasks) / sum(t - 2 for t in lengths)


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
    emb = am.FrozenEmbeddings.orthonormal(task)
    slope = slope_along(task, "W_K2", [{"W_O2": written(task, first)}])
    return float(-emb.tokens[0] @ slope @ emb.remapped_tokens[0])


def third(task: am.InductionTask, first: Array) -> Array:
    """Positions of W_K1 along a first memory, and along the pairs of W_K2 too: (2, T, T)."""
    emb, along = am.FrozenEmbeddings.orthonormal(task), [{"W_O2": written(task, first)}]
    pairs = emb.tokens.T @ second_pairs(task.n_tokens, task.length) @ emb.atoms
    slopes = [slope_along(task, "W_K1", [*along, *more]) for more in ([], [{"W_K2": pairs}])]
    missing = LENGTH - task.length
    table = np.array([-emb.positions @ slope @ emb.positions.T for slope in slopes])
    return np.pad(table, [(0, 0), (0, missing), (0, missing)])


def written(task: am.InductionTask, first: Array) -> Array:
    """W_O2, of a first memory over T positions."""
    emb = am.FrozenEmbeddings.orthonormal(task)
    return emb.outputs.T @ first[:, kept(task)] @ emb.values


def slope_along(task: am.InductionTask, matrix: str, along: list[dict[str, Array]]) -> Array:
    """The reference's gradient on a matrix, differentiated."""
    batch = task.enumerate()
    sequences = (batch.tokens, batch.targets, batch.weights)
    return reference.gradients(parameters(task), *sequences, wrt=[matrix], along=along)[matrix]

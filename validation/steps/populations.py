"""The closed forms of `assocmem.gradients` against automatic differentiation of the definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

import assocmem as am
from validation import reference
from validation.runner.cases import ROUNDING, Case


# S1, S2, S3a: the reference transformer on the whole population
def small_tasks() -> list[am.InductionTask]:
    """Every valid (N, K, T) with N <= 5, T <= 6, both vocabularies, and random triggers."""
    vocabularies: tuple[Literal["content", "all"], ...] = ("content", "all")
    return [
        am.InductionTask(n, length, k, predict)
        for n in (3, 4, 5)
        for length in (3, 4, 5, 6)
        for k, predict in [
            *((k, p) for k in range(1, n - 1) for p in vocabularies),
            ("random", vocabularies[1]),
        ]
    ]


def reference_parameters(
    emb: am.FrozenEmbeddings, weights: Mapping[str, am.AssociativeMemory | np.ndarray]
) -> dict[str, np.ndarray]:
    """The reference's matrices for given embeddings and learned memories or matrices."""
    learned = {name: np.asarray(weight) for name, weight in weights.items()}
    return reference.parameters(
        emb.tokens, emb.positions, emb.outputs, emb.Phi1, emb.W_V2, **learned
    )


def measured_gradient(
    task: am.InductionTask, name: str, along: Sequence[dict[str, np.ndarray]] = ()
) -> np.ndarray:
    """-∇ of the reference's exact population loss at zero weights, differentiated along."""
    emb, batch = am.FrozenEmbeddings.orthonormal(task), task.enumerate()
    params = reference_parameters(emb, {})
    gradients = reference.gradients(
        params, batch.tokens, batch.targets, batch.weights, wrt=[name], along=along
    )
    return -gradients[name]


def _step(table: am.BlockTable) -> np.ndarray:
    return table.memory(am.FrozenEmbeddings.orthonormal(table.task)).matrix


def _describe(task: am.InductionTask) -> str:
    return f"N={task.n_tokens} T={task.length} K={task.n_triggers} {task.predict}"


def _wanted(name: str, task: am.InductionTask, matrix: np.ndarray) -> float:
    """The wanted coefficient of a matrix in orthonormal coordinates: that of its first cue."""
    probe = am.probe(name, task, am.FrozenEmbeddings.orthonormal(task))
    scores = am.AssociativeMemory(
        keys=np.eye(len(matrix)), values=np.eye(len(matrix)), coefficients=matrix
    )
    scores = scores.T if probe.by_query else scores
    return float(scores.scores(keys=probe.cues, values=probe.answers)[probe.targets[0], 0])


def _compare(
    name: str,
    closed_form: Callable[[am.InductionTask], np.ndarray],
    measure: Callable[[am.InductionTask], np.ndarray],
    shown: Callable[[am.InductionTask, np.ndarray], float],
) -> Iterator[Case]:
    """Rows with a coefficient one can read, then the largest difference over all blocks."""
    examples = (am.InductionTask(4, 6), am.InductionTask(4, 6, "random", "all"))
    differences = []
    for task in small_tasks():
        closed, measured = closed_form(task), measure(task)
        size = np.abs(measured).max()
        if task in examples:
            predicted, found = shown(task, closed), shown(task, measured)
            case = f"{name}, {_describe(task)}"
            yield Case(case, predicted, found, ROUNDING * size, evidence="enumeration")
        differences.append(np.abs(closed - measured).max() / size)
    worst = np.max(differences)  # unlike max, NaN if one of them is
    case = f"{len(differences)} populations, largest difference"
    yield Case(case, 0, worst, ROUNDING, evidence="enumeration")


def _first(task: am.InductionTask) -> dict[str, np.ndarray]:
    """The direction W_O2 = G₁, as the reference itself measures it."""
    return {"W_O2": measured_gradient(task, "W_O2")}

"""Names of version 0.1 that go in 0.3; each says what to write instead."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from assocmem._checks import Array
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.probes import Probe, probe
from assocmem.tasks import BigramTask
from assocmem.training.metrics import EARLY
from assocmem.training.optimizers import SGD, update

Matrices = dict[str, Array]


def memory_probes(
    task: BigramTask, embeddings: FrozenEmbeddings, *, layers: int = 2
) -> dict[str, Probe]:
    """Return the probes of all matrices; write ``probe(name, task, embeddings)`` instead."""
    _warn("memory_probes", "assocmem.probe(name, task, embeddings) for W_O2, W_K2 and W_K1")
    pairs = task.pairs()
    if layers == 1:
        return {"W_O2": probe("W_O2", task, embeddings)}
    early = {"W_K1": pairs["W_K1"][pairs["W_K1"][:, 0] < EARLY]}
    found = {name: probe(name, task, embeddings) for name in pairs}
    return found | {"W_K1_64": probe("W_K1", task, embeddings, pairs=early)}


def momentum_step(
    weights: Matrices,
    velocities: Matrices,
    gradients: Mapping[str, Array],
    *,
    learning_rate: float,
    momentum: float,
    weight_decay: float,
) -> tuple[Matrices, Matrices]:
    """Return weights and velocities after one update; write ``SGD(momentum).direction`` instead."""
    _warn("momentum_step", "the method direction of assocmem.training.SGD")
    moved, now, optimizer = dict(weights), dict(velocities), SGD(momentum)
    rates = {"learning_rate": learning_rate, "weight_decay": weight_decay}
    for name, gradient in gradients.items():
        state = {"velocity": velocities[name]}
        moved[name], kept = update(optimizer, weights[name], gradient, state, **rates)
        now[name] = kept["velocity"]
    return moved, now


def _warn(name: str, instead: str) -> None:
    text = f"assocmem.training.{name} goes in version 0.3: use {instead}."
    warnings.warn(text, DeprecationWarning, stacklevel=3)

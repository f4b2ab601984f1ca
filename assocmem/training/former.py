"""Names of version 0.1 that go with the next minor version; each says what to write instead."""

from __future__ import annotations

from collections.abc import Mapping

from assocmem._checks import Array, renamed
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
    renamed("memory_probes", "am.probe(name, task, embeddings)", "It takes any task.")
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
    renamed("momentum_step", "SGD(momentum).direction", "Other optimisers have it as well.")
    moved, now, optimizer = dict(weights), dict(velocities), SGD(momentum)
    rates = {"learning_rate": learning_rate, "weight_decay": weight_decay}
    for name, gradient in gradients.items():
        state = {"velocity": velocities[name]}
        moved[name], kept = update(optimizer, weights[name], gradient, state, **rates)
        now[name] = kept["velocity"]
    return moved, now

"""Where a run begins: the seed's streams, the start of the matrices, the batches to measure on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import checked_names, checked_option
from assocmem.memory import AssociativeMemory
from assocmem.model.arguments import checked_weights
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.transformer import MATRICES
from assocmem.tasks import BigramBatch, BigramTask
from assocmem.training.history import History
from assocmem.training.metrics import Metrics
from assocmem.training.presets import uniform
from assocmem.training.run import Settings, TrainingRun, digest
from assocmem.training.sgd import Matrices

Initial = Literal["zero", "random"] | Mapping[str, ArrayLike | AssociativeMemory]

START, TEST, BATCH = range(3)  # independent streams of one seed


def start(
    task: BigramTask,
    embeddings: FrozenEmbeddings,
    settings: Settings,
    initial: Initial,
    metrics: Metrics,
) -> TrainingRun:
    """Return the run before its first update."""
    weights = initial_weights(initial, embeddings, settings)
    first = task.sample(settings.batch_size, rng=stream(settings.seed, BATCH, 0))
    drawn = {"task": first} | {f"test {name}": test for name, (_, test) in metrics.tests.items()}
    return TrainingRun(
        task=repr(task),
        embeddings=embeddings,
        settings=settings,
        step=0,
        weights=weights,
        velocities={name: np.zeros_like(weights[name]) for name in settings.trained},
        history=History({"step": np.array([], dtype=np.int64)}),
        digests={
            "embeddings": digest(embeddings.atoms, embeddings.values, embeddings.outputs),
            "initial": digest(*weights.values()),
        }
        | {name: digest(b.tokens, b.targets, b.weights) for name, b in drawn.items()},
    )


def held_out(
    task: BigramTask, test: BigramTask | Mapping[str, BigramTask] | None, settings: Settings
) -> dict[str, tuple[BigramTask, BigramBatch]]:
    """Return the tasks to measure on with their batches, from a seed that is their own."""
    if not isinstance(test, Mapping):
        test = {"": task if test is None else test}
    else:
        test = {"": task, **test}
    for name, other in test.items():
        if not isinstance(other, BigramTask):
            raise TypeError(f"test: expected BigramTasks; got {type(other).__name__} {name!r}.")
        if (other.n_tokens, other.length) != (task.n_tokens, task.length):
            raise ValueError(
                f"test: expected the {task.n_tokens} tokens and length {task.length} of the task; "
                f"got {other.n_tokens} and {other.length}."
            )
    return {
        name: (other, other.sample(settings.evaluate_on, rng=stream(settings.seed, TEST)))
        for name, other in test.items()
    }


def initial_weights(initial: Initial, embeddings: FrozenEmbeddings, settings: Settings) -> Matrices:
    """Return the start of every matrix that the model has; W_F only if it is trained or given."""
    shape, dtype = (embeddings.width, embeddings.width), embeddings.dtype
    given = initial if isinstance(initial, Mapping) else {}
    checked_names("initial", given, settings.matrices)
    if not isinstance(initial, Mapping):
        checked_option("initial", initial, ("zero", "random"), "Or pass matrices by name.")
    weights = {}
    for name in settings.matrices:
        if name == "W_F" and name not in {*settings.trained, *given}:
            continue
        matrix = given.get(name, np.zeros(shape))
        if not given and initial == "random":
            matrix = uniform(shape, rng=stream(settings.seed, START, MATRICES.index(name)))
        if isinstance(matrix, AssociativeMemory):
            matrix = matrix.matrix
        matrix = checked_weights(f"initial[{name!r}]", matrix, embeddings.width)
        with np.errstate(over="ignore"):
            copied = np.array(matrix, dtype=dtype)  # the caller's stays as it is
        weights[name] = checked_weights(f"initial[{name!r}]", copied, embeddings.width)
    return weights


def stream(seed: int, *key: int) -> np.random.Generator:
    """Return the generator of one purpose (and step), the same whatever else was drawn."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))

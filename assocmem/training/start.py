"""Where a run begins: the seed's streams, the start of the matrices, the batches to measure on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import Array, checked_names, checked_option
from assocmem.memory import AssociativeMemory
from assocmem.model.arguments import checked_weights
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.transformer import MATRICES
from assocmem.tasks import Batch, Task
from assocmem.tasks.batch import checked_task, sampled
from assocmem.tasks.identity import array_digest, described
from assocmem.training.history import History
from assocmem.training.metrics import Metrics
from assocmem.training.presets import uniform
from assocmem.training.run import TrainingRun
from assocmem.training.settings import Settings

Initial = Literal["zero", "random"] | Mapping[str, ArrayLike | AssociativeMemory]

START, TEST, BATCH = range(3)  # independent streams of one seed


def start(
    task: Task,
    embeddings: FrozenEmbeddings,
    settings: Settings,
    initial: Initial,
    metrics: Metrics,
    *,
    compared: bool,
) -> TrainingRun:
    """Return the run before its first update; ``compared`` says that a checkpoint needs all of it.

    Raises TypeError for a task that is to be compared and cannot be.
    """
    weights = initial_weights(initial, embeddings, settings)
    first = sampled(task, settings.batch_size, stream(settings.seed, BATCH, 0))
    arrays = embeddings.atoms, embeddings.values, embeddings.outputs
    identity: dict[str, Any] = {
        "embeddings": array_digest(*arrays),
        "initial": array_digest(*weights.values()),
        "pairs": described("pairs", metrics.pairs),
    }
    drawn = {"task": (task, first)} | {f"test {name}": test for name, test in metrics.tests.items()}
    for name, (each, batch) in drawn.items():
        # beside the task itself a batch of it, which also shows when its code has changed
        sample = array_digest(batch.tokens, batch.targets, batch.weights)
        identity |= {name: _identity(name, each, compared), f"sample of {name}": sample}
    return TrainingRun(
        task=repr(task),
        embeddings=embeddings,
        settings=settings,
        step=0,
        weights=weights,
        state={},
        history=History({"step": np.array([], dtype=np.int64)}),
        identity=identity,
    )


def _identity(name: str, task: Task, compared: bool) -> Any:
    try:
        return described(name, task)
    except TypeError:
        if compared:
            raise
        return f"a {type(task).__name__} that cannot be compared"


def held_out(
    task: Task, test: Task | Mapping[str, Task] | None, settings: Settings
) -> dict[str, tuple[Task, Batch]]:
    """Return the tasks to measure on with their batches, from a seed that is their own."""
    if not isinstance(test, Mapping):
        test = {"": task if test is None else test}
    else:
        test = {"": task, **test}
    for name, other in test.items():
        checked_task(f"test[{name!r}]" if name else "test", other)
        same = (other.n_tokens, other.length, len(other.outputs))
        if same != (task.n_tokens, task.length, len(task.outputs)):
            raise ValueError(
                f"test: expected the {task.n_tokens} tokens, {len(task.outputs)} outputs and "
                f"length {task.length} of the task; got {same[0]}, {same[2]} and {same[1]}."
            )
    return {
        name: (other, sampled(other, settings.evaluate_on, stream(settings.seed, TEST)))
        for name, other in test.items()
    }


def initial_weights(
    initial: Initial, embeddings: FrozenEmbeddings, settings: Settings
) -> dict[str, Array]:
    """Return the start of every matrix that the model has; W_F only if it is trained or given."""
    shape, dtype = (embeddings.width, embeddings.width), embeddings.dtype
    given = initial if isinstance(initial, Mapping) else {}
    checked_names("initial", given, settings.matrices)
    if not isinstance(initial, Mapping):
        checked_option("initial", initial, ("zero", "random"), "Or pass matrices by name.")
    weights = {}
    for name in settings.matrices:
        if name == "W_F" and name not in {*(settings.trained or ()), *given}:
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

"""Training: fresh batches, any optimiser, a schedule, a history, and checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import Array, Seed, checked_flag, checked_kind, generator, required
from assocmem.model.arguments import ScoresOverflow
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.step import EMBEDDINGS, TrainingStep
from assocmem.model.threads import one_blas_thread
from assocmem.tasks import Task
from assocmem.tasks.batch import checked_batch_size, checked_task, sampled
from assocmem.training.checkpoint import Checkpoint
from assocmem.training.metrics import Metrics
from assocmem.training.optimizers import SGD, update
from assocmem.training.run import TrainingRun
from assocmem.training.settings import Settings
from assocmem.training.start import BATCH, Initial, held_out, start, stream


def train(
    task: Task,
    embeddings: FrozenEmbeddings,
    *,
    initial: Initial = "zero",
    rng: Seed = None,
    test: Task | Mapping[str, Task] | None = None,
    pairs: Mapping[str, ArrayLike] | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 100,
    workers: int = 1,
    progress: bool = False,
    **settings: Any,
) -> TrainingRun:
    """Train a transformer on fresh batches of a task, and record how each memory forms.

    Parameters
    ----------
    task : Task
        What the training batches are drawn from; it says which positions carry loss.
    embeddings : FrozenEmbeddings
        Their dtype is that of the run.
    initial : {"zero", "random"} or mapping of str to array_like, shape (d, d)
        Start of every matrix; "random" is uniform on ±1/√d, and what is left out of a mapping zero.
    rng : int, generator of NumPy or None
        Seeds the start and the data. The batch of step i depends on the seed and i alone.
    test : Task or mapping of str to Task, optional
        Another task to measure on instead; or several more, whose columns end in ``_name``.
    pairs : mapping of str to array_like, rows (cue, answer), optional
        What each matrix should recall, see `probe`; default what the task says, or nothing.
    checkpoint : str or Path, optional
        Where the run is saved, at intervals, at the end, and on Ctrl-C; the same call goes on from
        there to the same bits; only ``steps``, ``workers`` and the frequency of checkpoints may
        differ.
    checkpoint_every : int
        How many updates lie between two checkpoints.
    workers : int
        Threads that share the chunks of a batch; the result is the same bit for bit.
    progress : bool
        Whether to show a bar with loss and recall (needs tqdm).
    **settings
        The fields of `Settings` but the seed; and ``momentum``, that of the default optimiser.

    Returns
    -------
    TrainingRun
        Columns of its history are explained in `Metrics`; all of a row belong to the same weights.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit each other, a loss that is no longer finite, a checkpoint of
        another run, or of a task or optimiser that another process could not compare.
    OSError
        For a checkpoint that another run is using or that cannot be written; at the end it is a
        `CheckpointError`, which has the run.

    References
    ----------
    [BCBJB2023], Section 5.

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.BigramTask(length=16, n_triggers=3)
    >>> setting = am.training.published(task, width=32, rng=0, batch_size=8)
    >>> am.training.train(task, **setting, steps=4, evaluate_every=2).history["step"]
    array([0, 2, 4])
    """
    progress = checked_flag("progress", progress)
    asked = _settings(task, embeddings, settings, rng, checkpoint)
    step = TrainingStep(
        embeddings, layers=asked.layers, scale=asked.scale, readout=asked.readout, workers=workers
    )
    with Checkpoint(checkpoint, checkpoint_every) as kept:
        tests, trained = held_out(task, test, asked), asked.trained or ()
        metrics = Metrics(task, step, tests, pairs=pairs, trained=trained)
        begun = start(task, embeddings, asked, initial, metrics, compared=kept.path is not None)
        run = kept.resumed(begun)
        return _finish(run, _updates(run, task, step, metrics), kept, progress)


def _settings(
    task: Task,
    embeddings: FrozenEmbeddings,
    given: dict[str, Any],
    rng: Seed,
    checkpoint: str | Path | None,
) -> Settings:
    """Check what was asked against each other, and return it."""
    checked_task("task", task)
    checked_kind(
        "embeddings", embeddings, FrozenEmbeddings, "See FrozenEmbeddings.random, published."
    ).check_fits(task)
    if rng is None and checkpoint is not None:
        raise ValueError(
            "rng: expected a seed along with a checkpoint; got None, which would draw other data "
            "when the run goes on. Pass an integer."
        )
    known = {field.name for field in fields(Settings)} - {"seed"} | {"momentum"}
    if unknown := set(given) - known:
        raise TypeError(
            f"train: expected arguments among {', '.join(sorted(known))}, and those of its "
            f"signature; got {', '.join(sorted(unknown))}."
        )
    given = dict(given)
    if (momentum := given.pop("momentum", None)) is not None:
        if given.get("optimizer") is not None:
            raise ValueError(
                f"momentum: expected none along with an optimizer; got {momentum!r}. Give it to "
                f"the optimizer, as in SGD(momentum=0.9); published(task, optimizer=...) has none."
            )
        given["optimizer"] = SGD(momentum)
    if given.get("optimizer", "") is None:
        del given["optimizer"]
    asked = Settings(**given, seed=int(generator(rng).integers(2**63)))
    for name in ("batch_size", "evaluate_on"):
        checked_batch_size(name, getattr(asked, name), task.length)
    return asked


def _finish(
    run: TrainingRun, updates: Iterator[TrainingRun], kept: Checkpoint, progress: bool
) -> TrainingRun:
    """Take all updates of a run, and save it on the way."""
    try:
        # one BLAS thread: how a product is shared out is part of its rounding
        with one_blas_thread(), _bar(run, progress) as show:
            for run in updates:
                show(run)
                kept.passing(run)
    except KeyboardInterrupt as interrupt:
        raise kept.interrupted(run) from interrupt
    kept.last(run)
    return run


def _updates(
    run: TrainingRun, task: Task, step: TrainingStep, metrics: Metrics
) -> Iterator[TrainingRun]:
    """Yield the run after every update, and at last with its last row; each one is consistent."""
    settings = run.settings
    for i in range(run.step, settings.steps + 1):
        if metrics.moving:
            step = step.with_embeddings(run.embeddings)
        batch = sampled(task, settings.batch_size, stream(settings.seed, BATCH, i))
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # refused in the next line
                found = step.loss_and_gradients(run.weights, batch, wrt=settings.moving(i))
        except ScoresOverflow:
            found = np.inf, {}
        loss, gradients = found
        _require_finite(run, "a loss", np.array(loss))
        if i % settings.evaluate_every == 0 or i == settings.steps:
            row = {"step": i, **metrics(run.weights, step), "train_loss": loss}
            run = replace(run, history=run.history.with_row(row))
        if i < settings.steps:
            run = _updated(run, gradients)
        yield run


def _updated(run: TrainingRun, gradients: Mapping[str, Array]) -> TrainingRun:
    """Return the run after one update more."""
    settings, state = run.settings, dict(run.state)
    arrays = run.weights | {name: getattr(run.embeddings, name) for name in EMBEDDINGS}
    for name, gradient in gradients.items():
        with np.errstate(over="ignore", invalid="ignore"):
            arrays[name], kept = update(
                settings.optimizer,
                arrays[name],
                gradient,
                state.get(name, {}),
                learning_rate=settings.rate(run.step),
                weight_decay=settings.weight_decay,
            )
        _require_finite(run, name, arrays[name])
        if kept:
            state[name] = kept
    moved = {name: arrays.pop(name) for name in EMBEDDINGS}
    embeddings = run.embeddings
    if not set(EMBEDDINGS).isdisjoint(gradients):
        moved |= {"Phi1": embeddings.Phi1, "W_V2": embeddings.W_V2}
        embeddings = FrozenEmbeddings.from_matrices(**moved, side="left", family="trained")
    return replace(run, step=run.step + 1, embeddings=embeddings, weights=arrays, state=state)


def _require_finite(run: TrainingRun, what: str, array: Array) -> None:
    if not np.isfinite(array).all():
        raise ValueError(
            f"learning_rate: expected {what} that stays finite; got NaN or infinity after "
            f"{run.step} updates. Take less than {run.settings.rate(run.step)}."
        )


@contextmanager
def _bar(run: TrainingRun, wanted: bool) -> Iterator[Callable[[TrainingRun], None]]:
    """A function that shows how far a run is: on a progress bar, or not at all."""
    if not wanted:
        yield lambda run: None
        return
    tqdm = required("tqdm.auto", "progress").tqdm

    with tqdm(total=run.settings.steps, initial=run.step, unit="step") as bar:

        def show(run: TrainingRun) -> None:
            if len(run.history["step"]):
                last = {name: column[-1] for name, column in run.history.items()}
                recall = {k: v for k, v in last.items() if k.startswith("recall_")}
                shown = {"loss": last["loss"], "accuracy": last["accuracy"], **recall}
                bar.set_postfix({k: f"{v:.2f}" for k, v in shown.items()}, refresh=False)
            bar.update(run.step - bar.n)

        yield show

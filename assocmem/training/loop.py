"""Training: fresh batches, momentum, a schedule, a history, and checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from assocmem._checks import Seed, checked_kind, generator
from assocmem._files import beside, checked_path
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.step import TrainingStep
from assocmem.model.transformer import Readout
from assocmem.tasks import BigramTask
from assocmem.tasks.batch import at_least, checked_batch_size
from assocmem.training.metrics import Metrics
from assocmem.training.run import Array, Settings, TrainingRun
from assocmem.training.sgd import momentum_step
from assocmem.training.start import BATCH, Initial, held_out, start, stream


def train(
    task: BigramTask,
    embeddings: FrozenEmbeddings,
    *,
    steps: int = 1000,
    batch_size: int = 128,
    learning_rate: float = 0.2,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    trained: tuple[str, ...] | None = None,
    frozen_until: Mapping[str, int] | None = None,
    layers: int = 2,
    scale: float = 1.0,
    readout: Readout = "residual",
    initial: Initial = "zero",
    rng: Seed = 0,
    workers: int = 1,
    evaluate_every: int = 20,
    evaluate_on: int = 128,
    test: BigramTask | Mapping[str, BigramTask] | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 100,
    progress: bool = False,
) -> TrainingRun:
    """Train the learned matrices by SGD with momentum, and watch each memory form.

    >>> import assocmem as am
    >>> task = am.BigramTask(length=16, n_triggers=3)
    >>> setting = am.training.published(task, width=32, rng=0, batch_size=8)
    >>> run = am.training.train(task, **setting, steps=4, evaluate_every=2, evaluate_on=8)
    >>> run.history["step"]
    array([0, 2, 4])

    Parameters
    ----------
    task : BigramTask
        What the training batches are drawn from; it says which positions carry loss.
    embeddings : FrozenEmbeddings
        Their dtype is that of the run.
    steps, batch_size : int
        Updates, and fresh sequences for each.
    learning_rate, momentum, weight_decay : float
        v ← momentum v + (gradient + weight_decay W); W ← W − learning_rate v.
    trained : names
        The matrices that move, among W_K1, W_K2, W_O2, W_F; default the first three (with one
        layer, the two of them that exist).
    frozen_until : mapping of name to int
        A trained matrix that is named here does not change, by decay either, in the first so many
        updates; then it starts with zero momentum.
    layers : {2, 1}
        One layer is the second alone: x¹_t = x_t.
    scale, readout
        As in `FrozenTransformer`.
    initial : {"zero", "random"} or mapping of name to matrix
        Start of every matrix, trained or not; "random" is uniform on ±1/√d. In a mapping, matrices
        left out start at zero.
    rng
        Seeds the start and the data. The batch of step i depends on the seed and i alone.
    workers : int
        Threads that share the chunks of a batch; the result is the same bit for bit.
    evaluate_every, evaluate_on : int
        Every so many updates, and after the last, the `history` gets a row, measured on the same
        so many sequences throughout.
    test : BigramTask or mapping of name to BigramTask
        Another task to measure on instead; or several more, whose columns end in ``_name``.
    checkpoint : path
        The run is saved there every ``checkpoint_every`` updates, at the end, and on Ctrl-C; the
        same call goes on from there, to the same bits as without an interruption. ``steps``,
        ``workers`` and the frequency of checkpoints may differ; anything else is refused.
    progress : bool
        Show a bar with loss and recall (needs tqdm).

    The columns of ``run.history`` are explained in `Metrics`; all of a row belong to the same
    weights, also ``train_loss``, the loss on the batch that the next update uses.

    Raises
    ------
    ValueError
        For unknown names, numbers out of range, embeddings that do not fit the task, a checkpoint
        of another run, a loss that is no longer finite.
    TypeError
        For a task that is not a BigramTask, embeddings that are no FrozenEmbeddings.

    Source: [BCBJB2023], Section 5.
    """
    checked_kind("task", task, BigramTask)
    checked_kind(
        "embeddings", embeddings, FrozenEmbeddings, "See FrozenEmbeddings.random, published."
    )
    embeddings.check_fits(task)
    if trained is None:
        trained = ("W_K2", "W_O2") if layers == 1 else ("W_K1", "W_K2", "W_O2")
    if checkpoint is not None:
        checked_path("checkpoint", checkpoint)
    if rng is None and checkpoint is not None:
        raise ValueError(
            "rng: expected a seed along with a checkpoint; got None, which would draw other data "
            "when the run goes on. Pass an integer."
        )
    settings = Settings(
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        momentum=momentum,
        weight_decay=weight_decay,
        trained=trained,
        frozen_until={} if frozen_until is None else frozen_until,  # type: ignore[arg-type]
        layers=layers,
        scale=scale,
        readout=readout,
        evaluate_every=evaluate_every,
        evaluate_on=evaluate_on,
        seed=int(generator(rng).integers(2**63)),
    )
    for name in ("batch_size", "evaluate_on"):
        checked_batch_size(name, getattr(settings, name), task.length)
    at_least("checkpoint_every", checkpoint_every, 1)
    at_least("workers", workers, 1)
    step = TrainingStep(
        embeddings, layers=layers, scale=settings.scale, readout=readout, workers=workers
    )
    metrics = Metrics(task, embeddings, step, held_out(task, test, settings))
    run = start(task, embeddings, settings, initial, metrics)
    if checkpoint is not None and beside(checkpoint, ".npz").exists():
        run = run.going_on(TrainingRun.load(checkpoint), checkpoint)
    updates = _updates(run, task, step, metrics)
    return _finish(run, updates, checkpoint, checkpoint_every, progress)


def _finish(
    run: TrainingRun,
    updates: Iterator[TrainingRun],
    checkpoint: str | Path | None,
    checkpoint_every: int,
    progress: bool,
) -> TrainingRun:
    """Take all updates of a run, and save it on the way."""
    from threadpoolctl import threadpool_limits

    try:
        # one BLAS thread: how a product is shared out is part of its rounding
        with threadpool_limits(limits=1, user_api="blas"), _bar(run, progress) as show:
            for run in updates:
                show(run)
                if checkpoint is not None and run.step % checkpoint_every == 0:
                    run.save(checkpoint)
    except KeyboardInterrupt:
        if checkpoint is None:
            raise
        run.save(checkpoint)
        raise KeyboardInterrupt(
            f"stopped after {run.step} of {run.settings.steps} steps, saved in {checkpoint}: make "
            f"the same call again to go on from there"
        ) from None
    if checkpoint is not None:
        run.save(checkpoint)
    return run


def _updates(
    run: TrainingRun, task: BigramTask, step: TrainingStep, metrics: Metrics
) -> Iterator[TrainingRun]:
    """Yield the run after every update, and at last with its last row; each one is consistent."""
    settings = run.settings
    for i in range(run.step, settings.steps + 1):
        batch = task.sample(settings.batch_size, rng=stream(settings.seed, BATCH, i))
        with np.errstate(over="ignore", invalid="ignore"):  # refused in the next line
            loss, gradients = step.loss_and_gradients(run.weights, batch, wrt=settings.moving(i))
        _require_finite(run, "a loss", np.array(loss))
        if i % settings.evaluate_every == 0 or i == settings.steps:
            row = {"step": i, **metrics(run.weights), "train_loss": loss}
            run = replace(run, history=run.history.with_row(row))
        if i < settings.steps:
            run = _updated(run, gradients)
        yield run


def _updated(run: TrainingRun, gradients: Mapping[str, Array]) -> TrainingRun:
    """Return the run after one update more."""
    settings = run.settings
    with np.errstate(over="ignore", invalid="ignore"):
        weights, velocities = momentum_step(
            run.weights,
            run.velocities,
            gradients,
            learning_rate=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
    for name in gradients:
        _require_finite(run, name, weights[name])
    return replace(run, step=run.step + 1, weights=weights, velocities=velocities)


def _require_finite(run: TrainingRun, what: str, array: Array) -> None:
    if not np.isfinite(array).all():
        raise ValueError(
            f"learning_rate: expected {what} that stays finite; got NaN or infinity after "
            f"{run.step} updates. Take less than {run.settings.learning_rate}."
        )


@contextmanager
def _bar(run: TrainingRun, wanted: bool) -> Iterator[Callable[[TrainingRun], None]]:
    """A function that shows how far a run is: on a progress bar, or not at all."""
    if not wanted:
        yield lambda run: None
        return
    from tqdm.auto import tqdm

    with tqdm(total=run.settings.steps, initial=run.step, unit="step") as bar:

        def show(run: TrainingRun) -> None:
            if len(run.history["step"]):
                last = {name: column[-1] for name, column in run.history.items()}
                recall = {k: v for k, v in last.items() if k.startswith("recall_")}
                shown = {"loss": last["loss"], "accuracy": last["accuracy"], **recall}
                bar.set_postfix({k: f"{v:.2f}" for k, v in shown.items()}, refresh=False)
            bar.update(run.step - bar.n)

        yield show

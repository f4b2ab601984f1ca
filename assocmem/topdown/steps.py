"""The three top-down gradient steps: W_O², then W_K² (induction), then W_K¹ (previous token)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import (
    Seed,
    checked_kind,
    generator,
)
from assocmem.gradients import bigram_memory_step, first_step, second_step, third_step
from assocmem.memory import AssociativeMemory
from assocmem.model.arguments import Readout
from assocmem.model.blocks import BlockTable
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.families import POSITIONS
from assocmem.model.symmetric import SymmetricTransformer
from assocmem.model.threads import one_blas_thread
from assocmem.model.transformer import FrozenTransformer
from assocmem.probes import evaluate, pairs_of, probe
from assocmem.tasks import Batch, BigramBatch, BigramTask, InductionBatch, InductionTask, Task
from assocmem.tasks.batch import checked_batch_size, checked_task, sampled
from assocmem.topdown.run import Gradient, Pairs, TopDownRun, TopDownSettings, TopDownStep

STEPS = ("W_O2", "W_K2", "W_K1")  # top-down: the order in which the memories are written
ENUMERATE_UP_TO = 20_000  # sequences: below this a population gradient is exact by default


@one_blas_thread()
def top_down(
    task: Task,
    embeddings: FrozenEmbeddings | None = None,
    *,
    margins: tuple[float, float, float] = (0.5, 10.0, 5.0),
    gradient: Gradient = "closed-form",
    blocks: Literal["position", "all"] = "position",
    readout: Readout = "attention",
    sequences: int | None = None,
    evaluate_on: int | None = 10_000,
    pairs: Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
) -> TopDownRun:
    """Write the three memories by one gradient step each, from zero, top-down.

    Parameters
    ----------
    task : Task
        An `InductionTask` or a `BigramTask`; with ``gradient="population"`` any task.
    embeddings : FrozenEmbeddings, optional
        Default: orthonormal, the infinite-width limit.
    margins : three positive numbers
        The sizes of the three steps. Steps 1 and 2 are scaled so that the median lead of their cues
        equals the margin, step 3 so that the median coefficient of p_t for p_{t-1} does. If a
        matrix has no pairs to recall, its largest coefficient is scaled to the margin. With random
        triggers, the median of step 2 weights triggers by how often they are drawn.
    gradient : {"closed-form", "population", "exact"}
        "closed-form": the coefficients of S1, S2 and S3b at infinite width, written with the given
        embeddings. "population": the true gradient of the model with these embeddings, over
        sequences. "exact": the true gradient at infinite width over all sequences, for any number
        of tokens and T up to about 10; it takes no embeddings, its memories are tables by class of
        token, and its evaluation is over all sequences.
    blocks : {"position", "all"}
        What step 3 moves: the position block of W_K1, or everything (not in closed form).
    readout : {"attention", "residual"}
        Of the model, in population gradients and evaluation.
    sequences : int, optional
        Fresh sequences for each population gradient, and for step 3 on a `BigramTask`. Default: all
        of them if at most 20 000 exist, else a sample of 20 000.
    evaluate_on : int or None
        Fresh sequences on which attention and accuracy are measured after each step; None measures
        neither, and draws nothing for it. With the exact gradient leave it, or pass None.
    pairs : mapping of str to array_like, rows (cue, answer), optional
        What each matrix should recall, see `probe`; default what the task says, or nothing.
    rng : int, generator of NumPy or None
        The same seed gives the same bits, with any number of BLAS threads; None draws anew.

    Returns
    -------
    TopDownRun
        A step whose strength is not positive is not taken: the run stops, and ``run.failure`` says
        why.

    Raises
    ------
    ValueError
        For margins that are not three positive numbers, unknown options, blocks="all" with the
        closed form, embeddings that do not fit the task.
    TypeError
        For a task that is none, or is symbolic; for one that is not an InductionTask, with the
        closed form.

    Notes
    -----
    On a `BigramTask` the closed forms are the exact population gradients of the language; each step
    moves only the block of its memory (`gradients.bigram_memory_step`), and step 3 is computed from
    a sample of `sequences`. With readout "residual", a step 0 first writes the bigrams into "W_F":
    without them the gradient on W_O2 does not lead when all tokens have loss (claim B1). The
    evaluation is on repeated triggers, and its attention is that on the token that followed the
    trigger's last occurrence.

    References
    ----------
    [BCBJB2023], Section 6 and its appendix on the three gradient steps.

    Examples
    --------
    >>> import assocmem as am
    >>> run = am.top_down(am.InductionTask(n_tokens=16, length=16), rng=0, evaluate_on=1000)
    >>> run.recall
    {'W_O2': 1.0, 'W_K2': 1.0, 'W_K1': 1.0}
    """
    settings = TopDownSettings(margins, gradient, blocks, readout, sequences, evaluate_on)
    task = _checked_task(task, settings)
    if gradient == "exact":
        return _exact(task, settings, embeddings, pairs)
    wanted = pairs_of(task, pairs)
    if embeddings is None:
        embeddings = FrozenEmbeddings.orthonormal(task)
    checked_kind("embeddings", embeddings, FrozenEmbeddings).check_fits(task)
    for argument, count in ("sequences", sequences), ("evaluate_on", evaluate_on):
        if count is not None:
            checked_batch_size(argument, count, task.length)
    rng = generator(rng)
    tested = replace(task, loss="triggers") if isinstance(task, BigramTask) else task
    held_out = None if evaluate_on is None else sampled(tested, evaluate_on, rng)
    run = TopDownRun(task, embeddings, settings, ())
    if isinstance(task, BigramTask) and (gradient, readout) == ("closed-form", "residual"):
        bigrams = bigram_memory_step("W_F", run.model(), task, rng=rng)
        largest = float(bigrams.coefficients.max())
        run = replace(run, steps=(_step(run, "W_F", bigrams, (largest, 1.0), wanted, held_out),))
    for name, margin in zip(STEPS, settings.margins, strict=True):
        memory = _negative_gradient(run, name, rng)
        strength = _strength(name, task, memory.coefficients, wanted)
        if not strength > 0:
            return replace(run, failure=_failure(name, strength))
        size = margin / strength
        step = _step(run, name, size * memory, (strength, size), wanted, held_out)
        run = replace(run, steps=(*run.steps, step))
    return run


def _exact(task: Any, settings: TopDownSettings, *unused: Any) -> TopDownRun:
    """Take the steps along the exact gradient, over one sequence for each pattern."""
    if any(given is not None for given in unused) or settings.evaluate_on not in (None, 10_000):
        raise ValueError(
            "embeddings, pairs, evaluate_on: expected none with gradient='exact', which is at "
            "infinite width, for the pairs of the task, and evaluated on all sequences; got some. "
            "Pass gradient='population'."
        )
    patterns, run = task.patterns(), TopDownRun(task, None, settings, ())
    for name, margin in zip(STEPS, settings.margins, strict=True):
        table = -run.model().loss_and_tables(patterns, (name,))[1][name]
        if name == "W_K1" and settings.blocks == "position":
            table = BlockTable(task, name, {(POSITIONS, POSITIONS): table[POSITIONS, POSITIONS]})
        if not table.strength > 0:
            return replace(run, failure=_failure(name, table.strength))
        size = margin / table.strength
        weights: dict[str, Any] = {**run.memories, name: size * table}
        small = SymmetricTransformer(task, **weights).restricted
        cues = probe(name, task.representatives, small.embeddings)
        margins = cues.margins(small.weights[name])
        evaluation = None if settings.evaluate_on is None else evaluate(small, patterns.batch)
        step = TopDownStep(name, weights[name], table.strength, size, margins, evaluation)
        run = replace(run, steps=(*run.steps, step))
    return run


def _failure(name: str, strength: float) -> str:
    return f"the gradient on {name} has strength {strength:.3g}, not positive: no step"


def _checked_task(task: Any, settings: TopDownSettings) -> Any:
    """The task, refused unless it has numeric sizes, and the closed forms if they are asked for."""
    asked = {"closed-form": (InductionTask, BigramTask), "exact": (InductionTask,)}
    kinds = asked.get(settings.gradient)
    if getattr(task, "is_symbolic", False) or (kinds and not isinstance(task, kinds)):
        expected = " or a ".join(kind.__name__ for kind in kinds or (InductionTask,))
        remedy = 'gradient="population" takes any task.' if kinds else "Build it with integers."
        raise TypeError(f"task: expected an {expected}, with numeric sizes; got {task!r}. {remedy}")
    closed = settings.gradient == "closed-form" and isinstance(task, InductionTask)
    if closed and settings.sequences is not None:
        raise ValueError(
            f"sequences: expected None with gradient='closed-form', which samples none; got "
            f"{settings.sequences!r}. Pass gradient='population', or no sequences."
        )
    return checked_task("task", task)


def _step(
    run: TopDownRun,
    name: str,
    memory: AssociativeMemory,
    strength_and_size: tuple[float, float],
    wanted: Pairs,
    held_out: Batch | None,
) -> TopDownStep:
    """Write the memory, and measure the model that has it."""
    weights: dict[str, Any] = {**run.memories, name: memory}
    model = FrozenTransformer(run.embeddings, readout=run.settings.readout, **weights)
    margins = np.empty(0)
    if name in wanted:
        margins = probe(name, run.task, run.embeddings, pairs=wanted).margins(memory)
    evaluation = None
    if held_out is not None:
        evaluation = evaluate(model, held_out, attend_to=_goal(held_out))
    return TopDownStep(name, memory, *strength_and_size, margins, evaluation)


def _goal(batch: Batch) -> ArrayLike | None:
    """Where attention should go: `evaluate` knows it of induction, and -1 is nowhere."""
    if isinstance(batch, BigramBatch):
        return batch.after_last_occurrence
    return None if isinstance(batch, InductionBatch) else -1


def _negative_gradient(run: TopDownRun, name: str, rng: np.random.Generator) -> AssociativeMemory:
    """Return -∇ of the loss on the named matrix, as a memory over the atoms."""
    task, embeddings, settings = run.task, run.embeddings, run.settings
    if settings.gradient == "closed-form":
        if isinstance(task, BigramTask):
            sequences = settings.sequences or ENUMERATE_UP_TO
            return bigram_memory_step(name, run.model(), task, sequences=sequences, rng=rng)
        assert isinstance(task, InductionTask)
        if name == "W_O2":
            return first_step(task).memory(embeddings)
        if name == "W_K2":
            return second_step(task).memory(embeddings)
        return third_step(task, settings.margins[1]).memory(embeddings)
    _, memories = run.model().loss_and_memories(_population(task, settings.sequences, rng), (name,))
    memory = -memories[name]
    if name == "W_K1" and settings.blocks == "position":
        positions = slice(task.n_tokens, None)
        return AssociativeMemory(
            keys=embeddings.positions,
            values=embeddings.positions,
            coefficients=memory.coefficients[positions, positions],
        )
    return memory


def _population(task: Task, sequences: int | None, rng: np.random.Generator) -> Batch:
    few = isinstance(task, InductionTask) and task.n_sequences <= ENUMERATE_UP_TO
    if isinstance(task, InductionTask) and sequences is None and few:
        return task.enumerate()
    batch: Batch = sampled(task, sequences or ENUMERATE_UP_TO, rng)
    return batch


def _strength(name: str, task: Task, coefficients: NDArray[Any], wanted: Pairs) -> float:
    """Median lead of the wanted coefficients; of W_K1 their median; the largest without any.

    Rows of W_K2 for random triggers count as often as the trigger is drawn: most of the tokens are
    so rare that theirs are next to nothing.
    """
    if name not in wanted:
        return float(coefficients.max())
    limit = FrozenEmbeddings.orthonormal(task)  # where scores are coefficients
    rows, columns = {
        "W_O2": (limit.outputs, limit.values),
        "W_K2": (limit.atoms, limit.atoms),
        "W_K1": (limit.inputs, limit.inputs),
    }[name]
    if coefficients.shape == (task.length, task.length) and name == "W_K1":  # one block alone
        rows = columns = limit.positions
    memory = AssociativeMemory(keys=columns, values=rows, coefficients=coefficients)
    if name == "W_K1":
        scores = memory.scores(keys=limit.positions, values=limit.positions)
        return float(np.median(scores[tuple(wanted[name].T)]))
    leads = probe(name, task, limit, pairs=wanted).margins(memory)
    if name == "W_K2" and isinstance(task, BigramTask) and task.random_triggers:
        drawn = task.language.unigram[wanted[name][:, 0]]
        return float(np.quantile(leads, 0.5, weights=drawn, method="inverted_cdf"))
    return float(np.median(leads))

"""The three top-down gradient steps: W_O², then W_K² (induction), then W_K¹ (previous token)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem import _files as files
from assocmem._checks import (
    Seed,
    at_least,
    checked_kind,
    checked_number,
    checked_option,
    checked_sequence,
    checked_size,
    generator,
    renamed,
)
from assocmem.gradients import bigram_memory_step, first_step, second_step, third_step
from assocmem.memory import AssociativeMemory
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.transformer import FrozenTransformer, Readout
from assocmem.probes import Evaluation, Rate, Share, evaluate, pairs_of, probe
from assocmem.tasks import Batch, BigramBatch, BigramTask, InductionBatch, InductionTask, Task
from assocmem.tasks.batch import checked_batch_size, checked_task, sampled
from assocmem.tasks.identity import described

__all__ = ["TopDownRun", "top_down"]

STEPS = ("W_O2", "W_K2", "W_K1")  # top-down: the order in which the memories are written
Pairs = Mapping[str, NDArray[np.int64]]
ENUMERATE_UP_TO = 20_000  # sequences: below this a population gradient is exact by default


@dataclass(frozen=True)
class TopDownSettings:
    """What a run was asked to do; as in `top_down`."""

    margins: tuple[float, float, float] = (0.5, 10.0, 5.0)
    gradient: Literal["closed-form", "population"] = "closed-form"
    blocks: Literal["position", "all"] = "position"
    readout: Readout = "attention"
    sequences: int | None = None
    evaluate_on: int | None = 10_000

    def __post_init__(self) -> None:
        three, positive = "three positive numbers", lambda margin: 0 < margin < np.inf
        margins = checked_sequence("margins", self.margins, three)
        if len(margins) != 3:
            raise ValueError(f"margins: expected {three}; got {self.margins!r}.")
        margins = [checked_number("margins", margin, three, positive) for margin in margins]
        object.__setattr__(self, "margins", tuple(margins))
        for name, allowed in (
            ("gradient", ("closed-form", "population")),
            ("blocks", ("position", "all")),
            ("readout", ("attention", "residual")),
        ):
            checked_option(name, getattr(self, name), allowed)
        if self.blocks == "all" and self.gradient == "closed-form":
            raise ValueError(
                "blocks: expected 'position' with gradient='closed-form', which knows that block "
                "of step 3 only; got 'all'. Pass gradient='population'."
            )
        for name in ("sequences", "evaluate_on"):
            if getattr(self, name) is not None:
                checked_size(name, getattr(self, name))
        if self.sequences is not None and self.gradient == "closed-form":
            raise ValueError(
                f"sequences: expected None with gradient='closed-form', which samples none; got "
                f"{self.sequences!r}. Pass gradient='population', or no sequences."
            )


@dataclass(frozen=True, eq=False)
class TopDownStep:
    """One gradient step, matrix += size · (negative gradient), and the model after it.

    Attributes
    ----------
    name : {"W_O2", "W_K2", "W_K1"}
        Or "W_F", the step 0 on a `BigramTask`.
    memory : AssociativeMemory
        The learned matrix after the step (it was zero before).
    strength : float
        How strongly the gradient, before scaling, writes what is wanted: the median over the cues
        of the lead, the wanted coefficient minus the largest competing one; at step 3 the median of
        the wanted coefficients, those below the diagonal. Of a matrix without pairs: the largest
        coefficient.
    size : float
        The step size, the run's margin divided by the strength.
    margins (cues,)
        Right score minus best wrong one after the step, with the model's own embeddings.
    evaluation : Evaluation or None
        Attention and accuracy of the model after the step, on the run's fresh sequences; None if
        there were none.
    """

    name: str
    memory: AssociativeMemory
    strength: float
    size: float
    margins: NDArray[Any]
    evaluation: Evaluation | None

    @property
    def recall(self) -> float:
        """Fraction of the cues recalled by strict maximum; NaN of a matrix without pairs."""
        return float(np.mean(self.margins > 0)) if len(self.margins) else float("nan")

    @property
    def lead(self) -> float:
        """The strength; deprecated."""
        renamed("lead", "strength", "The lead of a table of coefficients is another number.")
        return self.strength

    def __repr__(self) -> str:
        return f"TopDownStep({self.name}, recall={self.recall:.4f}, {self.evaluation!r})"


@dataclass(frozen=True, eq=False)
class TopDownRun:
    """The trajectory of the three steps; made by `top_down`.

    Attributes
    ----------
    task, embeddings, settings
        What was run.
    steps : tuple of TopDownStep
        Those that were taken: three, unless one failed.
    failure : str or None
        Why the run stopped early.
    """

    task: Task
    embeddings: FrozenEmbeddings
    settings: TopDownSettings
    steps: tuple[TopDownStep, ...]
    failure: str | None = None

    @property
    def failed_step(self) -> int | None:
        """The step (1, 2 or 3) without a positive lead, where the run stopped; None if none did."""
        return None if self.failure is None else len(self.steps) + 1

    @property
    def memories(self) -> dict[str, AssociativeMemory]:
        """The learned matrices by name."""
        return {step.name: step.memory for step in self.steps}

    @property
    def recall(self) -> dict[str, float]:
        """Recall of each memory by name."""
        return {step.name: step.recall for step in self.steps}

    @property
    def evaluation(self) -> Evaluation:
        """Attention and accuracy after the last step that was taken."""
        if not self.steps:
            raise ValueError(
                f"evaluation: expected a run with a step; got none: {self.failure}. Take longer "
                f"sequences or other margins."
            )
        evaluation = self.steps[-1].evaluation
        if evaluation is None:
            raise ValueError(
                "evaluation: expected a run that was evaluated; got evaluate_on=None. Use "
                "am.evaluate(run.model(), task.sample(...))."
            )
        return evaluation

    @property
    def attention(self) -> float:
        """Mean attention on the output token at the end."""
        return self.evaluation.attention

    @property
    def accuracy(self) -> Rate | Share:
        """In-context accuracy at the end; `accuracy.interval()` is its confidence interval."""
        return self.evaluation.accuracy

    def model(self, after: int | None = None) -> FrozenTransformer:
        """Return the transformer after the given number of steps (default: all taken).

        Raises ValueError for more steps than were taken.
        """
        if after is not None and at_least("after", after, 0) > len(self.steps):
            raise ValueError(
                f"after: expected at most the {len(self.steps)} steps that were taken; got {after}."
            )
        taken = self.steps[:after]
        weights: dict[str, Any] = {step.name: step.memory for step in taken}
        return FrozenTransformer(self.embeddings, readout=self.settings.readout, **weights)

    def __repr__(self) -> str:
        recall = ", ".join(f"{name}: {value:.3f}" for name, value in self.recall.items())
        end = f"stopped at step {self.failed_step}" if self.failure else "not evaluated"
        if not self.failure and self.steps and self.steps[-1].evaluation is not None:
            end = repr(self.evaluation)
        return f"TopDownRun({self.task}, recall={{{recall}}}, {end})"

    def save(self, path: str | Path) -> None:
        """Write the run to ``path.npz`` (arrays) and ``path.json`` (settings), each atomically.

        The evaluation is saved with it; `load` gives an equal run back.
        """
        arrays = {f"embeddings.{name}": array for name, array in _arrays(self.embeddings).items()}
        for i, step in enumerate(self.steps):
            arrays |= {f"{i}.memory.{k}": v for k, v in _arrays(step.memory).items()}
            evaluation = {} if step.evaluation is None else _arrays(step.evaluation)
            arrays |= {f"{i}.evaluation.{k}": v for k, v in evaluation.items()}
            arrays[f"{i}.margins"] = step.margins
        record = {
            "task": described("task", self.task),
            "family": self.embeddings.family,
            "settings": asdict(self.settings),
            "steps": [{"name": s.name, "strength": s.strength, "size": s.size} for s in self.steps],
            "failure": self.failure,
            "recall": self.recall,
        }
        files.save(path, "TopDownRun", record, arrays)

    @classmethod
    def load(cls, path: str | Path, task: Task | None = None) -> TopDownRun:
        """Read a run that `save` wrote.

        ``task`` is needed unless it was an `InductionTask`, and has to be the one of the run.

        Raises ValueError for a file that holds anything else, or not all of a run.
        """
        record, arrays = files.load(path, "TopDownRun")
        try:
            return cls._of(record, arrays, task)
        except (KeyError, TypeError) as error:
            raise files.unreadable(path, "TopDownRun", f"one that is not whole ({error})") from None

    @classmethod
    def _of(
        cls, record: dict[str, Any], arrays: dict[str, NDArray[Any]], task: Task | None
    ) -> TopDownRun:

        def part(prefix: str) -> dict[str, Any]:
            return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}

        steps = tuple(
            TopDownStep(
                **step,
                memory=AssociativeMemory(**part(f"{i}.memory.")),
                margins=arrays[f"{i}.margins"],
                evaluation=Evaluation(**evaluation, drawn=True)
                if (evaluation := part(f"{i}.evaluation."))
                else None,
            )
            for i, step in enumerate(record["steps"])
        )
        return cls(
            task=_restored(record["task"], task),
            embeddings=FrozenEmbeddings(**part("embeddings."), family=record["family"]),
            settings=TopDownSettings(**record["settings"]),
            steps=steps,
            failure=record["failure"],
        )


def _restored(record: dict[str, Any], task: Task | None) -> Task:
    """The task of a saved run: an InductionTask from its numbers, another one as it is given."""
    if task is None and record["class"] == described("", InductionTask):
        return InductionTask(**{k: v for k, v in record.items() if k != "class"})
    if task is None or described("task", task) != record:
        raise ValueError(f"task: expected {record}, the one of the saved run; got {task!r}.")
    return task


def top_down(
    task: Task,
    embeddings: FrozenEmbeddings | None = None,
    *,
    margins: tuple[float, float, float] = (0.5, 10.0, 5.0),
    gradient: Literal["closed-form", "population"] = "closed-form",
    blocks: Literal["position", "all"] = "position",
    readout: Readout = "attention",
    sequences: int | None = None,
    evaluate_on: int | None = 10_000,
    pairs: Mapping[str, ArrayLike] | None = None,
    rng: Seed = None,
) -> TopDownRun:
    """Write the three memories by one gradient step each, from zero, top-down.

    >>> import assocmem as am
    >>> run = am.top_down(am.InductionTask(n_tokens=16, length=16), rng=0, evaluate_on=1000)
    >>> run.recall
    {'W_O2': 1.0, 'W_K2': 1.0, 'W_K1': 1.0}

    Parameters
    ----------
    task : Task
        An `InductionTask` or a `BigramTask`; with ``gradient="population"`` any task.
    embeddings : FrozenEmbeddings
        Default: orthonormal, the infinite-width limit.
    margins : three positive numbers
        Natural step sizes. Steps 1 and 2 are scaled so that the median wanted coefficient leads its
        largest competitor by the margin, step 3 so that the median sub-diagonal one equals it. A
        matrix without pairs is scaled so that its largest coefficient equals the margin.
    gradient : {"closed-form", "population"}
        The infinite-width coefficients of S1, S2 and S3(b), written with the given embeddings; or
        the true gradient of the model at hand. The exact one at infinite width, for any number of
        tokens and T up to about 10, is taken by `SymmetricTransformer.top_down`.
    blocks : {"position", "all"}
        What step 3 moves: the position block of W_K1, or everything (population only).
    readout : {"attention", "residual"}
        Of the model, in population gradients and evaluation.
    sequences : int
        Fresh sequences for each population gradient. Default: all of them if at most 20 000 exist,
        else a sample of 20 000.
    evaluate_on : int or None
        Fresh sequences on which attention and accuracy are measured after each step; None measures
        neither, and draws nothing for it.
    pairs : mapping of matrix to rows (cue, answer)
        What each matrix should recall, see `probe`; default what the task says, or nothing.
    rng
        Seed or generator: the same seed gives the same bits.

    On a `BigramTask` the closed forms are the exact population gradients of the language, of which
    each step moves the block of its memory alone (`gradients.bigram_memory_step`), and step 3 a
    sample of `sequences`. With readout "residual" a step 0 comes first, "W_F": the bigrams, without
    which the gradient on W_O2 does not lead when all tokens have loss (claim B1). Tested are
    repeated triggers, and the attention is that on what followed the trigger's last occurrence.

    A step whose strength is not positive is not taken: the run stops, and ``run.failure`` says why.

    Raises
    ------
    ValueError
        For margins that are not three positive numbers, unknown options, blocks="all" with the
        closed form, embeddings that do not fit the task.
    TypeError
        For a task that is none, or is symbolic; for one that is not an InductionTask, with the
        closed form.

    Source: [BCBJB2023], Section 6 and its appendix on the three gradient steps.
    """
    settings = TopDownSettings(margins, gradient, blocks, readout, sequences, evaluate_on)
    wanted = pairs_of(_checked_task(task, settings), pairs)
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
            reason = f"the gradient on {name} has strength {strength:.3g}, not positive: no step"
            return TopDownRun(task, embeddings, settings, run.steps, reason)
        size = margin / strength
        step = _step(run, name, size * memory, (strength, size), wanted, held_out)
        run = replace(run, steps=(*run.steps, step))
    return run


def _checked_task(task: Any, settings: TopDownSettings) -> Any:
    """The task, refused unless it has numeric sizes, and the closed forms if they are asked for."""
    closed = settings.gradient == "closed-form"
    remedy = 'gradient="population" takes any task.' if closed else ""
    if getattr(task, "is_symbolic", False) or (
        closed and not isinstance(task, (InductionTask, BigramTask))
    ):
        raise TypeError(
            f"task: expected an InductionTask with numeric sizes, or a BigramTask; got {task!r}. "
            f"{remedy}".rstrip()
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
    """Median lead of the wanted coefficients; of W_K1 their median; the largest without any."""
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
    return float(np.median(probe(name, task, limit, pairs=wanted).margins(memory)))


def _arrays(record: Any) -> dict[str, NDArray[Any]]:
    """Return the array fields of a dataclass."""
    named = {field.name: getattr(record, field.name) for field in fields(record)}
    return {name: value for name, value in named.items() if isinstance(value, np.ndarray)}

"""The three top-down gradient steps: W_O², then W_K² (induction), then W_K¹ (previous token)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

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
)
from assocmem.gradients import first_step, second_step, third_step
from assocmem.memory import AssociativeMemory
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.transformer import FrozenTransformer, Readout
from assocmem.probes import Evaluation, Rate, Share, evaluate, probe
from assocmem.tasks import Batch, InductionTask
from assocmem.tasks.batch import checked_batch_size

__all__ = ["TopDownRun", "top_down"]

STEPS = ("W_O2", "W_K2", "W_K1")  # top-down: the order in which the memories are written
ENUMERATE_UP_TO = 20_000  # sequences: below this a population gradient is exact by default


@dataclass(frozen=True)
class Settings:
    """What a run was asked to do; as in `top_down`."""

    margins: tuple[float, float, float] = (0.5, 10.0, 5.0)
    gradient: Literal["closed-form", "population"] = "closed-form"
    blocks: Literal["position", "all"] = "position"
    readout: Readout = "attention"
    sequences: int | None = None
    evaluate_on: int = 10_000

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
            if name == "evaluate_on" or self.sequences is not None:
                checked_size(name, getattr(self, name))


@dataclass(frozen=True, eq=False)
class Step:
    """One gradient step, matrix += size · (negative gradient), and the model after it.

    Attributes
    ----------
    name : {"W_O2", "W_K2", "W_K1"}
    memory : AssociativeMemory
        The learned matrix after the step (it was zero before).
    lead : float
        Of the gradient, before scaling: the median over the cues of the wanted coefficient minus
        the largest competing one; at step 3 the median sub-diagonal coefficient.
    size : float
        The step size, the run's margin divided by the lead.
    margins (cues,)
        Right score minus best wrong one after the step, with the model's own embeddings.
    evaluation : Evaluation
        Attention and accuracy of the model after the step, on the run's fresh sequences.
    """

    name: str
    memory: AssociativeMemory
    lead: float
    size: float
    margins: NDArray[Any]
    evaluation: Evaluation

    @property
    def recall(self) -> float:
        """Fraction of the cues recalled by strict maximum."""
        return float(np.mean(self.margins > 0))

    def __repr__(self) -> str:
        return f"Step({self.name}, recall={self.recall:.4f}, {self.evaluation!r})"


@dataclass(frozen=True, eq=False)
class TopDownRun:
    """The trajectory of the three steps; made by `top_down`.

    Attributes
    ----------
    task, embeddings, settings
        What was run.
    steps : tuple of Step
        Those that were taken: three, unless one failed.
    failure : str or None
        Why the run stopped early.
    """

    task: InductionTask
    embeddings: FrozenEmbeddings
    settings: Settings
    steps: tuple[Step, ...]
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
        return self.steps[-1].evaluation

    @property
    def attention(self) -> float:
        """Mean attention on the output token at the end."""
        return self.evaluation.attention

    @property
    def accuracy(self) -> Rate | Share:
        """In-context accuracy at the end; `accuracy.interval()` is its confidence interval."""
        return self.evaluation.accuracy

    def model(self, after: int | None = None) -> FrozenTransformer:
        """Return the transformer after the given number of steps (default: all taken)."""
        taken = self.steps if after is None else self.steps[: at_least("after", after, 0)]
        weights: dict[str, Any] = {step.name: step.memory for step in taken}
        return FrozenTransformer(self.embeddings, readout=self.settings.readout, **weights)

    def __repr__(self) -> str:
        recall = ", ".join(f"{name}: {value:.3f}" for name, value in self.recall.items())
        end = f"stopped at step {self.failed_step}" if self.failure else repr(self.evaluation)
        return f"TopDownRun({self.task}, recall={{{recall}}}, {end})"

    def save(self, path: str | Path) -> None:
        """Write the run to ``path.npz`` (arrays) and ``path.json`` (settings), each atomically.

        The evaluation is saved with it; `load` gives an equal run back.
        """
        arrays = {f"embeddings.{name}": array for name, array in _arrays(self.embeddings).items()}
        for i, step in enumerate(self.steps):
            arrays |= {f"{i}.memory.{k}": v for k, v in _arrays(step.memory).items()}
            arrays |= {f"{i}.evaluation.{k}": v for k, v in _arrays(step.evaluation).items()}
            arrays[f"{i}.margins"] = step.margins
        record = {
            "task": asdict(self.task),
            "family": self.embeddings.family,
            "settings": asdict(self.settings),
            "steps": [{"name": s.name, "lead": s.lead, "size": s.size} for s in self.steps],
            "failure": self.failure,
            "recall": self.recall,
        }
        files.save(path, "TopDownRun", record, arrays)

    @classmethod
    def load(cls, path: str | Path) -> TopDownRun:
        """Read a run that `save` wrote."""
        record, arrays = files.load(path, "TopDownRun")

        def part(prefix: str) -> dict[str, Any]:
            return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}

        steps = tuple(
            Step(
                **step,
                memory=AssociativeMemory(**part(f"{i}.memory.")),
                margins=arrays[f"{i}.margins"],
                evaluation=Evaluation(**part(f"{i}.evaluation."), drawn=True),
            )
            for i, step in enumerate(record["steps"])
        )
        return cls(
            task=InductionTask(**record["task"]),
            embeddings=FrozenEmbeddings(**part("embeddings."), family=record["family"]),
            settings=Settings(**record["settings"]),
            steps=steps,
            failure=record["failure"],
        )


def top_down(
    task: InductionTask,
    embeddings: FrozenEmbeddings | None = None,
    *,
    margins: tuple[float, float, float] = (0.5, 10.0, 5.0),
    gradient: Literal["closed-form", "population"] = "closed-form",
    blocks: Literal["position", "all"] = "position",
    readout: Readout = "attention",
    sequences: int | None = None,
    evaluate_on: int = 10_000,
    rng: Seed = None,
) -> TopDownRun:
    """Write the three memories by one gradient step each, from zero, top-down.

    >>> import assocmem as am
    >>> run = am.top_down(am.InductionTask(n_tokens=16, length=16), rng=0, evaluate_on=1000)
    >>> run.recall
    {'W_O2': 1.0, 'W_K2': 1.0, 'W_K1': 1.0}

    Parameters
    ----------
    task : InductionTask
    embeddings : FrozenEmbeddings
        Default: orthonormal, the infinite-width limit.
    margins : three positive numbers
        Natural step sizes. Steps 1 and 2 are scaled so that the median wanted coefficient leads its
        largest competitor by the margin, step 3 so that the median sub-diagonal one equals it.
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
    evaluate_on : int
        Fresh sequences on which attention and accuracy are measured after each step.
    rng
        Seed or generator: the same seed gives the same bits.

    A step whose lead is not positive is not taken: the run stops, and ``run.failure`` says why.

    Raises
    ------
    ValueError
        For margins that are not three positive numbers, unknown options, blocks="all" with the
        closed form, embeddings that do not fit the task.
    TypeError
        For a task that is not an InductionTask, or is symbolic.

    Source: [BCBJB2023], Section 6 and its appendix on the three gradient steps.
    """
    if not isinstance(task, InductionTask) or task.is_symbolic:
        raise TypeError(f"task: expected an InductionTask with numeric sizes; got {task!r}.")
    settings = Settings(margins, gradient, blocks, readout, sequences, evaluate_on)
    if embeddings is None:
        embeddings = FrozenEmbeddings.orthonormal(task)
    checked_kind("embeddings", embeddings, FrozenEmbeddings).check_fits(task)
    for argument, count in ("sequences", sequences), ("evaluate_on", evaluate_on):
        if count is not None:
            checked_batch_size(argument, count, task.length)
    rng = generator(rng)
    held_out = task.sample(evaluate_on, rng=rng)
    limit = FrozenEmbeddings.orthonormal(task)  # where scores are coefficients
    run = TopDownRun(task, embeddings, settings, ())
    for name, margin in zip(STEPS, settings.margins, strict=True):
        memory = _negative_gradient(run, name, rng)
        lead = _lead(name, task, limit, memory.coefficients)
        if not lead > 0:
            reason = f"the gradient on {name} has lead {lead:.3g}, which is not positive: no step"
            return TopDownRun(task, embeddings, settings, run.steps, reason)
        size = margin / lead
        memory = size * memory
        weights: dict[str, Any] = {**run.memories, name: memory}
        model = FrozenTransformer(embeddings, readout=readout, **weights)
        margins_after = probe(name, task, embeddings).margins(memory)
        step = Step(name, memory, lead, size, margins_after, evaluate(model, held_out))
        run = TopDownRun(task, embeddings, settings, (*run.steps, step))
    return run


def _negative_gradient(run: TopDownRun, name: str, rng: np.random.Generator) -> AssociativeMemory:
    """Return -∇ of the loss on the named matrix, as a memory over the atoms."""
    task, embeddings, settings = run.task, run.embeddings, run.settings
    if settings.gradient == "closed-form":
        if name == "W_O2":
            return first_step(task).memory(embeddings)
        if name == "W_K2":
            return second_step(task).memory(embeddings)
        return third_step(task, lead=settings.margins[1]).memory(embeddings)
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


def _population(task: InductionTask, sequences: int | None, rng: np.random.Generator) -> Batch:
    if sequences is None and task.n_sequences <= ENUMERATE_UP_TO:
        return task.enumerate()
    return task.sample(sequences or ENUMERATE_UP_TO, rng=rng)


def _lead(name: str, task: InductionTask, limit: FrozenEmbeddings, coefficients: Any) -> float:
    """Median lead of the wanted coefficients; of W_K1, the median sub-diagonal coefficient."""
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
        return float(np.median(np.diagonal(scores, offset=-1)[:-1]))
    return float(np.median(probe(name, task, limit).margins(memory)))


def _arrays(record: Any) -> dict[str, NDArray[Any]]:
    """Return the array fields of a dataclass."""
    named = {field.name: getattr(record, field.name) for field in fields(record)}
    return {name: value for name, value in named.items() if isinstance(value, np.ndarray)}

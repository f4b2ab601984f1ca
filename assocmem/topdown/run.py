"""The run of the three top-down steps: what was asked, each step, and what to make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assocmem import _files as files
from assocmem._checks import (
    at_least,
    checked_kind,
    checked_number,
    checked_option,
    checked_sequence,
    checked_size,
    renamed,
)
from assocmem.memory import AssociativeMemory
from assocmem.model.arguments import Readout
from assocmem.model.blocks import BlockTable
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.families import TokenBlock
from assocmem.model.symmetric import SymmetricTransformer
from assocmem.model.transformer import FrozenTransformer
from assocmem.probes import Evaluation, Rate, Share
from assocmem.tasks import InductionTask, Task
from assocmem.tasks.identity import described

Pairs = Mapping[str, NDArray[np.int64]]
Memory = AssociativeMemory | BlockTable
Gradient = Literal["closed-form", "population", "exact"]


@dataclass(frozen=True)
class TopDownSettings:
    """What a run was asked to do; as in `top_down`."""

    margins: tuple[float, float, float] = (0.5, 10.0, 5.0)
    gradient: Gradient = "closed-form"
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
            ("gradient", ("closed-form", "population", "exact")),
            ("blocks", ("position", "all")),
            ("readout", ("attention", "residual")),
        ):
            checked_option(name, getattr(self, name), allowed)
        if self.blocks == "all" and self.gradient == "closed-form":
            raise ValueError(
                "blocks: expected 'position' with gradient='closed-form', which knows that block "
                "of step 3 only; got 'all'. Pass gradient='population' or 'exact'."
            )
        if self.gradient == "exact" and (self.readout, self.sequences) != ("attention", None):
            raise ValueError(
                f"readout, sequences: expected 'attention' and None with gradient='exact', which "
                f"takes all sequences at infinite width; got {self.readout!r} and "
                f"{self.sequences!r}. Pass gradient='population'."
            )
        for name in ("sequences", "evaluate_on"):
            if getattr(self, name) is not None:
                checked_size(name, getattr(self, name))


@dataclass(frozen=True, eq=False)
class TopDownStep:
    """One gradient step, matrix += size · (negative gradient), and the model after it.

    Attributes
    ----------
    name : {"W_O2", "W_K2", "W_K1"}
        Or "W_F", the step 0 on a `BigramTask`.
    memory : AssociativeMemory or BlockTable
        The learned matrix after the step (it was zero before); a table by class of token with
        ``gradient="exact"``.
    strength : float
        How strongly the gradient, before scaling, writes what is wanted: the median over the cues
        of the lead, the wanted coefficient minus the largest competing one (at step 2 over random
        triggers, each as often as it is drawn); at step 3 the median of the wanted coefficients,
        those below the diagonal. Of a matrix without pairs: the largest
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
    memory: Any  # Memory
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
    """The three steps and the memories they wrote; made by `top_down`.

    Parameters
    ----------
    task : Task
        What was run.
    embeddings : FrozenEmbeddings or None
        None with ``gradient="exact"``.
    settings : TopDownSettings
        The arguments of `top_down`.
    steps : tuple of TopDownStep
        Those that were taken: three, unless one failed.
    failure : str or None
        Why the run stopped early.
    """

    task: Task
    embeddings: Any  # FrozenEmbeddings or None
    settings: TopDownSettings
    steps: tuple[TopDownStep, ...]
    failure: str | None = None

    @property
    def failed_step(self) -> int | None:
        """The step (1, 2 or 3) without a positive lead, where the run stopped; None if none did."""
        return None if self.failure is None else len(self.steps) + 1

    @property
    def memories(self) -> dict[str, Any]:
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

    def model(self, after: int | None = None) -> Any:
        """Return the transformer after some of the steps.

        Parameters
        ----------
        after : int, optional
            How many steps; all that were taken when left out.

        Returns
        -------
        FrozenTransformer or SymmetricTransformer
            The latter with ``gradient="exact"``.

        Raises
        ------
        ValueError
            For more steps than were taken.
        """
        if after is not None and at_least("after", after, 0) > len(self.steps):
            raise ValueError(
                f"after: expected at most the {len(self.steps)} steps that were taken; got {after}."
            )
        taken = self.steps[:after]
        weights: dict[str, Any] = {step.name: step.memory for step in taken}
        if self.embeddings is None:
            return SymmetricTransformer(checked_kind("task", self.task, InductionTask), **weights)
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

        Parameters
        ----------
        path : str or path
            Without the endings.
        """
        emb = self.embeddings
        arrays = dict[str, NDArray[Any]]()
        if emb is not None:
            arrays = {f"embeddings.{name}": array for name, array in _arrays(emb).items()}
        for i, step in enumerate(self.steps):
            arrays |= {f"{i}.memory.{k}": v for k, v in _saved(step.memory).items()}
            evaluation = {} if step.evaluation is None else _arrays(step.evaluation)
            arrays |= {f"{i}.evaluation.{k}": v for k, v in evaluation.items()}
            arrays[f"{i}.margins"] = step.margins
        record = {
            "task": described("task", self.task),
            "family": None if emb is None else emb.family,
            "settings": asdict(self.settings),
            "steps": [{"name": s.name, "strength": s.strength, "size": s.size} for s in self.steps],
            "drawn": [s.evaluation is not None and s.evaluation.drawn for s in self.steps],
            "failure": self.failure,
            "recall": {k: None if np.isnan(v) else v for k, v in self.recall.items()},
        }
        files.save(path, "TopDownRun", record, arrays)

    @classmethod
    def load(cls, path: str | Path, task: Task | None = None) -> TopDownRun:
        """Read a run that `save` wrote.

        Parameters
        ----------
        path : str or path
            As in `save`.
        task : Task, optional
            The one of the run; needed unless it was an `InductionTask`.

        Returns
        -------
        TopDownRun

        Raises
        ------
        ValueError
            For a file that holds anything else, or not all of a run, and another task.
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
        task = _restored(record["task"], task)

        def part(prefix: str) -> dict[str, Any]:
            return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}

        embeddings = None
        if record["family"] is not None:
            embeddings = FrozenEmbeddings(**part("embeddings."), family=record["family"])
        steps = tuple(
            TopDownStep(
                **step,
                memory=_loaded(part(f"{i}.memory."), step["name"], task),
                margins=arrays[f"{i}.margins"],
                evaluation=Evaluation(**evaluation, drawn=drawn)
                if (evaluation := part(f"{i}.evaluation."))
                else None,
            )
            for i, (step, drawn) in enumerate(zip(record["steps"], record["drawn"], strict=True))
        )
        return cls(
            task=task,
            embeddings=embeddings,
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


def _saved(memory: Memory) -> dict[str, NDArray[Any]]:
    """The arrays of a memory, or of the blocks of a table by row and column."""
    if isinstance(memory, AssociativeMemory):
        return _arrays(memory)
    arrays = dict[str, NDArray[Any]]()
    for row, column in memory:
        block = memory[row, column]
        parts = block._asdict() if isinstance(block, TokenBlock) else {"all": block}
        arrays |= {f"{row}/{column}/{name}": array for name, array in parts.items()}
    return arrays


def _loaded(arrays: dict[str, NDArray[Any]], name: str, task: Task) -> Memory:
    """What `_saved` took apart."""
    if not any("/" in key for key in arrays):
        return AssociativeMemory(**arrays)
    blocks = dict[tuple[str, str], Any]()
    for key, array in arrays.items():
        row, column, part = key.split("/")
        blocks.setdefault((row, column), {})[part] = array
    tables = {k: TokenBlock(**v) if "same" in v else v["all"] for k, v in blocks.items()}
    return BlockTable(checked_kind("task", task, InductionTask), name, tables)


def _arrays(record: Any) -> dict[str, NDArray[Any]]:
    """Return the array fields of a dataclass."""
    named = {field.name: getattr(record, field.name) for field in fields(record)}
    return {name: value for name, value in named.items() if isinstance(value, np.ndarray)}

"""A training run: what was asked, where it stands, what was measured. Saved, it is a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from assocmem import _files as files
from assocmem._checks import Array, at_least, renamed
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.transformer import FrozenTransformer
from assocmem.tasks.identity import differences
from assocmem.training.history import History
from assocmem.training.settings import Settings

KIND = "TrainingRun"


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """A run after some number of updates; made by `train`.

    Parameters
    ----------
    task : str
        What it was trained on, in words; all of it is in ``identity``.
    embeddings : FrozenEmbeddings
        As they are now, where some of them are trained.
    settings : Settings
        What was asked for.
    step : int
        Number of updates so far.
    weights : dict of str to array, shape (d, d)
        The learned matrices by name, after ``step`` updates.
    state : dict of str to dict of str to array
        What the optimiser remembers of each matrix (or embedding) that it has met.
    history : History
        What was measured on the way.
    identity : dict
        The task, the tests, the embeddings and the start, as `described`: two runs with the same
        settings and the same identity are the same run.
    """

    task: str
    embeddings: FrozenEmbeddings
    settings: Settings
    step: int
    weights: dict[str, Array]
    state: dict[str, dict[str, Array]]
    history: History
    identity: dict[str, Any]

    def model(self) -> FrozenTransformer:
        """Return the transformer with the present weights, to look at its attention and logits.

        One layer is the same model with Φ₁ = 0.

        Returns
        -------
        FrozenTransformer
            With the embeddings, scale and readout of the run.
        """
        embeddings, settings = self.embeddings, self.settings
        if settings.layers == 1:
            embeddings = FrozenEmbeddings.from_matrices(
                tokens=embeddings.tokens,
                positions=embeddings.positions,
                outputs=embeddings.outputs,
                Phi1=np.zeros_like(embeddings.Phi1),
                W_V2=embeddings.W_V2,
                family=embeddings.family,
            )
        return FrozenTransformer(
            embeddings, scale=settings.scale, readout=settings.readout, **self.weights
        )

    @property
    def velocities(self) -> dict[str, Array]:
        """The momentum of `SGD`; deprecated."""
        renamed("velocities", "state", "It has what any optimiser remembers of a matrix, by name.")
        return {name: state["velocity"] for name, state in self.state.items()}

    def save(self, path: str | Path) -> None:
        """Write the run to ``path.npz`` and its record to ``path.json``, atomically, no pickle.

        Parameters
        ----------
        path : str or Path
            The name of both files without their endings.
        """
        groups: dict[str, Mapping[str, Array]] = {
            "embeddings": {name: getattr(self.embeddings, name) for name in _EMBEDDINGS},
            "weights": self.weights,
            "history": self.history,
        }
        groups |= {f"state.{name}": state for name, state in self.state.items()}
        record = {
            "task": self.task,
            "step": self.step,
            "settings": self.settings.described(),
            "family": self.embeddings.family,
            "identity": self.identity,
        }
        arrays = {f"{g}.{k}": array for g, group in groups.items() for k, array in group.items()}
        files.save(path, KIND, record, arrays)

    @classmethod
    def load(cls, path: str | Path) -> TrainingRun:
        """Read a run that `save` or a checkpoint of `train` wrote.

        Parameters
        ----------
        path : str or Path
            As it was given to `save` or `train`.

        Returns
        -------
        TrainingRun
            Bit for bit.

        Raises
        ------
        ValueError
            For a file that holds anything else, or not all of a run.
        """
        record, arrays = files.load(path, KIND)

        def group(prefix: str) -> dict[str, Array]:
            return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}

        try:
            return cls(
                task=record["task"],
                embeddings=FrozenEmbeddings(**group("embeddings."), family=record["family"]),
                settings=Settings.restored(record["settings"]),
                step=at_least("step", record["step"], 0),
                weights=group("weights."),
                state={
                    name: group(f"state.{name}.")
                    for name in record["settings"]["trained"]
                    if group(f"state.{name}.")
                },
                history=History(group("history.")),
                identity=dict(record["identity"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise files.unreadable(path, KIND, f"one that is not whole ({error})") from error

    def going_on(self, saved: TrainingRun, path: str | Path) -> TrainingRun:
        """Return the saved run from which this one resumes; a different run is refused.

        Parameters
        ----------
        saved : TrainingRun
            What the checkpoint holds.
        path : str or Path
            Where that was read from, for the message.

        Returns
        -------
        TrainingRun
            The saved one with these settings, and without its last row, which is measured again.

        Raises
        ------
        ValueError
            For another run, and one that has taken more steps than these settings ask for.
        """
        mine, theirs = (
            {**run.settings.described(), "steps": None, **run.identity} for run in (self, saved)
        )
        if other := differences(mine, theirs):
            raise ValueError(
                f"checkpoint: expected a run of these settings in {path}; got one with "
                + ", ".join(f"{name}={_short(old)}, not {_short(new)}" for name, new, old in other)
                + ". Give another path, or delete that file to begin anew."
            )
        if saved.step > self.settings.steps:
            raise ValueError(
                f"steps: expected at least the {saved.step} that the run in {path} has taken; got "
                f"{self.settings.steps}. Load it with TrainingRun.load."
            )
        # its last step is measured again: in a longer run it may be none to measure at
        return replace(saved, settings=self.settings, history=saved.history.before(saved.step))

    def __repr__(self) -> str:
        return f"TrainingRun(step {self.step} of {self.settings.steps}, {self.history!r})"


_EMBEDDINGS = [f.name for f in fields(FrozenEmbeddings) if f.name != "family"]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:24] + "..." + text[-1]

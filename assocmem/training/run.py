"""A training run: what was asked, where it stands, what was measured. Saved, it is a checkpoint."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assocmem import _files as files
from assocmem._checks import checked_mapping, checked_names, checked_number, checked_option
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.transformer import MATRICES, FrozenTransformer, Readout
from assocmem.tasks.batch import at_least
from assocmem.training.history import History
from assocmem.training.sgd import checked_rate

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run was asked to do, in numbers; as in `train`."""

    steps: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    trained: tuple[str, ...]
    frozen_until: dict[str, int] = field(default_factory=dict)
    layers: int = 2
    scale: float = 1.0
    readout: Readout = "residual"
    evaluate_every: int = 20
    evaluate_on: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name in ("steps", "batch_size", "evaluate_every", "evaluate_on"):
            put(self, name, at_least(name, getattr(self, name), 0 if name == "steps" else 1))
        for name in ("learning_rate", "weight_decay"):
            put(self, name, checked_rate(name, getattr(self, name)))
        put(self, "momentum", checked_rate("momentum", self.momentum, below=1))
        put(self, "scale", checked_number("scale", self.scale))
        put(self, "seed", at_least("seed", self.seed, 0))
        checked_option("layers", self.layers, (1, 2))
        checked_option("readout", self.readout, ("residual", "attention"))
        checked_names("trained", self.trained, self.matrices)
        checked_mapping("frozen_until", self.frozen_until)
        checked_names("frozen_until", self.frozen_until, self.trained)
        put(self, "trained", tuple(name for name in self.matrices if name in self.trained))
        frozen = {k: at_least(f"frozen_until[{k!r}]", v, 0) for k, v in self.frozen_until.items()}
        put(self, "frozen_until", frozen)

    @property
    def matrices(self) -> tuple[str, ...]:
        """The learned matrices that this model has."""
        absent = {"W_K1"} if self.layers == 1 else set()
        absent |= {"W_F"} if self.readout == "attention" else set()
        return tuple(name for name in MATRICES if name not in absent)

    def moving(self, step: int) -> tuple[str, ...]:
        """The matrices that the update after ``step`` updates changes."""
        if at_least("step", step, 0) >= self.steps:
            return ()
        return tuple(name for name in self.trained if self.frozen_until.get(name, 0) <= step)


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """A run after some number of updates; made by `train`.

    Attributes
    ----------
    task : str
        What it was trained on, in words; the numbers are in ``digests``.
    embeddings, settings
        What was run.
    step : int
        Number of updates so far.
    weights : dict of (d, d) arrays
        The learned matrices by name, after ``step`` updates.
    velocities : dict of (d, d) arrays
        The momentum of the trained ones.
    history : History
        What was measured on the way.
    digests : dict of str
        SHA-256 of embeddings, start and data: two runs with the same settings and digests are the
        same run.
    """

    task: str
    embeddings: FrozenEmbeddings
    settings: Settings
    step: int
    weights: dict[str, Array]
    velocities: dict[str, Array]
    history: History
    digests: dict[str, str]

    def model(self) -> FrozenTransformer:
        """Return the transformer with the present weights, to look at its attention and logits.

        One layer is the same model with Φ₁ = 0.
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

    def save(self, path: str | Path) -> None:
        """Write the run to ``path.npz`` and its record to ``path.json``, atomically, no pickle."""
        groups = {
            "embeddings": {k: v for k, v in vars(self.embeddings).items() if k in _EMBEDDINGS},
            "weights": self.weights,
            "velocities": self.velocities,
            "history": self.history,
        }
        record = {
            "format": 1,
            "task": self.task,
            "step": self.step,
            "settings": asdict(self.settings),
            "family": self.embeddings.family,
            "digests": self.digests,
        }
        arrays = {f"{g}.{k}": array for g, group in groups.items() for k, array in group.items()}
        files.save(path, record, arrays)

    @classmethod
    def load(cls, path: str | Path) -> TrainingRun:
        """Read a run that `save` or a checkpoint of `train` wrote."""
        record, arrays = files.load(path)

        def group(prefix: str) -> dict[str, Array]:
            return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}

        return cls(
            task=record["task"],
            embeddings=FrozenEmbeddings(**group("embeddings."), family=record["family"]),
            settings=Settings(**record["settings"]),
            step=record["step"],
            weights=group("weights."),
            velocities=group("velocities."),
            history=History(group("history.")),
            digests=record["digests"],
        )

    def going_on(self, saved: TrainingRun, path: str | Path) -> TrainingRun:
        """Return the saved run to go on with as this one, refused unless it is the same run."""
        mine, theirs = (
            {**asdict(run.settings), **run.digests, "steps": None} for run in (self, saved)
        )
        if other := [k for k in mine | theirs if mine.get(k) != theirs.get(k)]:
            raise ValueError(
                f"checkpoint: expected a run of these settings in {path}; got one with "
                + ", ".join(
                    f"{k}={_short(theirs.get(k))}, not {_short(mine.get(k))}" for k in other
                )
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


_EMBEDDINGS = {f.name for f in fields(FrozenEmbeddings) if f.name != "family"}


def digest(*arrays: Any) -> str:
    """SHA-256 of the shapes, types and bytes of arrays."""
    total = hashlib.sha256()
    for array in map(np.asarray, arrays):
        total.update(f"{array.shape}{array.dtype.str}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:12] + "..." + text[-1]

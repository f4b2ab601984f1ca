"""What a training run was asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from assocmem._checks import (
    at_least,
    checked_mapping,
    checked_names,
    checked_number,
    checked_option,
)
from assocmem.model.arguments import Readout
from assocmem.model.step import EMBEDDINGS
from assocmem.model.transformer import MATRICES
from assocmem.tasks.identity import described
from assocmem.training.optimizers import (
    OPTIMIZERS,
    SGD,
    LearningRate,
    Optimizer,
    Schedule,
    checked_rate,
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    r"""What a run was asked to do; each of these is an argument of `train`.

    Parameters
    ----------
    steps, batch_size : int
        Updates, and fresh sequences for each.
    optimizer : Optimizer
        An `SGD`, `Adam`, `SignDescent`, `Muon`, or any object with their one method.
    learning_rate : float or callable
        The rate η in W ← W − η · direction; or a function of the number of updates so far, such as
        a `Schedule`.
    weight_decay : float
        The factor λ: the loss has the term :math:`\frac{\lambda}{2} \sum W^2` of all that is
        trained.
    trained : sequence of str, optional
        The arrays that are trained, among W_K1, W_K2, W_O2, W_F, and the embeddings "tokens",
        "positions" and "outputs"; by default the first three (with one layer, W_K2 and W_O2).
    frozen_until : mapping of str to int, optional
        Number of first updates in which an array that is trained stays as it is, without decay; the
        optimiser begins with it afterwards.
    layers : {2, 1}
        A model of one layer has the second layer alone: x¹_t = x_t.
    scale, readout
        As in `FrozenTransformer`.
    evaluate_every, evaluate_on : int
        The history gets a row every `evaluate_every` updates and after the last one, measured on
        the same `evaluate_on` sequences throughout.
    seed : int
        Drawn by `train` from its ``rng``: of the start and the data.

    Raises
    ------
    TypeError, ValueError
        For unknown names and numbers out of range.
    """

    steps: int = 1000
    batch_size: int = 128
    optimizer: Optimizer = field(default_factory=SGD)
    learning_rate: LearningRate = 0.2
    weight_decay: float = 1e-4
    trained: tuple[str, ...] | None = None
    frozen_until: Mapping[str, int] | None = None
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
        if not isinstance(self.optimizer, Optimizer):
            raise TypeError(
                f"optimizer: expected an object with the method direction(matrix, gradient, "
                f"state); got {self.optimizer!r}. See assocmem.training.Optimizer."
            )
        if not callable(self.learning_rate):
            put(self, "learning_rate", checked_rate("learning_rate", self.learning_rate))
        put(self, "weight_decay", checked_rate("weight_decay", self.weight_decay))
        put(self, "scale", checked_number("scale", self.scale))
        put(self, "seed", at_least("seed", self.seed, 0))
        checked_option("layers", self.layers, (1, 2))
        checked_option("readout", self.readout, ("residual", "attention"))
        if self.trained is None:
            put(self, "trained", ("W_K2", "W_O2") if self.layers == 1 else MATRICES[:3])
        known = (*self.matrices, *EMBEDDINGS)
        checked_names("trained", self.trained, known)
        put(self, "trained", tuple(name for name in known if name in self._trained))
        if self.frozen_until is None:
            put(self, "frozen_until", {})
        checked_mapping("frozen_until", self.frozen_until)
        checked_names("frozen_until", self.frozen_until, self._trained)
        frozen = {k: at_least(f"frozen_until[{k!r}]", v, 0) for k, v in self._frozen.items()}
        put(self, "frozen_until", frozen)

    @property
    def matrices(self) -> tuple[str, ...]:
        """The learned matrices that this model has."""
        absent = {"W_K1"} if self.layers == 1 else set()
        absent |= {"W_F"} if self.readout == "attention" else set()
        return tuple(name for name in MATRICES if name not in absent)

    @property
    def _frozen(self) -> Mapping[str, int]:
        return self.frozen_until or {}

    @property
    def _trained(self) -> tuple[str, ...]:
        return self.trained or ()

    def moving(self, step: int) -> tuple[str, ...]:
        """The arrays that the next update changes, by name.

        Parameters
        ----------
        step : int
            How many updates were made before.

        Returns
        -------
        tuple of str
            Of what is trained, and no longer frozen.
        """
        if at_least("step", step, 0) >= self.steps:
            return ()
        return tuple(name for name in self._trained if self._frozen.get(name, 0) <= step)

    def rate(self, step: int) -> float:
        """Return the learning rate of the next update.

        Parameters
        ----------
        step : int
            How many updates were made before.

        Returns
        -------
        float
            The rate η.

        Raises
        ------
        TypeError, ValueError
            For a function that returns no finite number of at least 0.
        """
        given = self.learning_rate
        return checked_rate("learning_rate", given(step)) if callable(given) else given

    def described(self) -> dict[str, Any]:
        """Return all settings as JSON values, which identify the run.

        Returns
        -------
        dict of str to Any
            By the names of the fields.
        """
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            name: value.description if isinstance(value, Recorded) else described(name, value)
            for name, value in given.items()
        }

    @classmethod
    def restored(cls, record: Mapping[str, Any]) -> Settings:
        """Return the settings that `described` describes.

        An optimiser or a schedule that is not of this library is restored as its description, which
        is enough to compare, and raises when it is asked for a direction or a rate.

        Parameters
        ----------
        record : mapping of str to Any
            What `described` returned.

        Returns
        -------
        Settings
            They have the same description.
        """
        parts = {name: _restored(value) for name, value in record.items()}
        return cls(**parts | {"trained": tuple(parts["trained"])})


@dataclass(frozen=True)
class Recorded:
    """The description of an optimiser or a schedule whose class is not of this library."""

    description: Mapping[str, Any]

    def direction(self, *_: Any) -> Any:
        """Refuse: a description takes no step."""
        raise TypeError(f"optimizer: expected the object itself; got {self.description}. Pass it.")

    __call__ = direction


def _restored(value: Any) -> Any:
    if not isinstance(value, Mapping) or "class" not in value:
        return value
    parts = {name: part for name, part in value.items() if name != "class"}
    known = {described("", each): each for each in (*OPTIMIZERS, Schedule)}
    return known[value["class"]](**parts) if value["class"] in known else Recorded(value)

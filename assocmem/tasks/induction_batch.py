"""Batches of the theorem's data: where the trigger stands first, and what follows it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import Ints, checked_flag, checked_integers
from assocmem.tasks.batch import Batch


@dataclass(frozen=True, init=False, repr=False, eq=False)
class InductionBatch(Batch):
    """A batch of sequences whose last token, the trigger, has occurred once before.

    Parameters
    ----------
    trigger_position : array_like of int, shape (B,)
        Where the trigger, the last token, stands first; counted from 0 (τ - 1).
    drawn : bool
        Whether the sequences are draws from a law, independent or stratified, all weighted equally:
        then a rate over them has a confidence interval. An enumeration is not drawn, nor is a
        selection that takes a sequence more than once.
    **batch
        The tokens, targets and weights of a `Batch`.

    Raises
    ------
    TypeError
        For positions that are not integers.
    ValueError
        As `Batch`, and for positions beyond T - 3, or where another token than the last one stands.

    Examples
    --------
    >>> from assocmem import InductionTask
    >>> batch = InductionTask(n_tokens=9, length=6).sample(4, rng=0)
    >>> batch
    InductionBatch(4 sequences of length 6, 4 predictions)
    >>> bool((batch.tokens[range(4), batch.output_position] == batch.output).all())
    True
    """

    trigger_position: Ints
    drawn: bool

    def __init__(
        self, *, trigger_position: ArrayLike, drawn: bool = False, **batch: ArrayLike
    ) -> None:
        super().__init__(**batch)
        position = checked_integers("trigger_position", trigger_position)
        drawn = checked_flag("drawn", drawn)
        size, length = self.tokens.shape
        if position.shape != (size,) or position.min() < 0 or position.max() > length - 3:
            raise ValueError(
                f"trigger_position: expected shape ({size},) and places from 0 to T - 3 = "
                f"{length - 3}; got shape {position.shape} from {position.min(initial=0)} to "
                f"{position.max(initial=0)}. Its output and the last position come after it."
            )
        if (self.tokens[np.arange(size), position] != self.trigger).any():
            raise ValueError(
                "trigger_position: expected the token that stands last in every sequence; got "
                "another. Pass the position of its first occurrence."
            )
        if drawn and np.ptp(self.weights[:, -1]) > 0:
            raise ValueError(
                "drawn: expected equal weights of draws; got different ones. Leave drawn=False."
            )
        object.__setattr__(self, "trigger_position", position)
        object.__setattr__(self, "drawn", drawn)

    @classmethod
    def of(cls, batch: Batch) -> InductionBatch:
        """Return the batch itself, or one without positions read as induction sequences.

        Parameters
        ----------
        batch : Batch
            Sequences whose last token stands before T - 1 in them.

        Returns
        -------
        InductionBatch
            With the first occurrence of the last token as the trigger's position.

        Raises
        ------
        ValueError
            For a sequence whose last token does not stand before T - 1.
        """
        if isinstance(batch, cls):
            return batch
        before = batch.tokens[:, :-2] == batch.tokens[:, -1:]
        if not before.any(axis=1).all():
            raise ValueError(
                "batch: expected sequences whose last token occurs before; got others. Take a "
                "batch of an InductionTask; of another task, pass attend_to."
            )
        return cls(
            tokens=batch.tokens,
            targets=batch.targets,
            weights=batch.weights,
            trigger_position=before.argmax(axis=1),
        )

    @property
    def trigger(self) -> Ints:
        """Token id (B,) of the trigger, the last token."""
        return self.tokens[:, -1]

    @property
    def output_position(self) -> Ints:
        """Position (B,) of the output, right after the first occurrence of the trigger."""
        return self.trigger_position + 1

    @property
    def output(self) -> Ints:
        """Token id (B,) of the output, which is the label."""
        output: Ints = self.tokens[np.arange(len(self)), self.output_position]
        return output

    def _at(self, rows: slice | Ints) -> InductionBatch:
        chosen = super()._at(rows)
        repeated = not isinstance(rows, slice) and len(np.unique(rows)) < len(rows)
        return replace(chosen, drawn=False) if repeated else chosen

    def __repr__(self) -> str:
        return f"Induction{super().__repr__()}"

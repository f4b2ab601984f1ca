"""Batches of in-context bigrams: which tokens are triggers, and which of those have come before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import Ints, checked_integers
from assocmem.tasks.batch import Batch

Mask = NDArray[np.bool_]


@dataclass(frozen=True, init=False, repr=False, eq=False)
class BigramBatch(Batch):
    """A batch whose sequences have triggers, each followed by its output.

    Every position has its target, the next token; the weights choose.

    Parameters
    ----------
    triggers : array_like of int, shape (B, K)
        The triggers of each sequence.
    outputs : array_like of int, shape (B, K)
        What follows each of them.
    **batch
        The tokens, targets and weights of a `Batch`.

    Raises
    ------
    TypeError, ValueError
        As `Batch`, and for triggers and outputs of other shapes.

    Examples
    --------
    >>> from assocmem.tasks import BigramTask
    >>> batch = BigramTask(length=64).sample(4, rng=0)
    >>> batch
    BigramBatch(4 sequences of length 64, ... predictions, 5 triggers each)
    >>> bool((batch.is_repeated <= batch.is_trigger).all())
    True
    """

    triggers: Ints
    outputs: Ints

    def __init__(self, *, triggers: ArrayLike, outputs: ArrayLike, **batch: ArrayLike) -> None:
        super().__init__(**batch)
        for name, given in ("triggers", triggers), ("outputs", outputs):
            array = checked_integers(name, given, "token ids")
            if array.ndim != 2 or len(array) != len(self) or array.shape != np.shape(triggers):
                raise ValueError(
                    f"{name}: expected shape ({len(self)}, K), triggers and outputs of each "
                    f"sequence; got {array.shape}."
                )
            object.__setattr__(self, name, array)

    @cached_property
    def is_trigger(self) -> Mask:
        """Where the token is one of the sequence's triggers, (B, T)."""
        return (self.tokens[:, :, None] == self.triggers[:, None, :]).any(axis=-1)

    @cached_property
    def is_repeated(self) -> Mask:
        """Where the token is a trigger that has occurred before, (B, T): the next is known."""
        return repeated(self.tokens, self.triggers)

    @cached_property
    def after_last_occurrence(self) -> Ints:
        """The position after the token's last occurrence before each position, (B, T); else -1.

        Examples
        --------
        >>> from assocmem.tasks import BigramTask, Language
        >>> batch = BigramTask(Language.uniform(3), 4, n_triggers=1).sample(1, rng=0)
        >>> batch.tokens.tolist(), batch.after_last_occurrence.tolist()
        ([[0, 2, 0, 2]], [[-1, -1, 1, 2]])
        """
        size, length = self.tokens.shape
        last = np.full((size, self.tokens.max() + 1), -1)
        goal, rows = np.empty((size, length), dtype=np.int64), np.arange(size)
        for t, tokens in enumerate(self.tokens.T):
            seen = last[rows, tokens]
            goal[:, t] = np.where(seen < 0, -1, seen + 1)
            last[rows, tokens] = t
        return goal

    def __repr__(self) -> str:
        return f"Bigram{super().__repr__()[:-1]}, {self.triggers.shape[1]} triggers each)"


def repeated(tokens: Ints, triggers: Ints) -> Mask:
    """Where a trigger of the sequence stands that stood in it before."""
    repeated, rows = np.zeros(tokens.shape, dtype=bool), np.arange(len(tokens))
    for trigger in triggers.T:
        occurs = tokens == trigger[:, None]
        repeated |= occurs
        repeated[rows, occurs.argmax(axis=1)] = False  # its first, or position 0: never a repeat
    return repeated

"""What a loss is an expectation over: weighted batches, and the protocol of what produces them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import (
    MOST_BYTES,
    Ints,
    Seed,
    at_least,
    checked_array,
    checked_integers,
    checked_laws,
    checked_reals,
)


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Batch:
    r"""Sequences with the target of each position and the weight of each prediction.

    Parameters
    ----------
    tokens : array_like of int, shape (B, T)
        They count from 0.
    targets : array_like of int, shape (B, T)
        Classes: class k is the token ``task.outputs[k]``; -1 says that nothing is predicted, where
        the weight is 0.
    weights : array_like, shape (B, T)
        At least 0, with the sum 1 over the whole batch, so that a loss is the expectation
        :math:`\sum w \ell`.

    Raises
    ------
    ValueError
        For shapes that differ, negative tokens, missing targets, and weights that are NaN, negative
        or do not sum to 1.
    TypeError
        For tokens or targets that are not integers.

    Examples
    --------
    >>> batch = Batch(tokens=[[0, 1, 0]], targets=[[-1, -1, 1]], weights=[[0, 0, 1]])
    >>> batch
    Batch(1 sequences of length 3, 1 predictions)
    """

    tokens: Ints
    targets: Ints
    weights: NDArray[np.float64]

    def __init__(self, *, tokens: ArrayLike, targets: ArrayLike, weights: ArrayLike) -> None:
        tokens, targets = checked_integers("tokens", tokens), checked_integers("targets", targets)
        given, weights = weights, checked_reals("weights", weights)
        if tokens.ndim != 2 or tokens.size == 0:
            raise ValueError(
                f"tokens: expected a non-empty array of shape (sequences, length); got "
                f"{tokens.shape}. Put one sequence in a row of its own: tokens=[sequence]."
            )
        for name, array in ("targets", targets), ("weights", weights):
            if array.shape != tokens.shape:
                raise ValueError(
                    f"{name}: expected the shape {tokens.shape} of tokens, an entry per position; "
                    f"got {array.shape}. Give positions without loss the weight 0."
                )
        if tokens.min() < 0:
            raise ValueError(
                f"tokens: expected ids from 0 up; got {tokens.min()}. Tokens count from 0."
            )
        weights = checked_laws("weights", np.ravel(given)).reshape(tokens.shape)
        least = targets.min()
        if least < -1 or (least < 0 and (targets[weights > 0] < 0).any()):
            raise ValueError(
                f"targets: expected classes from 0 up where the weight is positive, and -1 allowed "
                f"where it is 0; got {least}. Set the weight to 0 where nothing is "
                f"predicted."
            )
        object.__setattr__(self, "tokens", tokens)
        object.__setattr__(self, "targets", targets)
        object.__setattr__(self, "weights", weights)

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        sequences, length = self.tokens.shape
        predictions = np.count_nonzero(self.weights)
        return f"Batch({sequences} sequences of length {length}, {predictions} predictions)"

    def split(self, size: int) -> Iterator[tuple[float, Self]]:
        """Return consecutive pieces of at most `size` sequences, each with its share of the weight.

        Each piece is a batch whose weights sum to 1, so an expectation over the whole is the sum of
        the shares times the expectations over the pieces. Pieces without weight are left out.

        Parameters
        ----------
        size : int
            How many sequences at most.

        Returns
        -------
        iterator of pairs (float, Batch)
            The weight of the piece in the whole, and the piece, of the same class, with weights
            that sum to 1.

        Raises
        ------
        TypeError, ValueError
            For a size that is not an integer of at least 1.

        Examples
        --------
        >>> from assocmem import InductionTask
        >>> batch = InductionTask(n_tokens=3, length=4).enumerate()
        >>> [(share, len(piece)) for share, piece in batch.split(6)]
        [(0.75, 6), (0.25, 2)]
        """
        return self._pieces(at_least("size", size, 1))

    def select(self, rows: ArrayLike) -> Self:
        """Return the batch of some of the sequences.

        Parameters
        ----------
        rows : array_like of bool, shape (B,), or of int
            Which sequences: a mask, or their numbers from 0.

        Returns
        -------
        Batch
            Of the same class, with weights that sum to 1 in the same proportions.

        Raises
        ------
        TypeError
            For rows that are neither booleans nor integers.
        ValueError
            For a mask of another shape, sequences that are not there, and none with weight.

        Examples
        --------
        >>> from assocmem import InductionTask
        >>> batch = InductionTask(n_tokens=3, length=4).enumerate()
        >>> batch.select(batch.trigger_position > 0)
        InductionBatch(4 sequences of length 4, 4 predictions)
        """
        chosen = checked_array("rows", rows)
        if chosen.dtype == bool:
            if chosen.shape != (len(self),):
                raise ValueError(
                    f"rows: expected a mask of shape ({len(self)},), an entry per sequence; got "
                    f"{chosen.shape}. Numbers of sequences are accepted too."
                )
            chosen = np.flatnonzero(chosen)
        chosen = checked_integers("rows", chosen)
        if chosen.ndim != 1 or not np.isin(chosen, range(len(self))).all():
            raise ValueError(
                f"rows: expected a list of numbers from 0 to {len(self) - 1}; got {rows!r}. Pass "
                f"a mask of booleans, or the numbers of sequences."
            )
        if not self.weights[chosen].any():
            raise ValueError(
                "rows: expected a sequence with positive weight among them; got none. Take others."
            )
        return self._at(chosen)

    def _at(self, rows: slice | Ints) -> Self:
        # every array has a row per sequence, also those that a subclass adds
        whole = {each.name: getattr(self, each.name) for each in fields(self)}
        piece = {k: v[rows] if isinstance(v, np.ndarray) else v for k, v in whole.items()}
        weights = piece["weights"] / piece["weights"].sum()
        return type(self)(**piece | {"weights": weights})

    def _pieces(self, size: int) -> Iterator[tuple[float, Self]]:
        """What `split` returns, which checks the size before the first piece is asked for."""
        for start in range(0, len(self), size):
            rows = slice(start, start + size)
            share = float(self.weights[rows].sum())
            if share > 0:
                yield share, self._at(rows)


@runtime_checkable
class Task(Protocol):
    """What the library requires of a task: write these four names to define your own.

    Tokens are 0 .. n_tokens - 1, sequences have `length` of them, and class k of a prediction is
    the token `outputs[k]`. Which function needs what:

    - `FrozenEmbeddings.random`, `.orthonormal`, `training.published`: `n_tokens`, `length` and
      `outputs`, no sequences.
    - `train`: `sample` too. Along with a checkpoint the task is compared with the one that began
      the run, so it has to be a dataclass, or an object whose attributes are numbers, strings,
      arrays or such objects; and `sample` has to depend on its ``rng`` and on nothing else.
    - `top_down` with ``gradient="population"``: `sample`.
    - `probe`, and the recall that `train` and `top_down` report: which associations each matrix
      should hold. The method ``pairs()`` says so, a mapping of W_O2, W_K2, W_K1 to arrays of rows
      (cue, answer), see `probe`; or the argument ``pairs``. Without either there is no recall.
    - `evaluate`: no task, but a batch of any.

    The closed forms (`gradients`, `top_down` with ``gradient="closed-form"``) are theorems about
    `InductionTask` and take no other; its ``enumerate`` is its own.

    Examples
    --------
    >>> from assocmem import InductionTask
    >>> isinstance(InductionTask(n_tokens=4, length=6), Task)
    True
    """

    @property
    def n_tokens(self) -> int:
        """Size N of the vocabulary."""

    @property
    def length(self) -> int:
        """Length T of a sequence."""

    @property
    def outputs(self) -> Ints:
        """Token ids (M,) of the predicted classes."""

    def sample(self, size: int, *, rng: Seed = None) -> Batch:
        """Draw sequences whose weighted mean is an unbiased estimate of the expectation.

        Parameters
        ----------
        size : int
            How many sequences.
        rng : int, generator of NumPy or None
            Where the draws come from; None draws anew each time.

        Returns
        -------
        Batch
            With weights that sum to 1.
        """


def checked_task(name: str, task: Any) -> Any:
    """The task, refused unless it has what the protocol says, in numbers."""
    if missing := [each for each in _TASK if not hasattr(task, each)]:
        raise TypeError(
            f"{name}: expected a Task, which has {', '.join(_TASK)}; got a {type(task).__name__} "
            f"without {', '.join(missing)}. See assocmem.tasks.Task."
        )
    for size in ("n_tokens", "length"):
        at_least(f"{name}.{size}", getattr(task, size), 1)
    return task


def sampled(task: Any, size: int, rng: np.random.Generator) -> Any:
    """A batch of the task, refused unless it is a Batch."""
    batch = task.sample(size, rng=rng)
    if not isinstance(batch, Batch):
        raise TypeError(
            f"task.sample: expected a Batch; got {type(batch).__name__}. Make one by "
            f"Batch(tokens=, targets=, weights=)."
        )
    return batch


_TASK = ("n_tokens", "length", "outputs", "sample")


def checked_batch_size(name: str, size: Any, length: int) -> int:
    """How many sequences a sample has, refused when they do not fit into memory."""
    number: int = at_least(name, size, 1)
    if (needed := number * length * 24) > MOST_BYTES:  # tokens, targets, weights
        raise ValueError(
            f"{name}: expected sequences that take at most {MOST_BYTES:.2g} bytes; got {number}, "
            f"which take {needed:.2g}. Take fewer."
        )
    return number


def rounded(number: int) -> str:
    """A number to read: exact up to 15 digits, else its power of ten."""
    return str(number) if number < 10**15 else f"about 10^{math.log10(number):.1f}"

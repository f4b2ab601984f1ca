"""Sequences up to the names of their tokens: exact populations at any size of the vocabulary.

Rename the triggers among themselves and the content tokens among themselves, and the law of an
`InductionTask` does not change. What remains of a sequence is its *pattern*: where the trigger
stands, and which of the T - 2 content positions hold the same token, a set partition. A pattern
with b distinct content tokens stands for (triggers) × C (C - 1) ... (C - b + 1) sequences.

A pattern is stored as the sequence in which content tokens are numbered by first occurrence. At
most T - 2 of them occur, so a few tokens represent a vocabulary of any size: those that occur,
and absent ones, alike to every weight that shares the symmetry, with a multiplicity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import Ints, checked_array, checked_reals
from assocmem.tasks.batch import rounded
from assocmem.tasks.induction_batch import InductionBatch


@dataclass(frozen=True, eq=False, repr=False)
class Patterns:
    """The whole population of an `InductionTask`, one sequence for each pattern.

    They are made by ``task.patterns()``; `SymmetricTransformer` takes its loss and its gradients
    over them.

    Parameters
    ----------
    task : InductionTask
        Whose sequences they are.
    representatives : InductionTask
        The task's ``representatives``.
    batch : InductionBatch
        The patterns as sequences of ``representatives``, weighted by their probabilities.
    multiplicities : array, shape (B, M)
        How many classes of ``task`` each class of ``representatives`` stands for, pattern by
        pattern: 1 for a token that occurs, and absent tokens share the rest of their class equally.
    n_different : array of int, shape (B,)
        Number b of different content tokens in each pattern.

    Examples
    --------
    >>> from assocmem import InductionTask
    >>> patterns = InductionTask(n_tokens=10**6, length=8).patterns()
    >>> patterns
    Patterns(1218 patterns of about 10^36.8 sequences)
    >>> patterns.representatives  # who stands for the million
    InductionTask(n_tokens=8, length=8, n_triggers=1, predict='content')
    """

    task: Any
    representatives: Any
    batch: InductionBatch
    multiplicities: NDArray[np.float64]
    n_different: Ints

    def __len__(self) -> int:
        return len(self.batch)

    def __repr__(self) -> str:
        return f"Patterns({len(self)} patterns of {rounded(self.task.n_sequences)} sequences)"

    def mean(self, values: ArrayLike, *, where: ArrayLike = True) -> float:
        """Return the expectation of a quantity given for each pattern, under a condition.

        Parameters
        ----------
        values : array_like, shape (B,)
            Numbers or booleans.
        where : array_like of bool, shape (B,)
            The condition.

        Returns
        -------
        float
            Over the patterns where the condition holds, by their probabilities.

        Raises
        ------
        ValueError
            For values of another shape, or a condition of probability zero.

        Examples
        --------
        >>> from assocmem import InductionTask
        >>> patterns = InductionTask(n_tokens=10**6, length=8).patterns()
        >>> print(f"{patterns.mean(patterns.n_different < 6):.3g}")  # some content token repeats
        1.5e-05
        """
        values, where = checked_array("values", values), checked_array("where", where)
        values = checked_reals("values", values * 1.0 if values.dtype == bool else values)
        if where.dtype != bool:
            raise TypeError(f"where: expected booleans; got dtype {where.dtype}.")
        if values.shape != (len(self),) or where.shape not in ((), (len(self),)):
            raise ValueError(
                f"values, where: expected a number for each of the {len(self)} patterns; got "
                f"shapes {values.shape} and {where.shape}. Evaluate patterns.batch."
            )
        weights = self.batch.weights[:, -1] * where
        if not weights.any():
            raise ValueError("where: expected a condition that some pattern meets; got none.")
        return float(weights @ values / weights.sum())

    @classmethod
    def of(cls, task: Any, small: Any, sequences: InductionBatch, n_different: Ints) -> Patterns:
        """Return the patterns of a task from sequences of its representatives, one a pattern.

        Parameters
        ----------
        task : InductionTask
            Whose population it is.
        small : InductionTask
            The task's ``representatives``.
        sequences : InductionBatch
            One sequence of `small` for each pattern.
        n_different : array of int, shape (B,)
            How many different content tokens each of them has.
        """
        probabilities = _probabilities(task, n_different)[:, None]
        weights = np.where(sequences.weights > 0, probabilities, 0.0)
        batch = replace(sequences, weights=weights)
        return cls(task, small, batch, _multiplicities(task, small, n_different), n_different)

    @property
    def counts(self) -> list[int]:
        """How many sequences have each pattern, exactly; they sum to ``task.n_sequences``.

        Examples
        --------
        >>> from assocmem import InductionTask
        >>> InductionTask(n_tokens=10, length=4, n_triggers=2).patterns().counts
        [16, 112, 16, 112]
        """
        triggers = self.task.n_tokens if self.task.random_triggers else self.task.n_triggers
        return [triggers * math.perm(self.task.n_content, int(b)) for b in self.n_different]


def set_partitions(size: int, most: int | None = None) -> Ints:
    """Ways to number `size` places 0, 1, ... by first occurrence, with at most `most` numbers.

    >>> set_partitions(3)
    array([[0, 0, 0],
           [0, 0, 1],
           [0, 1, 0],
           [0, 1, 1],
           [0, 1, 2]])
    """
    words = np.zeros((1, 0), dtype=np.int64)
    for _ in range(size):
        used = words.max(axis=1, initial=-1) + 1
        choices = np.minimum(used + 1, size if most is None else min(most, size))
        starts = np.cumsum(choices) - choices
        words = np.repeat(words, choices, axis=0)
        new = np.arange(len(words)) - np.repeat(starts, choices)
        words = np.column_stack([words, new])
    return words


def count_partitions(size: int, most: int) -> int:
    """The number of rows of `set_partitions`."""
    from scipy.special import stirling2

    return sum(int(stirling2(size, b, exact=True)) for b in range(1, min(size, most) + 1))


def _probabilities(task: Any, different: Ints) -> NDArray[np.float64]:
    """C (C - 1) ... (C - b + 1) / ((T - 2) C^(T - 2)) for each number b of different tokens."""
    slots, c = task.length - 2, task.n_content
    by_count: list[Any] = [math.perm(c, b) / (slots * c**slots) for b in range(slots + 1)]
    return np.array(by_count)[different]


def _multiplicities(task: Any, small: Any, different: Ints) -> NDArray[np.float64]:
    """Each class of the small task: 1 if its token occurs, else a share of all that do not."""
    content = np.arange(small.n_content)
    present = content < different[:, None]
    absent = np.maximum(small.n_content - different, 1)
    each = (float(task.n_content) - different) / absent
    multiplicities = np.where(present, 1.0, each[:, None])
    if task.predict == "content":
        return multiplicities
    triggers = np.ones((len(different), small.n_outputs - small.n_content))
    if not task.random_triggers:
        triggers[:, 1:] = task.n_triggers - 1
    return np.concatenate([triggers, multiplicities], axis=1)

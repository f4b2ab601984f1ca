"""Expectations over induction sequences as finite sums, exact at every number of tokens.

Rename the tokens of a sequence of `InductionTask` and nothing changes but names. What remains is
its *pattern*: the place τ of the trigger and which of the other T - 2 positions hold the same
token. A pattern with b different content tokens has the probability

    C (C - 1) ... (C - b + 1) / ((T - 2) C^(T-2)),

so an expectation is a sum over τ and the set partitions of T - 2 positions (Bell(T - 2) of them),
with weights that are polynomials in C: an identity in C and K, proved for all sizes at once. The
coefficient between the atoms of two tokens is an average over which tokens they are: the sum over
the pairs of tokens that occur, divided by the number of pairs of their classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from assocmem.tasks.symmetry import set_partitions


class Pattern(NamedTuple):
    """A sequence up to the names of its tokens: 0 is the trigger, content is 1 .. n_content."""

    tau: int
    tokens: tuple[int, ...]

    @property
    def n_content(self) -> int:
        return max(self.tokens)

    @property
    def output(self) -> int:
        return self.tokens[self.tau + 1]

    @property
    def holds(self) -> np.ndarray:
        """1 where position s holds token i: (T, 1 + n_content)."""
        return np.eye(1 + self.n_content, dtype=int)[list(self.tokens)].astype(object)


def patterns(length: int, tau: int | None = None) -> Iterator[Pattern]:
    """All patterns of sequences of a length T, or those of one τ (counted from 0)."""
    if tau is None:
        for place in range(length - 2):
            yield from patterns(length, place)
    else:
        for names in (set_partitions(length - 2) + 1).tolist():
            yield Pattern(tau, (*names[:tau], 0, *names[tau:], 0))


def objects(entries: list[Any]) -> np.ndarray:
    """A one-dimensional array of the entries, whatever they are."""
    array = np.empty(len(entries), dtype=object)
    array[:] = entries
    return array

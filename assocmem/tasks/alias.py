"""Walker's alias method: draws from many discrete laws at once, each at the cost of two look-ups.

A law on n tokens is cut into n cells of mass 1/n that hold at most two tokens each: cell i holds
token i with probability keep[i], and its alias otherwise. Who picks a cell uniformly and then one
of its two tokens draws from the law.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from assocmem._checks import Array, Ints

_AT_ONCE = 512, 2**20  # rows to cut at once, or entries: their masses and order take 16 MB or more


class AliasTables(NamedTuple):
    """R laws on n tokens, and after them one row that holds each token for certain.

    Parameters
    ----------
    keep : array, shape (R + 1, n)
        Probabilities; the last row is 0.
    alias : array of int32, shape (R + 1, n)
        Token ids; in the last row each its own.

    Examples
    --------
    >>> tables = alias_tables(np.array([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]]))
    >>> tables.laws().round(12)
    array([[0.5 , 0.25, 0.25],
           [0.  , 0.  , 1.  ]])

    References
    ----------
    [W1977].
    """

    keep: NDArray[np.float64]
    alias: NDArray[np.int32]

    def cells(self, uniforms: Array) -> tuple[NDArray[np.int32], Array]:
        """From uniforms on [0, 1): the cell that each picks, and its place on [0, 1) in the cell.

        With n cells u picks ⌊n u⌋. Rounding cannot make n u equal to n: n u <= n - n 2^-53, and
        n 2^-53 is half the spacing of the floats below n, or more.
        """
        place = uniforms * self.keep.shape[1]
        cell = place.astype(np.int32)
        place -= cell
        return cell, place

    def draw(
        self, entry: Ints, cell: NDArray[np.int32], place: Array, out: NDArray[np.int32]
    ) -> None:
        """Write a token for each entry, given the cell and the place in it.

        The entry of a law is law * n + cell, that of a token for certain R * n + token.
        """
        self.alias.take(entry, out=out, mode="clip")
        np.putmask(out, place < self.keep.take(entry, mode="clip"), cell)

    def laws(self) -> NDArray[np.float64]:
        """The laws (R, n) that are drawn from."""
        laws = self.keep.copy()
        np.add.at(laws, (np.arange(len(laws))[:, None], self.alias), 1 - self.keep)
        return laws[:-1] / laws.shape[1]


def alias_tables(*parts: NDArray[np.float64]) -> AliasTables:
    """Cut the laws, rows of all parts (R, n) that sum to 1, into cells of two tokens.

    A token without mass is never drawn. Otherwise the laws are kept up to rounding.
    """
    rows, n = sum(map(len, parts)), parts[0].shape[1]
    keep, alias = np.ones((rows + 1, n)), np.empty((rows + 1, n), dtype=np.int32)
    keep[-1], alias[:] = 0, np.arange(n)
    step, row = max(_AT_ONCE[0], _AT_ONCE[1] // n), 0
    for laws in parts:
        for start in range(0, len(laws), step):
            mass = laws[start : start + step] * n
            some = slice(row, row := row + len(mass))
            _cut(mass, keep[some], alias[some])
    return AliasTables(keep, alias)


def _cut(mass: Array, keep: Array, alias: Array) -> None:
    """Fill up each light cell from a heavy one, which may turn light itself; masses average 1.

    Of all rows at once, a light cell of each at a time: the last one, or the heavy one that has
    just turned light. What is left over has mass 1 up to rounding.
    """
    heavy = mass >= 1
    order = np.argsort(heavy, axis=1, kind="stable")  # light cells, then heavy ones
    n_light = mass.shape[1] - heavy.sum(axis=1)
    rows = np.flatnonzero(n_light < mass.shape[1])
    light, last = n_light[rows] - 1, np.full(len(rows), mass.shape[1] - 1)  # the next of each kind
    i = order[rows, light]  # what is to be filled; any cell where there is none, and left alone
    rows, light, last, i = (each[light >= 0] for each in (rows, light, last, i))
    while len(rows):
        j = order[rows, last]
        filled = mass[rows, i]
        keep[rows, i], alias[rows, i] = filled, j
        mass[rows, j] -= 1 - filled
        turned = mass[rows, j] < 1
        light, last = light - ~turned, last - turned
        i = np.where(turned, j, order[rows, light])
        left = (light >= 0) | turned
        left &= last >= n_light[rows]
        rows, light, last, i = (each[left] for each in (rows, light, last, i))

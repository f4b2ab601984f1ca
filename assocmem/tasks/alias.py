"""Walker's alias method: draws from many discrete laws at once, each at the cost of two look-ups.

A law on n tokens is cut into n cells of mass 1/n that hold at most two tokens each: cell i holds
token i with probability keep[i], and its alias otherwise. Who picks a cell uniformly and then one
of its two tokens draws from the law.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from assocmem._checks import Array


class AliasTables(NamedTuple):
    """A row per law: `keep` (R, n) probabilities and `alias` (R, n) token ids.

    >>> tables = alias_tables(np.array([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]]))
    >>> tables.laws().round(12)
    array([[0.5 , 0.25, 0.25],
           [0.  , 0.  , 1.  ]])

    Source: [W1977].
    """

    keep: NDArray[np.float64]
    alias: NDArray[np.int64]

    def cells(self, uniforms: Array) -> tuple[NDArray[np.int64], Array]:
        """From uniforms on [0, 1): the cell that each picks, and its place on [0, 1) in the cell.

        With n cells u picks ⌊n u⌋. Rounding cannot make n u equal to n: n u <= n - n 2^-53, and
        n 2^-53 is half the spacing of the floats below n, or more.
        """
        place = uniforms * self.keep.shape[1]
        cell = place.astype(np.int64)
        place -= cell
        return cell, place

    def draw(self, law: Array, cell: Array, place: Array) -> NDArray[np.int64]:
        """A token from each of the laws (row numbers), given its cell and the place in it."""
        entry = law * self.keep.shape[1]
        entry += cell
        return np.where(place < self.keep.take(entry), cell, self.alias.take(entry))

    def laws(self) -> NDArray[np.float64]:
        """The laws (R, n) that are drawn from."""
        n = self.keep.shape[1]
        laws = self.keep.copy()
        np.add.at(laws, (np.arange(len(laws))[:, None], self.alias), 1 - self.keep)
        return laws / n


def alias_tables(laws: NDArray[np.float64]) -> AliasTables:
    """Cut the laws, rows of (R, n) that sum to 1, into cells of two tokens.

    A token without mass is never drawn. Otherwise the laws are kept up to rounding.
    """
    n = laws.shape[1]
    tables = [_cut((law * n).tolist()) for law in laws]
    return AliasTables(
        np.array([keep for keep, _ in tables]), np.array([alias for _, alias in tables])
    )


def _cut(mass: list[float]) -> tuple[list[float], list[int]]:
    """Fill up each light cell from a heavy one, which may turn light itself; masses average 1."""
    keep, alias = [1.0] * len(mass), list(range(len(mass)))
    light = [i for i, m in enumerate(mass) if m < 1]
    heavy = [i for i, m in enumerate(mass) if m >= 1]
    while light and heavy:
        i, j = light.pop(), heavy[-1]
        keep[i], alias[i] = mass[i], j
        mass[j] -= 1 - mass[i]
        if mass[j] < 1:
            light.append(heavy.pop())
    return keep, alias  # whoever is left over has mass 1 up to rounding

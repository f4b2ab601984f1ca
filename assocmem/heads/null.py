"""How a head's wanted score is spread when its weights point nowhere in particular.

The scores of a detector are S = L W Rᵀ with one weight matrix W (d_h, d) of the head between the
vectors L that the head's other weights make of one kind of atoms and the atoms R of the other. What
is wanted of S, the right scores minus the mean of the admissible ones, is linear in W:

    D = Σ_ij M_ij S_ij = ⟨W, N⟩,   N = Lᵀ M R.

Under the null W is turned at random against the atoms, W Q. L and R, and with them all Gram
matrices of the atoms, stay as they are: they enter through N. Permuting instead which atom is the
right answer to which cue would not do where the Gram matrices of cues and answers resemble each
other, as those of tokens and of what a head wrote of them: the variance of D is then larger at the
true pairing than at a permuted one, by (n − 1)/d at least for one Gram matrix of n atoms in d
dimensions (claim H2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import sqrt
from typing import Any, Literal, get_args

import numpy as np

from assocmem._checks import (
    MOST_DRAWS,
    Array,
    Seed,
    checked_option,
    checked_rows,
    checked_size,
    generator,
)
from assocmem.vectors import overlap_law

NullLaw = Literal["rotation", "gaussian"]

_DRAWS_AT_ONCE = 2**20  # entries of the array of permutations

# Made once for all heads of one size: SciPy takes longer to make a law than to ask it.
_law_of_overlaps: Callable[[int], Any] = lru_cache(overlap_law)


@dataclass(frozen=True, eq=False)
class Null:
    r"""The law of :math:`D = \langle W Q, N \rangle` over random Q, with W and N given.

    Parameters
    ----------
    weights, direction : (d_h, d) array
        W and N.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> null = Null(rng.normal(size=(4, 16)), rng.normal(size=(4, 16)))
    >>> 0 < null.p_value() < 1
    True
    """

    weights: Array
    direction: Array

    def __post_init__(self) -> None:
        for name in ("weights", "direction"):
            checked_rows(name, getattr(self, name))
        if self.weights.shape != self.direction.shape:
            raise ValueError(
                f"direction: expected the shape of the weights, {self.weights.shape}; got "
                f"{self.direction.shape}."
            )

    @property
    def statistic(self) -> float:
        """D = ⟨W, N⟩."""
        return float(np.sum(self.weights * self.direction))

    @property
    def turned(self) -> Array:
        """B = NᵀW, (d, d): D = tr B, and ⟨W Q, N⟩ = tr(Q B)."""
        return np.asarray(self.direction.T @ self.weights)

    @cached_property
    def std(self) -> float:
        """‖B‖/√d: the standard deviation of D over rotations, and over signed permutations."""
        N, W = self.direction, self.weights  # ‖NᵀW‖² = ⟨NNᵀ, WWᵀ⟩, without a (d, d) array
        return sqrt(max(0.0, float(np.sum((N @ N.T) * (W @ W.T)))) / W.shape[1])

    @property
    def z(self) -> float:
        """D in units of `std`; 0 where nothing can vary."""
        return self.statistic / self.std if self.std > 0 else 0.0

    def p_value(self, law: NullLaw = "rotation") -> float:
        r"""Return the probability of a D at least as large, without a draw.

        Parameters
        ----------
        law : {"rotation", "gaussian"}
            "rotation": Q uniform among the rotations, the asymptotic law for large d: normal, with
            the exact mean 0 and variance :math:`\|B\|^2/d`. It holds the singular values of W
            fixed, trained ones too; the fourth moment never exceeds that of the normal (claim H1).
            "gaussian": W with independent normal entries of any variance; then :math:`D/(\|W\|
            \|N\|)` is the overlap of two random vectors in d_h d dimensions, whose law is exact
            (`overlap_law`), far into the tail.

        Returns
        -------
        float
            Between 0 and 1.

        Raises
        ------
        ValueError
            For another law.
        """
        from scipy.special import ndtr

        checked_option("law", law, get_args(NullLaw))
        if self.std == 0:
            return 1.0
        if law == "rotation":
            return float(ndtr(-self.z))
        overlap = self.statistic / (np.linalg.norm(self.weights) * np.linalg.norm(self.direction))
        return float(_law_of_overlaps(self.weights.size).sf(overlap))

    def permutation_p_value(self, *, draws: int = 9999, rng: Seed = None) -> float:
        """Return the share of D itself and of signed permutations of coordinates that reach D.

        Q permutes the coordinates of the atoms R and flips their signs. Where the entries of W are
        independent and symmetric with one law, whatever it is, all of these are equally likely, and
        the chance of a share of at most p is at most p: exact, however many draws.

        Parameters
        ----------
        draws : int
            How many permutations.
        rng : int, generator of NumPy or None
            Where the draws come from; None draws anew each time.

        Returns
        -------
        float
            At least 1/(draws + 1).

        Raises
        ------
        TypeError, ValueError
            For draws that are no integer of at least 1.
        """
        draws, rng = checked_size("draws", draws, MOST_DRAWS), generator(rng)
        turned, d = self.turned, self.weights.shape[1]
        rounding = 8 * np.finfo(float).eps * float(np.abs(turned).max(axis=0).sum())
        reached, columns = 1, np.arange(d)
        for start in range(0, draws, batch := max(1, _DRAWS_AT_ONCE // d)):
            size = min(batch, draws - start)
            rows = rng.permuted(np.tile(columns, (size, 1)), axis=1)
            signs = rng.integers(2, size=(size, d)) * 2 - 1
            drawn = np.sum(signs * turned[rows, columns], axis=1)
            reached += int(np.sum(drawn >= self.statistic - rounding))
        return reached / (draws + 1)

"""Means over Gaussian matrices by pairing their letters, for W1, W2 and W5."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from sympy import Rational

from assocmem.width import wick
from assocmem.width.wick import Segment
from theory.algebra.moments import exact

d_ = sympy.Symbol("d", positive=True, integer=True)


def by_pairings(*pairs: tuple[tuple[int, int], str]) -> Any:
    """E of a product of x_aᵀ M x_b at symbolic d, straight from Wick's theorem."""
    ends = [a for (a, b), _ in pairs for a in (a, b)]
    total = 0
    for pairing, powers in wick.expansion(tuple(Segment(word) for _, word in pairs)).items():
        if all(ends[i] == ends[j] for i, j in pairing):
            total += sum(count / d_**power for power, count in powers.items())
    return total


def at(powers: np.ndarray, width: int) -> np.ndarray:
    """A polynomial in 1/d with integer coefficients, evaluated exactly."""
    return sum(table * Rational(1, width) ** k for k, table in enumerate(exact(powers)))

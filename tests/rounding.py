"""How far two ways to compute one number may be apart: what floating point explains, by name.

Each is a number of operations times the unit of rounding, relative to the largest number involved:
n operations are off by n units at most, and by much less where their errors are not all alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

EPS = float(np.finfo(np.float64).eps)

OPERATION = 2**3 * EPS  # one function, or a handful of operations
FEW = 2**6 * EPS  # sums of tens of terms
SUMS = 2**10 * EPS  # sums of a thousand terms; the unit of the checks
PRODUCTS = 2**12 * EPS  # products of matrices, a softmax after them
CHAINS = 2**16 * EPS  # products one after the other: a forward and a backward pass
RUNS = 2**19 * EPS  # many passes, or the solution of a system of equations
SOLVED = 2**22 * EPS  # badly conditioned systems, differences of nearly equal numbers

SINGLE = 2**7 * float(np.finfo(np.float32).eps)  # a pass in single precision


def assert_close(measured: ArrayLike, expected: ArrayLike, tolerance: float = RUNS) -> None:
    """The largest difference is within the tolerance, relative to the largest entry."""
    measured, expected = np.asarray(measured, float), np.asarray(expected, float)
    assert measured.shape == expected.shape  # no broadcasting
    error = abs(measured - expected).max()
    assert error <= tolerance * abs(expected).max(), f"differs by {error:.1e}"

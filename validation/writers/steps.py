"""What the checks of writers share: draws, the true gradient at zero, and scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import assocmem as am
from validation.runner.cases import Case

Array = NDArray[Any]


def statistical(case: str, predicted: float, measured: float, tolerance: float) -> Case:
    """A case that draws decide."""
    return Case(case, predicted, measured, tolerance, evidence="statistics")


def scores_of(W: Array, u: Array, v: Array) -> Array:
    """All scores v_kᵀ W u_i (..., value, key) of memories (..., d, d)."""
    found: Array = v @ W @ np.swapaxes(u, -1, -2)
    return found


def gradient_at_zero(p: Array, u: Array, v: Array) -> Array:
    """Minus the gradient at W = 0 of Σ_i p_i · cross-entropy(softmax(v_k·W u_i), i).

    By its definition: the softmax of n scores that are 0 is 1/n.
    """
    n = len(p)
    found: Array = v.T @ ((np.eye(n) - 1 / n) * p) @ u
    return found


def zipf(n: int, exponent: float) -> Array:
    """Frequencies of n items that sum to 1."""
    p = np.arange(1, n + 1) ** -float(exponent)
    return np.asarray(p / p.sum())


def pairs(n: int, d: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Gaussian keys and values."""
    return am.gaussian(n, d, rng=rng), am.gaussian(n, d, rng=rng)

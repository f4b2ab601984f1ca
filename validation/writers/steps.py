"""What the checks of writers share: draws, the true gradient at zero, and scores."""

from __future__ import annotations

import numpy as np

import assocmem as am
from validation.runner.cases import Case


def statistical(case: str, predicted: float, measured: float, tolerance: float) -> Case:
    """A case that draws decide."""
    return Case(case, predicted, measured, tolerance, evidence="statistics")


def scores_of(W: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """All scores v_kᵀ W u_i (..., value, key) of memories (..., d, d)."""
    found: np.ndarray = v @ W @ np.swapaxes(u, -1, -2)
    return found


def gradient_at_zero(p: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Minus the gradient at W = 0 of Σ_i p_i · cross-entropy(softmax(v_k·W u_i), i).

    By its definition: the softmax of n scores that are 0 is 1/n.
    """
    n = len(p)
    found: np.ndarray = v.T @ ((np.eye(n) - 1 / n) * p) @ u
    return found


def zipf(n: int, exponent: float) -> np.ndarray:
    """Frequencies of n items that sum to 1."""
    p = np.arange(1, n + 1) ** -float(exponent)
    return np.asarray(p / p.sum())


def pairs(n: int, d: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian keys and values."""
    return am.gaussian(n, d, rng=rng), am.gaussian(n, d, rng=rng)

"""Checks of AM1 to C2: the scores of associative memories, their noise, and what is recalled."""

from __future__ import annotations

import numpy as np
from scipy import stats


def half_recall(sizes: np.ndarray, recall: np.ndarray, error: np.ndarray) -> tuple[float, float]:
    """ln n at recall 1/2, interpolated between two sizes n, and its standard error.

    Phi^-1(recall) is nearly linear in ln n, and equally so for prediction and measurement.
    """
    a, b = stats.norm.ppf(recall)
    a_error, b_error = error / stats.norm.pdf([a, b])
    start, end = np.log(sizes)
    weight_error = np.hypot(b * a_error, a * b_error) / (a - b) ** 2
    return start + a / (a - b) * (end - start), weight_error * (end - start)


def exponent(widths: np.ndarray, log_y: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Least-squares slope of log y on ln d, and its standard error."""
    x = np.log(widths) - np.log(widths).mean()
    return np.array([x @ log_y, np.sqrt(x**2 @ error**2)]) / (x @ x)

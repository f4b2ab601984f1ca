"""Moments of the scores of a d x d matrix that stores outer products, exact at any width."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import (
    Array,
    checked_number,
    checked_option,
    checked_table,
    checked_targets,
)


def score_moments(
    coefficients: ArrayLike, d: Any, *, family: str = "gaussian"
) -> tuple[Array, Array]:
    r"""Exact mean and variance of every score :math:`v_k^\top W u_i` at width d.

    With :math:`W = \sum_{ji} C_{ji} v_j u_i^\top` the mean is C; the variance is :math:`\sum_{jl}
    C_{jl}^2 E(v_j^\top v_k)^2 E(u_l^\top u_i)^2 - C_{ki}^2`, where the mean square overlap is 1/d
    for two different vectors, and for one with itself 1 + 2/d ("gaussian") or 1 ("sphere",
    "rademacher").

    Parameters
    ----------
    coefficients : array_like, shape (m, n)
        The coefficients C, row = value, column = key; SymPy expressions as well.
    d : int or SymPy expression
        The width of keys and values.
    family : {"gaussian", "sphere", "rademacher"}
        The law of keys and values.

    Returns
    -------
    mean : array, shape (m, n)
        Row = value, column = key.
    variance : array, shape (m, n)
        Of the same scores.

    Raises
    ------
    ValueError
        For coefficients that are not a finite 2-d array, d < 1, another family.

    References
    ----------
    Claim C1; orders of magnitude in [BCBJB2023], Section 4.

    Examples
    --------
    >>> mean, variance = score_moments([[1, 0], [0, 1]], 100)
    >>> mean.tolist(), variance.round(6).tolist()    # (n + 4d + 3) / d², (n + 2d + 2) / d²
    ([[1, 0], [0, 1]], [[0.0405, 0.0204], [0.0204, 0.0405]])
    """
    C, own, other = _second_moments(coefficients, d, family)
    squares, excess = C * C, own - other
    of_key, of_value = squares.sum(axis=0), squares.sum(axis=1)[:, None]
    variance = other**2 * squares.sum() + other * excess * (of_key + of_value)
    return C, variance + (excess**2 - 1) * squares


def margin_moments(
    coefficients: ArrayLike, d: Any, targets: ArrayLike | None = None, *, family: str = "gaussian"
) -> tuple[Array, Array]:
    r"""Exact mean and variance of the right score minus each other score of the same key.

    Two scores of a key i have the covariance :math:`(1 + 1/d) \sum_l C_{kl} C_{k'l} E(u_l^\top
    u_i)^2 - C_{ki} C_{k'i}`, which vanishes when every key has one value.

    Parameters
    ----------
    coefficients, d
        As in `score_moments`.
    targets : array_like of int, shape (n,), optional
        The right value of each key; 0, 1, 2, ... when left out.
    family
        As in `score_moments`.

    Returns
    -------
    mean : array, shape (m, n)
        Entry (k, i) is about :math:`s_{t_i i} - s_{ki}`, with the targets :math:`t_i`: 0 for the
        target.
    variance : array, shape (m, n)
        Of the same differences.

    Raises
    ------
    ValueError
        As `score_moments`, and for targets that are no indices of values.

    References
    ----------
    Claim C1.

    Examples
    --------
    >>> mean, variance = margin_moments(np.eye(3), 100)
    >>> float(mean[1, 0]), round(float(variance[1, 0]), 6)    # 0.0406 + 0.0205: they add up
    (1.0, 0.0611)
    >>> dense = np.eye(3) + 1
    >>> round(float(margin_moments(dense, 100)[1][1, 0]), 6)    # not so when values share a key
    0.1651
    """
    C, own, other = _second_moments(coefficients, d, family)
    _, variance = score_moments(C, d, family=family)
    chosen, keys = checked_targets(targets, *C.shape), np.arange(C.shape[1])
    product = C * C[chosen, keys]
    shared = other * (C @ C.T)[:, chosen] + (own - other) * product
    covariance = (1 + other) * shared - product
    spread = variance + variance[chosen, keys] - 2 * covariance
    spread[chosen, keys] = 0
    return C[chosen, keys] - C, spread


def _second_moments(coefficients: ArrayLike, d: Any, family: str) -> tuple[Array, Any, Any]:
    """C, and the mean square overlap of a vector with itself and with another one."""
    if not (hasattr(d, "free_symbols") or hasattr(d, "field")):  # SymPy's
        checked_number(
            "d", d, "a width of at least 1", lambda d: 1 <= d < inf, "Pass the number of rows."
        )
    checked_option(
        "family",
        family,
        ("gaussian", "sphere", "rademacher"),
        "Orthonormal rows need no moments: their scores are the coefficients.",
    )
    other = 1 / d
    return (
        checked_table("coefficients", coefficients),
        1 + (2 * other if family == "gaussian" else 0),
        other,
    )

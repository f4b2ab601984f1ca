"""Rules that write a memory: outer products, a gradient step, least squares, cross-entropy."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import (
    Array,
    as_floats,
    checked_option,
    checked_rows,
    checked_size,
    checked_table,
    checked_targets,
)
from assocmem.memory import AssociativeMemory

Rule = Literal["outer products", "gradient step", "pseudo-inverse", "cross-entropy"]


def memorise(
    keys: ArrayLike,
    values: ArrayLike,
    targets: ArrayLike | None = None,
    *,
    rule: Rule = "outer products",
    steps: int = 1000,
) -> AssociativeMemory:
    r"""Store the pairs (key i, value targets[i]) in a memory, by one of four learning rules.

    Parameters
    ----------
    keys : array_like, shape (n, d_k)
        The keys U, one a row.
    values : array_like, shape (m, d_v)
        The values, one a row.
    targets : array_like of int, shape (n,), optional
        Index of the value that each key recalls; 0, 1, 2, ... when left out.
    rule : {"outer products", "gradient step", "pseudo-inverse", "cross-entropy"}
        How the matrix is made, see the notes.
    steps : int
        At most so many steps of "cross-entropy"; no other rule uses them.

    Returns
    -------
    AssociativeMemory
        Over the given keys and values.

    Raises
    ------
    TypeError, ValueError
        For an unknown rule, and as `AssociativeMemory`.

    Notes
    -----
    With Y the rows values[targets]:

    - "outer products": :math:`W = Y^\top U`.
    - "gradient step": :math:`W = (Y - \bar v)^\top U / n`, :math:`\bar v` the mean of all values:
      one step on the cross-entropy from W = 0, at step size 1 (claim L1).
    - "pseudo-inverse": :math:`W = Y^\top (U^+)^\top`, least squares; WU = Y exactly if the keys are
      independent.
    - "cross-entropy": the minimum of the cross-entropy, which is convex (L1), by L-BFGS from W = 0.
      It ends when no entry of the gradient exceeds 1e-7, when a step lowers the loss by less than
      2e-9 of itself, or after `steps` steps, and returns W as it is then, with no warning. A loss
      without minimum, as where some W recalls every key, is lowered as far; close to the most pairs
      that can be recalled, compare with more steps.

    Examples
    --------
    >>> from assocmem import gaussian
    >>> u, v = gaussian(40, 16, rng=0), gaussian(40, 16, rng=1)
    >>> for rule in ("outer products", "gradient step", "pseudo-inverse", "cross-entropy"):
    ...     print(f"{rule:15}{memorise(u, v, rule=rule).recall():.2f}")
    outer products 0.35
    gradient step  0.35
    pseudo-inverse 0.45
    cross-entropy  1.00
    """
    checked_option("rule", rule, get_args(Rule))
    steps = checked_size("steps", steps)
    u, v = (
        as_floats(name, checked_table(name, table)).astype(float)
        for name, table in (("keys", keys), ("values", values))
    )
    blank = AssociativeMemory(keys=u, values=v, coefficients=np.zeros((len(v), len(u))))
    m, n = len(v), len(u)
    answer = np.zeros((m, n))
    answer[checked_targets(targets, m, n), np.arange(n)] = 1
    if rule == "cross-entropy":
        return AssociativeMemory.from_matrix(_least_cross_entropy(blank, answer, steps), u, v)
    if rule == "pseudo-inverse":
        return AssociativeMemory.from_matrix(v.T @ answer @ np.linalg.pinv(u).T, u, v)
    coefficients = answer if rule == "outer products" else (answer - 1 / m) / n
    return AssociativeMemory(keys=u, values=v, coefficients=coefficients)


def _least_cross_entropy(memory: AssociativeMemory, answer: Array, steps: int) -> Array:
    """Minimise −mean_i ln softmax(V W u_i)[target] over W."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    u, v = memory.keys, memory.values
    shape = v.shape[1], u.shape[1]

    def loss_and_gradient(entries: Array) -> tuple[float, Array]:
        log_p = log_softmax(v @ (entries.reshape(shape) @ u.T), axis=0)
        error = (np.exp(log_p) - answer) / len(u)
        return -float(np.sum(answer * log_p)) / len(u), (v.T @ error @ u).ravel()

    options = {"maxiter": steps, "maxfun": np.inf, "gtol": 1e-7}
    found = minimize(
        loss_and_gradient, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options=options
    )
    return np.asarray(found.x).reshape(shape)


def polar_factor(matrix: ArrayLike) -> Array:
    r"""Return the polar factor of a matrix: the same singular vectors, with singular values 1.

    It is :math:`U V^\top` for the singular value decomposition :math:`U S V^\top`, over the
    singular values that are not 0 to rounding: the direction of steepest ascent in the spectral
    norm, and what one step of Muon writes.

    Parameters
    ----------
    matrix : array_like, shape (m, n)
        Finite real numbers.

    Returns
    -------
    array, shape (m, n)
        In float32 or float64, as the matrix.

    Raises
    ------
    TypeError, ValueError
        For anything but a matrix of finite real numbers.

    Examples
    --------
    >>> polar_factor([[0, 5, 0], [1e-3, 0, 0]]).round(12)
    array([[0., 1., 0.],
           [1., 0., 0.]])
    """
    given = checked_rows("matrix", matrix)
    given = given.astype(np.float32 if given.dtype == np.float32 else np.float64, copy=False)
    left, singular, right = np.linalg.svd(given, full_matrices=False)
    kept = singular > singular.max() * max(given.shape) * np.finfo(given.dtype).eps
    return np.asarray(left[:, kept] @ right[kept])

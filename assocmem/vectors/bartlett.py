"""Gaussian rows without their width: the triangular factor that carries all their inner products.

Only inner products of atoms matter to a model. n rows of independent N(0, 1/d) entries are L Q with
L lower triangular and Q (n, d) with orthonormal rows, so that L, n x n, has their Gram matrix; and
the law of L is known, one number at a time, with d a mere parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from assocmem._checks import Array, Seed, checked_size, generator
from assocmem.vectors.families import require_dimensions

LARGEST_WIDTH = 2**53  # the degrees of freedom d - i stay exact


def bartlett(n: int, d: int, *, rng: Seed = None) -> Array:
    """Lower-triangular L with the law of the LQ factor of n <= d Gaussian rows.

    >>> bartlett(3, 10**9, rng=0).shape
    (3, 3)

    L_ii ~ χ_{d-i} / √d for i = 0 .. n - 1, the entries below are N(0, 1/d), all independent: the
    rows of L have the Gram matrix of `gaussian(n, d)`, in time and memory that do not depend on d.

    Raises TypeError or ValueError unless 1 <= n <= d <= 2^53, both integers. Source: [B1933]; in
    this form [M1982], Theorem 3.2.14.
    """
    n, d = checked_size("n", n), checked_size("d", d)
    require_dimensions(n, d)
    if d > LARGEST_WIDTH:
        raise ValueError(
            f"d: expected at most 2^53; got {d:.3g}. Inner products differ from those of "
            f"orthonormal rows by about 1e-8 there: take FrozenEmbeddings.orthonormal."
        )
    rng = generator(rng)
    factor: Array = np.tril(rng.standard_normal((n, n)), k=-1)
    factor += np.diag(np.sqrt(rng.chisquare(d - np.arange(n))))
    return factor / sqrt(d)


def _normalised(rows: Array) -> Array:
    norms: Array = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / norms


def _orthonormalised(rows: Array) -> Array:
    q, r = np.linalg.qr(rows.T)
    orthonormal: Array = (q * np.copysign(1.0, np.diagonal(r))).T
    return orthonormal


# How each family is made of Gaussian rows. Each map commutes with every isometry of the rows, so it
# may act on L in place of L Q. Signs have no such map: their law is not that of a rotated copy.
FROM_GAUSSIAN_ROWS: dict[str, Callable[[Array], Array]] = {
    "gaussian": lambda rows: rows,
    "sphere": _normalised,
    "orthonormal": _orthonormalised,
}


def compressed_draw(
    n_inputs: int, n_outputs: int, d: int, *, family: str, rng: Seed = None
) -> dict[str, Any]:
    """Inputs, outputs, Phi1 and W_V2 at width n = 2 n_inputs + n_outputs, in the law of width d.

    Stack X (inputs), G and U (outputs), where the rows of G are the images under Phi1 of an
    orthonormal basis of span(X). A Gaussian matrix maps orthonormal rows to independent Gaussian
    rows, whatever the basis, so all n rows are Gaussian: one Bartlett factor. In the same way W_V2
    maps an orthonormal basis of the atoms (X, Phi1 X) to the rows of a second factor. Fresh n x n
    Gaussians for Phi1 would be wrong: they make |Phi1 x|^2 about n/d.
    """
    rng = generator(rng)
    n_atoms = 2 * n_inputs
    rows = bartlett(n_atoms + n_outputs, d, rng=rng)
    return from_factors(rows, bartlett(n_atoms, d, rng=rng), family=family)


def from_factors(rows: Array, value_rows: Array, *, family: str) -> dict[str, Any]:
    """Inputs, outputs, Phi1 and W_V2 from the two factors: L (n, n) and H (n_atoms, n_atoms).

    >>> parts = from_factors(np.eye(5), np.eye(4), family="gaussian")  # orthonormal: infinite width
    >>> print(parts["inputs"] @ parts["Phi1"].T)
    [[0. 0. 1. 0. 0.]
     [0. 0. 0. 1. 0.]]

    The rows of L are X, G and U. The basis of span(X) is the first n_inputs coordinates, hence
    Phi1 = [Gᵀ, 0] and Phi1 X = X G; that of the atoms is the first n_atoms = 2 n_inputs.
    """
    n, n_atoms = len(rows), len(value_rows)
    n_inputs = n_atoms // 2
    rows = rows.copy()
    frozen = np.r_[:n_inputs, n_atoms:n]  # X and U, which follow the family; G is always Gaussian
    rows[frozen] = FROM_GAUSSIAN_ROWS[family](rows[frozen])
    Phi1, W_V2 = np.zeros((2, n, n))
    Phi1[:, :n_inputs] = rows[n_inputs:n_atoms].T
    W_V2[:n_atoms, :n_atoms] = value_rows.T
    return {"inputs": rows[:n_inputs], "outputs": rows[n_atoms:], "Phi1": Phi1, "W_V2": W_V2}

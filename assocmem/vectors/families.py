"""Families of nearly orthogonal vectors: draws, Gram matrices, coherence and its bounds.

Rows are vectors: a family of n vectors in dimension d is an (n, d) array, and a d x d matrix W acts
on all of them by ``u @ W.T``. Every family has rows of mean square norm 1.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from math import isfinite, log, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from assocmem._checks import (
    MOST_BYTES,
    Seed,
    checked_dtype,
    checked_flag,
    checked_option,
    checked_probability,
    checked_rows,
    checked_size,
    generator,
)

Array: TypeAlias = NDArray[np.floating[Any]]


def gaussian(n: int, d: int, *, rng: Seed = None, dtype: DTypeLike = np.float64) -> Array:
    """n independent rows with independent N(0, 1/d) entries.

    >>> gaussian(3, 8, rng=0).shape
    (3, 8)

    Norms are 1 up to O(1/sqrt(d)). In every family a float32 draw is the float64 draw of the same
    seed, rounded. Raises TypeError or ValueError unless n and d are integers >= 1 and fit memory.
    """
    (n, d), dtype = checked_shape(n, d), checked_dtype("dtype", dtype)
    rows = generator(rng).standard_normal((n, d)) / sqrt(d)
    return rows.astype(dtype, copy=False)


def sphere(n: int, d: int, *, rng: Seed = None, dtype: DTypeLike = np.float64) -> Array:
    """n independent rows, uniform on the unit sphere.

    >>> u = sphere(3, 8, rng=0)
    >>> [round(float(norm), 12) for norm in np.linalg.norm(u, axis=1)]
    [1.0, 1.0, 1.0]

    Raises as `gaussian`, whose normalised rows these are.
    """
    rows = gaussian(n, d, rng=rng)
    norms: Array = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / norms).astype(checked_dtype("dtype", dtype), copy=False)


def rademacher(n: int, d: int, *, rng: Seed = None, dtype: DTypeLike = np.float64) -> Array:
    """n independent rows with independent entries, +1/sqrt(d) or -1/sqrt(d) with equal odds.

    >>> bool(np.all(np.abs(rademacher(3, 4, rng=0)) == 0.5))
    True

    Raises as `gaussian`.
    """
    (n, d), dtype = checked_shape(n, d), checked_dtype("dtype", dtype)
    signs = 2 * generator(rng).integers(0, 2, size=(n, d)) - 1
    return (signs / sqrt(d)).astype(dtype, copy=False)


def orthonormal(n: int, d: int, *, rng: Seed = None, dtype: DTypeLike = np.float64) -> Array:
    """n <= d orthonormal rows: the first n rows of a Haar-distributed orthogonal matrix.

    >>> u = orthonormal(3, 8, rng=0)
    >>> bool(np.allclose(gram(u), np.eye(3)))
    True

    Raises as `gaussian`, and ValueError when n > d. Source: [M2007].
    """
    n, d = checked_size("n", n), checked_size("d", d)
    require_room(n, d)
    q, r = np.linalg.qr(gaussian(n, d, rng=rng).T)
    # QR leaves the signs free; a positive diagonal of R makes Q unique, hence Haar.
    rows: Array = (q * np.copysign(1.0, np.diagonal(r))).T
    return rows.astype(checked_dtype("dtype", dtype))


FAMILIES: dict[str, Callable[..., Array]] = {
    "gaussian": gaussian,
    "sphere": sphere,
    "rademacher": rademacher,
    "orthonormal": orthonormal,
}


def gram(u: ArrayLike, v: ArrayLike | None = None) -> NDArray[Any]:
    """Inner products of the rows of u with the rows of v (with those of u when v is None).

    >>> gram([[1, 2], [0, 1]]).tolist()
    [[5.0, 2.0], [2.0, 1.0]]

    (n, d) and (m, d) give (n, m); nothing is normalised. Integers are taken as float64. Raises
    ValueError when the widths differ.
    """
    left = checked_rows("u", u)
    right = left if v is None else checked_rows("v", v)
    if left.shape[1] != right.shape[1]:
        raise ValueError(
            f"v: expected rows as wide as those of u, {left.shape[1]}; got shape {right.shape}. "
            f"Give two families of vectors from one space."
        )
    return np.asarray(left @ right.T)


def coherence(u: ArrayLike, *, normalised: bool = True) -> float:
    """Largest |cos| of the angle between two different rows of u.

    >>> coherence([[1.0, 0.0], [3.0, 4.0]])
    0.6
    >>> coherence([[1.0, 0.0], [3.0, 4.0]], normalised=False)
    3.0

    With ``normalised=False``, the largest |inner product|. A single row has coherence 0. It is the
    maximum, not the mean, that an associative memory pays for. Raises ValueError for a zero row.
    """
    rows = checked_rows("u", u)
    if checked_flag("normalised", normalised):
        rows = directions(rows.astype(np.float64, copy=False))
    largest = 0.0
    block = 1024  # bounds the memory at block x n; pairs (i, j) with i < j are enough
    for start in range(0, len(rows), block):
        with np.errstate(over="ignore", invalid="ignore"):
            inner = np.abs(rows[start : start + block] @ rows[start:].T)
        np.fill_diagonal(inner, 0)
        if not isfinite(most := float(inner.max())):
            raise ValueError(
                f"u: expected inner products that {rows.dtype} holds; got an overflow. Scale the "
                f"rows down."
            )
        largest = max(largest, most)
    return min(largest, 1.0) if normalised else largest  # rounding exceeds Cauchy-Schwarz


def directions(rows: NDArray[Any]) -> NDArray[Any]:
    """The rows of u over their norms."""
    sizes = np.abs(rows).max(axis=1, keepdims=True)
    if not sizes.all():
        raise ValueError(
            f"u: expected no zero rows, which have no direction; got one as row "
            f"{int(np.argmin(sizes))}. Drop it, or ask for normalised=False."
        )
    rows = rows / sizes  # so that squares neither overflow nor vanish
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def coherence_bound(
    n: int,
    d: int,
    *,
    delta: float = 1e-6,
    family: str = "sphere",
    normalised: bool = True,
    sharp: bool = False,
) -> float:
    """What the coherence of n random vectors in dimension d exceeds with probability <= delta.

    >>> round(coherence_bound(100, 1000), 4)
    0.2145
    >>> round(coherence_bound(100, 1000, sharp=True), 4)
    0.1992

    A union bound over the n(n-1)/2 pairs, of cost independent of n and d. "sphere", "rademacher":
    sqrt(2 ln(n(n-1)/delta) / d), by the sub-Gaussian tail of one pair; with ``sharp`` by its exact
    law, cos^2 ~ Beta(1/2, (d-1)/2) or binomial. That law is pairwise independent, so (Bonferroni)
    the sharp sphere bound is exceeded with probability at least delta - delta^2/2.
    "gaussian": as the sphere; with ``normalised=False`` (inner products, not cosines) half of delta
    goes to the norms. "orthonormal": 0. All hold up to rounding; a bound above 1 says nothing.

    Raises TypeError or ValueError for n, d < 1, delta outside (0, 1), an unknown family, and n > d
    for "orthonormal". Source: [B1997], Lemma 2.2 (sphere); [H1963], Theorem 2
    (Rademacher); [LM2000], Lemma 1 (norms).
    """
    n, d = checked_size("n", n), checked_size("d", d)
    family_named(family)
    delta = checked_probability("delta", delta)
    normalised, sharp = checked_flag("normalised", normalised), checked_flag("sharp", sharp)
    if family == "orthonormal":
        require_room(n, d)
        return 0.0
    if n == 1:
        return 0.0
    if family == "gaussian" and not normalised:
        return _gaussian_inner_product_bound(n, d, delta, sharp)
    if not sharp:
        return sqrt(2 * log(n * (n - 1) / delta) / d)

    from scipy import special, stats

    tail = 2 * delta / (n * (n - 1))  # of |cos| for one pair
    if family == "rademacher":
        # The number of agreeing signs. (binom.isf returns d for tails far below rounding.)
        k = bisect_left(range(d), True, key=lambda k: stats.binom.sf(k, d, 0.5) <= tail / 2)
        return (2 * k - d) / d
    return sqrt(special.betainccinv(0.5, (d - 1) / 2, tail)) if d > 1 else 1.0


def _gaussian_inner_product_bound(n: int, d: int, delta: float, sharp: bool) -> float:
    """Given u, <u, v> ~ N(0, |u|^2 / d): delta/2 for the largest norm, delta/2 for the pairs."""
    if sharp:
        from scipy import stats

        square_norm = stats.chi2.isf(delta / (2 * n), float(d)) / d
        deviation = stats.norm.isf(delta / (2 * n * (n - 1)))
        return float(deviation * sqrt(square_norm / d))
    x = log(2 * n / delta)
    square_norm = 1 + 2 * sqrt(x / d) + 2 * x / d
    return sqrt(square_norm * 2 * log(2 * n * (n - 1) / delta) / d)


def welch_bound(n: int, d: int) -> float:
    """The coherence that no n vectors in dimension d can stay below.

    >>> round(welch_bound(3, 2), 12)  # three directions at 120 degrees attain it
    0.5

    sqrt((n-d) / (d(n-1))) for n > d, otherwise 0. Raises as `gaussian`. Source: [W1974].
    """
    n, d = checked_size("n", n), checked_size("d", d)
    return sqrt((n - d) / (d * (n - 1))) if n > d else 0.0


def require_room(n: int, d: int, name: str = "d") -> None:
    if n > d:
        raise ValueError(
            f"{name}: expected at least n = {n} for orthonormal rows; got {name} = {d}. Widen the "
            f'space, or take a nearly orthogonal family such as "sphere".'
        )


def family_named(name: str) -> Callable[..., Array]:
    return FAMILIES[checked_option("family", name, FAMILIES, "Pick one.")]


def checked_shape(n: int, d: int) -> tuple[int, int]:
    """The sizes of an (n, d) array that fits into memory."""
    n, d = checked_size("n", n), checked_size("d", d)
    if 8 * n * d > MOST_BYTES:
        raise ValueError(
            f"n, d: expected an array of at most {MOST_BYTES:.2g} bytes; got n = {n}, d = {d}. "
            f"Draw fewer vectors or narrower ones."
        )
    return n, d

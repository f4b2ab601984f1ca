"""Families of nearly orthogonal vectors: draws, Gram matrices, coherence and its bounds.

Rows are vectors: a family of n vectors in dimension d is an (n, d) array, and a d x d matrix W acts
on all of them by ``u @ W.T``. Every family has rows of mean square norm 1.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from math import isfinite, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from assocmem._checks import (
    MOST_BYTES,
    Array,
    Seed,
    checked_dtype,
    checked_flag,
    checked_option,
    checked_probability,
    checked_rows,
    checked_size,
    generator,
)


def gaussian(n: int, d: int, *, rng: Seed = None, dtype: DTypeLike = np.float64) -> Array:
    """Draw n independent vectors with independent N(0, 1/d) entries; norms are 1 up to O(1/√d).

    In every family a float32 draw is the float64 draw of the same seed, rounded.

    Parameters
    ----------
    n, d : int
        How many vectors, and their dimension.
    rng : int, generator of NumPy or None
        Where the draws come from; None draws anew each time.
    dtype : {float64, float32}
        Of the entries.

    Returns
    -------
    array, shape (n, d)
        One vector a row.

    Raises
    ------
    TypeError, ValueError
        Unless n and d are integers of at least 1 whose array fits into memory.

    Examples
    --------
    >>> gaussian(3, 8, rng=0).shape
    (3, 8)
    """
    (n, d), dtype = checked_shape(n, d), checked_dtype("dtype", dtype)
    rows = generator(rng).standard_normal((n, d)) / sqrt(d)
    return rows.astype(dtype, copy=False)


def sphere(n: int, d: int, *, rng: Seed = None, dtype: DTypeLike = np.float64) -> Array:
    """Draw n independent vectors, uniform on the unit sphere: the rows of `gaussian`, normalised.

    Parameters
    ----------
    n, d, rng, dtype
        As in `gaussian`.

    Returns
    -------
    array, shape (n, d)
        One vector of norm 1 a row.

    Raises
    ------
    TypeError, ValueError
        As `gaussian`.

    Examples
    --------
    >>> u = sphere(3, 8, rng=0)
    >>> [round(float(norm), 12) for norm in np.linalg.norm(u, axis=1)]
    [1.0, 1.0, 1.0]
    """
    rows = gaussian(n, d, rng=rng)
    norms: Array = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / norms).astype(checked_dtype("dtype", dtype), copy=False)


def rademacher(n: int, d: int, *, rng: Seed = None, dtype: DTypeLike = np.float64) -> Array:
    """Draw n independent vectors with independent entries, +1/√d or −1/√d with equal odds.

    Parameters
    ----------
    n, d, rng, dtype
        As in `gaussian`.

    Returns
    -------
    array, shape (n, d)
        One vector of norm 1 a row.

    Raises
    ------
    TypeError, ValueError
        As `gaussian`.

    Examples
    --------
    >>> bool(np.all(np.abs(rademacher(3, 4, rng=0)) == 0.5))
    True
    """
    (n, d), dtype = checked_shape(n, d), checked_dtype("dtype", dtype)
    signs = 2 * generator(rng).integers(0, 2, size=(n, d)) - 1
    return (signs / sqrt(d)).astype(dtype, copy=False)


def orthonormal(n: int, d: int, *, rng: Seed = None, dtype: DTypeLike = np.float64) -> Array:
    """Draw n <= d orthonormal vectors: the first n rows of a Haar-distributed orthogonal matrix.

    Parameters
    ----------
    n, d, rng, dtype
        As in `gaussian`, with n <= d.

    Returns
    -------
    array, shape (n, d)
        One vector a row.

    Raises
    ------
    TypeError, ValueError
        As `gaussian`, and ValueError when n > d.

    References
    ----------
    [M2007].

    Examples
    --------
    >>> u = orthonormal(3, 8, rng=0)
    >>> bool(np.allclose(gram(u), np.eye(3)))
    True
    """
    n, d = checked_size("n", n), checked_size("d", d)
    require_dimensions(n, d)
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
    """Inner products of the rows of u with the rows of v.

    Parameters
    ----------
    u : array_like, shape (n, d)
        One vector a row.
    v : array_like, shape (m, d), optional
        The same; those of u when left out.

    Returns
    -------
    array, shape (n, m)
        Nothing is normalised; integers are taken as float64.

    Raises
    ------
    ValueError
        When the widths differ.

    Examples
    --------
    >>> gram([[1, 2], [0, 1]]).tolist()
    [[5.0, 2.0], [2.0, 1.0]]
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
    """Largest absolute cosine between two different rows of u.

    It is the maximum, not the mean, that an associative memory pays for.

    Parameters
    ----------
    u : array_like, shape (n, d)
        One vector a row. A single row has coherence 0.
    normalised : bool
        Whether cosines are compared; if not, inner products.

    Returns
    -------
    float
        Between 0 and 1; of inner products, 0 at least.

    Raises
    ------
    ValueError
        For a zero row, which has no direction, and inner products that overflow.

    Examples
    --------
    >>> coherence([[1.0, 0.0], [3.0, 4.0]])
    0.6
    >>> coherence([[1.0, 0.0], [3.0, 4.0]], normalised=False)
    3.0
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
    """Divide each row of u by its norm."""
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
    r"""Upper bound on the coherence of n random vectors, valid with probability 1 − δ.

    It is a union bound over the n(n−1)/2 pairs, whose cost depends on neither n nor d.

    Parameters
    ----------
    n, d : int
        How many vectors, and their dimension.
    delta : float
        The probability δ that the coherence exceeds the bound, at most.
    family : {"sphere", "gaussian", "rademacher", "orthonormal"}
        The law of the vectors.
    normalised : bool
        Whether cosines are bounded. If not, inner products: for "gaussian", half of δ then goes to
        the norms.
    sharp : bool
        Whether the exact law of one pair is used, :math:`\cos^2 \sim \mathrm{Beta}(1/2, (d-1)/2)`
        or binomial, instead of its sub-Gaussian tail, which gives :math:`\sqrt{2 \ln(n(n-1)/\delta)
        / d}`.

    Returns
    -------
    float
        0 for "orthonormal"; a bound above 1 says nothing. All hold up to rounding.

    Raises
    ------
    TypeError, ValueError
        For n, d < 1, δ outside (0, 1), an unknown family, and n > d for "orthonormal".

    Notes
    -----
    Pairs of a sphere are independent two by two, so that (Bonferroni) the sharp bound of "sphere"
    is exceeded with probability at least δ − δ²/2.

    References
    ----------
    [B1997], Lemma 2.2 (sphere); [H1963], Theorem 2 (Rademacher); [LM2000], Lemma 1 (norms).

    Examples
    --------
    >>> round(coherence_bound(100, 1000), 4)
    0.2145
    >>> round(coherence_bound(100, 1000, sharp=True), 4)
    0.1992
    """
    n, d = checked_size("n", n), checked_size("d", d)
    family_named(family)
    delta = checked_probability("delta", delta)
    normalised, sharp = checked_flag("normalised", normalised), checked_flag("sharp", sharp)
    if family == "orthonormal":
        require_dimensions(n, d)
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
    r"""Lower bound on the coherence of any n vectors in dimension d.

    It is :math:`\sqrt{(n-d) / (d(n-1))}` for n > d.

    Parameters
    ----------
    n, d : int
        How many vectors, and their dimension.

    Returns
    -------
    float
        0 for n <= d.

    Raises
    ------
    TypeError, ValueError
        As `gaussian`.

    References
    ----------
    [W1974].

    Examples
    --------
    >>> round(welch_bound(3, 2), 12)  # three directions at 120 degrees attain it
    0.5
    """
    n, d = checked_size("n", n), checked_size("d", d)
    return sqrt((n - d) / (d * (n - 1))) if n > d else 0.0


def require_dimensions(n: int, d: int, name: str = "d") -> None:
    """Refuse more orthonormal rows than dimensions."""
    if n > d:
        raise ValueError(
            f"{name}: expected at least n = {n} for orthonormal rows; got {name} = {d}. Widen the "
            f'space, or take a nearly orthogonal family such as "sphere".'
        )


def family_named(name: str) -> Callable[..., Array]:
    """The function that draws a family, by its name."""
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

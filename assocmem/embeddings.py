"""Frozen random embeddings: the atoms of every memory, and how nearly orthogonal they are.

Rows are vectors: a family of n vectors in dimension d is an (n, d) array, and a d x d matrix W acts
on all of them by ``u @ W.T``. Every family has rows of mean square norm 1.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from math import log, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
# A string: evaluating it would load numpy.random on import.
Seed: TypeAlias = (
    "int | np.random.Generator | np.random.SeedSequence | np.random.BitGenerator | None"
)


def gaussian(n: int, d: int, *, rng: Seed, dtype: DTypeLike = np.float64) -> Array:
    """n independent rows with independent N(0, 1/d) entries.

    >>> gaussian(3, 8, rng=0).shape
    (3, 8)

    Norms are 1 up to O(1/sqrt(d)). In every family a float32 draw is the float64 draw of the same
    seed, rounded. Raises TypeError or ValueError unless n and d are integers >= 1.
    """
    n, d = _checked_size("n", n), _checked_size("d", d)
    rows = np.random.default_rng(rng).standard_normal((n, d)) / sqrt(d)
    return rows.astype(_checked_dtype("dtype", dtype), copy=False)


def sphere(n: int, d: int, *, rng: Seed, dtype: DTypeLike = np.float64) -> Array:
    """n independent rows, uniform on the unit sphere.

    >>> u = sphere(3, 8, rng=0)
    >>> [round(float(norm), 12) for norm in np.linalg.norm(u, axis=1)]
    [1.0, 1.0, 1.0]

    Raises as `gaussian`, whose normalised rows these are.
    """
    rows = gaussian(n, d, rng=rng)
    norms: Array = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / norms).astype(_checked_dtype("dtype", dtype), copy=False)


def rademacher(n: int, d: int, *, rng: Seed, dtype: DTypeLike = np.float64) -> Array:
    """n independent rows with independent entries, +1/sqrt(d) or -1/sqrt(d) with equal odds.

    >>> bool(np.all(np.abs(rademacher(3, 4, rng=0)) == 0.5))
    True

    Raises as `gaussian`.
    """
    n, d = _checked_size("n", n), _checked_size("d", d)
    signs = 2 * np.random.default_rng(rng).integers(0, 2, size=(n, d)) - 1
    return (signs / sqrt(d)).astype(_checked_dtype("dtype", dtype), copy=False)


def orthonormal(n: int, d: int, *, rng: Seed, dtype: DTypeLike = np.float64) -> Array:
    """n <= d orthonormal rows: the first n rows of a Haar-distributed orthogonal matrix.

    >>> u = orthonormal(3, 8, rng=0)
    >>> bool(np.allclose(gram(u), np.eye(3)))
    True

    Raises as `gaussian`, and ValueError when n > d. Source: [M2007].
    """
    n, d = _checked_size("n", n), _checked_size("d", d)
    _require_room(n, d)
    q, r = np.linalg.qr(gaussian(n, d, rng=rng).T)
    # QR leaves the signs free; a positive diagonal of R makes Q unique, hence Haar.
    rows: Array = (q * np.copysign(1.0, np.diagonal(r))).T
    return rows.astype(_checked_dtype("dtype", dtype))


FAMILIES: dict[str, Callable[..., Array]] = {
    "gaussian": gaussian,
    "sphere": sphere,
    "rademacher": rademacher,
    "orthonormal": orthonormal,
}


def gram(u: ArrayLike, v: ArrayLike | None = None) -> NDArray[Any]:
    """Inner products of the rows of u with the rows of v (with those of u when v is None).

    >>> gram([[1, 2], [0, 1]]).tolist()
    [[5, 2], [2, 1]]

    (n, d) and (m, d) give (n, m); nothing is normalised. Raises ValueError when the widths differ.
    """
    left = _checked_rows("u", u)
    right = left if v is None else _checked_rows("v", v)
    if left.shape[1] != right.shape[1]:
        raise ValueError(
            f"v must have rows as wide as those of u, {left.shape[1]}, got shape {right.shape}; "
            "give two families of vectors from one space"
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
    rows = _checked_rows("u", u)
    if normalised:
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        if not norms.all():
            raise ValueError(
                f"u must have no zero rows, row {int(np.argmin(norms))} is zero and has no "
                "direction; drop it or ask for normalised=False"
            )
        rows = rows / norms
    largest = 0.0
    block = 1024  # bounds the memory at block x n; pairs (i, j) with i < j are enough
    for start in range(0, len(rows), block):
        inner = np.abs(rows[start : start + block] @ rows[start:].T)
        np.fill_diagonal(inner, 0)
        largest = max(largest, float(inner.max()))
    return largest


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
    n, d = _checked_size("n", n), _checked_size("d", d)
    _family(family)
    if not 0 < delta < 1:
        raise ValueError(f"delta must be a probability in (0, 1), got {delta!r}; try 1e-6")
    if family == "orthonormal":
        _require_room(n, d)
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

        square_norm = stats.chi2.isf(delta / (2 * n), d) / d
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
    n, d = _checked_size("n", n), _checked_size("d", d)
    return sqrt((n - d) / (d * (n - 1))) if n > d else 0.0


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FrozenEmbeddings:
    """The atoms of a two-layer transformer: everything that training does not move.

    >>> from types import SimpleNamespace
    >>> task = SimpleNamespace(n_tokens=5, length=4, outputs=range(3))
    >>> FrozenEmbeddings.orthonormal(task)
    FrozenEmbeddings(one-hot, N=5, T=4, M=3, width=21)
    >>> wide = FrozenEmbeddings.random(task, width=64, family="sphere", rng=0)
    >>> wide.compressed()
    FrozenEmbeddings(sphere, N=5, T=4, M=3, width=21)

    Rows are vectors: tokens (N, d) are w_E, positions (T, d) are p, outputs (M, d) are w_U;
    remapped_tokens and remapped_positions are their images under Phi1 (d, d), and values
    (2(N+T), d) the images of `atoms` under W_V2 (d, d). Build one by `random`, `orthonormal` or
    `from_matrices`; of a task only n_tokens, length and outputs matter. Raises TypeError or
    ValueError for arrays that do not fit together, are not all float32 or all float64, or hold
    NaN. Source: [BCBJB2023].
    """

    tokens: Array
    positions: Array
    outputs: Array
    remapped_tokens: Array
    remapped_positions: Array
    values: Array
    Phi1: Array
    W_V2: Array
    family: str = "custom"

    def __post_init__(self) -> None:
        _check_fit({name: getattr(self, name) for name in _ARRAYS})

    @classmethod
    def from_matrices(
        cls,
        *,
        tokens: ArrayLike,
        positions: ArrayLike,
        outputs: ArrayLike,
        Phi1: ArrayLike,
        W_V2: ArrayLike,
        family: str = "custom",
    ) -> FrozenEmbeddings:
        """Embeddings from anybody's matrices: computes the images, in the widest dtype given."""
        given = {"tokens": tokens, "positions": positions, "outputs": outputs}
        arrays = {k: _checked_rows(k, v) for k, v in (given | {"Phi1": Phi1, "W_V2": W_V2}).items()}
        dtype = np.result_type(np.float32, *arrays.values())
        arrays = {name: array.astype(dtype, copy=False) for name, array in arrays.items()}
        _check_fit(arrays)
        inputs = np.concatenate([arrays["tokens"], arrays["positions"]])
        remapped = inputs @ arrays["Phi1"].T
        return cls(
            **arrays,
            remapped_tokens=remapped[: len(arrays["tokens"])],
            remapped_positions=remapped[len(arrays["tokens"]) :],
            values=np.concatenate([inputs, remapped]) @ arrays["W_V2"].T,
            family=family,
        )

    @classmethod
    def orthonormal(cls, task: Any) -> FrozenEmbeddings:
        """Infinite width, exactly: one-hot atoms in dimension d = 2(N+T) + M.

        Coordinates, in this order: tokens, positions, their images under Phi1, outputs. Phi1 is the
        partial isometry that moves the first N+T coordinates to the next N+T; W_V2 is the identity.
        """
        n_tokens, length, n_outputs = _sizes(task)
        n_inputs = n_tokens + length
        one_hot = np.eye(2 * n_inputs + n_outputs)
        return cls.from_matrices(
            tokens=one_hot[:n_tokens],
            positions=one_hot[n_tokens:n_inputs],
            outputs=one_hot[2 * n_inputs :],
            Phi1=one_hot[n_inputs : 2 * n_inputs].T @ one_hot[:n_inputs],
            W_V2=one_hot,
            family="one-hot",
        )

    @classmethod
    def random(
        cls, task: Any, *, width: int, family: str = "gaussian", rng: Seed
    ) -> FrozenEmbeddings:
        """Tokens, positions and outputs drawn from a family; Phi1 and W_V2 with N(0, 1/d) entries.

        With "orthonormal" they are orthonormal together: raises ValueError when N+T+M > width.
        """
        n_tokens, length, n_outputs = _sizes(task)
        width = _checked_size("width", width)
        rng = np.random.default_rng(rng)
        # Rows are independent (or jointly orthonormal), so one draw serves all three.
        rows = _family(family)(n_tokens + length + n_outputs, width, rng=rng)
        return cls.from_matrices(
            tokens=rows[:n_tokens],
            positions=rows[n_tokens : n_tokens + length],
            outputs=rows[n_tokens + length :],
            Phi1=gaussian(width, width, rng=rng),
            W_V2=gaussian(width, width, rng=rng),
            family=family,
        )

    def compressed(self) -> FrozenEmbeddings:
        """The same logits and gradients at width n = 2(N+T) + M, or self when d <= n.

        Only inner products matter, and only those inside [atoms; outputs] and inside values: each
        stack A = L Q, Q with orthonormal rows, is replaced by L (values padded with zeros), which
        has the same Gram matrix. Phi1 and W_V2 become the smallest matrices with the same images.
        """
        stack = np.concatenate([self.atoms, self.outputs])
        n, n_inputs = len(stack), len(self.inputs)
        if self.width <= n:
            return self
        atoms, outputs = np.split(np.linalg.qr(stack.T).R.T, [2 * n_inputs])
        values = np.zeros_like(atoms)
        values[:, : 2 * n_inputs] = np.linalg.qr(self.values.T).R.T
        inputs, remapped = np.split(atoms, 2)
        return FrozenEmbeddings(
            tokens=inputs[: self.n_tokens],
            positions=inputs[self.n_tokens :],
            outputs=outputs,
            remapped_tokens=remapped[: self.n_tokens],
            remapped_positions=remapped[self.n_tokens :],
            values=values,
            Phi1=np.linalg.lstsq(inputs, remapped)[0].T,
            W_V2=np.linalg.lstsq(atoms, values)[0].T,
            family=self.family,
        )

    def astype(self, dtype: DTypeLike) -> FrozenEmbeddings:
        """Every array rounded to float32 or float64."""
        dtype = _checked_dtype("dtype", dtype)
        return replace(self, **{name: getattr(self, name).astype(dtype) for name in _ARRAYS})

    @property
    def n_tokens(self) -> int:
        """Number N of tokens."""
        return len(self.tokens)

    @property
    def length(self) -> int:
        """Number T of positions."""
        return len(self.positions)

    @property
    def n_outputs(self) -> int:
        """Number M of predicted classes."""
        return len(self.outputs)

    @property
    def width(self) -> int:
        """Dimension d of the residual stream."""
        return int(self.tokens.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64, one for all arrays."""
        return self.tokens.dtype

    @cached_property
    def inputs(self) -> Array:
        """(N+T, d): tokens, then positions."""
        return np.concatenate([self.tokens, self.positions])

    @cached_property
    def atoms(self) -> Array:
        """(2(N+T), d): tokens, positions, remapped tokens, remapped positions."""
        return np.concatenate([self.inputs, self.remapped_tokens, self.remapped_positions])

    def __repr__(self) -> str:
        sizes = f"N={self.n_tokens}, T={self.length}, M={self.n_outputs}, width={self.width}"
        return f"FrozenEmbeddings({self.family}, {sizes})"


_ARRAYS = [field.name for field in fields(FrozenEmbeddings) if field.name != "family"]


def _check_fit(arrays: dict[str, Array]) -> None:
    """Finite 2-d arrays of one dtype, in the shapes that tokens, positions and outputs imply."""
    for name, array in arrays.items():
        _checked_rows(name, array)
        _checked_dtype(name, array.dtype)
    n, t, m = (len(arrays[name]) for name in ("tokens", "positions", "outputs"))
    d, dtype = arrays["tokens"].shape[1], arrays["tokens"].dtype
    rows = {"tokens": n, "positions": t, "outputs": m, "remapped_tokens": n}
    rows |= {"remapped_positions": t, "values": 2 * (n + t), "Phi1": d, "W_V2": d}
    for name, array in arrays.items():
        if array.shape != (rows[name], d) or array.dtype != dtype:
            raise ValueError(
                f"{name} must have shape {(rows[name], d)} and dtype {dtype} to fit the tokens, "
                f"got {array.shape} and {array.dtype}; let from_matrices derive what follows"
            )


def _sizes(task: Any) -> tuple[int, int, int]:
    n_tokens = _checked_size("task.n_tokens", task.n_tokens)
    length = _checked_size("task.length", task.length)
    return n_tokens, length, _checked_size("len(task.outputs)", len(task.outputs))


def _checked_size(name: str, size: Any) -> int:
    if isinstance(size, bool) or not isinstance(size, int | np.integer):
        raise TypeError(
            f"{name} must be an integer, got {size!r} of type {type(size).__name__}; "
            "convert a whole number with int()"
        )
    if size < 1:
        raise ValueError(f"{name} must be at least 1, got {size}; ask for at least one")
    return int(size)


def _require_room(n: int, d: int) -> None:
    if n > d:
        raise ValueError(
            f"d must be at least n = {n} for orthonormal rows, got d = {d}; "
            'widen the space, or use a nearly orthogonal family such as "sphere"'
        )


def _family(name: str) -> Callable[..., Array]:
    if name not in FAMILIES:
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}, got {name!r}; pick one")
    return FAMILIES[name]


def _checked_dtype(name: str, dtype: DTypeLike) -> np.dtype[Any]:
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise TypeError(
            f"{name} must be float32 or float64, got {np.dtype(dtype)}; convert it with astype"
        )
    return np.dtype(dtype)


def _checked_rows(name: str, rows: ArrayLike) -> NDArray[Any]:
    rows = np.asarray(rows)
    if rows.dtype.kind not in "iuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {rows.dtype}; use astype(float)")
    if rows.ndim != 2 or 0 in rows.shape:
        raise ValueError(
            f"{name} must be a non-empty 2-d array with one vector per row, "
            f"got shape {rows.shape}; reshape a single vector to (1, d)"
        )
    if not np.isfinite(rows).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity; check where it comes from")
    return rows

"""The frozen atoms of a two-layer transformer, at random or at infinite width.

Rows are vectors: n vectors in dimension d are an (n, d) array, and a d x d matrix W acts on all of
them by ``u @ W.T``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from assocmem._checks import (
    Array,
    Seed,
    checked_dtype,
    checked_flag,
    checked_kind,
    checked_option,
    checked_rows,
    checked_size,
    generator,
)
from assocmem.model.threads import one_blas_thread
from assocmem.vectors.bartlett import FROM_GAUSSIAN_ROWS, compressed_draw
from assocmem.vectors.families import family_named, gaussian, require_dimensions


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FrozenEmbeddings:
    """The frozen vectors and matrices of a two-layer transformer: everything that is not learned.

    Rows are vectors. Build one by `random`, `orthonormal` or `from_matrices`; of a task only
    n_tokens, length and outputs matter.

    Parameters
    ----------
    tokens : array, shape (N, d)
        The embeddings w_E of the tokens.
    positions : array, shape (T, d)
        The embeddings p of the positions.
    outputs : array, shape (M, d)
        The unembeddings w_U of the predicted classes.
    remapped_tokens, remapped_positions : array, shape (N, d) and (T, d)
        Their images under Phi1.
    values : array, shape (2(N+T), d)
        The images of `atoms` under W_V2.
    Phi1, W_V2 : array, shape (d, d)
        The frozen maps of layers 1 and 2, which multiply vectors from the left.
    family : str
        What they were drawn from, to be read only.

    Raises
    ------
    TypeError, ValueError
        For arrays that do not fit together, are not all float32 or all float64, or hold NaN.

    References
    ----------
    [BCBJB2023], Section 4.2.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> task = SimpleNamespace(n_tokens=5, length=4, outputs=range(3))
    >>> FrozenEmbeddings.orthonormal(task)
    FrozenEmbeddings(one-hot, N=5, T=4, M=3, width=21)
    >>> wide = FrozenEmbeddings.random(task, width=64, family="sphere", rng=0)
    >>> wide.compressed()
    FrozenEmbeddings(sphere, N=5, T=4, M=3, width=21)
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
        checked_kind("family", self.family, str)
        _check_fit({name: getattr(self, name) for name in _ARRAYS})

    @classmethod
    @one_blas_thread()
    def from_matrices(
        cls,
        *,
        tokens: ArrayLike,
        positions: ArrayLike,
        outputs: ArrayLike,
        Phi1: ArrayLike,
        W_V2: ArrayLike,
        side: Literal["left", "right"] = "left",
        family: str = "custom",
    ) -> FrozenEmbeddings:
        """Make embeddings from given matrices, and compute the images under Φ₁ and W_V².

        Parameters
        ----------
        tokens : array_like, shape (N, d)
            Embeddings of the tokens.
        positions : array_like, shape (T, d)
            Embeddings of the positions.
        outputs : array_like, shape (M, d)
            Unembeddings of the classes.
        Phi1, W_V2 : array_like, shape (d, d)
            The frozen maps of layers 1 and 2.
        side : {"left", "right"}
            The side from which Phi1 and W_V2 multiply a vector: "left", Phi1 x, as in the paper and
            as torch.nn.Linear keeps its weight; or "right", x Phi1 with vectors as rows, as x @ W
            in most code, TransformerLens and GPT-2's Conv1D. A square matrix fits either way, so
            nothing can be guessed.
        family : str
            A name for what they are.

        Returns
        -------
        FrozenEmbeddings
            In the widest dtype given.

        Raises
        ------
        TypeError, ValueError
            As the class, and for another side.

        Examples
        --------
        >>> emb = FrozenEmbeddings.from_matrices(
        ...     tokens=[[1, 0]], positions=[[0, 1]], outputs=[[1, 0]],
        ...     Phi1=[[0, 1], [0, 0]], W_V2=[[1, 0], [0, 1]], side="right")
        >>> emb.remapped_tokens, emb.Phi1[1]            # x Phi1 for the row x; kept from the left
        (array([[0., 1.]]), array([1., 0.]))
        """
        checked_option("side", side, ("left", "right"), "From which the matrices multiply vectors.")
        given = {"tokens": tokens, "positions": positions, "outputs": outputs}
        arrays = {k: checked_rows(k, v) for k, v in (given | {"Phi1": Phi1, "W_V2": W_V2}).items()}
        dtype = np.result_type(np.float32, *arrays.values())
        arrays = {name: array.astype(dtype, copy=False) for name, array in arrays.items()}
        if side == "right":
            arrays |= {name: arrays[name].T for name in ("Phi1", "W_V2")}
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
        """Make the embeddings of infinite width: one-hot atoms in dimension d = 2(N+T) + M.

        Coordinates, in this order: tokens, positions, their images under Phi1, outputs. Phi1 is the
        partial isometry that moves the first N+T coordinates to the next N+T; W_V2 is the identity.

        Parameters
        ----------
        task : Task
            Its n_tokens, length and outputs are the sizes.

        Returns
        -------
        FrozenEmbeddings
            In float64.

        Raises
        ------
        TypeError, ValueError
            For what has no such sizes, and a width whose matrices take more than 16 GiB.
        """
        n_tokens, length, n_outputs = sizes_of(task)
        n_inputs = n_tokens + length
        width = 2 * n_inputs + n_outputs
        require_memory("task", width)
        one_hot = np.eye(width)
        atoms, outputs = np.split(one_hot, [2 * n_inputs])
        inputs, remapped = np.split(atoms, 2)
        return cls(
            tokens=inputs[:n_tokens],
            positions=inputs[n_tokens:],
            outputs=outputs,
            remapped_tokens=remapped[:n_tokens],
            remapped_positions=remapped[n_tokens:],
            values=atoms,
            Phi1=np.eye(width, k=-n_inputs) * (np.arange(width) < n_inputs),
            W_V2=one_hot,
            family="one-hot",
        )

    @classmethod
    @one_blas_thread()
    def random(
        cls,
        task: Any,
        *,
        width: int,
        family: str = "gaussian",
        compressed: bool = False,
        rng: Seed = None,
    ) -> FrozenEmbeddings:
        """Draw tokens, positions and outputs from a family; Phi1 and W_V2 have N(0, 1/d) entries.

        Parameters
        ----------
        task : Task
            Its n_tokens, length and outputs are the sizes.
        width : int
            Dimension d of the residual stream.
        family : {"gaussian", "sphere", "rademacher", "orthonormal"}
            The law of tokens, positions and outputs; "orthonormal" ones are orthonormal together.
        compressed : bool
            Whether to draw from the law of ``random(...).compressed()`` (its coordinates up to
            signs, so its Gram matrices exactly) in time and memory that do not depend on a width of
            n = 2(N+T) + M or more; below n it makes that call. "rademacher" has no such law.
        rng : int, generator of NumPy or None
            Where the draws come from; None draws anew each time. The same seed gives the same bits,
            with any number of BLAS threads.

        Returns
        -------
        FrozenEmbeddings
            In float64.

        Raises
        ------
        TypeError, ValueError
            For N + T + M > width with "orthonormal", "rademacher" with ``compressed``, and matrices
            of more than 16 GiB.

        References
        ----------
        The law of the compressed draw is Bartlett's, [B1933]; see `assocmem.vectors.bartlett`.

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> task = SimpleNamespace(n_tokens=5, length=4, outputs=range(3))
        >>> FrozenEmbeddings.random(task, width=10**9, compressed=True, rng=0)
        FrozenEmbeddings(gaussian, N=5, T=4, M=3, width=21)
        """
        n_tokens, length, n_outputs = sizes_of(task)
        width, n_inputs = checked_size("width", width), n_tokens + length
        draw, compressed = family_named(family), checked_flag("compressed", compressed)
        if compressed and family not in FROM_GAUSSIAN_ROWS:
            raise ValueError(
                f"family: expected one of {', '.join(FROM_GAUSSIAN_ROWS)} with compressed=True, as "
                f"their rows are Gaussian rows under a map that commutes with rotations; got "
                f"{family!r}, for which no law is known that avoids the width. Call "
                f"random(...).compressed()."
            )
        if family == "orthonormal":
            require_dimensions(n_inputs + n_outputs, width, "width")
        n = 2 * n_inputs + n_outputs
        if compressed and width >= n:
            require_memory("task", n)
            parts = compressed_draw(n_inputs, n_outputs, width, family=family, rng=rng)
            inputs = parts.pop("inputs")
            return cls.from_matrices(
                tokens=inputs[:n_tokens], positions=inputs[n_tokens:], family=family, **parts
            )
        require_memory("width", width)
        rng = generator(rng)
        # Rows are independent (or jointly orthonormal), so one draw serves all three.
        rows = draw(n_inputs + n_outputs, width, rng=rng)
        return cls.from_matrices(
            tokens=rows[:n_tokens],
            positions=rows[n_tokens:n_inputs],
            outputs=rows[n_inputs:],
            Phi1=gaussian(width, width, rng=rng),
            W_V2=gaussian(width, width, rng=rng),
            family=family,
        )

    @one_blas_thread()
    def compressed(self) -> FrozenEmbeddings:
        """Return embeddings of width n = 2(N+T) + M with the same logits and gradients.

        Only inner products matter, and only those inside [atoms; outputs] and inside values: each
        stack A = L Q, Q with orthonormal rows, is replaced by L (values padded with zeros), which
        has the same Gram matrix. Phi1 and W_V2 become the smallest matrices with the same images.

        Returns
        -------
        FrozenEmbeddings
            These themselves where d <= n.
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
        """Return the embeddings with every array rounded to float32 or float64.

        Parameters
        ----------
        dtype : {float32, float64}
            Of all arrays.

        Returns
        -------
        FrozenEmbeddings
            A copy.

        Raises
        ------
        TypeError, ValueError
            For another dtype.
        """
        dtype = checked_dtype("dtype", dtype)
        return replace(self, **{name: getattr(self, name).astype(dtype) for name in _ARRAYS})

    def check_fits(self, task: Any) -> None:
        """Raise an error if the sizes of a task are not those of the embeddings.

        Parameters
        ----------
        task : Task
            What the embeddings are for.

        Raises
        ------
        ValueError
            For other sizes.
        TypeError
            For what has none.
        """
        own, asked = (self.n_tokens, self.length, self.n_outputs), sizes_of(task)
        if own != asked:
            raise ValueError(
                f"embeddings: expected (N, T, M) = {asked}, the sizes of the task; got {own}. Draw "
                f"them for this task."
            )

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
        """One dtype for all arrays, float32 or float64."""
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
        checked_rows(name, array)
        checked_dtype(name, array.dtype)
    n, t, m = (len(arrays[name]) for name in ("tokens", "positions", "outputs"))
    d, dtype = arrays["tokens"].shape[1], arrays["tokens"].dtype
    rows = {"tokens": n, "positions": t, "outputs": m, "remapped_tokens": n}
    rows |= {"remapped_positions": t, "values": 2 * (n + t), "Phi1": d, "W_V2": d}
    for name, array in arrays.items():
        if array.shape != (rows[name], d) or array.dtype != dtype:
            raise ValueError(
                f"{name}: expected shape {(rows[name], d)} and dtype {dtype}, to fit the tokens; "
                f"got {array.shape} and {array.dtype}. Let from_matrices derive what follows."
            )


def require_memory(argument: str, width: int, max_bytes: int = 2**34) -> None:
    """Refuse a width whose two frozen matrices take more than so many bytes."""
    if (needed := 2 * 8 * width**2) <= max_bytes:
        return
    remedy = {
        "task": "Take fewer tokens, or am.gradients and top_down(gradient='exact'), which need no "
        "embeddings",
        "width": "Take a smaller width, or compressed=True, whose memory the width does not enter",
    }
    raise ValueError(
        f"{argument}: expected Phi1 and W_V2 to take at most {max_bytes:.2g} bytes; got width "
        f"{width}, which takes {needed:.2g}. {remedy[argument]}."
    )


def sizes_of(task: Any) -> tuple[int, int, int]:
    """Numbers of tokens, positions and outputs of a task."""
    if missing := {"n_tokens", "length", "outputs"} - set(dir(task)):
        raise TypeError(
            f"task: expected a Task, with n_tokens, length and outputs; got "
            f"{type(task).__name__} without {', '.join(sorted(missing))}."
        )
    n_tokens = checked_size("task.n_tokens", task.n_tokens)
    length = checked_size("task.length", task.length)
    # by its number, where the task has one: a list of them may not fit into memory
    n_outputs = task.n_outputs if hasattr(task, "n_outputs") else len(task.outputs)
    return n_tokens, length, checked_size("len(task.outputs)", n_outputs)

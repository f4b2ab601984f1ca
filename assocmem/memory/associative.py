"""A weight matrix is a set of outer products: W = Σ_ji C_ji v_j u_iᵀ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from assocmem._checks import (
    Array,
    as_floats,
    checked_array,
    checked_mask,
    checked_scalar,
    checked_table,
    checked_targets,
)
from assocmem._statistics import margins
from assocmem.memory.products import held, product, pseudo_inverse, scaled_product

__all__ = ["AssociativeMemory"]


@dataclass(frozen=True, init=False, repr=False, eq=False)
class AssociativeMemory:
    r"""The matrix :math:`W = \sum_{ji} C_{ji} v_j u_i^\top`, kept as keys, values and coefficients.

    A memory behaves as the matrix it stands for: `W @ x`, `x @ W`, `W.T`, `W.shape`, sums,
    differences, multiples, `sum([...])`, and `np.asarray(W)`, the matrix itself. None of them but
    the last forms the matrix. `W @ V` of two memories is the memory of the product.

    Parameters
    ----------
    keys : array_like, shape (n, d_k)
        The vectors :math:`u_i` that are asked for, one a row.
    values : array_like, shape (m, d_v)
        The vectors :math:`v_j` that are answered, one a row.
    coefficients : array_like, shape (m, n), optional
        Row = value, column = key. Left out, they are the identity: pair i is (key i, value i),
        which needs m = n.

    Raises
    ------
    ValueError
        For shapes that do not fit, empty arrays, NaN or infinite entries.
    TypeError
        For entries that are not real numbers or SymPy expressions.

    Notes
    -----
    Nothing is normalised. Integers become floats. SymPy entries (dtype object) stay symbolic, and
    the integers beside them stay exact.

    References
    ----------
    [BCBJB2023], Section 4, where keys and values are random and nearly orthonormal.

    Examples
    --------
    >>> import numpy as np
    >>> W = AssociativeMemory(keys=np.eye(3), values=np.eye(3)[[1, 2, 0]])
    >>> W
    AssociativeMemory(3 keys in R^3 -> 3 values in R^3, float64)
    >>> W @ W.keys[0]                            # the value stored with key 0
    array([0., 1., 0.])
    >>> W.recall(), W.chance()
    (1.0, 0.3333333333333333)
    """

    keys: Array
    values: Array
    coefficients: Array

    # NumPy's scalars and arrays on the left of * and @ leave the product to the memory
    __array_ufunc__ = None

    def __init__(
        self, *, keys: ArrayLike, values: ArrayLike, coefficients: ArrayLike | None = None
    ) -> None:
        keys, values = checked_table("keys", keys), checked_table("values", values)
        n, m = len(keys), len(values)
        if coefficients is None:
            if m != n:
                raise ValueError(
                    f"coefficients: left out, they pair key i with value i, which needs as many "
                    f"values as keys; got {n} keys and {m} values. Pass coefficients of shape "
                    f"({m}, {n})."
                )
            coefficients = np.eye(n, dtype=np.result_type(keys, values))
        coefficients = checked_table("coefficients", coefficients)
        if coefficients.shape != (m, n):
            hint = " Transpose them." if coefficients.shape == (n, m) else ""
            raise ValueError(
                f"coefficients: expected shape ({m}, {n}), a row per value and a column per key; "
                f"got {coefficients.shape}.{hint}"
            )
        tables = {"keys": keys, "values": values, "coefficients": coefficients}
        symbolic = any(table.dtype.kind == "O" for table in tables.values())
        for name, table in tables.items():
            exact = symbolic or table.dtype.kind == "f"
            object.__setattr__(self, name, table if exact else table.astype(np.float64))

    @classmethod
    def from_matrix(
        cls, matrix: ArrayLike, keys: ArrayLike, values: ArrayLike
    ) -> AssociativeMemory:
        r"""Express a matrix as a memory over the given keys and values.

        The scores :math:`v_j^\top M u_i` of the matrix M are kept to rounding, also when keys or
        values are linearly dependent, and of all coefficients that keep them these are the smallest
        (pseudo-inverse); the part of the matrix outside the spans of keys and values is dropped.

        Parameters
        ----------
        matrix : array_like, shape (d_v, d_k)
            It multiplies keys from the left: pass matrix.T where the code has u @ matrix.
        keys : array_like, shape (n, d_k)
            What the matrix is asked for.
        values : array_like, shape (m, d_v)
            What its answers are compared with.

        Returns
        -------
        AssociativeMemory
            The memory over exactly these keys and values.

        Raises
        ------
        ValueError
            For shapes that do not fit.
        TypeError
            For symbolic keys or values.

        Examples
        --------
        >>> import numpy as np
        >>> matrix = np.array([[0., 2.], [3., 0.]])
        >>> W = AssociativeMemory.from_matrix(matrix, keys=np.eye(2), values=np.eye(2))
        >>> W.scores().round(12)
        array([[0., 2.],
               [3., 0.]])
        """
        matrix = checked_table("matrix", matrix)
        keys = as_floats("keys", checked_table("keys", keys))
        values = as_floats("values", checked_table("values", values))
        if matrix.shape != (values.shape[1], keys.shape[1]):
            raise ValueError(
                f"matrix: expected shape ({values.shape[1]}, {keys.shape[1]}), the width of the "
                f"values by the width of the keys; got {matrix.shape}. It maps keys to values."
            )
        coefficients = product(pseudo_inverse(values.T), matrix, pseudo_inverse(keys))
        return cls(keys=keys, values=values, coefficients=coefficients)

    @property
    def n_keys(self) -> int:
        """Number n of keys."""
        return len(self.keys)

    @property
    def n_values(self) -> int:
        """Number m of values."""
        return len(self.values)

    @property
    def matrix(self) -> Array:
        r"""The matrix :math:`W = V^\top C U`, of shape (d_v, d_k)."""
        return product(self.values.T, self.coefficients, self.keys)

    @property
    def T(self) -> AssociativeMemory:
        """The transposed matrix: keys and values exchange their roles."""
        return AssociativeMemory(
            keys=self.values, values=self.keys, coefficients=self.coefficients.T
        )

    @property
    def shape(self) -> tuple[int, int]:
        """The shape (d_v, d_k) of the matrix."""
        return self.values.shape[1], self.keys.shape[1]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("copy: expected True or None, as the matrix is computed; got False.")
        return self.matrix if dtype is None else self.matrix.astype(dtype)

    def __matmul__(self, other: AssociativeMemory | ArrayLike) -> Any:
        """W x for x (d_k,), W X for X (d_k, p), or the memory W V of two."""
        if isinstance(other, AssociativeMemory):
            if other.shape[0] != self.shape[1]:
                raise ValueError(
                    f"@: expected a memory whose values have width {self.shape[1]}, that of the "
                    f"keys; got {other.shape[0]}. Transpose one with .T if the roles are exchanged."
                )
            between = product(self.coefficients, self.keys, other.values.T, other.coefficients)
            return AssociativeMemory(keys=other.keys, values=self.values, coefficients=between)
        x = checked_array("@", other)
        if x.ndim not in (1, 2) or len(x) != self.shape[1]:
            raise ValueError(
                f"@: expected a vector of width {self.shape[1]}, that of the keys, or an array "
                f"with that many rows; got shape {x.shape}. Vectors that are rows stand on the "
                f"left of W.T: x @ W.T."
            )
        columns = checked_table("@", x.reshape(len(x), -1))
        image = product(self.values.T, self.coefficients, self.keys, columns)
        return image.reshape((self.shape[0], *x.shape[1:]))

    def __rmatmul__(self, other: ArrayLike) -> Any:
        """xᵀ W for x (d_v,), or X W for X (p, d_v)."""
        return (self.T @ checked_array("@", other).T).T

    def scores(self, keys: ArrayLike | None = None, values: ArrayLike | None = None) -> Array:
        r"""Return the scores :math:`v_j^\top W u_i`, a row for value j and a column for key i.

        The product is taken in the cheapest order, so W is formed only when it is small.

        Parameters
        ----------
        keys : array_like, shape (n', d_k), optional
            Other keys than the memory's own.
        values : array_like, shape (m', d_v), optional
            Other values than the memory's own.

        Returns
        -------
        array, shape (m', n')
            One score for each value and key that is asked.

        Raises
        ------
        ValueError
            For keys or values of another width than the memory's.

        Examples
        --------
        >>> import numpy as np
        >>> W = AssociativeMemory(keys=np.eye(2), values=np.eye(2), coefficients=[[1, 0], [5, 2]])
        >>> W.scores()
        array([[1., 0.],
               [5., 2.]])
        >>> W.scores(keys=[[1, 1]])
        array([[1.],
               [7.]])
        """
        return held(*self._scores(keys, values))

    def _scores(self, keys: ArrayLike | None, values: ArrayLike | None) -> tuple[Array, int]:
        u = self.keys if keys is None else checked_table("keys", keys, self.keys.shape[1])
        v = self.values if values is None else checked_table("values", values, self.values.shape[1])
        return scaled_product(v, self.values.T, self.coefficients, self.keys, u.T)

    def margin(
        self,
        targets: ArrayLike | None = None,
        among: ArrayLike | None = None,
        *,
        keys: ArrayLike | None = None,
        values: ArrayLike | None = None,
    ) -> Array:
        """Margin of each key: the score of its right value minus the best score of a wrong one.

        Parameters
        ----------
        targets : array_like of int, shape (n,), optional
            Index of the right value of each key; 0, 1, 2, ... when left out.
        among : array_like of bool, shape (m, n), optional
            The admissible answers; all when left out.
        keys, values
            As in `scores`.

        Returns
        -------
        array, shape (n,)
            Infinite for a key whose only admissible answer is the right one.

        Raises
        ------
        ValueError
            For targets out of range or not admissible.
        TypeError
            For targets that are not integers, a mask that is not boolean, and symbolic scores.

        Examples
        --------
        >>> import numpy as np
        >>> W = AssociativeMemory(keys=np.eye(2), values=np.eye(2), coefficients=[[1, 0], [5, 2]])
        >>> W.margin()
        array([-4.,  2.])
        >>> W.margin(among=[[True, True], [False, True]])        # value 1 is no answer to key 0
        array([inf,  2.])
        """
        return held(*self._margin(targets, among, keys, values))

    def _margin(
        self,
        targets: ArrayLike | None,
        among: ArrayLike | None,
        keys: ArrayLike | None,
        values: ArrayLike | None,
    ) -> tuple[Array, int]:
        """The margins over a power of two, and its exponent: so no sign is lost."""
        scores, exponent = self._scores(keys, values)
        scores = as_floats("scores", scores)
        m, n = scores.shape
        chosen = checked_targets(targets, m, n)
        answers = None if among is None else checked_mask(among, m, n)
        if answers is not None and not answers[chosen, np.arange(n)].all():
            i = int(np.argmin(answers[chosen, np.arange(n)]))
            raise ValueError(
                f"among: expected every target to be admissible; got a mask without the target "
                f"{chosen[i]} of key {i}. Admit it, or leave that key out by passing `keys`."
            )
        return margins(scores.T, chosen, None if answers is None else answers.T), exponent

    def recall(
        self,
        targets: ArrayLike | None = None,
        among: ArrayLike | None = None,
        *,
        keys: ArrayLike | None = None,
        values: ArrayLike | None = None,
    ) -> float:
        """Fraction of the keys whose right value scores strictly above every wrong one.

        A tie is an error, and `chance` is what guessing reaches.

        Parameters
        ----------
        targets, among, keys, values
            As in `margin`.

        Returns
        -------
        float
            Between 0 and 1.

        Raises
        ------
        TypeError, ValueError
            As `margin`.

        Examples
        --------
        >>> import numpy as np
        >>> W = AssociativeMemory(keys=np.eye(2), values=np.eye(2), coefficients=[[1, 0], [5, 2]])
        >>> W.recall(), W.recall(targets=[1, 1])
        (0.5, 1.0)
        >>> (0 * W).recall()                                     # a tie is an error
        0.0
        """
        return float(np.mean(self._margin(targets, among, keys, values)[0] > 0))

    def chance(self, among: ArrayLike | None = None) -> float:
        """Expected recall of a guess, uniform over the admissible values of each key.

        Parameters
        ----------
        among : array_like of bool, shape (m', n'), optional
            As in `recall`, for the keys and values that are asked.

        Returns
        -------
        float
            The mean of 1 over the number of admissible values.

        Raises
        ------
        ValueError, TypeError
            For a key without an admissible value, and a mask that is not boolean.

        Examples
        --------
        >>> import numpy as np
        >>> W = AssociativeMemory(keys=np.eye(2), values=np.eye(2))
        >>> W.chance(), W.chance(among=[[True, True], [False, True]])
        (0.5, 0.75)
        """
        if among is None:
            return 1 / self.n_values
        answers = checked_mask(among).sum(axis=0)
        if not answers.all():
            raise ValueError(
                f"among: expected an admissible value for every key; got none for key "
                f"{int(np.argmin(answers))}. Leave its column out."
            )
        return float(np.mean(1 / answers))

    def store(
        self, key: ArrayLike, value: ArrayLike, coefficient: ArrayLike = 1
    ) -> AssociativeMemory:
        r"""Return the memory with further pairs, :math:`W + \sum_p c_p v_p u_p^\top`.

        Each call copies the whole memory: store many pairs in one call, not in a loop.

        Parameters
        ----------
        key : array_like, shape (d_k,) or (p, d_k)
            One key, or p of them.
        value : array_like, shape (d_v,) or (p, d_v)
            What each key recalls.
        coefficient : array_like, a scalar or shape (p,)
            How much each pair weighs; a scalar weighs all of them.

        Returns
        -------
        AssociativeMemory
            A new memory; this one does not change.

        Raises
        ------
        ValueError
            For another width than the memory's, or numbers of pairs that differ.

        Examples
        --------
        >>> import numpy as np
        >>> W = AssociativeMemory(keys=[[1, 0]], values=[[0, 1]]).store([0, 1], [1, 0], 3)
        >>> W.matrix
        array([[0., 3.],
               [1., 0.]])
        """
        new_keys, new_values = (
            checked_table(name, np.atleast_2d(checked_array(name, given)), own.shape[1])
            for name, given, own in (("key", key, self.keys), ("value", value, self.values))
        )
        weight, pairs = checked_array("coefficient", coefficient), len(new_keys)
        weight = checked_table("coefficient", weight.reshape(1, -1)).reshape(weight.shape)
        if len(new_values) != pairs or weight.shape not in [(), (pairs,)]:
            raise ValueError(
                f"store: expected as many values as keys, and one coefficient or one for each; got "
                f"{pairs} keys, {len(new_values)} values, coefficient of shape {weight.shape}. "
                f"Build an AssociativeMemory with a coefficient matrix and add it instead."
            )
        return self + AssociativeMemory(
            keys=new_keys,
            values=new_values,
            coefficients=np.diag(np.broadcast_to(weight, (pairs,))).astype(
                object if self.coefficients.dtype == object else None, copy=False
            ),
        )

    def __add__(self, other: AssociativeMemory) -> AssociativeMemory:
        if not isinstance(other, AssociativeMemory):
            return NotImplemented
        if self.shape != other.shape:
            raise ValueError(
                f"+: expected two memories of one shape (d_v, d_k); got {self.shape} and "
                f"{other.shape}. Transpose one with .T if the roles are exchanged."
            )
        a, b = self.coefficients, other.coefficients
        if all(map(np.array_equal, (self.keys, self.values), (other.keys, other.values))):
            return self._with(a + b)
        upper, lower = np.zeros((len(a), b.shape[1]), int), np.zeros((len(b), a.shape[1]), int)
        return AssociativeMemory(
            keys=np.concatenate([self.keys, other.keys]),
            values=np.concatenate([self.values, other.values]),
            coefficients=np.block([[a, upper], [lower, b]]),
        )

    def __radd__(self, other: Any) -> AssociativeMemory:
        # the start of sum()
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __mul__(self, scalar: Any) -> AssociativeMemory:
        checked_scalar("*", scalar)
        return self._with(self.coefficients * scalar)

    __rmul__ = __mul__

    def __truediv__(self, scalar: Any) -> AssociativeMemory:
        checked_scalar("/", scalar)
        return self._with(self.coefficients / scalar)

    def _with(self, coefficients: Array) -> AssociativeMemory:
        return AssociativeMemory(keys=self.keys, values=self.values, coefficients=coefficients)

    def __neg__(self) -> AssociativeMemory:
        return self * -1

    def __sub__(self, other: AssociativeMemory) -> AssociativeMemory:
        return self + -other if isinstance(other, AssociativeMemory) else NotImplemented

    def __repr__(self) -> str:
        return (
            f"AssociativeMemory({self.n_keys} keys in R^{self.keys.shape[1]} -> "
            f"{self.n_values} values in R^{self.values.shape[1]}, {self.coefficients.dtype})"
        )

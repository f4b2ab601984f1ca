"""A weight matrix is a set of outer products: W = Σ_ji C_ji v_j u_iᵀ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.linalg import multi_dot
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import checked_array

__all__ = ["AssociativeMemory"]

Array = NDArray[Any]
Mask = NDArray[np.bool_]

INT64_END = 2**63  # the first integer that int64 does not hold


@dataclass(frozen=True, init=False, repr=False, eq=False)
class AssociativeMemory:
    """The matrix W = Σ_ji C_ji v_j u_iᵀ, kept as keys u_i, values v_j and coefficients C.

    >>> import numpy as np
    >>> W = AssociativeMemory(keys=np.eye(3), values=np.eye(3)[[1, 2, 0]])
    >>> W
    AssociativeMemory(3 keys in R^3 -> 3 values in R^3, float64)
    >>> W.matrix @ W.keys[0]                     # the value stored with key 0
    array([0., 1., 0.])
    >>> W.recall(), W.chance()
    (1.0, 0.3333333333333333)

    Shapes: `keys` (n, d_k), `values` (m, d_v), `coefficients` (m, n), row = value, column = key;
    left out, they are the identity: pair i is (key i, value i), which needs m = n.
    Nothing is normalised. Integers stay exact: they are kept in int64, and a result that int64
    might not hold is one of Python's integers (dtype object: exact at any size, but slow; pass
    floats where rounding will do). Where they meet floats they become floats first. SymPy entries
    (dtype object) stay symbolic, and exact where what meets them is an integer or SymPy's.
    Memories are added, subtracted and scaled as the matrices they stand for.

    Raises ValueError for shapes that do not fit, empty arrays, NaN or infinite entries;
    TypeError for entries that are not real numbers or SymPy expressions.

    Source: [BCBJB2023], Section 4, where u_i and v_j are random and nearly orthonormal.
    """

    keys: Array
    values: Array
    coefficients: Array

    # NumPy scalars on the left of * leave the product to __rmul__
    __array_ufunc__ = None

    def __init__(
        self, *, keys: ArrayLike, values: ArrayLike, coefficients: ArrayLike | None = None
    ) -> None:
        keys, values = _table("keys", keys), _table("values", values)
        n, m = len(keys), len(values)
        if coefficients is None:
            if m != n:
                raise ValueError(
                    f"coefficients: left out, they pair key i with value i, which needs as many "
                    f"values as keys; got {n} keys and {m} values. Pass coefficients of shape "
                    f"({m}, {n})."
                )
            coefficients = np.eye(n, dtype=np.result_type(keys, values))
        coefficients = _table("coefficients", coefficients)
        if coefficients.shape != (m, n):
            hint = " Transpose them." if coefficients.shape == (n, m) else ""
            raise ValueError(
                f"coefficients: expected shape ({m}, {n}), a row per value and a column per key; "
                f"got {coefficients.shape}.{hint}"
            )
        object.__setattr__(self, "keys", keys)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "coefficients", coefficients)

    @classmethod
    def from_matrix(
        cls, matrix: ArrayLike, keys: ArrayLike, values: ArrayLike
    ) -> AssociativeMemory:
        """Read any matrix as a memory over the given keys and values.

        >>> import numpy as np
        >>> matrix = np.array([[0., 2.], [3., 0.]])
        >>> W = AssociativeMemory.from_matrix(matrix, keys=np.eye(2), values=np.eye(2))
        >>> W.scores().round(12)
        array([[0., 2.],
               [3., 0.]])

        Shapes: `matrix` (d_v, d_k), which multiplies keys from the left (pass matrix.T where the
        code has u @ matrix), `keys` (n, d_k), `values` (m, d_v). The scores v_jᵀ matrix u_i are kept to rounding, also when keys or values are linearly dependent, and of all
        coefficients that keep them these are the smallest (pseudo-inverse); the part of the
        matrix outside the spans of keys and values is dropped.

        Raises ValueError for shapes that do not fit, TypeError for symbolic keys or values.
        """
        matrix = _table("matrix", matrix)
        keys, values = _numbers("keys", _table("keys", keys)), _table("values", values)
        values = _numbers("values", values)
        if matrix.shape != (values.shape[1], keys.shape[1]):
            raise ValueError(
                f"matrix: expected shape ({values.shape[1]}, {keys.shape[1]}), the width of the "
                f"values by the width of the keys; got {matrix.shape}. It maps keys to values."
            )
        coefficients = _product(_pseudo_inverse(values.T), matrix, _pseudo_inverse(keys))
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
        """The matrix W = VᵀCU, of shape (d_v, d_k)."""
        return _product(self.values.T, self.coefficients, self.keys)

    @property
    def T(self) -> AssociativeMemory:
        """The transposed matrix: keys and values exchange their roles."""
        return AssociativeMemory(
            keys=self.values, values=self.keys, coefficients=self.coefficients.T
        )

    def scores(self, keys: ArrayLike | None = None, values: ArrayLike | None = None) -> Array:
        """The array v_jᵀWu_i, row = value j, column = key i.

        >>> import numpy as np
        >>> W = AssociativeMemory(keys=np.eye(2), values=np.eye(2), coefficients=[[1, 0], [5, 2]])
        >>> W.scores()
        array([[1., 0.],
               [5., 2.]])
        >>> W.scores(keys=[[1, 1]])
        array([[1.],
               [7.]])

        `keys` (n', d_k) and `values` (m', d_v) ask for other vectors than the memory's own. The
        product is taken in the cheapest order, so W is formed only when it is small.

        Raises ValueError for keys or values of another width than the memory's.
        """
        u = self.keys if keys is None else _table("keys", keys, self.keys.shape[1])
        v = self.values if values is None else _table("values", values, self.values.shape[1])
        return _product(v, self.values.T, self.coefficients, self.keys, u.T)

    def margin(
        self,
        targets: ArrayLike | None = None,
        among: ArrayLike | None = None,
        *,
        keys: ArrayLike | None = None,
        values: ArrayLike | None = None,
    ) -> Array:
        """Per key, the score of the right value minus the best score of a wrong one.

        >>> import numpy as np
        >>> W = AssociativeMemory(keys=np.eye(2), values=np.eye(2), coefficients=[[1, 0], [5, 2]])
        >>> W.margin()
        array([-4.,  2.])
        >>> W.margin(among=[[True, True], [False, True]])        # value 1 is no answer to key 0
        array([inf,  2.])

        `targets` (n,): index of the right value of each key, 0, 1, 2, ... when left out.
        `among` (m, n), boolean: the admissible answers, all when left out. A key whose only
        admissible answer is the right one has margin inf. `keys` and `values` as in `scores`.
        Scores are compared as floats: integers beyond 2^53 that round to the same one tie.

        Raises ValueError for targets out of range or not admissible, TypeError for targets that
        are not integers, a mask that is not boolean, and symbolic scores.
        """
        scores = _numbers("scores", self.scores(keys, values))
        m, n = scores.shape
        chosen, columns = _targets(targets, m, n), np.arange(n)
        rivals = np.ones((m, n), dtype=bool) if among is None else _mask(among, m, n)
        if not rivals[chosen, columns].all():
            i = int(np.argmin(rivals[chosen, columns]))
            raise ValueError(
                f"among: expected every target to be admissible; got a mask without the target "
                f"{chosen[i]} of key {i}. Admit it, or leave that key out by passing `keys`."
            )
        rivals[chosen, columns] = False
        best_wrong = np.where(rivals, scores, -np.inf).max(axis=0)
        margin: Array = scores[chosen, columns] - best_wrong
        return margin

    def recall(
        self,
        targets: ArrayLike | None = None,
        among: ArrayLike | None = None,
        *,
        keys: ArrayLike | None = None,
        values: ArrayLike | None = None,
    ) -> float:
        """Fraction of the keys whose right value scores strictly above every wrong one.

        >>> import numpy as np
        >>> W = AssociativeMemory(keys=np.eye(2), values=np.eye(2), coefficients=[[1, 0], [5, 2]])
        >>> W.recall(), W.recall(targets=[1, 1])
        (0.5, 1.0)
        >>> (0 * W).recall()                                     # a tie is an error
        0.0

        Arguments and errors as in `margin`; `chance` is what guessing reaches.
        """
        return float(np.mean(self.margin(targets, among, keys=keys, values=values) > 0))

    def chance(self, among: ArrayLike | None = None) -> float:
        """Expected recall of a guess, uniform over the admissible values of each key.

        >>> import numpy as np
        >>> W = AssociativeMemory(keys=np.eye(2), values=np.eye(2))
        >>> W.chance(), W.chance(among=[[True, True], [False, True]])
        (0.5, 0.75)

        `among` (m', n'), boolean, as in `recall`, for the keys and values that are asked.

        Raises ValueError for a key without admissible value, TypeError for a mask not boolean.
        """
        if among is None:
            return 1 / self.n_values
        answers = _mask(among).sum(axis=0)
        if not answers.all():
            raise ValueError(
                f"among: expected an admissible value for every key; got none for key "
                f"{int(np.argmin(answers))}. Leave its column out."
            )
        return float(np.mean(1 / answers))

    def store(
        self, key: ArrayLike, value: ArrayLike, coefficient: ArrayLike = 1
    ) -> AssociativeMemory:
        """A new memory W + Σ coefficient · value keyᵀ, with one pair more, or several.

        >>> import numpy as np
        >>> W = AssociativeMemory(keys=[[1, 0]], values=[[0, 1]]).store([0, 1], [1, 0], 3)
        >>> W.matrix
        array([[0, 3],
               [1, 0]])

        Shapes: `key` (d_k,) and `value` (d_v,), or (p, d_k) and (p, d_v) for p pairs with
        `coefficient` a scalar or (p,). Each call copies the whole memory: store many pairs in one
        call, not in a loop.

        Raises ValueError for another width than the memory's, or numbers of pairs that differ.
        """
        new_keys, new_values = (
            _table(name, np.atleast_2d(checked_array(name, given)), own.shape[1])
            for name, given, own in (("key", key, self.keys), ("value", value, self.values))
        )
        weight, pairs = checked_array("coefficient", coefficient), len(new_keys)
        if len(new_values) != pairs or weight.shape not in [(), (pairs,)]:
            raise ValueError(
                f"store: expected as many values as keys, and one coefficient or one for each; got "
                f"{pairs} keys, {len(new_values)} values, coefficient of shape {weight.shape}. "
                f"Build an AssociativeMemory with a coefficient matrix and add it instead."
            )
        return self + AssociativeMemory(
            keys=new_keys,
            values=new_values,
            coefficients=np.diag(np.broadcast_to(weight, (pairs,))),
        )

    def __add__(self, other: AssociativeMemory) -> AssociativeMemory:
        if not isinstance(other, AssociativeMemory):
            return NotImplemented
        widths = self.keys.shape[1], self.values.shape[1]
        other_widths = other.keys.shape[1], other.values.shape[1]
        if widths != other_widths:
            raise ValueError(
                f"+: expected two memories of the same widths (d_k, d_v); got {widths} and "
                f"{other_widths}. Transpose one with .T if the roles are exchanged."
            )
        a, b = self.coefficients, other.coefficients
        if _same(self.keys, other.keys) and _same(self.values, other.values):
            return AssociativeMemory(
                keys=self.keys,
                values=self.values,
                coefficients=_with_room(a, _largest(a) + _largest(b)) + b,
            )
        upper, lower = np.zeros((len(a), b.shape[1]), int), np.zeros((len(b), a.shape[1]), int)
        return AssociativeMemory(
            keys=np.concatenate([self.keys, other.keys]),
            values=np.concatenate([self.values, other.values]),
            coefficients=np.block([[a, upper], [lower, b]]),
        )

    def __mul__(self, scalar: Any) -> AssociativeMemory:
        _check_scalar("*", scalar)
        return AssociativeMemory(
            keys=self.keys, values=self.values, coefficients=_scaled(self.coefficients, scalar)
        )

    __rmul__ = __mul__

    def __truediv__(self, scalar: Any) -> AssociativeMemory:
        _check_scalar("/", scalar)
        return AssociativeMemory(
            keys=self.keys, values=self.values, coefficients=self.coefficients / scalar
        )

    def __neg__(self) -> AssociativeMemory:
        return self * -1

    def __sub__(self, other: AssociativeMemory) -> AssociativeMemory:
        return self + -other if isinstance(other, AssociativeMemory) else NotImplemented

    def __repr__(self) -> str:
        return (
            f"AssociativeMemory({self.n_keys} keys in R^{self.keys.shape[1]} -> "
            f"{self.n_values} values in R^{self.values.shape[1]}, {self.coefficients.dtype})"
        )


def _table(name: str, given: ArrayLike, width: int | None = None) -> Array:
    """`given` as a non-empty 2-d array of finite numbers or expressions, of the given width."""
    table = checked_array(name, given)
    if table.ndim != 2 or table.size == 0:
        raise ValueError(
            f"{name}: expected a non-empty 2-d array; got shape {table.shape}. "
            f"Put one vector in a row of its own: {name}=[vector]."
        )
    if width is not None and table.shape[1] != width:
        raise ValueError(
            f"{name}: expected vectors of width {width}, as in the memory; got {table.shape[1]}. "
            f"Vectors are rows: transpose them if they stand in columns."
        )
    if table.dtype.kind not in "biufO":
        raise TypeError(
            f"{name}: expected real numbers or SymPy expressions; got dtype {table.dtype}. "
            f"Convert to float, int or object."
        )
    if table.dtype.kind == "f" and not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        raise ValueError(
            f"{name}: expected finite numbers; got {float(table[row, column])} at "
            f"[{row}, {column}]. Look for a division by zero or an overflow where it was computed."
        )
    if table.dtype == object and any(entry is None or entry != entry for entry in table.flat):
        raise ValueError(
            f"{name}: expected numbers or SymPy expressions; got None or NaN among them. Look for "
            f"where it was computed."
        )
    if table.dtype.kind not in "biu":
        return table
    # products of booleans are logical and small integers overflow
    fits = table.dtype != np.uint64 or table.max() < INT64_END
    return table.astype(np.int64 if fits else object)


def _product(*factors: Array) -> Array:
    """The product of the factors, in the cheapest order and without overflow of integers.

    All take the common dtype first, as any two of them may be multiplied before the others.
    """
    dtype = np.result_type(*factors)
    if dtype.kind == "i":
        # no entry of the product exceeds the product of the largest absolute row sums; the bound is
        # rounded, hence the factor 2
        bound = math.prod(float(np.linalg.norm(factor, np.inf)) for factor in factors)
        dtype = np.dtype(object) if 2 * bound >= INT64_END else dtype
    product: Array = multi_dot([factor.astype(dtype, copy=False) for factor in factors])
    return product


def _scaled(table: Array, scalar: Any) -> Array:
    factor = np.asarray(scalar).item()  # an integer of NumPy's as Python's
    if table.dtype.kind == "i" and isinstance(factor, int):
        scalar, table = factor, _with_room(table, max(_largest(table), 1) * abs(factor))
    scaled: Array = table * scalar
    return scaled


def _with_room(table: Array, bound: int) -> Array:
    """`table`, in Python's integers if int64 might not hold a result that reaches `bound`."""
    return table.astype(object) if table.dtype.kind == "i" and bound >= INT64_END else table


def _largest(table: Array) -> int:
    """The largest absolute value of integers, which overflows in int64; 0 for other entries."""
    return max(int(table.max()), -int(table.min())) if table.dtype.kind == "i" else 0


def _numbers(name: str, table: Array) -> Array:
    """`table`, with SymPy numbers turned into floats."""
    if table.dtype != object:
        return table
    try:
        return table.astype(float)
    except TypeError:
        raise TypeError(
            f"{name}: expected numbers; got symbolic entries. Substitute the symbols first."
        ) from None


def _pseudo_inverse(table: Array) -> Array:
    table = np.asarray(table, dtype=np.result_type(table, np.float32))
    # NumPy's default cut-off, 1e-15, can take rounding for rank
    return np.linalg.pinv(table, rcond=max(table.shape) * np.finfo(table.dtype).eps)


def _targets(targets: ArrayLike | None, m: int, n: int) -> NDArray[np.int64]:
    if targets is None:
        if m < n:
            raise ValueError(
                f"targets: left out, key i asks for value i, which needs at least as many values "
                f"as keys; got {n} keys and {m} values. Pass targets of shape ({n},)."
            )
        return np.arange(n)
    chosen = checked_array("targets", targets)
    if chosen.dtype.kind not in "iu":
        raise TypeError(
            f"targets: expected integers, the index of each key's value; got {chosen.dtype}."
        )
    if chosen.shape != (n,):
        raise ValueError(f"targets: expected shape ({n},), one per key; got {chosen.shape}.")
    if chosen.min() < 0 or chosen.max() >= m:
        raise ValueError(
            f"targets: expected indices of values from 0 to {m - 1}; got {chosen.min()} to "
            f"{chosen.max()}. They count from 0."
        )
    return chosen.astype(np.int64)


def _mask(among: ArrayLike, m: int | None = None, n: int | None = None) -> Mask:
    """A copy of the boolean (m, n) mask of admissible answers."""
    mask = checked_array("among", among).copy()
    if mask.dtype != bool:
        raise TypeError(f"among: expected a boolean mask; got dtype {mask.dtype}.")
    if mask.ndim != 2 or (m is not None and mask.shape != (m, n)):
        wanted = "(values, keys)" if m is None else f"({m}, {n})"
        raise ValueError(
            f"among: expected shape {wanted}, a row per value and a column per key; "
            f"got {mask.shape}."
        )
    return mask


def _check_scalar(sign: str, given: Any) -> None:
    # a number, a SymPy expression, an element of a SymPy field, an array of one of them
    sympys = hasattr(given, "free_symbols") or hasattr(given, "field")
    if not (sympys or isinstance(given, Real | np.ndarray)) or np.ndim(given) != 0:
        raise TypeError(
            f"{sign}: expected a scalar; got {type(given).__name__}. "
            f"Compose memories through their .matrix."
        )
    if sign == "/" and given == 0:
        raise ZeroDivisionError(
            "/: expected a divisor other than zero; got 0. Scale by zero with *."
        )


def _same(a: Array, b: Array) -> bool:
    return a is b or np.array_equal(a, b)

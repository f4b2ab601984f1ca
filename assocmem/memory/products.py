"""Products of tables, right for large and for small floats too."""

from __future__ import annotations

import numpy as np
from numpy.linalg import multi_dot

from assocmem._checks import Array


def product(*factors: Array) -> Array:
    """The product of the factors, in the cheapest order and without overflow."""
    return held(*scaled_product(*factors))


def held(table: Array, exponent: int) -> Array:
    """The table · 2^exponent. One that float32 does not hold, too large or too small, is float64.

    Raises ValueError for one that float64 does not hold.
    """
    if exponent == 0:
        return table
    finite = table[np.isfinite(table)]  # a margin without rival is infinite
    reached = _exponent(finite) + exponent if finite.any() else 0
    if table.dtype == np.float32 and not np.finfo(np.float32).minexp < reached <= 128:
        table = table.astype(np.float64)
    if reached > np.finfo(table.dtype).maxexp:
        raise ValueError(
            f"matrix, scores: expected products that {table.dtype} holds; got an overflow. Scale "
            f"keys, values or coefficients down."
        )
    with np.errstate(under="ignore"):
        return np.asarray(np.ldexp(table, exponent))


def _exponent(table: Array) -> int:
    """Of the power of two above all absolute values; without a copy of the table."""
    return int(np.frexp(max(table.max(), -table.min()))[1])


def scaled_product(*factors: Array) -> tuple[Array, int]:
    """A table and an exponent, the product being table · 2^exponent, in the cheapest order.

    All take the common dtype first, as any two of them may be multiplied before the others.
    The exponent is not 0 for floats so large or so small that the product might leave their range:
    powers of two are taken out of each factor, which rounds nothing.
    """
    dtype = np.result_type(*factors)
    cast = [factor.astype(dtype, copy=False) for factor in factors]
    if dtype.kind != "f":
        return multi_dot(cast), 0
    exponents = list(map(_exponent, cast))
    room = np.finfo(dtype).maxexp // (2 * len(cast))  # the other half for sums and small entries
    if max(map(abs, exponents)) <= room:
        return multi_dot(cast), 0
    with np.errstate(under="ignore"):
        small = [np.ldexp(factor, -e) for factor, e in zip(cast, exponents, strict=True)]
        return multi_dot(small), sum(exponents)


def pseudo_inverse(table: Array) -> Array:
    """The Moore-Penrose inverse of a table."""
    table = np.asarray(table, dtype=np.result_type(table, np.float32))
    # NumPy's default cut-off, 1e-15, can take rounding for rank
    return np.linalg.pinv(table, rcond=max(table.shape) * np.finfo(table.dtype).eps)

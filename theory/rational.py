"""Rational functions as sizes: the library's closed forms, run in exact arithmetic.

The library takes SymPy symbols for N and K, but the expressions it then returns are slow to
simplify. A `Rational` is a fraction of polynomials in C and K, reduced at every operation; the
library takes it for a symbol, because it has ``free_symbols``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy
from sympy.polys.fields import field

C, K = sympy.symbols("C K", positive=True)
_FIELD, _C, _K = field((C, K), sympy.ZZ)
RING = _FIELD.ring  # polynomials in C and K with integer coefficients


def _operation(name: str) -> Callable[[Any, Any], Any]:
    """An operation of the field; an array is left to NumPy, which then goes entry by entry."""
    in_field = getattr(operator, name)

    def operation(self: Rational, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return NotImplemented
        return Rational(in_field(self.value, Rational(other).value))

    return operation


def _reflected(name: str) -> Callable[[Any, Any], Any]:
    in_field = getattr(operator, name)

    def operation(self: Rational, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return NotImplemented
        return Rational(in_field(Rational(other).value, self.value))

    return operation


class Rational:
    """A fraction of polynomials in C and K.

    >>> (Rational.C**2 - 1) / (Rational.C + 1) - Rational.C
    -1
    """

    __slots__ = ("value",)
    free_symbols = frozenset({C, K})
    C: Rational
    K: Rational

    def __init__(self, value: Any) -> None:
        self.value: Any = value.value if isinstance(value, Rational) else _FIELD(value)

    __add__, __radd__ = _operation("add"), _reflected("add")
    __sub__, __rsub__ = _operation("sub"), _reflected("sub")
    __mul__, __rmul__ = _operation("mul"), _reflected("mul")
    __truediv__, __rtruediv__ = _operation("truediv"), _reflected("truediv")

    def __pow__(self, exponent: int) -> Rational:
        return Rational(self.value**exponent)

    def __neg__(self) -> Rational:
        return Rational(-self.value)

    def __eq__(self, other: object) -> bool:
        return bool(self.value == Rational(other).value)

    def __hash__(self) -> int:
        return hash(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __repr__(self) -> str:
        return str(sympy.factor(self._sympy_()))

    def _sympy_(self) -> sympy.Expr:
        return self.value.as_expr()

    @property
    def degree(self) -> Any:
        """The degree in C at infinity: the value is of the exact order C^degree at fixed K."""
        return self.value.numer.degree() - self.value.denom.degree() if self.value else -np.inf


Rational.C, Rational.K = Rational(_C), Rational(_K)

"""Moments of random vectors, exactly, from the laws of their entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import sympy
from sympy import Rational
from sympy.concrete.delta import deltasummation

from theory.derivation import Derivation

Moment = Callable[[tuple[int, ...]], Any]


# The library computes bounds in floating point. Far above its rounding, far below any altered term.
ROUNDING = Rational(1, 2**40)


d_ = sympy.Symbol("d", positive=True, integer=True)


class Drawn(np.random.Generator):
    """A generator whose draws are given: they show what a family makes of them.

    It notes the degrees of freedom that it was asked for.
    """

    def __init__(self, *tables: np.ndarray, chi_squares: Sequence[np.ndarray] = ()) -> None:
        super().__init__(np.random.PCG64(0))
        self._tables, self._chi_squares = list(tables), list(chi_squares)
        self.freedoms: list[np.ndarray] = []

    def standard_normal(self, *args: Any, **kwargs: Any) -> Any:
        return self._tables.pop(0).astype(float)

    def integers(self, *args: Any, **kwargs: Any) -> Any:
        return self._tables.pop(0)

    def chisquare(self, df: Any, *args: Any, **kwargs: Any) -> Any:
        self.freedoms.append(np.asarray(df))
        return self._chi_squares.pop(0).astype(float)


def exact(numbers: Any) -> np.ndarray:
    """Floating-point numbers as the fractions they are."""
    return np.vectorize(lambda x: Rational(float(x)), otypes=[object])(numbers)


def agrees(d: Derivation, text: str, number: float, formula: Any, latex: str) -> None:
    """Compare a number of the library with its formula, evaluated to 30 digits.

    The number is shown after ``latex``.
    """
    error = abs(Rational(number) / sympy.sympify(formula).evalf(30) - 1)
    d.holds(text, error < ROUNDING, latex=rf"{latex} \approx {number:.6g}")


def sum_over(expression: Any, *indices: Any) -> Any:
    """Σ over indices from 1 to d, by the rule Σ_b δ_ab f(b) = f(a)."""
    for index in indices:
        expression = sympy.expand(expression)
        expression = deltasummation(expression, (index, 1, d_))
        # the free index lies in 1..d
        expression = expression.replace(sympy.Piecewise, lambda *branches: branches[0][0])
    return expression


def gaussian_moment(powers: tuple[int, ...]) -> Any:
    """Of independent N(0, 1/d) entries: a product of (2k - 1)!! / d^k."""
    if any(power % 2 for power in powers):
        return 0
    squares = sum(powers) // 2
    return (
        sympy.prod([sympy.factorial2(power - 1) for power in powers])
        / sympy.Integer(len(powers)) ** squares
    )


def expectation(polynomial: Any, *families: np.ndarray, moment: Moment = gaussian_moment) -> Any:
    """E of a polynomial in the independent rows of each family, one family after the other.

    ``moment`` is E of a product of powers of the entries of one row.
    """
    for rows in families:
        n, width = rows.shape
        terms = sympy.poly(polynomial, *rows.ravel()).terms()
        polynomial = sum(
            factor * sympy.prod([moment(powers[i * width : (i + 1) * width]) for i in range(n)])
            for powers, factor in terms
        )
    return polynomial


def sphere_moment(powers: tuple[int, ...]) -> Any:
    """The Gaussian moment over that of the norm, which is independent of the direction."""
    d, squares = sympy.Integer(len(powers)), sum(powers) // 2
    norm = sympy.prod([(d + 2 * i) / d for i in range(squares)])
    return gaussian_moment(powers) / norm


def rademacher_moment(powers: tuple[int, ...]) -> Any:
    """Of independent entries ±1/√d: the squares are constant."""
    if any(power % 2 for power in powers):
        return 0
    return 1 / sympy.Integer(len(powers)) ** (sum(powers) // 2)


def mean_over(polynomial: Any, laws: Mapping[Any, Any]) -> Any:
    """E of a polynomial in independent χ variables of these degrees of freedom; None: normal."""

    def moment(power: int, freedom: Any) -> Any:
        if power % 2:  # an odd moment of χ always meets one of a normal variable, which is 0
            return 0 if freedom is None else sympy.Symbol("odd")
        return prod((1 if freedom is None else freedom) + 2 * k for k in range(power // 2))

    return sum(
        factor * prod(moment(power, law) for power, law in zip(powers, laws.values(), strict=True))
        for powers, factor in sympy.poly(polynomial, *laws).terms()
    )

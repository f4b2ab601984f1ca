r"""Harmonic sums of steps 1 and 2: what is left when all averages but that over τ are taken.

With $h_r = \sum_{s=r}^T 1/s$, the sums of step 2 over τ have closed forms in T, x = H_T and
y = H_T^{(2)} = \sum_{s \le T} 1/s^2.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy

from assocmem.gradients.conditions import moments

T, x, y = sympy.symbols("T x y", positive=True)


def at_length(expression: Any, length: int) -> sympy.Rational:
    """An expression in T, x and y at a number T."""
    return sympy.sympify(expression).subs(
        {x: sympy.harmonic(length), y: sympy.harmonic(length, 2), T: length}
    )


def tail(length: int, start: int, power: int = 1) -> Fraction:
    """h_start = Σ 1/s^power over s = start .. T."""
    return sum((Fraction(1, s**power) for s in range(start, length + 1)), Fraction(0))


FIELD, *GENERATORS = sympy.field((T, x, y), sympy.QQ)  # where sums of fractions stay reduced
MOMENTS = moments(*GENERATORS)
PHI = MOMENTS.phi.as_expr()
REMAPPED_OUTPUT = MOMENTS.H.as_expr()  # mean of h_{τ+1}
REMAPPED_FIRST_TRIGGER = MOMENTS.w.as_expr() - 1 / T  # mean of h_τ


def role_at(length: int, tau: int, s: int) -> str:
    """The role of position s, counted from 1."""
    return "trigger" if s in (tau, length) else "output" if s == tau + 1 else "free"


def lower_bound(value: Any, length: int) -> tuple[Any, list[tuple[int, int]]]:
    """A lower bound at a length of an element of FIELD times a positive power of T, and what it
    subtracts.

    Over T^d, d the degree in T, what remains of the numerator are constants, multiples of x^j with
    a positive factor, and negative multiples of x^j / T^i: the returned (i, j). Other positive
    terms are dropped and y is between 0 and 5/3.
    """
    unit = value.denom.LC  # the denominators are products of T, T - 1 and T - 2
    degree, bound, terms = value.numer.degree(), sympy.Integer(0), []
    for (i, j, k), coefficient in value.numer.terms():
        size = sympy.sympify(coefficient / unit)
        if size > 0 and i == degree and k == 0:
            bound += size * x**j
        elif size < 0:
            bound += size * sympy.Rational(5, 3) ** k * x**j * T ** (i - degree)
            terms.append((degree - i, j))
    return at_length(bound, length), terms

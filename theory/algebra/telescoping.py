r"""Sums over positions in closed form, and what they make of step 2's covariances at any length.

A sum over r telescopes when its summand is a difference, f(r) = F(r + 1) - F(r). The summands here
hold the tails h_r = Σ 1/s and S_r = Σ 1/s² over r <= s <= T: they start at x = H_T, y = H_T^{(2)},
go on by h_{r+1} = h_r - 1/r and S_{r+1} = S_r - 1/r², and end with 0 at r = T + 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import sympy
from sympy.polys.rings import PolyElement

from assocmem.gradients.conditions import harmonic_numbers
from theory.algebra import rational
from theory.algebra.harmonic import T, tail, x, y
from theory.algebra.rational import C, K

End = tuple[Any, Any, Any]  # r, h_r, S_r

FIELD, LENGTH, X, Y, CONTENT, TRIGGERS = sympy.field((T, x, y, C, K), sympy.QQ)
# Summands: polynomials in 1/r, 1/(r + 1), h_r and S_r, with coefficients in T, x, y, C and K.
RING, RECIPROCAL, NEXT_RECIPROCAL, TAIL, SQUARES = sympy.ring("g, e, h, S", FIELD.to_domain())

# The powers of 1/r, 1/(r + 1), h_r and S_r in f; then F.
ANTIDIFFERENCES: dict[tuple[int, ...], Callable[[Any, Any, Any], Any]] = {
    (0, 0, 0, 0): lambda r, h, S: r,
    (1, 0, 0, 0): lambda r, h, S: -h,
    (0, 1, 0, 0): lambda r, h, S: 1 / r - h,
    (2, 0, 0, 0): lambda r, h, S: -S,
    (0, 0, 1, 0): lambda r, h, S: (r - 1) * h + r,
    (0, 0, 0, 1): lambda r, h, S: (r - 1) * S - h,
    (0, 0, 2, 0): lambda r, h, S: (r - 1) * h**2 + (2 * r - 1) * h + 2 * r,
    (1, 0, 1, 0): lambda r, h, S: -(h**2 + S) / 2,
}

FIRST: End = (FIELD.one, X, Y)
SECOND: End = (FIELD(2), X - 1, Y - 1)
LAST_BUT_ONE: End = (
    LENGTH - 1,
    1 / (LENGTH - 1) + 1 / LENGTH,
    1 / (LENGTH - 1) ** 2 + 1 / LENGTH**2,
)
BEYOND: End = (LENGTH + 1, FIELD.zero, FIELD.zero)
HERE: End = (None, TAIL, SQUARES)  # any r, for summands whose F does not hold r itself


def total(summand: Any, start: End, stop: End) -> Any:
    """The sum over start <= r < stop."""
    first, last = (
        [factor * ANTIDIFFERENCES[powers](*end) for powers, factor in RING(summand).terms()]
        for end in (start, stop)
    )
    return sum(last, FIELD.zero) - sum(first, FIELD.zero)


def mean_over_tau(summand: Any) -> Any:
    """The mean over τ = 1 .. T - 2, with τ for r."""
    return total(summand, FIRST, LAST_BUT_ONE) / (LENGTH - 2)


# Columns of the identity ("direct") and of the causal mean 1{r <= s}/s ("remapped").

KINDS = ("direct", "remapped")
PLACES = TAU, AFTER, LAST = range(3)  # the positions τ, τ + 1 and T, in order
ROLES = {"output": (AFTER,), "trigger": (TAU, LAST)}

_LAST = RING(1 / LENGTH)
_RECIPROCALS = (RECIPROCAL, NEXT_RECIPROCAL, _LAST)
_TAILS = (TAIL, TAIL - RECIPROCAL, _LAST)
_SQUARES = (SQUARES, SQUARES - RECIPROCAL**2, _LAST**2)


def column_sum(kind: str, a: int) -> Any:
    return RING.one if kind == "direct" else _TAILS[a]


def product(one: str, other: str, a: int, b: int) -> Any:
    """The inner product of column a of one matrix and column b of another."""
    if one == other:
        return RING(int(a == b)) if one == "direct" else _SQUARES[max(a, b)]
    place, past = (a, b) if one == "direct" else (b, a)
    return _RECIPROCALS[place] * int(past <= place)


def covariance(one: str, other: str, a: int, b: int) -> Any:
    """T² times the covariance of the two columns over s."""
    return LENGTH * product(one, other, a, b) - column_sum(one, a) * column_sum(other, b)


def covariance_with_tails(kind: str, a: int) -> Any:
    """The same with the mean of h_r over r <= s, which is 1 + h_{s+1}."""
    h, one_over = _TAILS[a], _RECIPROCALS[a]
    product = 1 + h - one_over if kind == "direct" else h + (h**2 - _SQUARES[a]) / 2
    return LENGTH * product - (2 * LENGTH - X) * column_sum(kind, a)


# T² E_τ Cov_s of what stands at output and triggers, in the order of ROLES.


@cache
def covariances(one: str, other: str) -> np.ndarray:
    """Of the two roles by one matrix with the two roles by another: (2, 2)."""

    def mean(rows: Any, columns: Any) -> Any:
        return mean_over_tau(sum(covariance(one, other, a, b) for a in rows for b in columns))

    return np.array(
        [[mean(rows, columns) for columns in ROLES.values()] for rows in ROLES.values()]
    )


@cache
def covariances_with_tails(kind: str) -> np.ndarray:
    """Of the mean tail with the two roles: (2,)."""
    sums = [sum(covariance_with_tails(kind, a) for a in places) for places in ROLES.values()]
    return np.array([mean_over_tau(entry) for entry in sums])


@cache
def covariances_of_free(one: str, other: str) -> Any:
    """Of a free position's two columns, summed over the free positions."""
    past = (one, other).count("remapped")
    products, tails = (RING.one, RECIPROCAL, SQUARES), (RING.one, TAIL, TAIL**2)
    everywhere = total(LENGTH * products[past] - tails[past], FIRST, BEYOND)
    return everywhere - mean_over_tau(sum(covariance(one, other, a, a) for a in PLACES))


@cache
def at_length(value: Any, length: int, position: int = 1) -> Any:
    """An element of FIELD at a number T, or of RING at numbers T and r: a fraction in C and K."""
    if isinstance(value, PolyElement):
        at = [Fraction(1, position), Fraction(1, position + 1)]
        at += [tail(length, position), tail(length, position, 2)]
        terms = [(at_length(e, length), _power(at, powers)) for powers, e in value.terms()]
        return sum(e * number.numerator / number.denominator for e, number in terms)
    numbers = [Fraction(length), *harmonic_numbers(length)]
    return _in_sizes(value.numer, numbers) / _in_sizes(value.denom, numbers)


def _in_sizes(polynomial: Any, numbers: list[Fraction]) -> Any:
    """A polynomial in T, x, y, C and K with numbers for the first three."""
    found: dict[tuple[int, ...], Fraction] = {}
    for powers, e in polynomial.terms():
        number = _power(numbers, powers[:3]) * Fraction(int(e.numerator), int(e.denominator))
        found[powers[3:]] = found.get(powers[3:], Fraction(0)) + number
    unit = math.lcm(*(number.denominator for number in found.values()))
    whole = {powers: int(number * unit) for powers, number in found.items()}
    return rational.FIELD(rational.RING.from_dict(whole)) / unit


def _power(numbers: list[Fraction], powers: tuple[int, ...]) -> Fraction:
    return math.prod((n**i for n, i in zip(numbers, powers, strict=True)), start=Fraction(1))

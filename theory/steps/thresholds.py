"""Signs of rational functions over a range of sizes, and averages over the trigger's place."""

from __future__ import annotations

from typing import Any

import sympy

from assocmem.gradients.conditions import LengthMoments
from theory.steps.any_length import rational
from theory.steps.averages import exact_moments


def positive_for_all(value: Any, substitution: dict[Any, Any], *symbols: Any) -> Any:
    """Whether a rational function is positive for all nonnegative values of the symbols."""
    top, bottom = sympy.fraction(sympy.cancel(sympy.together(value.subs(substitution))))
    signs = []
    for part in (top, bottom):
        polynomial = sympy.Poly(part, *symbols)
        signs.append({sympy.sign(e) for e in polynomial.coeffs()})
        if not polynomial.eval(dict.fromkeys(symbols, 0)):
            return sympy.false
    return sympy.sympify(signs[0] == signs[1] and len(signs[0]) == 1)


def rational_moments(length: int) -> LengthMoments:
    return LengthMoments(*(rational(value) for value in exact_moments(length)))

"""Sizes for exact arithmetic: the field of fractions of polynomials in C and K.

The library takes SymPy symbols for N and K too, but the expressions it then returns are slow to
simplify; an element of the field is reduced at every operation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy

C, K = sympy.symbols("C K", positive=True)
FIELD, c, k = sympy.field((C, K), sympy.ZZ)  # c and k are the elements that stand for C and K
RING = FIELD.ring  # polynomials in C and K with integer coefficients


def degree(value: Any) -> Any:
    """The degree in C at infinity: the value is of the exact order C^degree at fixed K.

    >>> degree((c * k + 1) / c**3)
    -2
    """
    return value.numer.degree() - value.denom.degree() if value else -np.inf

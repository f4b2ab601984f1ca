"""Numbers that several rooms need, once each: the softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def softmax(scores: Array, axis: int = -1) -> Array:
    """Return exp(scores), normalised along the axis; -inf gives exactly 0.

    SymPy expressions (dtype object) stay symbolic:

    >>> import sympy
    >>> softmax(np.array([sympy.log(2), 0]))
    array([2/3, 1/3], dtype=object)
    """
    if scores.dtype == object:
        from sympy import exp

        exponentials = np.vectorize(exp, otypes=[object])(scores)  # symbols have no largest one
    else:
        exponentials = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)

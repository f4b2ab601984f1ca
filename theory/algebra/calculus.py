"""Arrays of symbols, the cross-entropy of logits, and its derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy


def symbols(letter: str, *shape: int, **assumptions: bool) -> np.ndarray:
    """An array of real symbols: letter_{ij}, counted from 1 as in the formulas."""
    table = np.empty(shape, dtype=object)
    for index in np.ndindex(shape):
        subscript = "".join(str(i + 1) for i in index)
        table[index] = sympy.Symbol(f"{letter}_{{{subscript}}}", **({"real": True} | assumptions))
    return table


def rotation(tangent: Any) -> np.ndarray:
    """Two orthonormal rows in the plane: the first is at the angle whose half has this tangent.

    All angles but one are among them, and what is equal is equal as a rational function.
    """
    t = tangent
    return np.array([[1 - t**2, 2 * t], [-2 * t, 1 - t**2]]) / (1 + t**2)


def cross_entropy(logits: np.ndarray, label: int) -> Any:
    """-ln p̂(label), p̂ the softmax of the logits."""
    return sympy.log(sum(sympy.exp(logit) for logit in logits)) - logits[label]


def gradient(loss: Any, matrix: np.ndarray) -> np.ndarray:
    """The derivative of the loss by every entry of a matrix of symbols."""
    return np.vectorize(lambda entry: sympy.diff(loss, entry), otypes=[object])(matrix)


def rational(table: np.ndarray) -> np.ndarray:
    """The same entries with every exponential e^x read as a symbol of that name.

    What is then equal as a rational function, which SymPy decides fast, is equal before.
    """

    def named(exponent: Any) -> Any:
        return sympy.Symbol(f"exp({sympy.expand(exponent)})", positive=True)

    return np.vectorize(lambda entry: entry.replace(sympy.exp, named), otypes=[object])(table)

"""Derivation of AM1: over orthonormal keys and values, the scores are the coefficients."""

from __future__ import annotations

import numpy as np
import sympy

import assocmem as am
from theory.algebra.calculus import rotation, symbols
from theory.algebra.moments import sum_over
from theory.derivation import Derivation


def derive(d: Derivation) -> None:
    """A score is the table of coefficients between two Gram matrices. The Gram matrix of an
    orthonormal family is the identity.
    """
    l, j, i, k = sympy.symbols("l j i k", integer=True, positive=True)
    table = sympy.Function("C")
    d.say(
        "Put the sum between a key and a value: the score is the coefficient table between two "
        "Gram matrices, whatever the vectors.",
        r"v_k^\top W u_i = \sum_{j,l} \langle v_k, v_j\rangle\, C_{jl}\, \langle u_l, u_i\rangle",
    )
    d.equal(
        "Orthonormal rows have Gram matrix $\\delta$, and one term of the sum is left.",
        sum_over(sympy.KroneckerDelta(k, j) * table(j, l) * sympy.KroneckerDelta(l, i), j, l),
        table(k, i),
        latex=r"\sum_{j,l} \delta_{kj}\, C_{jl}\, \delta_{li} = C_{ki}",
    )
    C = symbols("C", 3, 2)
    units = np.eye(4, dtype=int)
    memory = am.AssociativeMemory(keys=units[:2], values=units[1:], coefficients=C)
    d.equal(
        "The library's memory over one-hot keys and values, with symbols for coefficients:",
        memory.scores(),
        C,
        latex=r"\texttt{scores()} = C, \qquad C \in \mathbb{R}^{3 \times 2}\ \text{symbolic}",
    )
    keys, values = map(rotation, sympy.symbols("a b", real=True))
    memory = am.AssociativeMemory(keys=keys, values=values, coefficients=C[:2])
    d.equal(
        "The same over orthonormal keys and values at any angles $\\alpha$ and $\\beta$ (by the "
        "tangents $a$ and $b$ of their halves), where the coordinates of $W$ are mixed up, but the "
        "scores are not.",
        [memory.scores(), values @ memory.matrix @ keys.T],
        [C[:2], C[:2]],
        latex=r"v_j^\top W u_i = C_{ji}, \qquad"
        r" u_1 = (\cos\alpha, \sin\alpha),\; v_1 = (\cos\beta, \sin\beta)",
    )

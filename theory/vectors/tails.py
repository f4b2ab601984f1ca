"""Tails of the overlap of two random vectors, and how two pairs of them depend."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import sympy
from sympy import Rational, binomial

from theory.derivation import Derivation


def sign_tail(width: int, t: Any) -> Any:
    """P(|2S - d| > t d), S binomial: exact."""
    ways = (binomial(width, s) for s in range(width + 1) if abs(2 * s - width) > t * width)
    return sum(ways, sympy.Integer(0)) / sympy.Integer(2) ** width


p_, s_, m_, x_ = sympy.symbols("p s m x", positive=True)


n_ = sympy.Symbol("n", positive=True, integer=True)


def sphere_tail(width: int, t: Any) -> Any:
    """P(|c| > t) at an odd dimension, where it is a polynomial."""
    c = sympy.Symbol("c", positive=True)
    density = (1 - c**2) ** ((width - 3) // 2)
    return sympy.integrate(density, (c, t, 1)) / sympy.integrate(density, (c, 0, 1))


def two_of_three(width: int, t: Any) -> tuple[Any, Any, Any]:
    """Of three sign vectors, all counted: P(|c_12| > t), both of c_12, c_13, and all three."""
    signs = np.array(list(product((-1, 1), repeat=width)))
    beyond = (abs(signs @ signs.T) > t * width).astype(int)
    total = Rational(1, len(signs) ** 3)
    both = beyond.sum(axis=1) @ beyond.sum(axis=1)
    triple = np.trace(beyond @ beyond @ beyond)
    return beyond.sum() * len(signs) * total, both * total, triple * total


def pairwise_independence(d: Derivation) -> None:
    """What NO5 and NO6 rest on."""
    d.say(
        "Let $1_\\alpha$ tell whether the pair $\\alpha = \\{i, j\\}$ has $|c_{ij}| > t$, and let "
        "$A = \\sum_\\alpha 1_\\alpha$ count such pairs: the coherence is at most $t$ when "
        "$A = 0$. Disjoint pairs are independent. Of two pairs that share $u_1$: given $u_1$, "
        "$c_{12}$ and $c_{13}$ are independent, and by symmetry their law is free of $u_1$. So any "
        "two different indicators are independent.",
        r"\mathbb{E}\,1_\alpha = p, \qquad \mathbb{E}\,1_\alpha 1_\beta = p^2, \qquad"
        r" \mathbb{E} A = s = mp, \qquad m = \tbinom n2",
    )
    single, both, triple = two_of_three(3, Rational(1, 2))
    d.equal(
        "Three, however, are not: here for all triples of sign vectors at $d = 3$, "
        "$t = \\tfrac12$, where two pairs beyond $t$ make the third one more likely.",
        [single, both, triple],
        [Rational(1, 4), Rational(1, 16), Rational(1, 16)],
        latex=r"\Pr(1_{12}) = \tfrac14, \qquad \Pr(1_{12} 1_{13}) = \tfrac1{16} = p^2, \qquad"
        r" \Pr(1_{12} 1_{13} 1_{23}) = \tfrac1{16} > p^3",
    )

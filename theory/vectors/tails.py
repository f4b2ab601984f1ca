"""Tails of the overlap of two random vectors and of their norms, and how two pairs depend."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import sympy
from sympy import Rational, binomial, exp, log, sqrt

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


def tails_of_chi_squared(d: Derivation) -> None:
    """How far χ² and a normal variable are from their means (Laurent and Massart)."""
    u, x, k, p, h = sympy.symbols("u x k p h", positive=True)
    upper = u**2 / (1 - 2 * u) - (-log(1 - 2 * u) / 2 - u)
    lower = u**2 - (u - log(1 + 2 * u) / 2)
    d.equal(
        "Bounds from both sides (Laurent and Massart). For one normal $h$, with $p = 1 - 2s > 0$:",
        2 * sympy.integrate(exp(-p * h**2 / 2), (h, 0, sympy.oo)) / sqrt(2 * sympy.pi),
        1 / sqrt(p),
        latex=r"\mathbb{E}\, e^{s h^2} = \frac{1}{\sqrt{1 - 2s}}, \qquad s < \tfrac12",
    )
    d.equal(
        "So with $s = \\pm u$, $0 < u < \\tfrac12$, "
        "$\\ln \\mathbb{E}\\, e^{\\pm u (\\chi^2_k - k)}$ "
        "is $k$ times the left sides of the bounds below. Both sides vanish at $u = 0$, and the "
        "right sides grow faster.",
        [f for gap in (upper, lower) for f in (gap.subs(u, 0), sympy.diff(gap, u))],
        [0, 2 * u**2 / (1 - 2 * u) ** 2, 0, 4 * u**2 / (1 + 2 * u)],
        latex=r"-\tfrac12 \ln(1 - 2u) - u \le \frac{u^2}{1 - 2u}, \qquad"
        r" u - \tfrac12 \ln(1 + 2u) \le u^2: \qquad \frac{d}{du}(\text{right} - \text{left}) ="
        r" \frac{2u^2}{(1 - 2u)^2} > 0 \quad\text{and}\quad \frac{4u^2}{1 + 2u} > 0",
    )
    best = sqrt(x) / (sqrt(k) + 2 * sqrt(x))
    exponent = k * u**2 / (1 - 2 * u) - u * (2 * sqrt(k * x) + 2 * x)
    d.equal(
        "Chernoff at $u = \\sqrt x/(\\sqrt k + 2\\sqrt x)$, where the derivative of the exponent "
        "vanishes, at $u = \\sqrt{x/k}$, and for a normal $\\tau$ at $u = \\sqrt{2x}$: each "
        "exponent is $-x$, so each event has probability at most $e^{-x}$.",
        [
            exponent.subs(u, best),
            sympy.diff(exponent, u).subs(u, best),
            (k * u**2 - u * 2 * sqrt(k * x)).subs(u, sqrt(x / k)),
            (u**2 / 2 - u * sqrt(2 * x)).subs(u, sqrt(2 * x)),
        ],
        [-x, 0, -x, -x],
        latex=r"\chi^2_k > k + 2\sqrt{kx} + 2x, \qquad \chi^2_k < k - 2\sqrt{kx}, \qquad"
        r" \pm\tau > \sqrt{2x}",
    )

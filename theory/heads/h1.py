"""Derivation of H1: rotating a head's weights at random is a valid null, with exact moments."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
import sympy
from sympy import Rational

from assocmem.heads import Null
from theory.algebra.moments import d_, exact
from theory.derivation import Derivation

ROUNDING = Rational(1, 2**40)


def derive(d: Derivation) -> None:
    """Rotating the weights at random keeps their singular values and destroys what a detector tests
    for. The moments of the rotated statistic follow from those of a random orthogonal matrix; and
    if the weights have no structure, the true statistic has a uniform rank among rotated ones.
    """
    d.say(
        "Let $B = U S V^\\top$ with singular values $s_k$. As $Q$ has the law of $V^\\top Q U$,",
        r"D_Q = \mathrm{tr}(QB) = \mathrm{tr}(V^\top Q U S) \sim \sum_k s_k Q_{kk} , \qquad"
        r" \sum_k s_k^2 = \|B\|_F^2, \quad \sum_k s_k^4 = \mathrm{tr}\,(B^\top B)^2 .",
    )
    rotations(d)
    signed_permutations(d)
    d.say(
        "Exchangeability: if the columns of $W$ are exchangeable and symmetric in sign, given "
        "$N$, then $W, WQ_1, \\dots, WQ_n$ with independent uniform signed permutations are "
        "exchangeable, and so are their $D$. Among $n + 1$ exchangeable numbers the rank of the "
        "first from above, ties counted against it, is at most $k$ with probability at most",
        r"\Pr\Big(\frac{1 + \#\{i : D_i \ge D\}}{n + 1} \le \alpha\Big) \le"
        r" \frac{\lfloor \alpha (n+1) \rfloor}{n+1} \le \alpha .",
    )
    gaussian(d)


def rotations(d: Derivation) -> None:
    """H1: second and fourth moments of the diagonal of a random rotation."""
    second = 1 / d_
    d.say(
        "A row of $Q$ is uniform on the sphere, so its entries square to $1/d$ in the mean; signs "
        "of rows and columns may be flipped, so that products in which an index is odd vanish.",
        r"\mathbb{E} Q_{kk}^2 = \frac1d, \qquad \mathbb{E} Q_{kk} Q_{ll} = 0 \;(k \ne l), \qquad"
        r" \mathbb{E} D_Q^2 = \frac1d \sum_k s_k^2 .",
    )
    fourth, across = 3 / (d_ * (d_ + 2)), 1 / (d_ * (d_ + 2))
    d.equal(
        "Fourth moments of a point on the sphere: one entry, and two entries of one row. They add "
        "up to the square of the norm,",
        d_ * fourth + d_ * (d_ - 1) * across,
        1,
        latex=r"\mathbb{E} Q_{11}^4 = \frac3{d(d+2)}, \quad"
        r" \mathbb{E} Q_{11}^2 Q_{12}^2 = \frac1{d(d+2)}: \qquad"
        r" d \cdot \frac3{d(d+2)} + d(d-1) \cdot \frac1{d(d+2)} = 1 .",
    )
    diagonal = (d_ + 1) / (d_ * (d_ - 1) * (d_ + 2))
    d.equal(
        "Two entries of the diagonal: row 2 has norm 1, and its first entry stands in the column "
        "of $Q_{11}$, the others do not.",
        across + (d_ - 1) * diagonal,
        second,
        latex=r"\mathbb{E}\, Q_{11}^2 \sum_j Q_{2j}^2 = \mathbb{E} Q_{11}^2 Q_{21}^2"
        r" + (d-1)\, \mathbb{E} Q_{11}^2 Q_{22}^2 = \frac1d \implies"
        r" \mathbb{E} Q_{11}^2 Q_{22}^2 = \frac{d+1}{d(d-1)(d+2)} .",
    )
    s = sympy.symbols("s_1:4", real=True)
    squares, fourths = sum(x**2 for x in s), sum(x**4 for x in s)
    moment = fourth * fourths + 3 * diagonal * (squares**2 - fourths)
    stated = 3 * ((d_ + 1) * squares**2 - 2 * fourths) / (d_ * (d_ - 1) * (d_ + 2))
    d.equal(
        "So, with $\\sum_{k \\ne l} s_k^2 s_l^2 = (\\sum s^2)^2 - \\sum s^4$ (here for three "
        "singular values):",
        moment,
        stated,
        latex=r"\mathbb{E} D_Q^4 = \frac{3 \sum s^4}{d(d+2)}"
        r" + \frac{3 (d+1) [(\sum s^2)^2 - \sum s^4]}{d(d-1)(d+2)}"
        r" = \frac{3 [(d+1) (\sum s^2)^2 - 2 \sum s^4]}{d(d-1)(d+2)} .",
    )
    least = squares**2 / d_  # Cauchy and Schwarz, for d singular values
    d.equal(
        "By Cauchy and Schwarz $\\sum s^4 \\ge (\\sum s^2)^2/d$, with equality for equal singular "
        "values, where the moment is that of the normal law:",
        3 * ((d_ + 1) * squares**2 - 2 * least) / (d_ * (d_ - 1) * (d_ + 2)),
        3 * (squares / d_) ** 2,
        latex=r"\mathbb{E} D_Q^4 \le \frac{3 (\sum s^2)^2 [d + 1 - 2/d]}{d(d-1)(d+2)}"
        r" = 3 \Big(\frac{\sum s^2}{d}\Big)^2 .",
    )
    d.equal(
        "At $d = 2$ in full, $Q$ a rotation by $\\varphi$ or a reflection:",
        rotations_of_the_plane(),
        stated.subs({s[2]: 0, d_: 2}),
        latex=r"\tfrac12 \int \big[(s_1 + s_2)^4 + (s_1 - s_2)^4\big] \cos^4\!\varphi\,"
        r" \frac{d\varphi}{2\pi} = \mathbb{E} D_Q^4 .",
    )


def rotations_of_the_plane() -> Any:
    """H1: the fourth moment over O(2), by integration."""
    phi, one, two = sympy.symbols("phi s_1 s_2", real=True)
    turned = [((one + sign * two) * sympy.cos(phi)) ** 4 for sign in (1, -1)]
    mean = sum(sympy.integrate(each, (phi, 0, 2 * sympy.pi)) for each in turned)
    return sympy.expand(mean / (4 * sympy.pi))


def signed_permutations(d: Derivation) -> None:
    """H1: all signed permutations of three coordinates, and the library's spread."""
    B = np.array(sympy.symbols("b_1:4_1:4", real=True)).reshape(3, 3)
    draws = [
        sum(sign * B[j, i] for i, (j, sign) in enumerate(zip(order, signs, strict=True)))
        for order in permutations(range(3))
        for signs in product((1, -1), repeat=3)
    ]
    d.equal(
        "Signed permutations: signs are independent and entry $(j, i)$ is met with probability "
        "$1/d$, so mean and variance are those of rotations (here $d = 3$, all 48).",
        [sum(draws) / 48, sum(sympy.expand(x**2) for x in draws) / 48],
        [0, sum(b**2 for b in B.ravel()) / 3],
        latex=r"\mathbb{E} D_Q = 0, \qquad \mathbb{E} D_Q^2 = \frac1d \sum_{ij} B_{ij}^2 .",
    )
    W, N = np.arange(6.0).reshape(2, 3), np.array([[1.0, -2, 0], [3, 1, 1]])
    B = exact(N.T @ W)
    variance = sum(b**2 for b in B.ravel()) / 3
    error = abs(exact(np.array(Null(W, N).std ** 2))[()] / variance - 1)
    d.holds(
        "The library's `Null` has this variance, to rounding; at a case with integers:",
        sympy.Lt(error, ROUNDING),
        latex=rf"\|N^\top W\|_F^2 / 3 = {sympy.latex(variance)}",
    )


def gaussian(d: Derivation) -> None:
    """H1: the angle of Gaussian weights with any direction."""
    d.say(
        "Gaussian weights: the $md$ entries of $W$ are those of a vector in a uniform direction, "
        "independent of $N$. So the cosine is that of a uniform direction with a fixed one,",
        r"\frac{\langle W, N\rangle}{\|W\|_F \|N\|_F} \sim \langle u, e_1\rangle, \qquad"
        r" u \text{ uniform on the sphere of } \mathbb{R}^{md}, \qquad"
        r" f(x) \propto (1 - x^2)^{(md - 3)/2} ,",
    )
    k, x = sympy.Symbol("k", positive=True, integer=True), sympy.Symbol("x", real=True)
    with d.aside("Bookkeeping: moments of a direction"):
        for size in (3, 6):
            density = (1 - x**2) ** Rational(size - 3, 2)
            mass = sympy.integrate(density, (x, -1, 1))
            d.equal(
                f"which the row of a rotation has, too: with ${size}$ entries,",
                [sympy.integrate(x**p * density, (x, -1, 1)) / mass for p in (2, 4)],
                [value.subs(k, size) for value in (1 / k, 3 / (k * (k + 2)))],
                latex=rf"\mathbb{{E}} x^2 = \tfrac1{{{size}}}, \qquad"
                rf" \mathbb{{E}} x^4 = \tfrac{{3}}{{{size * (size + 2)}}} .",
            )
    W, N = np.array([[3.0, 0.0, 4.0]]), np.array([[1.0, 0.0, 0.0]])
    p = exact(np.array(Null(W, N).p_value("gaussian")))[()]
    d.holds(
        "The library's p-value is the mass above the cosine. In three dimensions, where the law is "
        "uniform, at the cosine $3/5$:",
        sympy.Lt(abs(p - Rational(1, 5)), ROUNDING),
        latex=r"p = \int_{3/5}^1 \tfrac12\, dx = \tfrac15",
    )

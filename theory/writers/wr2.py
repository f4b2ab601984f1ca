"""Derivation of WR2: sign descent stores power indices, exactly."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import sympy
from sympy import Rational, exp, gamma, oo, pi, sin, sqrt

from assocmem.capacity import sign_scores
from theory.derivation import Derivation

ROUNDING = 2**-40


def derive(d: Derivation) -> None:
    """An entry of the sign matrix is a vote of all items, and agrees with an item as often as that
    item decides the vote. A score is a sum of such agreements over $d^2$ entries, and entries that
    share no row and no column are independent.
    """
    one_entry(d)
    moments(d)
    dictator(d)
    gaussian(d)


def index(p: tuple[int, ...]) -> list[Any]:
    """The power indices β, in fractions, by all patterns of signs."""
    signs = np.array(list(product((1, -1), repeat=len(p))))
    votes = np.sign(signs @ np.array(p))
    return [Rational(int(votes @ column), len(signs)) for column in signs.T]


def one_entry(d: Derivation) -> None:
    """WR2: what one entry of the sign knows of one item."""
    d.say(
        "Put $v_{ia} = x_{ia}/\\sqrt d$ and $u_{ib} = y_{ib}/\\sqrt d$ with signs $x$, $y$. The "
        "score of value $k$ and key $i$ is a sum over the $d^2$ entries of $S$:",
        r"v_k^\top S u_i = \frac1d \sum_{a,b} x_{ka} y_{ib} S_{ab}, \qquad"
        r" S_{ab} = \mathrm{sign}\Big(\sum_j p_j\, x_{ja} y_{jb}\Big)",
    )
    p = (7, 4, 2, 1)
    d.equal(
        "The products $\\varepsilon_j = x_{ja} y_{jb}$ of an entry are independent signs, so it "
        "agrees with item $i$ by the power index. The library's, of $p = (7, 4, 2, 1)$, $d = 1$:",
        [Rational(score) for score in sign_scores(p, 1, family="rademacher")],
        index(p),
        latex=r"\mathbb{E}\, x_{ia} y_{ib} S_{ab} = \beta_i =" + sympy.latex(tuple(index(p))),
    )
    x = np.array(list(product((1, -1), repeat=3)))
    weights = np.array((4, 2, 1))
    votes = [np.sign((x * row) @ weights) for row in x]  # over y, given the row x_a
    d.equal(
        "Given the row $x_a$ the entries $S_{ab}$ of different columns are independent, and each "
        "still agrees by $x_{ia}\\beta_i$ with $y_{ib}$ ($p = (4, 2, 1)$, every row).",
        [[Rational(int(vote @ column), len(x)) for column in x.T] for vote in votes],
        [[int(sign) * beta for sign, beta in zip(row, index((4, 2, 1)), strict=True)] for row in x],
        latex=r"\mathbb{E}[\, y_{ib} S_{ab} \mid x_a ] = x_{ia}\, \beta_i",
    )


def moments(d: Derivation) -> None:
    """WR2: mean and variance of every score."""
    width, right, wrong = sympy.symbols("d beta_i beta_k", positive=True)
    d.say(
        "The square of a score is a sum over two entries $(a, b)$, $(a', b')$. The same entry "
        "twice gives 1; the same row alone $\\beta_i^2$, the same column alone $\\beta_k^2$; two "
        "entries that share neither are independent, and give the product of their means: "
        "$\\beta_i^2$ for the right value, 0 for a wrong one.",
    )
    cells = width**2
    square = (cells + cells * (width - 1) * 2 * right**2 + cells * (width - 1) ** 2 * right**2) / (
        width**2
    )
    d.equal(
        "So for the right value, of mean $d\\beta_i$:",
        sympy.expand(square - (width * right) ** 2),
        1 - right**2,
        latex=r"\mathrm{Var} = \frac{d^2 + 2 d^2 (d-1) \beta_i^2 + d^2 (d-1)^2 \beta_i^2}{d^2}"
        r" - d^2 \beta_i^2 = 1 - \beta_i^2",
    )
    d.equal(
        "and for a wrong one, of mean 0:",
        (cells + cells * (width - 1) * (right**2 + wrong**2)) / width**2,
        1 + (width - 1) * (right**2 + wrong**2),
        latex=r"\mathrm{Var} = 1 + (d - 1)(\beta_i^2 + \beta_k^2)",
    )
    with d.aside("Bookkeeping: every draw of a few signs"):
        for size, p in ((2, (4, 2, 1)), (2, (5, 3, 3)), (3, (2, 1))):
            mean, variance = enumerated(p, size)
            beta, n = index(p), len(p)
            d.equal(
                f"All {2 ** (2 * n * size)} draws of {n} keys and values at $d = {size}$, $p = "
                f"{p}$, "
                f"in fractions:",
                [mean, variance],
                [
                    [[size * beta[i] * (i == k) for i in range(n)] for k in range(n)],
                    [
                        [
                            1 - beta[i] ** 2
                            if i == k
                            else 1 + (size - 1) * (beta[i] ** 2 + beta[k] ** 2)
                            for i in range(n)
                        ]
                        for k in range(n)
                    ],
                ],
                latex=r"\mathbb{E}\, v_k^\top S u_i, \quad \mathrm{Var}\, v_k^\top S u_i, \quad"
                r" k, i \le " + str(n),
            )


def enumerated(p: tuple[int, ...], size: int) -> tuple[list[list[Any]], list[list[Any]]]:
    """Mean and variance of all scores over all keys and values of signs, row = value."""
    n = len(p)
    draws = 2 ** (n * size)
    patterns = 1 - 2 * (np.arange(draws)[:, None] >> np.arange(n * size) & 1)
    rows = patterns.reshape(draws, n, size)
    total, squares = np.zeros((2, n, n), dtype=np.int64)
    for x in rows:  # integers throughout: d times the score
        S = np.sign(np.einsum("j,ja,yjb->yab", np.array(p), x, rows))
        scores = np.einsum("ka,yab,yib->yki", x, S, rows)
        total, squares = total + scores.sum(axis=0), squares + (scores**2).sum(axis=0)
    mean = [[Rational(int(t), size * draws**2) for t in row] for row in total]
    second = [[Rational(int(t), size**2 * draws**2) for t in row] for row in squares]
    variance = [
        [s - m**2 for s, m in zip(a, b, strict=True)] for a, b in zip(second, mean, strict=True)
    ]
    return mean, variance


def dictator(d: Derivation) -> None:
    """WR2: an item more frequent than all others together."""
    d.equal(
        "An item that outweighs all others decides every entry, and no other has any power.",
        [
            index((7, 3, 2, 1)),
            [Rational(x) for x in sign_scores((7, 3, 2, 1), 1, family="rademacher")],
        ],
        [[1, 0, 0, 0], [1, 0, 0, 0]],
        latex=r"p_1 > \sum_{j > 1} p_j \;\Rightarrow\; S_{ab} = x_{1a} y_{1b}, \quad \beta ="
        r" (1, 0, 0, \dots)",
    )
    critical = sympy.nsolve(sympy.zeta(sympy.Symbol("a")) - 2, 1.7)
    d.holds(
        "Among infinitely many Zipf items that is so from $\\zeta(\\alpha) < 2$ on.",
        sympy.And(critical > Rational(17286, 10**4), critical < Rational(17287, 10**4)),
        latex=r"\zeta(\alpha) = 2 \iff \alpha \approx " + f"{float(critical):.4f}",
    )


def gaussian(d: Derivation) -> None:
    """WR2: the mean over Gaussian keys and values."""
    s, a, x, t, p = sympy.symbols("s a x t p", positive=True)
    d.equal(
        "With Gaussian entries the products $x y$ of two normals take the place of the signs. The "
        "sign as an integral,",
        sympy.integrate(sin(a * s) / s, (s, 0, oo)) * 2 / pi,
        1,
        latex=r"\mathrm{sign}(a) = \frac2\pi \int_0^\infty \frac{\sin(a s)}s\, ds",
    )
    normal = exp(-(x**2) / 2) / sqrt(2 * pi)
    characteristic = sympy.simplify(
        sympy.integrate(normal * exp(-((t * x) ** 2) / 2), (x, -oo, oo))
    )
    d.equal(
        "needs the characteristic function of $xy$: first over $y$, then over $x$.",
        characteristic,
        (1 + t**2) ** Rational(-1, 2),
        latex=r"\mathbb{E}\, e^{i t x y} = \mathbb{E}\, e^{-t^2 x^2/2} = (1 + t^2)^{-1/2}",
    )
    d.equal(
        "Its derivative gives the factor of item $i$; the others only keep the cosine, as the law "
        "of $xy$ is symmetric. With $t = s p$, over $s$:",
        sympy.simplify(-sympy.diff(characteristic, t).subs(t, s * p) / s),
        p * (1 + (s * p) ** 2) ** Rational(-3, 2),
        latex=r"\frac1s\, \mathbb{E}\, x y \sin(s p\, x y) = \frac{p}{(1 + s^2 p^2)^{3/2}}",
    )
    n = sympy.Symbol("n", positive=True)
    closed = gamma((n + 1) / 2) / (sqrt(pi) * gamma(n / 2 + 1))
    with d.aside("Bookkeeping: the library at given sizes"):
        for number in (1, 2, 5, 8):
            integral = sympy.integrate((1 + s**2) ** -(Rational(number, 2) + 1), (s, 0, oo))
            d.equal(
                f"At $n = {number}$ equal frequencies the integral is elementary,",
                sympy.gammasimp(2 / pi * integral),
                sympy.gammasimp(closed.subs(n, number)),
                latex=r"\frac2\pi \int_0^\infty \frac{ds}{(1 + s^2)^{n/2 + 1}} ="
                r" \frac{\Gamma(\frac{n+1}2)}{\sqrt\pi\, \Gamma(\frac n2 + 1)}",
            )
            found = sign_scores(np.ones(number), 1)
            d.holds(
                "as is the library's.",
                bool(abs(found - float(closed.subs(n, number))).max() < ROUNDING),
                latex=rf"\texttt{{sign\_scores}} = {float(closed.subs(n, number)):.6f}",
            )
    d.equal(
        "For many items,",
        sympy.limit(closed * sqrt(n), n, oo),
        sqrt(2 / pi),
        latex=r"\sqrt n\, \frac{\Gamma(\frac{n+1}2)}{\sqrt\pi\, \Gamma(\frac n2 + 1)} \to"
        r" \sqrt{2/\pi}",
    )
    weights = np.array([1.0, 0.3, 0.01])
    direct = [
        float(
            sympy.Integral(
                2 / pi * q / (1 + (s * q) ** 2) / sqrt(sympy.prod(1 + (s * r) ** 2 for r in exact)),
                (s, 0, oo),
            ).evalf(15)
        )
        for exact in ([Rational(1), Rational(3, 10), Rational(1, 100)],)
        for q in exact
    ]
    d.holds(
        "The library's rule for the integral, against SymPy's, for $p = (1, 0.3, 0.01)$:",
        bool(abs(sign_scores(weights, 1) - direct).max() < 1e-10),
        latex=r"\texttt{sign\_scores} = (" + ", ".join(f"{value:.6f}" for value in direct) + ")",
    )

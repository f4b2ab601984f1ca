"""Derivation of WR3: the right scores of the polar factor of many random pairs."""

from __future__ import annotations

import numpy as np
import sympy
from sympy import I, Rational, atan, oo, pi, sin, sqrt

from assocmem.capacity import polar_factor, polar_scores
from theory.derivation import Derivation

ROUNDING = 1e-9  # of a quadrature with 400 nodes, far below any altered term
g, t, p, c = sympy.symbols("g t p c", positive=True)


def derive(d: Derivation) -> None:
    """The polar factor is an integral over resolvents, in which an item enters by a change of rank
    two that can be solved for. What the other items contribute concentrates to one number $g(t)$,
    which solves a scalar equation.
    """
    factor_as_an_integral(d)
    one_item_out(d)
    the_trace(d)
    equal_frequencies(d)
    zipf_tail(d)


def share(x: sympy.Expr) -> sympy.Expr:
    """φ(x), how much of an item the resolvent has taken up."""
    return x**2 / (1 + x**2)


def factor_as_an_integral(d: Derivation) -> None:
    """WR3: the factor from the resolvent."""
    s = sympy.Symbol("sigma", positive=True)
    d.equal(
        "A singular value becomes 1 by an integral over the resolvent,",
        2 / pi * sympy.integrate(s / (s**2 + t**2), (t, 0, oo)),
        1,
        latex=r"\frac2\pi \int_0^\infty \frac{\sigma}{\sigma^2 + t^2}\, dt = 1 \;\Rightarrow\;"
        r" Q = \frac2\pi \int_0^\infty (M M^\top + t^2)^{-1} M\, dt",
    )
    x, y, z, w = sympy.symbols("x y z w", real=True)
    block = sympy.Matrix([[x, y], [z, w]])
    zero, one = sympy.zeros(2), sympy.eye(2)
    H = sympy.Matrix(sympy.BlockMatrix([[zero, block], [block.T, zero]]))
    resolvent = (H - I * t * sympy.eye(4)).inv(method="ADJ")
    side = (block * block.T + t**2 * one).inv()
    d.equal(
        "whose integrand is a corner of $G = (H - it)^{-1}$, $H$ the symmetric matrix with the "
        "corners $M$ and $M^\\top$ (two by two, all symbols).",
        [sympy.cancel(entry) for entry in resolvent[:2, 2:] - side * block],
        [0] * 4,
        latex=r"G = \begin{pmatrix} i t\,(M M^\top + t^2)^{-1} & (M M^\top + t^2)^{-1} M \\ \cdot &"
        r" i t\,(M^\top M + t^2)^{-1} \end{pmatrix}",
    )


def one_item_out(d: Derivation) -> None:
    """WR3: what the resolvent says of an item, from the resolvent without it."""
    before = sympy.Matrix([[I * g, 0], [0, I * g]])
    coupling = sympy.Matrix([[0, p], [p, 0]])
    after = (before.inv() + coupling).inv()
    d.say(
        "Item $i$ adds to $H$ a matrix of rank two, $p_i$ between $\\hat v = (v_i, 0)$ and "
        "$\\hat u = (0, u_i)$. So the two by two block of $G$ on $\\hat v$, $\\hat u$ is, exactly, "
        "that of $G^{(i)}$, the resolvent of all other items, changed by",
        r"B_i = \Big( B_i^{(i)\,-1} + \begin{pmatrix} 0 & p_i \\ p_i & 0 \end{pmatrix} \Big)^{-1}",
    )
    d.say(
        "$G^{(i)}$ is independent of $u_i$ and $v_i$, and $\\|G^{(i)}\\| \\le 1/t$. For Gaussian "
        "vectors a quadratic form in a fixed matrix is its trace over $d$ up to "
        "$O(1/(t\\sqrt d))$, a mixed form is of that order, and a change of rank two changes the "
        "trace over $d$ by $O(1/(td))$. Hence for every fixed $t > 0$, with $g$ the mean of the "
        "diagonal of $t(MM^\\top + t^2)^{-1}$, which concentrates too,",
        r"B_i^{(i)} \to \begin{pmatrix} i g & 0 \\ 0 & i g \end{pmatrix}, \qquad"
        r" 0 \le g \le \frac1t .",
    )
    d.equal(
        "The score of the item, under the integral, is the other corner of the block:",
        sympy.simplify(after[0, 1]),
        share(p * g) / p,
        latex=r"v_i^\top (M M^\top + t^2)^{-1} M u_i \to \frac{p_i g^2}{1 + p_i^2 g^2} ="
        r" \frac{\varphi(p_i g)}{p_i}",
    )


def the_trace(d: Derivation) -> None:
    """WR3: the equation that fixes g, and what it says of all items together."""
    s = sympy.Symbol("sigma", positive=True)
    d.equal(
        "The trace of $(MM^\\top + t^2)^{-1} M M^\\top$ over $d$ is $1 - t g$, singular value by "
        "singular value; and it is the sum of the scores under the integral, times $p_i / d$.",
        s**2 / (s**2 + t**2),
        1 - t * (t / (s**2 + t**2)),
        latex=r"1 - t\,g = \frac1d \sum_i p_i \cdot v_i^\top (M M^\top + t^2)^{-1} M u_i \to"
        r" \frac1d \sum_i \varphi(p_i g)",
    )
    d.say(
        "The left side decreases from 1 in $g$, the right side grows from 0: there is one $g(t)$. "
        "The integrand $1 - tg$ is between 0 and 1, and at most $\\|M\\|_F^2/(d\\,t^2)$, so the "
        "integral over $t$ of the limit is the limit of the integral; likewise for the mean over "
        "the items of one frequency, a fixed share of the sum, whose parts are not negative in the "
        "limit.",
        r"\frac{\|M\|_*}d = \frac1d \sum_i p_i\, v_i^\top Q u_i \to"
        r" \frac1d \sum_i p_i s_i = \frac2\pi \int_0^\infty (1 - t\, g)\, dt",
    )
    rng = np.random.default_rng(5)  # any matrices: an identity, to rounding
    keys, values, weights = rng.normal(size=(9, 4)), rng.normal(size=(9, 4)), rng.random(9)
    M = values.T @ (weights[:, None] * keys)
    scores = np.einsum("ia,ab,ib->i", values, polar_factor(M), keys)
    d.holds(
        "The first equation is exact; the library's factor, of nine pairs in four dimensions:",
        bool(abs(weights @ scores - np.linalg.norm(M, "nuc")) < ROUNDING),
        latex=r"\sum_i p_i\, v_i^\top Q u_i = \mathrm{tr}\, Q^\top M = \|M\|_*",
    )


def equal_frequencies(d: Derivation) -> None:
    """WR3: the integral in closed form."""
    filled = c * share(g)
    d.equal(
        "Equal frequencies, $c = n/d$. Along $g$, from $\\infty$ or the $g$ with $c\\,\\varphi(g) "
        "= 1$ down to 0,",
        sympy.solve(t * g + filled - 1, t),
        [(1 - filled) / g],
        latex=r"t = \frac{1 - c\,\varphi(g)}{g}",
    )
    integrand = sympy.apart(sympy.factor(-share(g) * sympy.diff((1 - filled) / g, g)), g)
    antiderivative = sympy.integrate(integrand, g)
    x = 1 / sqrt(c - 1)
    closed = ((c + 2) * sqrt(c - 1) - c * (c - 4) * atan(x)) / (2 * pi * c)
    d.equal(
        "the integral is elementary: for $c \\le 1$",
        sympy.simplify(2 / pi * (sympy.limit(antiderivative, g, oo) - antiderivative.subs(g, 0))),
        1 - c / 4,
        latex=r"s = \frac2\pi \int_0^\infty \varphi(g) \Big(-\frac{dt}{dg}\Big) dg = 1 - \frac c4",
    )
    d.equal(
        "and for $c > 1$",
        sympy.simplify(2 / pi * (antiderivative.subs(g, x) - antiderivative.subs(g, 0)) - closed),
        0,
        latex=r"s = \frac{(c + 2)\sqrt{c-1} - c\,(c - 4)\arctan\frac1{\sqrt{c-1}}}{2\pi c}",
    )
    d.equal(
        "The two agree at $c = 1$, and for many pairs",
        [closed.subs(c, 1 + t**2).limit(t, 0), sympy.limit(closed * sqrt(c), c, oo)],
        [Rational(3, 4), 8 / (3 * pi)],
        latex=r"s(1) = \tfrac34, \qquad s \sim \frac8{3\pi\sqrt c}",
    )
    with d.aside("Bookkeeping: the library at given sizes"):
        for n, width in ((10, 40), (40, 40), (60, 40), (1000, 40)):
            value = 1 - n / (4 * width) if n <= width else float(closed.subs(c, Rational(n, width)))
            found = polar_scores(np.ones(n), width)
            d.holds(
                f"The library's, at $n = {n}$, $d = {width}$:",
                bool(abs(found - value).max() < ROUNDING),
                latex=rf"\texttt{{polar\_scores}} = {value:.6f}",
            )


def zipf_tail(d: Derivation) -> None:
    """WR3: the score of rare Zipf items."""
    y, h, a = sympy.symbols("y h alpha", positive=True)
    mass = {}
    with d.aside("Bookkeeping: the integral at four exponents"):
        for exponent in (Rational(1), Rational(3, 2), Rational(2), Rational(3)):
            power = int(2 * exponent)
            mass[exponent] = sympy.integrate(1 / (1 + y**power), (y, 0, oo))
            d.equal(
                f"Zipf frequencies $i^{{-\\alpha}}$ with $n/d \\to \\infty$: the sum becomes "
                f"$g^{{1/"
                f"\\alpha}}$ times an integral, at $\\alpha = {exponent}$",
                mass[exponent],
                pi / power / sin(pi / power),
                latex=r"\sum_i \varphi(i^{-\alpha} g) \to g^{1/\alpha} \int_0^\infty"
                r" \frac{dy}{1 + y^{2\alpha}} = g^{1/\alpha} K, \qquad"
                r" K = \frac{\pi/(2\alpha)}{\sin(\pi/(2\alpha))}",
            )
    u, s = sympy.symbols("u s", positive=True)  # s = 1/(2α) < 1
    d.equal(
        "At any $\\alpha > \\frac12$, with $s = 1/2\\alpha$ and $y = (u/(1-u))^s$, it is a Beta "
        "integral, and Euler's reflection gives it.",
        [
            sympy.diff(s * (sympy.log(u) - sympy.log(1 - u)), u),  # of ln y
            sympy.gammasimp(s * sympy.gamma(s) * sympy.gamma(1 - s)),
        ],
        [s / (u * (1 - u)), pi * s / sin(pi * s)],
        latex=r"\int_0^\infty \frac{dy}{1 + y^{2\alpha}} = s \int_0^1 u^{s-1} (1-u)^{-s}\, du ="
        r" s\, \Gamma(s)\, \Gamma(1-s) = \frac{\pi s}{\sin \pi s} = K",
    )
    top = sympy.Symbol("g_0", positive=True)
    time = (1 - (g / top) ** (1 / a)) / g
    d.equal(
        "With $g_0 = (d/K)^\\alpha$, where $t = 0$, items with $p_i g_0 \\to 0$ have $\\varphi(p g)"
        "/p \\to p g^2$, so",
        sympy.simplify(
            sympy.integrate(sympy.expand(-(h**2) * sympy.diff(time.subs(g, h), h)), (h, 0, top))
        ),
        sympy.simplify(2 * top / (a + 1)),
        latex=r"s_i \to p_i\, \frac2\pi \int_0^{g_0} g^2 \Big(-\frac{dt}{dg}\Big) dg ="
        r" \frac{4}{\pi(\alpha + 1)}\, p_i\, g_0, \qquad t = \frac{1 - (g/g_0)^{1/\alpha}}{g}",
    )
    mass_of, rank, errors = float(mass[Rational(3, 2)]), 5000, []
    for width in (20, 40):
        found = polar_scores(np.arange(1, 50_001) ** -1.5, width)[rank - 1]
        limit = 4 / (np.pi * 2.5) * (width / (mass_of * rank)) ** 1.5
        errors.append(found / limit - 1)
    d.holds(
        "The library's at $\\alpha = 3/2$ and rank 5000 of 50 000 is above the limit by an "
        "error that halves from $d = 20$ to 40, as that of an integral in place of a sum.",
        bool(0 < errors[1] < 0.04 and abs(errors[0] / errors[1] - 2) < 0.05),
        latex=rf"\texttt{{polar\_scores}} / s_i - 1 = {errors[0]:.3f}, \; {errors[1]:.3f}",
    )

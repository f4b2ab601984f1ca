"""Derivation of NO2: all pairs of n random vectors are nearly orthogonal, with probability 1 -
delta."""

from __future__ import annotations

from itertools import product
from typing import Any

import sympy
from sympy import Rational, binomial, exp, log, sqrt

import assocmem as am
from theory.algebra.moments import ROUNDING, agrees, d_
from theory.derivation import Derivation
from theory.vectors.tails import sign_tail, sphere_tail, tails_of_chi_squared


def sub_gaussian_pair(d: Derivation) -> None:
    """P(|cos| > t) <= 2 exp(-d t^2 / 2) for signs and on the sphere."""
    k = sympy.Symbol("k", nonnegative=True)
    lam = sympy.Symbol("lambda", positive=True)
    d.say(
        "One pair. Given $u_1$, symmetry leaves a law without $u_1$: on the sphere $c = "
        "\\cos(u_1, u_2)$ is a coordinate of a uniform unit vector; for signs it is a mean of $d$ "
        "signs. Bound $\\mathbb{E}\\, e^{\\lambda c}$ by that of $\\mathcal{N}(0, 1/d)$, power by "
        "power."
    )
    d.equal(
        "The powers of $e^{\\lambda^2/2}$: each coefficient is $r_k = (2k)!/(2^k k!)$ times that "
        "of $\\cosh\\lambda$, with $r_0 = 1$ and",
        sympy.factorial(2 * k + 2)
        / (2 ** (k + 1) * sympy.factorial(k + 1))
        / (sympy.factorial(2 * k) / (2**k * sympy.factorial(k))),
        2 * k + 1,
        latex=r"r_{k+1} / r_k = 2k + 1 \ge 1, \qquad"
        r"\text{so}\quad \cosh\lambda \le e^{\lambda^2/2}",
    )
    d.equal(
        "Signs: $d\\,c$ is a sum of $d$ independent signs, each with $\\mathbb{E}\\, "
        "e^{s\\varepsilon} = \\cosh s$ at $s = \\lambda/d$. So",
        exp((lam / d_) ** 2 / 2) ** d_,
        exp(lam**2 / (2 * d_)),
        latex=r"\mathbb{E}\, e^{\lambda c} = \cosh(\lambda/d)^d \le"
        r" e^{(\lambda/d)^2 d/2} = e^{\lambda^2/2d}",
    )
    r = sympy.Symbol("r", positive=True)  # |g|^2, whose law is chi-squared

    def even_moment(k: Any, d: Any) -> Any:
        half = sympy.Integer(1) * d / 2
        weight = r ** (half - 1) * exp(-r / 2) / (2**half * sympy.gamma(half))
        return sympy.integrate(r**k * weight, (r, 0, sympy.oo))

    d.equal(
        "Sphere: $g_1 = \\|g\\|\\, c$ with independent factors, so $m_k = \\mathbb{E}\\, c^{2k}$ "
        "is $\\mathbb{E}\\, g_1^{2k} / \\mathbb{E}\\, \\|g\\|^{2k}$, both moments of $\\chi^2$ "
        "laws. One moment gives the next:",
        sympy.expand_func(even_moment(k + 1, 1) / even_moment(k, 1))
        / sympy.expand_func(even_moment(k + 1, d_) / even_moment(k, d_)),
        (2 * k + 1) / (d_ + 2 * k),
        latex=r"\frac{m_{k+1}}{m_k} = \frac{2k + 1}{d + 2k}",
    )
    gap = (2 * k + 1) / d_ - (2 * k + 1) / (d_ + 2 * k)
    d.holds(
        "which is at most $(2k+1)/d$, the ratio for $\\mathcal{N}(0, 1/d)$; odd moments vanish. So "
        "here, too, $\\mathbb{E}\\, e^{\\lambda c} \\le e^{\\lambda^2/2d}$.",
        sympy.factor(gap) >= 0,
        latex=r"\frac{2k+1}d - \frac{2k+1}{d+2k} = \frac{2k(2k+1)}{d(d+2k)} \ge 0",
    )
    exponent = lam**2 / (2 * d_) - lam * t_
    d.equal(
        "Chernoff: $\\Pr(c > t) \\le e^{-\\lambda t}\\,\\mathbb{E}\\,e^{\\lambda c}$ for every "
        "$\\lambda > 0$. The exponent is convex; its derivative vanishes at $\\lambda = dt$,",
        sympy.diff(exponent, lam).subs(lam, d_ * t_),
        0,
        latex=r"\frac{d}{d\lambda}\Big(\frac{\lambda^2}{2d} - \lambda t\Big) = 0"
        r"\quad\text{at}\quad \lambda = dt",
    )
    d.equal(
        "where it is $-dt^2/2$. The other tail doubles it.",
        exponent.subs(lam, d_ * t_),
        -d_ * t_**2 / 2,
        latex=r"\Pr(|c| > t) \le 2 e^{-dt^2/2}",
    )


def derive(d: Derivation) -> None:
    r"""The overlap of one pair has a moment generating function below that of $\mathcal{N}(0,
    1/d)$, so Chernoff's bound limits its tail, and a union bound covers all pairs. The pairs are
    independent two at a time, which bounds the probability from the other side.
    """
    sub_gaussian_pair(d)
    pairs = n_ * (n_ - 1) / 2
    threshold = sqrt(2 * log(n_ * (n_ - 1) / delta) / d_)
    d.equal(
        "(a) Union over the $n(n-1)/2$ pairs; at the stated threshold the bound is $\\delta$.",
        pairs * 2 * exp(-d_ * threshold**2 / 2),
        delta,
        latex=r"\tfrac{n(n-1)}2 \cdot 2 e^{-dt^2/2} = \delta \quad\text{at}\quad"
        r" t = \sqrt{\tfrac2d \ln\tfrac{n(n-1)}\delta}",
    )
    with d.aside("Bookkeeping: the library at given sizes"):
        for family, (n, width, level) in product(("sphere", "rademacher"), SIZES):
            agrees(
                d,
                f'The library\'s `coherence_bound` for family "{family}" at $n = {n}$, $d = '
                f"{width}$, "
                f"$\\delta = {sympy.latex(level)}$:",
                am.coherence_bound(n, width, delta=float(level), family=family),
                threshold.subs({n_: n, d_: width, delta: level}),
                r"t = \sqrt{\tfrac2d \ln\tfrac{n(n-1)}\delta}",
            )
    exact_tails(d)
    with d.aside("Bookkeeping: the library at given sizes"):
        library_spends_it(d)
    gaussian_inner_products(d)


SIZES = ((2, 3, Rational(1, 2)), (100, 1000, Rational(1, 64)), (10**6, 512, Rational(1, 2**20)))


def exact_tails(d: Derivation) -> None:
    """NO2 (b): Bonferroni from both sides, and the exact tail of a pair."""
    A = sympy.Symbol("A", integer=True, positive=True)
    d.equal(
        "(b) Let $A$ count the pairs above $t$. $1\\{A \\ge 1\\} \\le A$; and $1\\{A \\ge 1\\} "
        "\\ge A - \\binom A2$, since it is equal for $A = 0$ and for $A \\ge 1$ they differ by",
        1 - (A - A * (A - 1) / 2),
        (A - 1) * (A - 2) / 2,
        latex=r"1 - \big(A - \tbinom A2\big) = \tfrac12 (A-1)(A-2)",
    )
    a = sympy.Symbol("a", integer=True, nonnegative=True)
    d.holds(
        "This is 0 at $A = 1$, and from $A = 2 + a$ on it is not negative.",
        sympy.factor(((A - 1) * (A - 2) / 2).subs(A, a + 2)) >= 0,
        latex=r"\tfrac12 (A-1)(A-2) = \tfrac12\, a\,(a + 1) \ge 0, \qquad A = 2 + a",
    )
    p, m = sympy.symbols("p m", positive=True)
    d.equal(
        "Take means. With $m = \\binom n2$ pairs, any two of them independent, $\\mathbb{E} A = "
        "s = mp$ and $\\mathbb{E} \\binom A2 = \\binom m2 p^2$. (Two pairs that share $u_1$: "
        "given $u_1$, their cosines are independent and their law is free of $u_1$.)",
        (m * p) ** 2 / 2 - m * (m - 1) / 2 * p**2,
        m * p**2 / 2,
        latex=r"s - \tbinom m2 p^2 = s - \tfrac12 s^2 + \tfrac12 m p^2 \ge s - \tfrac12 s^2",
    )
    k = sympy.Symbol("k", nonnegative=True)

    def beta_moment(k: Any) -> Any:
        a, b = Rational(1, 2), (d_ - 1) / 2
        return sympy.gamma(a + k) * sympy.gamma(a + b) / (sympy.gamma(a + b + k) * sympy.gamma(a))

    d.equal(
        "The exact tail on the sphere. $\\mathrm{Beta}(\\tfrac12, \\tfrac{d-1}2)$ has the "
        "moments of $c^2$ found above, and on $[0, 1]$ moments determine the law.",
        sympy.expand_func(beta_moment(k + 1) / beta_moment(k)),
        (2 * k + 1) / (d_ + 2 * k),
        latex=r"\frac{\mathbb{E} B^{k+1}}{\mathbb{E} B^k} = \frac{\frac12 + k}{\frac d2 + k}"
        r" = \frac{2k + 1}{d + 2k}",
    )


def library_spends_it(d: Derivation) -> None:
    """NO2 (b): the library's sharp bounds at widths where the tail is a finite sum."""
    n, level = 8, Rational(1, 4)
    for width in (3, 5, 7):
        tail = sphere_tail(width, t_)
        number = am.coherence_bound(n, width, delta=float(level), sharp=True)
        agrees(
            d,
            f"At $d = {width}$ the tail is a polynomial. The library's sharp bound for $n = {n}$, "
            f"$\\delta = {sympy.latex(level)}$ spends $\\delta$ exactly:",
            float(number),
            sympy.nsolve(binomial(n, 2) * tail - level, t_, 0.9, prec=40),
            rf"\tbinom{{{n}}}2\,p(t) = \delta, \qquad p(t) = {sympy.latex(sympy.expand(tail))},"
            r" \qquad t",
        )
    for width, cosine in ((16, Rational(3, 4)), (33, Rational(17, 33))):
        spent = binomial(n, 2) * sign_tail(width, cosine)
        bounds = [
            am.coherence_bound(
                n, width, delta=float(spent * factor), family="rademacher", sharp=True
            )
            for factor in (1 + Rational(1, 2**16), 1 - Rational(1, 2**16))
        ]
        d.equal(
            f"Signs at $d = {width}$, with binomial sums as fractions: $p({cosine}) = "
            f"{sign_tail(width, cosine)}$. The library's bound is $t = {cosine}$ as soon as "
            "$\\delta$ pays for it, and the next larger cosine just below.",
            [Rational(bound).limit_denominator(width) for bound in bounds],
            [cosine, cosine + Rational(2, width)],
            latex=rf"t = {cosine} \text{{ at }} \delta = (1 + 2^{{-16}})\,"
            rf" \tbinom{{{n}}}2\, p({cosine}), \qquad"
            rf" t = {cosine + Rational(2, width)} \text{{ at }} \delta = (1 - 2^{{-16}})\,"
            rf" \tbinom{{{n}}}2\, p({cosine})",
        )


def gaussian_inner_products(d: Derivation) -> None:
    """NO2 (c): half of delta for the norms, half for the pairs."""
    d.say(
        "(c) The norms first: $d\\|u\\|^2$ is a sum of $d$ squares of standard normals, a "
        "$\\chi^2_d$, whose upper tail is the first of three:",
        r"\Pr\big(d\|u\|^2 > d + 2\sqrt{dx} + 2x\big) \le e^{-x}",
    )
    tails_of_chi_squared(d)
    x_norms, z = log(2 * n_ / delta), sqrt(2 * log(2 * n_ * (n_ - 1) / delta))
    d.say(
        "Then the pairs: given $u_i$, $\\langle u_i, u_j\\rangle \\sim \\mathcal{N}(0, "
        "\\|u_i\\|^2/d)$, whose tail at $z$ standard deviations is at most $2e^{-z^2/2}$ "
        "(the last of the three)."
    )
    d.equal(
        "Half of $\\delta$ pays for the $n$ norms, half for the pairs:",
        [n_ * exp(-x_norms), n_ * (n_ - 1) / 2 * 2 * exp(-(z**2) / 2)],
        [delta / 2, delta / 2],
        latex=r"n e^{-x} = \tfrac\delta2 \text{ at } x = \ln\tfrac{2n}\delta, \qquad"
        r" n(n-1)\, e^{-z^2/2} = \tfrac\delta2 \text{ at } z^2 = 2 \ln\tfrac{2n(n-1)}\delta",
    )
    threshold = sqrt(1 + 2 * sqrt(x_norms / d_) + 2 * x_norms / d_) * z / sqrt(d_)
    with d.aside("Bookkeeping: the library at given sizes"):
        for n, width, level in SIZES:
            agrees(
                d,
                f"The library's bound on inner products at $n = {n}$, $d = {width}$, "
                f"$\\delta = {sympy.latex(level)}$:",
                am.coherence_bound(
                    n, width, delta=float(level), family="gaussian", normalised=False
                ),
                threshold.subs({n_: n, d_: width, delta: level}),
                r"t = \sqrt{1 + 2\sqrt{x/d} + 2x/d}\; z/\sqrt d",
            )
    exact_gaussian_quantiles(d)


def exact_gaussian_quantiles(d: Derivation) -> None:
    """NO2 (c), sharp: at d = 2 the chi-squared quantile is a logarithm."""
    d.equal(
        "With exact quantiles. At $d = 2$ the law of $d\\|u\\|^2$ is exponential, so the "
        "quantile is $2\\ln(2n/\\delta)$.",
        sympy.integrate(exp(-x_ / 2) / 2, (x_, 2 * log(2 * n_ / delta), sympy.oo)),
        delta / (2 * n_),
        latex=r"\Pr\big(\chi^2_2 > 2\ln\tfrac{2n}\delta\big) = \tfrac{\delta}{2n}",
    )
    with d.aside("Bookkeeping: the library at given sizes"):
        for n, level in ((5, Rational(1, 2)), (1000, Rational(1, 64))):
            bound = am.coherence_bound(
                n, 2, delta=float(level), family="gaussian", normalised=False, sharp=True
            )
            deviations = Rational(bound) * 2 / sqrt(2 * log(2 * n / level))
            spent = n * (n - 1) / sympy.Integer(2) * sympy.erfc(deviations / sqrt(2))
            d.holds(
                f"The library's sharp bound at $n = {n}$, $\\delta = {sympy.latex(level)}$ leaves "
                "$\\delta/2$ for the pairs, by the exact normal tail:",
                abs(spent.evalf(30) / (level / 2) - 1) < ROUNDING,
                latex=r"\tbinom n2 \Pr(|Z| > z) = \tbinom n2\,\mathrm{erfc}(z/\sqrt2) = "
                r"\tfrac\delta2,"
                r" \qquad t = z\,\sqrt{\tfrac{1}{d^2}\chi^2_d(\tfrac\delta{2n})}",
            )
    d.say(
        "From below, Bonferroni's inequality of (b) for any dependence: the overlaps of two "
        "pairs that share $u_i$ both grow with $\\|u_i\\|$, so $s_2$ keeps their exact joint "
        "probability.",
        r"\Pr(A \ge 1) \ge \mathbb{E} A - \mathbb{E} \tbinom A2 = s - s_2",
    )


n_ = sympy.Symbol("n", positive=True, integer=True)


t_, x_, delta = sympy.symbols("t x delta", positive=True)

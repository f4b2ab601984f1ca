"""NO1 to NO4: moments and tails of random vectors, from the laws of their entries."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Rational, binomial, exp, log, sqrt
from sympy.concrete.delta import deltasummation

import assocmem as am
from theory.derivation import Derivation, Derive

Array = NDArray[Any]
Moment = Callable[[tuple[int, ...]], Any]

# The library computes bounds in floating point. Far above its rounding, far below any altered term.
ROUNDING = Rational(1, 2**40)

d_ = sympy.Symbol("d", positive=True, integer=True)
n_ = sympy.Symbol("n", positive=True, integer=True)
t_, x_, delta = sympy.symbols("t x delta", positive=True)


class Drawn(np.random.Generator):
    """A generator whose draws are given: they show what a family makes of them."""

    def __init__(self, *tables: Array) -> None:
        super().__init__(np.random.PCG64(0))
        self._tables = list(tables)

    def standard_normal(self, *args: Any, **kwargs: Any) -> Any:
        return self._tables.pop(0).astype(float)

    def integers(self, *args: Any, **kwargs: Any) -> Any:
        return self._tables.pop(0)


def exact(numbers: Any) -> Array:
    """Floating-point numbers as the fractions they are."""
    return np.vectorize(lambda x: Rational(float(x)), otypes=[object])(numbers)


def agrees(d: Derivation, text: str, number: float, formula: Any, latex: str) -> None:
    """Compare a number of the library with its formula, evaluated to 30 digits.

    The number is shown after ``latex``.
    """
    error = abs(Rational(number) / sympy.sympify(formula).evalf(30) - 1)
    d.holds(text, error < ROUNDING, latex=rf"{latex} \approx {number:.6g}")


def sum_over(expression: Any, *indices: Any) -> Any:
    """Σ over indices from 1 to d, by the rule Σ_b δ_ab f(b) = f(a)."""
    for index in indices:
        expression = sympy.expand(expression)
        expression = deltasummation(expression, (index, 1, d_))
        # the free index lies in 1..d
        expression = expression.replace(sympy.Piecewise, lambda *branches: branches[0][0])
    return expression


def expectation(polynomial: Any, rows: Array, moment: Moment) -> Any:
    """E of a polynomial in independent rows; ``moment`` is E of a product of powers in one row."""
    n, width = rows.shape
    terms = sympy.Poly(polynomial, *rows.ravel()).terms()
    return sum(
        coefficient * sympy.prod([moment(powers[i * width : (i + 1) * width]) for i in range(n)])
        for powers, coefficient in terms
    )


def gaussian_moment(powers: tuple[int, ...]) -> Any:
    """Of independent N(0, 1/d) entries: a product of (2k - 1)!! / d^k."""
    if any(power % 2 for power in powers):
        return 0
    squares = sum(powers) // 2
    return (
        sympy.prod([sympy.factorial2(power - 1) for power in powers])
        / sympy.Integer(len(powers)) ** squares
    )


def sphere_moment(powers: tuple[int, ...]) -> Any:
    """The Gaussian moment over that of the norm, which is independent of the direction."""
    d, squares = sympy.Integer(len(powers)), sum(powers) // 2
    norm = sympy.prod([(d + 2 * i) / d for i in range(squares)])
    return gaussian_moment(powers) / norm


def rademacher_moment(powers: tuple[int, ...]) -> Any:
    """Of independent entries ±1/√d: the squares are constant."""
    if any(power % 2 for power in powers):
        return 0
    return 1 / sympy.Integer(len(powers)) ** (sum(powers) // 2)


def mean_square_overlap(d: Derivation) -> None:
    """NO1."""
    a, b = sympy.symbols("a b", integer=True, positive=True)
    same = sympy.KroneckerDelta(a, b)
    d.say(
        "Write the square out. By independence its mean is a product of second moments, and "
        "isotropy gives each of them: $\\mathbb{E}\\, u_a u_b = \\delta_{ab}/d$.",
        r"\mathbb{E}\langle u, v\rangle^2 = \sum_{a,b=1}^d"
        r" \mathbb{E}[u_a u_b]\;\mathbb{E}[v_a v_b]",
    )
    d.equal(
        "The double sum has $d$ terms left:",
        sum_over(same / d_ * same / d_, b, a),
        1 / d_,
        latex=r"\sum_{a,b=1}^d \frac{\delta_{ab}}d\,\frac{\delta_{ab}}d = \frac1d",
    )
    d.say(
        "Isotropy of $v$ alone is enough, if $u$ has mean square norm 1.",
        r"\sum_{a,b} \mathbb{E}[u_a u_b]\,\frac{\delta_{ab}}d = \frac{\mathbb{E}\|u\|^2}d"
        r" = \frac1d",
    )
    g = sympy.Symbol("g", real=True)
    density = exp(-(g**2) / 2) / sqrt(2 * sympy.pi)
    d.equal(
        "Gaussian rows $u = g/\\sqrt d$: different entries are independent with mean 0, and",
        sympy.integrate(g**2 * density, (g, -sympy.oo, sympy.oo)) / d_,
        1 / d_,
        latex=r"\mathbb{E}\, u_a^2 = \frac1d \int g^2\, \frac{e^{-g^2/2}}{\sqrt{2\pi}}\, dg"
        r" = \frac1d",
    )
    d.equal(
        "Signs $\\pm 1/\\sqrt d$: the same, with",
        (sqrt(1 / d_) ** 2 + (-sqrt(1 / d_)) ** 2) / 2,
        1 / d_,
        latex=r"\mathbb{E}\, u_a^2 = \tfrac12 \tfrac1d + \tfrac12 \tfrac1d = \tfrac1d",
    )
    d.say(
        "Sphere, $u = g/\\|g\\|$: a change of one sign keeps the law, so $\\mathbb{E}\\,u_a u_b = "
        "0$; so does an exchange of entries, and the squares add up to 1.",
        r"\mathbb{E}\,u_a^2 = \frac1d \sum_b \mathbb{E}\,u_b^2 = \frac1d",
    )
    signs = np.array(list(product((-1, 1), repeat=4)))
    longer = signs * np.arange(1, 17)[:, None]
    for name, family, draws in (
        ("gaussian", am.gaussian, signs),
        ("sphere", am.sphere, longer),
        ("rademacher", am.rademacher, (signs + 1) // 2),
    ):
        rows = exact(family(16, 4, rng=Drawn(draws)))
        d.equal(
            f"The library's `{name}` is that map of its draws: fed with all 16 sign patterns at "
            "$d = 4$" + (", at different lengths" if name == "sphere" else "") + ",",
            rows.T @ rows / 16,
            np.eye(4, dtype=int) * Rational(1, 4),
            latex=r"\tfrac1{16} \sum_{i=1}^{16} u_i u_i^\top = \tfrac14 I_4",
        )


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


def coherence(d: Derivation) -> None:
    """NO2."""
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
    for family, (n, width, level) in product(("sphere", "rademacher"), SIZES):
        agrees(
            d,
            f'The library\'s `coherence_bound` for family "{family}" at $n = {n}$, $d = {width}$, '
            f"$\\delta = {sympy.latex(level)}$:",
            am.coherence_bound(n, width, delta=float(level), family=family),
            threshold.subs({n_: n, d_: width, delta: level}),
            r"t = \sqrt{\tfrac2d \ln\tfrac{n(n-1)}\delta}",
        )
    exact_tails(d)
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
    n, level = 8, Rational(1, 4)
    c = sympy.Symbol("c", positive=True)
    for width in (3, 5, 7):
        density = (1 - c**2) ** ((width - 3) // 2)  # of c = sqrt(B), for c > 0
        tail = sympy.integrate(density, (c, t_, 1)) / sympy.integrate(density, (c, 0, 1))
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


def sign_tail(width: int, t: Any) -> Any:
    """P(|2S - d| > t d), S binomial: exact."""
    ways = (binomial(width, s) for s in range(width + 1) if abs(2 * s - width) > t * width)
    return sum(ways, sympy.Integer(0)) / sympy.Integer(2) ** width


def gaussian_inner_products(d: Derivation) -> None:
    """NO2 (c): half of delta for the norms, half for the pairs."""
    lam, c = sympy.symbols("lambda c", positive=True)
    g = sympy.Symbol("g", real=True)
    d.equal(
        "(c) The norms first: $d\\|u\\|^2$ is a sum of $d$ squares of standard normals. One "
        "square, for $0 < \\lambda < \\tfrac12$ and $c = 1 - 2\\lambda$:",
        sympy.integrate(exp(-c * g**2 / 2) / sqrt(2 * sympy.pi), (g, -sympy.oo, sympy.oo)),
        1 / sqrt(c),
        latex=r"\mathbb{E}\, e^{\lambda g^2} = \int e^{-(1 - 2\lambda) g^2/2}"
        r" \frac{dg}{\sqrt{2\pi}} = (1 - 2\lambda)^{-1/2}",
    )
    gap = lam**2 / (1 - 2 * lam) + lam + log(1 - 2 * lam) / 2
    slope = 2 * lam**2 / (1 - 2 * lam) ** 2
    d.equal(
        "so that $\\ln \\mathbb{E}\\, e^{\\lambda(g^2 - 1)} = -\\lambda - \\tfrac12 \\ln(1 - "
        "2\\lambda)$. This is below $\\lambda^2/(1 - 2\\lambda)$: the gap is 0 at $\\lambda = 0$ "
        "and its derivative is a square.",
        [gap.subs(lam, 0), sympy.diff(gap, lam)],
        [0, slope],
        latex=r"\frac{d}{d\lambda}\Big(\frac{\lambda^2}{1 - 2\lambda} + \lambda +"
        r" \tfrac12 \ln(1 - 2\lambda)\Big) = \frac{2\lambda^2}{(1 - 2\lambda)^2} \ge 0",
    )
    excess = 2 * sqrt(d_ * x_) + 2 * x_
    exponent = d_ * lam**2 / (1 - 2 * lam) - lam * excess
    best = sqrt(x_) / (sqrt(d_) + 2 * sqrt(x_))
    d.equal(
        "Chernoff at $a = 2\\sqrt{dx} + 2x$: the exponent $d\\lambda^2/(1 - 2\\lambda) - "
        "\\lambda a$ has its minimum at $\\lambda = \\sqrt x / (\\sqrt d + 2\\sqrt x)$, where it "
        "is $-x$.",
        [sympy.diff(exponent, lam).subs(lam, best), exponent.subs(lam, best)],
        [0, -x_],
        latex=r"\Pr\big(d\|u\|^2 > d + 2\sqrt{dx} + 2x\big) \le e^{-x}",
    )
    x_norms, z = log(2 * n_ / delta), sqrt(2 * log(2 * n_ * (n_ - 1) / delta))
    d.say(
        "Then the pairs: given $u_i$, $\\langle u_i, u_j\\rangle \\sim \\mathcal{N}(0, "
        "\\|u_i\\|^2/d)$, whose tail at $z$ standard deviations is at most $2e^{-z^2/2}$ "
        "(Chernoff as above)."
    )
    d.equal(
        "Half of $\\delta$ pays for the $n$ norms, half for the pairs:",
        [n_ * exp(-x_norms), n_ * (n_ - 1) / 2 * 2 * exp(-(z**2) / 2)],
        [delta / 2, delta / 2],
        latex=r"n e^{-x} = \tfrac\delta2 \text{ at } x = \ln\tfrac{2n}\delta, \qquad"
        r" n(n-1)\, e^{-z^2/2} = \tfrac\delta2 \text{ at } z^2 = 2 \ln\tfrac{2n(n-1)}\delta",
    )
    threshold = sqrt(1 + 2 * sqrt(x_norms / d_) + 2 * x_norms / d_) * z / sqrt(d_)
    for n, width, level in SIZES:
        agrees(
            d,
            f"The library's bound on inner products at $n = {n}$, $d = {width}$, "
            f"$\\delta = {sympy.latex(level)}$:",
            am.coherence_bound(n, width, delta=float(level), family="gaussian", normalised=False),
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
            latex=r"\tbinom n2 \Pr(|Z| > z) = \tbinom n2\,\mathrm{erfc}(z/\sqrt2) = \tfrac\delta2,"
            r" \qquad t = z\,\sqrt{\tfrac{1}{d^2}\chi^2_d(\tfrac\delta{2n})}",
        )
    d.say(
        "From below, Bonferroni's inequality of (b) for any dependence: the overlaps of two "
        "pairs that share $u_i$ both grow with $\\|u_i\\|$, so $s_2$ keeps their exact joint "
        "probability.",
        r"\Pr(A \ge 1) \ge \mathbb{E} A - \mathbb{E} \tbinom A2 = s - s_2",
    )


def welch(d: Derivation) -> None:
    """NO3."""
    eigenvalues = sympy.symbols("lambda_1:5", real=True)
    squares = [(a - b) ** 2 for i, a in enumerate(eigenvalues) for b in eigenvalues[:i]]
    d.say(
        "Normalise the vectors. Their Gram matrix $G$ has trace $n$ and rank at most $d$, so at "
        "most $d$ eigenvalues $\\lambda_1, \\dots, \\lambda_d$ are not 0.",
        r"\sum_i \lambda_i = \mathrm{tr}\, G = n, \qquad"
        r" \sum_i \lambda_i^2 = \mathrm{tr}\, G^2 = n + \sum_{i \ne j} \cos^2(u_i, u_j)",
    )
    d.equal(
        "Cauchy and Schwarz, with the gap written out (here for four eigenvalues):",
        4 * sum(a**2 for a in eigenvalues) - sum(eigenvalues) ** 2,
        sum(squares),
        latex=r"d \sum_i \lambda_i^2 - \Big(\sum_i \lambda_i\Big)^2"
        r" = \sum_{i<j} (\lambda_i - \lambda_j)^2 \ge 0",
    )
    n = sympy.Symbol("n", positive=True)
    smallest = (n - d_) / (d_ * (n - 1))
    d.equal(
        "Each of the $n(n-1)$ cosines is at most $c$ in size, so $n^2 \\le d\\,(n + n(n-1)c^2)$. "
        "Equality is at",
        d_ * (n + n * (n - 1) * smallest),
        n**2,
        latex=r"d\,\big(n + n(n-1)\,c^2\big) = n^2 \iff c^2 = \frac{n - d}{d(n-1)} .",
    )
    for size, width in ((3, 2), (6, 3), (28, 7), (4096, 512)):
        agrees(
            d,
            f"The library's `welch_bound` at $n = {size}$, $d = {width}$:",
            am.welch_bound(size, width),
            sqrt(smallest.subs({n: size, d_: width})),
            rf"c = \sqrt{{{sympy.latex(smallest.subs({n: size, d_: width}))}}}",
        )
    attained(d, smallest, n)
    d.equal(
        "For $n \\le d$ the bound is 0, and orthonormal vectors attain it.",
        [exact(am.welch_bound(size, 4))[()] for size in (1, 2, 4)],
        [0, 0, 0],
        latex=r"c = 0, \qquad n \le d",
    )


def attained(d: Derivation, smallest: Any, n: Any) -> None:
    """NO3: three equiangular tight frames."""
    share = 1 / n  # the corners e_i - 1/n of a simplex: inner product -1/n, square norm 1 - 1/n
    d.equal(
        "The $n = d + 1$ corners $e_i - \\tfrac1n \\mathbf{1}$ of a simplex attain it,",
        ((-share / (1 - share)) ** 2).subs(n, d_ + 1),
        smallest.subs(n, d_ + 1),
        latex=r"\Big(\frac{-1/n}{1 - 1/n}\Big)^2 = \frac1{d^2}",
    )
    golden = (1 + sqrt(5)) / 2
    diagonals = [np.roll([0, 1, s * golden], shift) for s in (1, -1) for shift in range(3)]
    corners = np.eye(8, dtype=int)
    lines = [4 * (corners[i] + corners[j]) - 1 for i in range(8) for j in range(i)]
    for name, vectors, width in (
        ("the six diagonals of the icosahedron", diagonals, 3),
        ("the 28 arrangements of $(3, 3, -1, \\dots, -1)$, orthogonal to $\\mathbf{1}$", lines, 7),
    ):
        gram = np.array(vectors, dtype=object) @ np.array(vectors, dtype=object).T
        off = ~np.eye(len(vectors), dtype=bool)
        cosines = {
            sympy.radsimp(sympy.expand(g**2) / sympy.expand(gram[0, 0] ** 2)) for g in gram[off]
        }
        value = smallest.subs({n: len(vectors), d_: width})
        d.equal(
            f"and so do {name}: all squared cosines are",
            sorted(cosines),
            [value],
            latex=rf"\cos^2(u_i, u_j) = {sympy.latex(value)}, \qquad n = {len(vectors)},"
            rf" \; d = {width}",
        )


def remapping(d: Derivation) -> None:
    """NO4."""
    width = 3
    W = np.array(sympy.symbols("W_1:4_1:4")).reshape(width, width)
    u, v = (np.array(sympy.symbols(f"{name}_1:4", real=True)) for name in "uv")
    image, other, norm = W @ u, W @ v, u @ u

    def mean(polynomial: Any) -> Any:
        return expectation(sympy.expand(polynomial), W, gaussian_moment)

    d.say(
        "The entries of $Wu$ are sums of independent normals, so all images are jointly Gaussian "
        "with mean 0, and their covariances are the law.",
        r"(Wu)_a = \sum_b W_{ab} u_b, \qquad W_{ab} \sim \mathcal{N}(0, \tfrac1d)",
    )
    d.equal(
        f"The covariances, from the moments of the entries (here $d = {width}$, all entries "
        "symbols):",
        [mean(a * b) for a in image for b in other],
        list((np.eye(width, dtype=int) * (u @ v) / width).ravel()),
        latex=r"\mathbb{E}\,(Wu)_a (Wv)_b = \sum_{c,e} \mathbb{E}[W_{ac} W_{be}]\, u_c v_e"
        r" = \frac{\delta_{ab}}d\, \langle u, v\rangle",
    )
    d.say(
        "For $u = v$: $\\sqrt d\\, Wu/\\|u\\|$ has $d$ independent standard normal entries. For "
        "orthogonal $u, v$ the images are uncorrelated, hence independent, and with them all "
        "that is computed from each.",
        r"\frac{d\,\|Wu\|^2}{\|u\|^2} \sim \chi^2_d, \qquad"
        r" \langle Wu, u\rangle = \sum_a (Wu)_a u_a \quad\text{is normal with mean } 0",
    )
    d.equal(
        "The variance of the self-overlap:",
        mean((image @ u) ** 2),
        norm**2 / width,
        latex=r"\mathbb{E}\langle Wu, u\rangle^2 = \sum_{a} u_a^2\,\frac{\|u\|^2}d"
        r" = \frac{\|u\|^4}d",
    )
    d.equal(
        "Mean and variance of the square norm, as $\\chi^2_d$ has them:",
        [mean(image @ image), mean((image @ image) ** 2) - norm**2],
        [norm, 2 * norm**2 / width],
        latex=r"\mathbb{E}\|Wu\|^2 = \|u\|^2, \qquad \mathrm{Var}\,\|Wu\|^2 = \tfrac2d \|u\|^4",
    )
    norm_of_the_image(d)
    rows, G = np.arange(12).reshape(3, 4), np.arange(16).reshape(4, 4) ** 2
    task = SimpleNamespace(n_tokens=1, length=1, outputs=range(1))
    emb = am.FrozenEmbeddings.random(task, width=4, rng=Drawn(rows, G, G))
    d.equal(
        "The library's remapping is this map of its draws. Fed with $G_{ab}$ in place of standard "
        "normals at $d = 4$:",
        exact(np.concatenate([emb.remapped_tokens, emb.remapped_positions])),
        rows[:2] @ G.T * Rational(1, 4),
        latex=r"\Phi_1 u = \frac{G}{\sqrt d}\, u, \qquad u = \frac{g}{\sqrt d}",
    )


def norm_of_the_image(d: Derivation) -> None:
    """NO4: the mean of the norm, between two neighbours, and the leading order of its variance."""
    r, a = sympy.symbols("r a", positive=True)

    def mean_norm(d: Any) -> Any:  # of chi_d
        density = r ** (d - 1) * exp(-(r**2) / 2) / (2 ** (d / 2 - 1) * sympy.gamma(d / 2))
        return sympy.integrate(r * density, (r, 0, sympy.oo))

    d.equal(
        "The norm itself: $m_d = \\mathbb{E}\\, \\chi_d$ obeys",
        mean_norm(d_) * mean_norm(d_ + 1),
        d_,
        latex=r"m_d\, m_{d+1} = \sqrt2\, \frac{\Gamma(\frac{d+1}2)}{\Gamma(\frac d2)}\;"
        r"\sqrt2\, \frac{\Gamma(\frac{d+2}2)}{\Gamma(\frac{d+1}2)} = d",
    )
    d.say(
        "and it grows with $d$, as a further square is added. So $d - 1 = m_{d-1} m_d \\le m_d^2 "
        "\\le m_d m_{d+1} = d$: the variance of $\\|Wu\\|/\\|u\\|$ is at most $1/d$ at every $d$.",
        r"\mathrm{Var}\, \frac{\|Wu\|}{\|u\|} = 1 - \frac{m_d^2}{d} \le \frac1d",
    )
    d.equal(
        "To leading order (Stirling's series: $m_d^2 = d - a + O(1/d)$) the recursion fixes $a$,",
        sympy.limit(((d_ - a) * (d_ + 1 - a) - d_**2) / d_, d_, sympy.oo),
        1 - 2 * a,
        latex=r"m_d^2\, m_{d+1}^2 - d^2 = (1 - 2a)\, d + O(1) = 0 \implies a = \tfrac12, \qquad"
        r" \mathrm{Var}\, \frac{\|Wu\|}{\|u\|} \simeq \frac1{2d}",
    )


DERIVATIONS: dict[str, Derive] = {
    "NO1": mean_square_overlap,
    "NO2": coherence,
    "NO3": welch,
    "NO4": remapping,
}

"""NO5 to NO7: how the coherence of random vectors is spread, and how many of them fit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import comb
from typing import Any

import numpy as np
import sympy
from sympy import Rational, binomial, exp, log, sqrt

from assocmem.vectors import overlaps
from theory.derivation import Derivation, Derive
from theory.derivations.coherence import sign_tail
from theory.derivations.near_orthogonality import agrees

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


def lower_bound(d: Derivation) -> None:
    """NO5."""
    pairwise_independence(d)
    V = sympy.Symbol("V", positive=True)
    bound = (V + x_**2) / (s_ + x_) ** 2
    d.say(
        "For independent indicators variances add up, and two at a time is all that a variance "
        "asks for: $V = \\mathrm{Var}\\, A = m\\,p(1-p)$. Cantelli's inequality: where $A = 0$, "
        "$(s - A + x)^2 = (s + x)^2$ for any $x \\ge 0$, so by Markov",
        r"\Pr(A = 0) \le \frac{\mathbb{E}(s - A + x)^2}{(s + x)^2} = \frac{V + x^2}{(s + x)^2} .",
    )
    d.equal(
        "This is smallest at $x = V/s$,",
        [sympy.diff(bound, x_).subs(x_, V / s_), bound.subs(x_, V / s_)],
        [0, V / (V + s_**2)],
        latex=r"\frac{d}{dx}\frac{V + x^2}{(s + x)^2} = 0 \text{ at } x = \frac Vs, \qquad"
        r" \Pr(A = 0) \le \frac{V}{V + s^2} .",
    )
    stated = (1 - p_) / (1 + (m_ - 1) * p_)
    d.equal(
        "With the variance put in:",
        (V / (V + s_**2)).subs({V: m_ * p_ * (1 - p_), s_: m_ * p_}),
        stated,
        latex=r"\Pr(A = 0) \le \frac{mp(1-p)}{mp(1-p) + m^2p^2} = \frac{1 - p}{1 + (m-1)p} .",
    )
    d.equal(
        "For a single pair this is an equality.",
        stated.subs(m_, 1),
        1 - p_,
        latex=r"\Pr(A = 0) = 1 - p, \qquad m = 1",
    )
    half = sympy.Symbol("epsilon", positive=True)
    level = (1 - half) / (1 + half * (m_ - 1))
    d.equal(
        "It is $\\epsilon$ at",
        stated.subs(p_, level),
        half,
        latex=r"p = \frac{1 - \epsilon}{1 + \epsilon(m - 1)} .",
    )
    for width, n, delta in (
        (3, 2, Rational(1, 2)),
        (3, 50, Rational(1, 8)),
        (5, 9, Rational(1, 2)),
    ):
        p = level.subs({half: delta / 2, m_: binomial(n, 2)})
        low, high = overlaps.coherence_band(n, width, delta=float(delta))
        for name, number, share in (("lower", low, p), ("upper", high, delta / 2 / comb(n, 2))):
            t = sympy.Symbol("t", positive=True)
            agrees(
                d,
                f"The library's {name} limit at $n = {n}$, $d = {width}$, $\\delta = "
                f"{sympy.latex(delta)}$, by the exact tail of one pair:",
                number,
                sympy.nsolve(sphere_tail(width, t) - share, t, (0, 1), solver="bisect", prec=40),
                rf"p(t) = {sympy.latex(share)}, \qquad t",
            )
    n, width, delta = 8, 16, Rational(1, 4)
    low, _ = overlaps.coherence_band(n, width, delta=float(delta), family="rademacher")
    step, share = Rational(2, width), level.subs({half: delta / 2, m_: binomial(n, 2)})
    low = Rational(low).limit_denominator(width)
    d.holds(
        f"Signs at $d = {width}$, $n = {n}$, $\\delta = {delta}$: the library's lower limit is the "
        "largest value that a pair reaches often enough.",
        sympy.And(sign_tail(width, low - step) >= share, sign_tail(width, low) < share),
        latex=rf"\Pr(|c| \ge {low}) = {sign_tail(width, low - step)} \ge {sympy.latex(share)} >"
        rf" {sign_tail(width, low)} = \Pr(|c| > {low})",
    )


def poisson_law(d: Derivation) -> None:
    """NO6: the method of Chen and Stein, for the event that nothing happens."""
    pairwise_independence(d)
    j = sympy.Symbol("j", positive=True, integer=True)
    x = sympy.Symbol("x", positive=True)
    d.equal(
        "Stein's equation. For $j \\ge 1$ let $f(j) = \\int_0^1 x^{j-1} e^{-sx}\\,dx$. Integrating "
        "a derivative,",
        sympy.diff(x**j * exp(-s_ * x), x),
        j * x ** (j - 1) * exp(-s_ * x) - s_ * x**j * exp(-s_ * x),
        latex=r"e^{-s} = \int_0^1 \big(x^j e^{-sx}\big)'\,dx = j\,f(j) - s\,f(j+1)",
    )
    first = sympy.integrate(exp(-s_ * x), (x, 0, 1))
    d.equal(
        "and at $j = 0$, where the term with $j$ is absent,",
        s_ * first,
        1 - exp(-s_),
        latex=r"s\,f(1) = 1 - e^{-s} .",
    )
    d.say(
        "Both together, for every $j \\ge 0$, are the equation whose mean at $j = A$ is wanted:",
        r"s\,f(j+1) - j\,f(j) = 1\{j = 0\} - e^{-s}, \qquad"
        r" \Pr(A = 0) - e^{-s} = \mathbb{E}\big[s\,f(A+1) - A\,f(A)\big] .",
    )
    steepest = (s_ - 1 + exp(-s_)) / s_**2
    d.equal(
        "$f$ decreases, in steps that get smaller: $f(j) - f(j+1) = \\int_0^1 x^{j-1}(1-x)"
        "e^{-sx}\\,dx$, so none is larger than the first,",
        sympy.integrate((1 - x) * exp(-s_ * x), (x, 0, 1)),
        steepest,
        latex=r"f(1) - f(2) = \int_0^1 (1-x)\,e^{-sx}\,dx = \frac{s - 1 + e^{-s}}{s^2} = \Delta .",
    )
    d.say(
        "Compare term by term. For a pair $\\alpha$ let $N_\\alpha$ be the pairs that share a "
        "vector with it, itself included, and $A_\\alpha = \\sum_{\\beta \\notin N_\\alpha} "
        "1_\\beta$, which is independent of $1_\\alpha$. As $s = \\sum_\\alpha p$,",
        r"\mathbb{E}\big[s f(A+1) - A f(A)\big] = \sum_\alpha \Big( p\,\mathbb{E}\big[f(A+1) -"
        r" f(A_\alpha+1)\big] + \mathbb{E}\,1_\alpha\big[f(A_\alpha+1) - f(A)\big] \Big) .",
    )
    d.say(
        "The arguments differ by the number of pairs in $N_\\alpha$ beyond $t$, in the second term "
        "(where $1_\\alpha = 1$) by that of the others. Each costs at most $\\Delta$, so with "
        "pairwise independence",
        r"|\Pr(A = 0) - e^{-s}| \le \Delta \sum_\alpha \Big( p \sum_{\beta \in N_\alpha} p +"
        r" \sum_{\beta \in N_\alpha \setminus \alpha} p^2 \Big) .",
    )
    sharing = 2 * (n_ - 2)
    pairs = n_ * (n_ - 1) / 2
    error = steepest * pairs * (p_ * (1 + sharing) * p_ + sharing * p_**2)
    d.equal(
        "$N_\\alpha$ has $1 + 2(n-2)$ pairs. With $p = s/m$,",
        error.subs(p_, s_ / pairs),
        (s_ - 1 + exp(-s_)) * (8 * n_ - 14) / (n_ * (n_ - 1)),
        latex=r"\big|\Pr(A = 0) - e^{-s}\big| \le \big(s - 1 + e^{-s}\big)\,"
        r"\frac{8n - 14}{n(n-1)} .",
    )
    d.equal(
        "For a single pair this is an equality.",
        exp(-s_) - (1 - s_),
        ((s_ - 1 + exp(-s_)) * (8 * n_ - 14) / (n_ * (n_ - 1))).subs(n_, 2),
        latex=r"e^{-s} - (1 - s) = s - 1 + e^{-s}, \qquad n = 2,\; s = p",
    )
    for n, q in ((4, Rational(1, 2)), (100, Rational(1, 10))):
        agrees(
            d,
            f"The library's `coherence_quantile` at $n = {n}$, $d = 3$ (where $p(t) = 1 - t$), "
            f"$q = {sympy.latex(q)}$:",
            overlaps.coherence_quantile(float(q), n, 3),
            1 + log(q) / binomial(n, 2),
            r"e^{-m(1-t)} = q, \qquad t",
        )


def how_many(d: Derivation) -> None:
    """NO7."""
    delta, R = sympy.symbols("delta R", positive=True)
    t, width = sympy.symbols("t d", positive=True)
    d.equal(
        "By NO2, $n$ vectors stay within $t$ with probability at least $1 - \\delta$ when "
        "$\\binom n2\\,p \\le \\delta$, that is when $n(n-1) \\le R = 2\\delta/p$, or",
        (2 * n_ - 1) ** 2 - (1 + 4 * R),
        4 * (n_ * (n_ - 1) - R),
        latex=r"(2n - 1)^2 \le 1 + 4R \iff n(n-1) \le R, \qquad"
        r" n = \Big\lfloor \tfrac12\big(1 + \sqrt{1 + 4\lfloor R\rfloor}\big) \Big\rfloor .",
    )
    grown = sqrt(delta) * exp(width * t**2 / 4)
    d.equal(
        "The bound $p \\le 2e^{-dt^2/2}$ admits at least $\\sqrt\\delta\\,e^{dt^2/4}$ vectors, "
        "rounded down, as $n(n-1) \\le n^2$:",
        grown**2,
        (2 * delta / p_).subs(p_, 2 * exp(-width * t**2 / 2)),
        latex=r"\big(\sqrt\delta\,e^{dt^2/4}\big)^2 = \delta\,e^{dt^2/2} = R .",
    )
    c = sympy.Symbol("c", positive=True)
    d.equal(
        "No choice of vectors does better than Welch's bound (NO3): $n - d \\le d(n-1)c^2$ is",
        width * (n_ - 1) * c**2 - (n_ - width),
        width * (1 - c**2) - n_ * (1 - width * c**2),
        latex=r"n\,(1 - d\,c^2) \le d\,(1 - c^2) ,",
    )
    d.say("a bound on $n$ as long as $c < 1/\\sqrt d$; beyond, $n$ may grow exponentially.")
    for text, found, p, level in _answers():
        spent = [found * (found - 1) / 2 * p, found * (found + 1) / 2 * p]
        d.holds(
            f"The library's `how_many_fit` {text}: {found} vectors spend no more than $\\delta = "
            f"{sympy.latex(level)}$, one more would.",
            sympy.And(sympy.N(spent[0], 30) <= level, sympy.N(spent[1], 30) > level),
            latex=rf"\tbinom{{{found}}}2\,p = {float(spent[0]):.6g}, \qquad"
            rf" \tbinom{{{found + 1}}}2\,p = {float(spent[1]):.6g}",
        )


def _answers() -> Iterator[tuple[str, Any, Any, Any]]:
    """Where, the library's n, the exact tail of a pair or its bound, and delta."""
    level = Rational(1, 8)
    for width, t in ((3, Rational(15, 16)), (5, Rational(31, 32)), (7, Rational(3, 4))):
        found = overlaps.how_many_fit(width, float(t), delta=float(level), sharp=True)
        where = f"with `sharp` at $d = {width}$, $t = {sympy.latex(t)}$"
        yield where, sympy.Integer(found), sphere_tail(width, t), level
    width, t = 33, Rational(17, 33)
    found = overlaps.how_many_fit(
        width, float(t), delta=float(level), family="rademacher", sharp=True
    )
    where = f"with `sharp` for signs at $d = {width}$, $t = {sympy.latex(t)}$"
    yield where, sympy.Integer(found), sign_tail(width, t), level
    for width, t in ((1000, Rational(1, 4)), (10**9, Rational(1, 4096))):
        found = overlaps.how_many_fit(width, float(t), delta=float(level))
        where = f"at $d = {width}$, $t = {sympy.latex(t)}$"
        yield where, sympy.Integer(found), 2 * exp(-width * t**2 / 2), level


DERIVATIONS: dict[str, Derive] = {
    "NO5": lower_bound,
    "NO6": poisson_law,
    "NO7": how_many,
}

"""Derivation of NO6: the law of the coherence of n random vectors, up to O(1/n)."""

from __future__ import annotations

import sympy
from sympy import Rational, binomial, exp, log

from assocmem.vectors import overlaps
from theory.algebra.moments import agrees
from theory.derivation import Derivation
from theory.vectors.tails import n_, p_, pairwise_independence, s_


def derive(d: Derivation) -> None:
    """The number of close pairs has nearly a Poisson law, and Stein's method bounds the difference.
    A pair depends only on the pairs that share a vector with it, a share of order $1/n$ of all
    pairs.
    """
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

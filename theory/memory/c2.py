"""Derivation of C2: recall over Gaussian vectors has an exact law, for one or many keys per
value."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from sympy import Rational, sqrt

import assocmem as am
from assocmem import capacity
from theory.algebra.calculus import symbols
from theory.algebra.draws import decided_alike, laws, right_is_first
from theory.algebra.moments import agrees, mean_over
from theory.capacity.approximation import win
from theory.capacity.rivals import against_one_rival
from theory.derivation import Derivation
from theory.memory.one_to_one import one_to_one
from theory.memory.recall_limits import center

d_, m_ = sympy.symbols("d m", positive=True, integer=True)


r, z, rho = sympy.symbols("r z rho", positive=True)


def derive(d: Derivation) -> None:
    """Given a key, its scores are the Gram matrix of the values applied to a random direction, and
    splitting the values along that direction leaves two independent numbers: the right score and
    the largest wrong one. Both concentrate as the sizes grow, and the capacity is where they meet.
    """
    one_to_one(d)
    keys, values = symbols("u", 4, 2), symbols("v", 2, 2)
    classes = np.array([[1, 1, 0, 0], [0, 0, 1, 1]])
    scores = am.AssociativeMemory(keys=keys, values=values, coefficients=classes).scores()
    overlaps = classes @ (keys @ keys[0])
    d.equal(
        "The library's scores of a key are $VV^\\top b$, where $b$ adds up the overlaps of the "
        "keys of each value (here 4 keys of 2 values in the plane).",
        scores[:, 0],
        values @ values.T @ overlaps,
        latex=r"(v_k^\top W u_i)_k = VV^\top b, \qquad b_j = \sum_{l:\,c(l) = j} u_l^\top u_i",
    )
    d.say(
        "Given $u_i$, its overlaps with other keys are independent $\\mathcal{N}(0, "
        "\\|u_i\\|^2/d)$: the value $t = c(i)$ collects $\\|u_i\\|^2$ and $r - 1$ of "
        "them, another $r$. Over $\\|u_i\\|/\\sqrt d$, with $\\sqrt d\\|u_i\\| \\sim \\chi_d$:",
        r"b_t \propto \chi_d + \sqrt{r-1}\,\zeta, \qquad |b_{\ne t}| \propto \sqrt r\,\chi_{m-1}",
    )
    d.say(
        "The direction of $b_{\\ne t}$ is uniform and independent of both. This is all that "
        "the derivation above uses of $b$; the rest of it applies with $m$ values for $n$. So "
        "$VV^\\top b \\propto \\gamma f + (I - ff^\\top)h$, and recall is $X > Y$.",
        r"\tan\theta = \frac{|b_{\ne t}|}{b_t}, \qquad"
        r" f = \cos\theta\, e_t + \sin\theta\, \hat r",
    )
    with d.aside("Bookkeeping: the library's sampler, and the moments of C1"):
        sampled(d)
        moments_of_the_law(d)
    leading_order(d)
    few_classes(d)


def sampled(d: Derivation) -> None:
    """C2: the library's sampler."""
    for keys, m, width in ((1, 30, 16), (20, 6, 24)):  # keys of a value, values

        def decide(own: Any, zeta: Any, others: Any, h: Any, gamma: Any, r: int = keys) -> bool:
            norm = np.linalg.norm(others)
            theta = np.arctan2(np.sqrt(r) * norm, own + np.sqrt(r - 1) * zeta)
            return right_is_first(theta, others / norm, gamma, h)

        decided_alike(
            d,
            f"The library's sampler draws these variables ($m = {m}$, $r = {keys}$, $d = {width}$),"
            " and decides as $X > Y$ does, computed from the same numbers, in each of 300 draws.",
            laws(width, m),
            decide,
            latex=r"\texttt{sampled\_recall(n, d, classes=m)}: \qquad \chi_d, \quad \zeta, \quad"
            r" \chi_{m-1} \hat r, \quad h, \quad \gamma",
            n=keys * m,
            d=width,
            classes=m if keys > 1 else None,
        )


def moments_of_the_law(d: Derivation) -> None:
    """C2: with the factors put back, the law has the moments of C1."""
    A, B, gamma, chi, tau, zeta = sympy.symbols("A B gamma chi tau zeta")
    law = {A: d_, B: m_ - 1, gamma: d_, chi: m_ - 2, tau: None, zeta: None}
    own, other = A + sqrt(r - 1) * zeta, sqrt(r) * B
    factor = A * gamma / d_**2
    right = factor * (gamma * own + tau * other)
    along, rest = factor * (gamma * other - tau * own), factor**2 * (own**2 + other**2) * chi**2
    wrong = (r * m_ + (d_ + 1) * (r + 1)) / d_**2
    d.equal(
        "A check on the law. With the factors put back, the right score is $A\\gamma(\\gamma b_t + "
        "\\tau |b_{\\ne t}|)/d^2$ with $A = \\sqrt d\\|u_i\\|$: its mean and variance, and the "
        "mean square of a wrong score, are those of C1 for rows of $C$ with $r$ ones.",
        [
            mean_over(right, law),
            mean_over(right**2, law) - 1,
            mean_over(along**2 + rest, law) / (m_ - 1),
        ],
        [1, wrong + (d_ + 1) ** 2 / d_**2 - 1, wrong],
        latex=r"\mathrm{Var}\,s_{ki} = \frac{rm + (d+1)(r+1)}{d^2}, \qquad"
        r" \mathrm{Var}\,s_{ti} = \mathrm{Var}\,s_{ki} + \frac{(d+1)^2}{d^2} - 1",
    )
    d.equal(
        "One to one, $r = 1$ and $m = n$:",
        [value.subs(r, 1) for value in (wrong + (d_ + 1) ** 2 / d_**2 - 1, wrong)],
        [(m_ + 4 * d_ + 3) / d_**2, (m_ + 2 * d_ + 2) / d_**2],
        latex=r"\frac{n + 4d + 3}{d^2} \quad\text{and}\quad \frac{n + 2d + 2}{d^2}",
    )
    C = np.kron(np.eye(3, dtype=int), np.ones((1, 2), dtype=int))
    _, variance = capacity.score_moments(C, d_)
    d.equal(
        "The library's variances for $m = 3$, $r = 2$:",
        [variance[1, 0], variance[0, 0]],
        [value.subs({r: 2, m_: 3}) for value in (wrong, wrong + (d_ + 1) ** 2 / d_**2 - 1)],
        latex=r"\texttt{score\_moments(C, d)}",
    )


def leading_order(d: Derivation) -> None:
    """C2: capacity."""
    n, total, x = r * m_, sympy.Symbol("N", positive=True), sympy.Symbol("x", positive=True)
    reach = center(r * (m_ - 1), m_ - 1)
    d.equal(
        "Leading order as $m$ and $d$ grow, at any rates and for any $r$: as in C2, $x = (\\ln "
        "\\min(m, d))^{1/4}$ and all $\\chi^2$ are within $1 \\pm \\varepsilon$. If $r \\le "
        "d/x^3$, then $\\sqrt{r-1}\\,|\\zeta| \\le \\sqrt{2 r x}$ is small against $\\sqrt d$, and "
        "C2 holds with $N = r(m - 1)$ and $m$ for $n$:",
        [sympy.limit(sqrt(2 * x / x**3), x, sympy.oo), reach],
        [0, d_**2 / (n - r + d_ * (1 + r))],
        latex=r"X\sqrt{m-1} = (1 + o(1))\, c_0 + o(\sqrt{\ln m}), \qquad"
        r" c_0^2 = \frac{d^2}{n - r + d(1 + r)}",
    )
    a, b, zeta = sympy.symbols("a b zeta", positive=True)
    largest = (sqrt(d_ * a) + sqrt(r) * zeta) / sqrt(r * (m_ - 1) * b)
    d.equal(
        "If $r > d/x^3$, use that $|X_0| \\le |\\cot\\theta|$: $|X_0|\\sqrt{m-1}$ is at most",
        [
            largest * sqrt(m_ - 1),
            sympy.limit((x ** Rational(3, 2) + sqrt(2 * x)) / x**2, x, sympy.oo),
        ],
        [(sqrt(d_ * a / r) + zeta) / sqrt(b), 0],
        latex=r"\frac{\sqrt{d a/r} + |\zeta|}{\sqrt b} = O\big(x^{3/2}\big) = o(\sqrt{\ln m}),"
        r" \qquad c_0 \le \sqrt{d/r} \le x^{3/2},",
    )
    stated = (d_**2 / z**2 - d_) / (1 + (d_ - 1) / m_)
    d.equal(
        "and the same holds again. $Y\\sqrt{m-1} = (1 + o(1))\\, z_m$ as in C2, so recall tends "
        "to 1 where $c_0/z_m$ stays above $1 + \\varepsilon$ for some $\\varepsilon > 0$, to 0 "
        "where it stays below $1 - \\varepsilon$, and half of the keys are recalled only where "
        "$c_0/z_m \\to 1$. Where they are equal, solved for $n = rm$:",
        sympy.solve(sympy.together(reach.subs(r, total / m_) - z**2), total),
        [stated],
        latex=r"c_0 = z_m \iff n = \frac{d^2/z_m^2 - d}{1 + (d-1)/m}",
    )
    d.equal(
        "With as many values as keys it is C2,",
        d_**2 / (total + 2 * d_ - 1),
        reach.subs(r, 1).subs(m_, total),
        latex=r"r = 1: \quad \frac{d^2}{n - 1 + 2d} = z_n^2,",
    )
    share, few = sympy.symbols("p q", positive=True)  # z^2/d, and d/m or m/d
    d.equal(
        "If $\\ln m = o(d)$, so that $p = z_m^2/d \\to 0$, the term $-d$ is of lower order, and "
        "$c_0/z_m \\to 1$ means that $n$ over this tends to 1. With many more values than "
        "dimensions, $q = d/m \\to 0$, it is $d^2/z_m^2$, with many fewer, $q = m/d \\to 0$, $m\\,"
        "d/z_m^2$ ($z_m^2 \\sim 2 \\ln m$ as in C2).",
        [
            (stated * z**2 / d_**2).subs(z, sqrt(share * d_)).subs(m_, d_ / few),
            (stated * z**2 / (m_ * d_)).subs(z, sqrt(share * d_)).subs(m_, d_ * few),
        ],
        [(1 - share) / (1 + few - few / d_), (1 - share) / (1 + few - 1 / d_)],
        latex=r"\frac{n z_m^2}{d^2} = \frac{1 - p}{1 + q - q/d} \to 1 \;(m \gg d), \qquad"
        r" \frac{n z_m^2}{m\,d} = \frac{1 - p}{1 + q - 1/d} \to 1 \;(m \ll d)",
    )


def few_classes(d: Derivation) -> None:
    """C2: fixed m, n of order d."""
    against_one_rival(
        d,
        "Fixed $m$, $r = \\rho d$. With $\\beta_t = \\chi_d + \\sqrt{r-1}\\,\\zeta$ and $\\beta_k "
        "= \\sqrt r\\,\\zeta_k$, $f = \\beta/|\\beta|$, the right score is above that of $k$ when",
    )
    zeta, other, step = sympy.symbols("zeta zeta_k s", positive=True)
    size = sympy.sqrt(2 * d_)  # γ ~ √d and |β| = O(√d): any constant
    d.equal(
        "Divide by $d$. As $d \\to \\infty$, $\\chi_d/\\sqrt d$ and $\\gamma/\\sqrt d \\to 1$, "
        "$f^\\top h$ and the $h_k$ stay bounded, and $|\\beta| = O(\\sqrt d)$:",
        [
            sympy.limit(expression, d_, sympy.oo)
            for expression in (
                (sqrt(d_) - step)
                * (sqrt(d_) + sqrt(rho * d_ - 1) * zeta - sqrt(rho * d_) * other)
                / d_,
                size * step / d_,
            )
        ],
        [1 + sqrt(rho) * zeta - sqrt(rho) * other, 0],
        latex=r"1 + \sqrt\rho\,\zeta - \sqrt\rho\,\zeta_k > 0 .",
    )
    d.say(
        "The limit is a tie with probability 0, so the probabilities converge. Given $\\zeta$ the "
        "$m - 1$ events are independent.",
        r"\Pr \to \mathbb{E}\,\Phi\big(\rho^{-1/2} + \zeta\big)^{m-1}",
    )
    m, width = 5, 10**15
    agrees(
        d,
        f"The library at $m = {m}$, $\\rho = 1/2$, $d = 10^{{15}}$:",
        capacity.recall_probability(m * width / 2, width, classes=m),
        win(np.sqrt(2), 1, {1: m - 1}),
        latex=r"\mathbb{E}\,\Phi\big(\sqrt2 + \zeta\big)^4",
    )

"""Derivation of C3: about d^(1/(2 alpha)) items are recalled under Zipf weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from sympy import Rational, exp, log, sqrt

import assocmem as am
from assocmem import capacity
from theory.algebra.calculus import symbols
from theory.algebra.draws import decided_alike, laws
from theory.algebra.moments import agrees
from theory.capacity.rivals import against_one_rival
from theory.derivation import Derivation

d_ = sympy.Symbol("d", positive=True, integer=True)


x, alpha, K, S = sympy.symbols("x alpha K S", positive=True)


def derive(d: Derivation) -> None:
    r"""An item competes with the few heaviest ones, each of which adds a normal noise proportional
    to its weight over $\sqrt d$. So in the limit the probability of recall depends only on the rank
    over $d^{1/(2\alpha)}$, and summing it over items gives their number.
    """
    law_of_an_item(d)
    moments_of_the_law(d)
    one_item(d)
    with d.aside("Bookkeeping: the library at given sizes"):
        library_limit(d)
    with d.aside("Bookkeeping: a bound at every width and rank"):
        every_item(d)
    sum_over_items(d)


def law_of_an_item(d: Derivation) -> None:
    """C3: who beats item i, at any weights."""
    keys, values, w = symbols("u", 3, 2), symbols("v", 3, 2), symbols("w", 3, positive=True)
    scores = am.AssociativeMemory(keys=keys, values=values, coefficients=np.diag(w)).scores()
    d.equal(
        "The library's scores of a key are $VV^\\top b$ with $b_k = w_k \\langle u_k, u_i\\rangle$ "
        "(3 items in the plane, all symbols).",
        scores[:, 0],
        values @ values.T @ (w * (keys @ keys[0])),
        latex=r"(v_k^\top W u_i)_k = VV^\top b",
    )
    d.say(
        "By the derivation of C2 they are $\\gamma f + (I - ff^\\top)h$ up to a positive factor, "
        "with $f = \\beta/|\\beta|$, where $\\beta$ is $b$ over $\\|u_i\\|/\\sqrt d$. All of $A, "
        "\\gamma \\sim \\chi_d$ and the normals $g_k, h_k$ are independent.",
        r"\beta_i = w_i A, \qquad \beta_k = w_k g_k \quad (k \ne i)",
    )
    against_one_rival(
        d,
        "So item $t = i$ is recalled exactly when for all $k \\ne i$, with $\\eta \\sim "
        "\\mathcal{N}(0, 1)$,",
    )
    n, width, item = 12, 40, 5
    weights = 1 / np.arange(1.0, n + 1)
    rivals = np.sort(np.delete(weights, item))

    def decide(
        own: np.ndarray, _: np.ndarray, g: np.ndarray, h: np.ndarray, gamma: np.ndarray
    ) -> Any:
        beta = np.concatenate((weights[item] * own, rivals * g))
        length = np.linalg.norm(beta)
        eta = h @ beta / length
        return np.all((gamma - eta) * (beta[0] - beta[1:]) > length * (h[1:] - h[0]))

    decided_alike(
        d,
        f"The library's sampler draws these variables, and decides so in each of 300 draws "
        f"($n = {n}$, $d = {width}$, $\\alpha = 1$, the item of rank {item + 1}).",
        laws(width, n),
        decide,
        latex=r"\texttt{sampled\_recall}: \qquad A, \quad g, \quad h, \quad \gamma",
        n=n,
        d=width,
        weights=weights,
        item=item,
    )


def moments_of_the_law(d: Derivation) -> None:
    """C3: with the factors put back, the law has the library's moments."""
    w = symbols("w", 3, positive=True)
    _, variance = capacity.score_moments(np.diag(w), d_)
    square, norm4 = sum(w**2), d_ * (d_ + 2)  # E chi_d^2 = d, E chi_d^4 = d (d + 2)
    heavy, own, others = w[0] ** 2, w[1] ** 2 * norm4, (square - w[1] ** 2) * d_
    d.equal(
        "A check on the law. The score of value $k$ is $A\\gamma/d^2$ times $(\\gamma - \\eta)"
        "\\beta_k + |\\beta| h_k$, whose mean square over $h$ is $(\\gamma^2 - 1)\\beta_k^2 + "
        "|\\beta|^2$. Averaged over $A$, $\\gamma$ and $g$ this is the library's variance (3 "
        "items, weights and $d$ symbols), with $S = \\sum_l w_l^2$:",
        [
            ((norm4 - d_) * heavy * d_ + d_ * (own + others)) / d_**4,
            (square + (d_ + 1) * (w[0] ** 2 + w[1] ** 2)) / d_**2,
        ],
        [variance[0, 1], variance[0, 1]],
        latex=r"\frac{\mathbb{E}\, A^2\gamma^2 ((\gamma^2 - 1)\beta_k^2 + |\beta|^2)}{d^4} ="
        r" \mathrm{Var}\, s_{ki} = \frac{S + (d + 1)(w_k^2 + w_i^2)}{d^2}",
    )


def one_item(d: Derivation) -> None:
    """C3: the limit at a fixed place x."""
    k, a, g = sympy.symbols("k a g", positive=True)
    own = (x * d_ ** (1 / (2 * alpha))) ** -alpha
    d.equal(
        "Zipf weights, $i = x\\,d^{1/2\\alpha}$: divide by $w_i\\sqrt d = x^{-\\alpha}$, with "
        "$a = A/\\sqrt d$.",
        sympy.powsimp(sympy.expand((own * a * sqrt(d_) - k**-alpha * g) / (own * sqrt(d_)))),
        a - (x / k) ** alpha * g,
        latex=r"\frac{\beta_i - \beta_k}{w_i \sqrt d} = a - \Big(\frac xk\Big)^\alpha g_k",
    )
    q, y, size, eps = sympy.symbols("q y R epsilon", positive=True)
    bound = size * 2 * sqrt(2 * (d_ * q + y)) * x**alpha / ((1 - eps) * sqrt(d_))
    d.equal(
        "Fix $x$ and let $d \\to \\infty$, $\\ln n = q d$ with $q \\to 0$. For any $\\varepsilon, "
        "y$ and $R$, with a probability that tends to 1 as $d$, then $y$ and $R$ grow: $a$ and "
        "$(\\gamma - \\eta)/\\sqrt d$ are within $1 \\pm \\varepsilon$, $|\\beta| \\le R$ (its "
        "mean square is $x^{-2\\alpha} + \\sum_{k \\ne i} w_k^2$, bounded) and all $|h_k| \\le "
        "\\sqrt{2(\\ln n + y)}$ (missed with probability below $2e^{-y}$). There the right "
        "side, over $(\\gamma - \\eta)\\,w_i\\sqrt d$, is at most",
        sympy.limit(sympy.limit(bound, d_, sympy.oo), q, 0),
        0,
        latex=r"x^\alpha R\, \frac{2\sqrt{2(q d + y)}}{(1 - \varepsilon)\sqrt d} \to 0 .",
    )
    d.say(
        "So but for events of vanishing probability the item is recalled if $(x/k)^\\alpha g_k < "
        "1 - 2\\varepsilon$ for all $k \\ne i$, and only if $(x/k)^\\alpha g_k < 1 + "
        "2\\varepsilon$ for all $k \\ne i$. The $g_k$ are independent: the "
        "probability of recall ends up between",
        r"\prod_{k \le n,\, k \ne i} \Phi\Big((1 - 2\varepsilon)\Big(\frac kx\Big)^\alpha\Big)"
        r" \quad\text{and}\quad"
        r" \prod_{k \le n,\, k \ne i} \Phi\Big((1 + 2\varepsilon)\Big(\frac kx\Big)^\alpha\Big)",
    )
    near = sympy.Symbol("t", positive=True)  # 1 - 2ε or 1 + 2ε
    d.equal(
        "Each is $F_\\alpha$ at another place, but for the factors $k = i \\to \\infty$ and $k > n "
        "\\ge i$, which tend to 1:",
        (k / (x * near ** (-1 / alpha))) ** alpha,
        near * (k / x) ** alpha,
        latex=r"(1 \pm 2\varepsilon)\Big(\frac kx\Big)^\alpha = \Big(\frac k{x_\pm}\Big)^\alpha,"
        r" \qquad x_\pm = x\,(1 \pm 2\varepsilon)^{-1/\alpha} \to x .",
    )
    d.say(
        "The logarithms of the factors have a sum that converges uniformly for bounded $x$, since "
        "$1 - \\Phi(t) \\le e^{-t^2/2}$; so $F_\\alpha$ is continuous, and $\\varepsilon \\to 0$ "
        "closes the gap. The same holds along places that tend to $x$.",
        r"\Pr(\text{recall of item } x\,d^{1/(2\alpha)}) \to F_\alpha(x) = \prod_{k=1}^\infty"
        r" \Phi\Big(\Big(\frac kx\Big)^\alpha\Big)",
    )


def library_limit(d: Derivation) -> None:
    """C3: the library's F."""
    y = sympy.Symbol("y")
    Phi = (1 + sympy.erf(y / sqrt(2))) / 2
    agrees(
        d,
        "The library's $F_1(1)$:",
        float(capacity.zipf_recall(1.0, 1)),
        sympy.prod([Phi.subs(y, sympy.Integer(k)) for k in range(1, 15)]),
        latex=r"F_1(1) = \prod_{k=1}^\infty \Phi(k)",
    )
    agrees(
        d,
        "and $F_2(3)$:",
        float(capacity.zipf_recall(3.0, 2)),
        sympy.prod([Phi.subs(y, Rational(k, 3) ** 2) for k in range(1, 30)]),
        latex=r"F_2(3) = \prod_{k=1}^\infty \Phi\big(\tfrac{k^2}{9}\big)",
    )


def every_item(d: Derivation) -> None:
    """C3: a bound on recall that holds at every d and every i."""
    y = sympy.Symbol("y", positive=True)
    share = Rational(1, 64)
    low, high, aside = 1 - 2 * sqrt(share), 1 + 2 * sqrt(share) + 2 * share, 2 * share
    d.holds(
        "The sum over items needs a bound at every $d$ and $i = x\\,d^{1/2\\alpha}$, $x \\ge 1$. "
        "Let $K$ be the integer part of $\\min(x, d^{1/(2\\alpha + 2)})$ and compare with the "
        "items $k \\le K < i$ only ($d \\ge 2$; at $d = 1$ the bound below is above 1). By the "
        "tails of C2 at $d/64$, $A^2 \\le 41d/32$, $\\gamma^2 \\ge 3d/4$ and $\\eta \\le "
        "\\sqrt{d/32}$ but for probability $3e^{-d/64}$. Then",
        sympy.And(high <= 4, sqrt(low) - sqrt(aside) >= Rational(1, 2)),
        latex=r"A \le 2\sqrt d, \qquad \gamma - \eta \ge \tfrac12 \sqrt d .",
    )
    d.equal(
        "The norm of $\\beta$: $w_i^2 A^2 \\le 4 x^{-2\\alpha} \\le 4$. For the rest, the moment "
        "of one term is bounded by $e^{w^2/2}$, as at $y = w^2 \\le 1$ the gap of the logarithms "
        "below starts at 0 and grows.",
        [(y / 2 + log(1 - y / 2) / 2).subs(y, 0), sympy.diff(y / 2 + log(1 - y / 2) / 2, y)],
        [0, (1 - y) / (2 * (2 - y))],
        latex=r"\mathbb{E}\, e^{w^2 g^2/4} = \frac{1}{\sqrt{1 - w^2/2}} \le e^{w^2/2}, \qquad"
        r" \frac{d}{dy}\Big[\frac y2 + \frac12\ln\Big(1 - \frac y2\Big)\Big] ="
        r" \frac{1 - y}{2(2 - y)} \ge 0",
    )
    d.say(
        "So with $S = \\sum_k w_k^2$, finite as $\\alpha > \\tfrac12$, by Chernoff:",
        r"\Pr\big(|\beta|^2 > 4 + K\big) \le e^{S/2 - K/4}",
    )
    width = K ** (2 * alpha + 2)  # the smallest d
    level = sqrt(width) * K**-alpha / sqrt(5 * K)
    d.equal(
        "Let $H = \\sqrt d\\, K^{-\\alpha}/\\sqrt{4 + K}$. With $4 + K \\le 5K$ and $d \\ge "
        "K^{2\\alpha + 2}$ the chance of $h_i > H$ is at most",
        sympy.powsimp(sympy.expand_power_base(level**2 / 2)),
        K / 10,
        latex=r"e^{-H^2/2} \le e^{-K/10} .",
    )
    d.equal(
        "Outside these events, an item $k \\le K$ with $g_k \\ge 4$ and $h_k \\ge 0$ wins: $w_k "
        "\\ge K^{-\\alpha}$ and $w_i A \\le 2 x^{-\\alpha} \\le 2 K^{-\\alpha}$, so that $(\\gamma "
        "- \\eta)(\\beta_k - \\beta_i)$ is at least",
        sqrt(d_) / 2 * (4 * K**-alpha - 2 * K**-alpha),
        sqrt(d_) * K**-alpha,
        latex=r"\tfrac12\sqrt d\,\big(4 K^{-\alpha} - 2 K^{-\alpha}\big) = \sqrt d\, K^{-\alpha} ="
        r" \sqrt{4 + K}\, H \ge |\beta|\,(h_i - h_k) .",
    )
    missed = 1 - sympy.erfc(4 / sqrt(2)) / 4  # 1 - Φ(-4)/2
    d.holds(
        "The $K$ events that $k$ does not win so are independent. With $\\rho = 1 - "
        "\\tfrac12\\Phi(-4) < 1$, which is larger than $e^{-1/64}$, $e^{-1/10}$ and $e^{-1/4}$, "
        "and $K \\le d$, the probability of recall is at most",
        sympy.And(missed.evalf(30) < 1, missed.evalf(30) > exp(-Rational(1, 64)).evalf(30)),
        latex=r"\big(5 + e^{S/2}\big)\, \rho^K \qquad\text{for every } d \text{ and } i \le n .",
    )


def sum_over_items(d: Derivation) -> None:
    """C3: dominated convergence."""
    X, rate, y = sympy.symbols("X q y", positive=True)
    d.equal(
        "Sum over the items beyond $x = X$, where $\\rho^K \\le \\rho^{-1}(\\rho^x + \\rho^\\kappa)"
        "$ with $\\kappa = d^{1/(2\\alpha + 2)}$. The sum of $\\rho^x$ over $i = x D$, $D = "
        "d^{1/2\\alpha}$, is at most $D$ times an integral from $X - 1/D \\ge X - 1$, at $\\rho = "
        "e^{-q}$,",
        [
            sympy.integrate(exp(-rate * y), (y, X - 1, sympy.oo)),
            sympy.limit(exp(-rate * (X - 1)) / rate, X, sympy.oo),
        ],
        [exp(-rate * (X - 1)) / rate, 0],
        latex=r"\int_{X-1}^\infty e^{-q y}\, dy = \frac{e^{-q (X - 1)}}q \to 0"
        r" \quad (X \to \infty)",
    )
    d.say(
        "uniformly in $d$, and that of the second, a number for each of $n$ items, vanishes as $d "
        "\\to \\infty$ if $\\ln n = o(\\kappa)$:",
        r"d^{-1/(2\alpha)}\, n\, e^{-q\kappa} \to 0",
    )
    d.say(
        "Up to $x = X$ the probabilities are bounded by 1 and tend to $F_\\alpha(x)$, so their sum "
        "over $d^{1/2\\alpha}$ tends to the integral. The bound carries over to the limit, "
        "$F_\\alpha(x) \\le (5 + e^{S/2})\\,\\rho^{x-1}$, so that the integral is finite; $X \\to "
        "\\infty$ gives",
        r"d^{-1/(2\alpha)} \sum_{i \le n} \Pr(\text{recall of } i) \to \int_0^\infty"
        r" F_\alpha(x)\,dx .",
    )

"""C3 to C5: Zipf weights, other rules than outer products, and what no rule can store."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Rational, binomial, cos, exp, factorial, log, sin, sqrt

from assocmem import capacity
from theory.derivation import Derivation
from theory.derivations.layers import cross_entropy, gradient, symbols
from theory.derivations.near_orthogonality import (
    ROUNDING,
    agrees,
    exact,
)

Array = NDArray[Any]

d_ = sympy.Symbol("d", positive=True, integer=True)
z, rho = sympy.symbols("z rho", positive=True)


# --- C3


def zipf_weights(d: Derivation) -> None:
    """C3."""
    w = symbols("w", 3, positive=True)
    mean, variance = capacity.score_moments(np.diag(w), d_)
    square = sum(w**2)
    d.equal(
        "Moments of the library for $C = \\mathrm{diag}(w)$ (here 3 items), with $S = \\sum_l "
        "w_l^2$:",
        [mean[1, 1], variance[1, 1], variance[0, 1]],
        [
            w[1],
            (square + 2 * (d_ + 1) * w[1] ** 2 + (d_ + 1) ** 2 * w[1] ** 2) / d_**2 - w[1] ** 2,
            (square + (d_ + 1) * (w[0] ** 2 + w[1] ** 2)) / d_**2,
        ],
        latex=r"\mathrm{Var}\,s_{ki} = \frac{S + (d+1)(w_k^2 + w_i^2)}{d^2} \quad (k \ne i)",
    )
    S, x, k, alpha = sympy.symbols("S x k alpha", positive=True)
    own = x ** (-2 * alpha) / d_  # w_i^2 at i = x d^(1/2α)
    heavy = k ** (-2 * alpha)
    right = (S + 2 * (d_ + 1) * own + (d_ + 1) ** 2 * own) / d_**2 - own
    wrong = (S + (d_ + 1) * (heavy + own)) / d_**2
    d.equal(
        "Put $w_i = i^{-\\alpha}$ and $i = x\\,d^{1/2\\alpha}$, so $w_i^2 = x^{-2\\alpha}/d$, and "
        "divide by $w_i^2$: the right score becomes exact, and that of value $k$ has the variance",
        [sympy.limit(sympy.expand(v / own), d_, sympy.oo) for v in (right, wrong)],
        [0, x ** (2 * alpha) * heavy],
        latex=r"\frac{\mathrm{Var}\,s_{ii}}{w_i^2} \to 0, \qquad"
        r" \frac{\mathrm{Var}\,s_{ki}}{w_i^2} \to \Big(\frac xk\Big)^{2\alpha}",
    )
    d.say(
        "What is left of $s_{ki}/w_i$ is $w_k\\|v_k\\|^2\\,u_k^\\top u_i/w_i$. Given $u_i$ these "
        "are independent normals for different $k$, and norms tend to 1; so for any finite $K$ the "
        "values $k \\le K$ stay below the right score with probability",
        r"\prod_{k \le K} \Phi\Big(\Big(\frac kx\Big)^\alpha\Big)",
    )
    e = sympy.Symbol("L", positive=True)  # ln n
    d.equal(
        "All other values: the part $w_k \\|v_k\\|^2 u_k^\\top u_i$ exceeds $(1 - \\varepsilon) "
        "w_i$ with a probability that sums to nothing as $K \\to \\infty$, since Gaussian tails of "
        "$(k/x)^\\alpha$ are summable; the crosstalk has deviation $\\sqrt S/d$, its maximum over "
        "$n$ values is $\\sqrt{2 S \\ln n}/d$, and over $w_i$, with $\\ln n = L$ and $L/d \\to 0$ "
        "(the overlaps $w_i\\, v_k^\\top v_i$ of $v_i$ itself add at most $\\sqrt{2L/d} \\to 0$),",
        sqrt(2 * S * e) / d_ / sqrt(own),
        sqrt(2 * S * e / d_) * x**alpha,
        latex=r"\frac{\sqrt{2 S \ln n}}{d\,w_i} = x^\alpha \sqrt{\frac{2 S \ln n}{d}} \to 0 .",
    )
    Phi = (1 + sympy.erf(sympy.Symbol("y") / sqrt(2))) / 2
    product = sympy.prod([Phi.subs("y", sympy.Integer(k)) for k in range(1, 15)])
    agrees(
        d,
        "The library's $F_1(1)$:",
        float(capacity.zipf_recall(1.0, 1)),
        product,
        latex=r"F_1(1) = \prod_{k=1}^\infty \Phi(k)",
    )
    product = sympy.prod([Phi.subs("y", Rational(k, 3) ** 2) for k in range(1, 30)])
    agrees(
        d,
        "and $F_2(3)$:",
        float(capacity.zipf_recall(3.0, 2)),
        product,
        latex=r"F_2(3) = \prod_{k=1}^\infty \Phi\big(\tfrac{k^2}{9}\big)",
    )
    d.say(
        "For large $x$ the first $x$ factors are below $\\Phi(1)$, so $F_\\alpha$ decays "
        "exponentially; $F_\\alpha(i\\,d^{-1/2\\alpha})$ summed over the items is a Riemann sum.",
        r"\sum_i F_\alpha\big(i\, d^{-1/2\alpha}\big) \sim d^{1/2\alpha}"
        r" \int_0^\infty F_\alpha(x)\,dx",
    )


# --- C4


def rules(d: Derivation) -> None:
    """C4."""
    least_squares(d)
    gradient_step(d)


def small_map() -> tuple[Array, Array]:
    """Four keys and values in the plane, with exact numbers."""
    return np.array([[1, 2], [-1, 1], [2, 0], [1, -1]]), np.array(
        [[2, 1], [0, 1], [1, -1], [-1, 1]]
    )


def least_squares(d: Derivation) -> None:
    """C4: the pseudo-inverse."""
    keys, values = small_map()
    U = sympy.Matrix(keys)
    P = np.array(U * (U.T * U).inv() * U.T)
    memory = capacity.memorise(keys, values, rule="pseudo-inverse")
    error = np.abs(exact(memory.scores()) - values @ values.T @ P).max()
    d.holds(
        "The library's pseudo-inverse has the scores $VV^\\top b$ with $b = P e_i$, $P$ the "
        "projection onto the columns of $U$ (4 pairs in the plane, against exact fractions).",
        error < ROUNDING,
        latex=r"W = V^\top (U^+)^\top, \qquad (v_k^\top W u_i)_k = VV^\top P e_i, \qquad"
        r" P = U(U^\top U)^{-1}U^\top",
    )
    theta = sympy.Symbol("theta", real=True)
    U = sympy.Matrix(symbols("u", 3, 1))
    P = U * (U.T * U).inv() * U.T
    d.equal(
        "A projection: $|P e_i|^2 = P_{ii}$, so that $b/|b|$ has $\\cos\\theta = P_{ii}/|b| = "
        "\\sqrt{P_{ii}}$ along $e_i$ (3 symbolic keys on a line).",
        (P[:, 0].T * P[:, 0])[0],
        P[0, 0],
        latex=r"|P e_i|^2 = P_{ii} = \cos^2\theta",
    )
    d.say(
        "For Gaussian keys the column space is uniform among the $d$-dimensional subspaces of "
        "$\\mathbb{R}^n$. So $P_{ii}$ is the square length of the first $d$ entries of a uniform "
        "unit vector, and the rest of $b$ has a uniform direction. For $n \\le d$, $P = I$. Outer "
        "products have $\\tan\\theta = \\chi_{n-1}/\\chi_d$ (AM3).",
        r"\cos^2\theta = \frac{\chi_d^2}{\chi_d^2 + \chi_{n-d}^2} \quad\text{against}\quad"
        r" \cos^2\theta = \frac{\chi_d^2}{\chi_d^2 + \chi_{n-1}^2}",
    )
    n = sympy.Symbol("n", positive=True)
    reach = d_ * cos(theta) ** 2 * (n - 1) / (d_ * sin(theta) ** 2 + n - 1)
    reach = reach.subs(sin(theta) ** 2, 1 - cos(theta) ** 2).subs(cos(theta) ** 2, d_ / n)
    d.equal(
        "The rest is AM3: with $\\cos^2\\theta \\to d/n$ the square of $X\\sqrt{n-1}$ becomes",
        reach,
        d_**2 * (n - 1) / (d_ * (n - d_) + n * (n - 1)),
        latex=r"\frac{(n-1)\,d\cos^2\theta}{d\sin^2\theta + n - 1}"
        r" = \frac{d^2 (n-1)}{d(n-d) + n(n-1)} \simeq \frac{d^2}{n + d} .",
    )
    d.equal(
        "At $n = d^2/z^2 - d$ this is $z^2$ but for a difference of order $1/d^2$, the effect of a "
        "bounded number of pairs, while outer products are $d$ pairs behind.",
        [
            sympy.limit((reach.subs(n, d_**2 / z**2 - d_) - z**2) * d_**2, d_, sympy.oo),
            sympy.limit(
                (d_**2 / (n - 1 + 2 * d_) - z**2).subs(n, d_**2 / z**2 - d_) * d_ / z**4,
                d_,
                sympy.oo,
            ),
        ],
        [z**6, -1],
        latex=r"\frac{d^2 (n-1)}{d(n-d) + n(n-1)}\Big|_{n = d^2/z^2 - d} = z^2 + O(d^{-2}), \qquad"
        r" \frac{d^2}{n - 1 + 2d}\Big|_{n = d^2/z^2 - d} = z^2 - \frac{z^4}{d} + O(d^{-2})",
    )


def gradient_step(d: Derivation) -> None:
    """C4: one step from zero."""
    keys, values = small_map()
    W = symbols("W", 2, 2)
    logits = values @ W @ keys.T
    loss = sum(cross_entropy(logits[:, i], i) for i in range(4)) / sympy.Integer(4)
    step = -gradient(loss, W)
    at_zero = np.vectorize(lambda e: e.subs(dict.fromkeys(W.ravel(), 0)), otypes=[object])(step)
    d.equal(
        "One step on the cross-entropy from zero is the library's (4 pairs in the plane).",
        exact(capacity.memorise(keys, values, rule="gradient step").matrix),
        at_zero,
        latex=r"-\nabla L(0) = \frac1n \sum_{j,i} \big(\delta_{ji} - \tfrac1n\big) v_j u_i^\top",
    )
    d.say(
        "So $b = CUu_i$ is that of outer products minus the mean of its entries, and the rest of "
        "the law, which holds for any $b$ that does not depend on the values, stays.",
        r"VV^\top b \propto \gamma f + (I - ff^\top)h, \qquad f = \frac{b - \bar b}{|b - \bar b|}",
    )
    n = sympy.Symbol("n", positive=True)

    def variance(n: Any) -> Any:
        same, different = 1 - 1 / n, -1 / n
        common = (n - 1 + 2 * (d_ + 1) * (1 - 1 / n)) / d_**2  # CC' = C, with square sum n - 1
        both = 2 * common + ((1 + 1 / d_) ** 2 - 1) * (same**2 + different**2)
        shared = (different + (d_ + 1) * same * different) / d_
        return both - 2 * ((1 + 1 / d_) * shared - same * different)

    for size in (3, 4):
        C = np.array(sympy.eye(size) - sympy.ones(size, size) / size)
        mean, margin = capacity.margin_moments(C, d_)
        d.equal(
            f"Its margin by C1, which the library confirms for $n = {size}$:",
            [mean[1, 0], margin[1, 0]],
            [1, variance(sympy.Integer(size))],
            latex=r"\mathbb{E}\,(s_{ii} - s_{ki}) = 1, \qquad \mathrm{Var} = "
            + sympy.latex(sympy.factor(variance(n))),
        )
    ratio = variance(n) / ((2 * n + 6 * d_ + 5) / d_**2) - 1
    d.holds(
        "Against $(2n + 6d + 5)/d^2$ for outer products, the ratio is $1 + O(1/n)$ whether $n$ is "
        "of order $d$ or $d^2$.",
        sympy.And(
            *(
                sympy.limit(ratio.subs(n, size) * size, d_, sympy.oo).is_finite
                for size in (rho * d_, rho * d_**2)
            )
        ),
        latex=r"n\Big(\frac{\mathrm{Var}}{(2n + 6d + 5)/d^2} - 1\Big) = O(1)",
    )
    d.equal(
        "Bits per parameter: $\\log_2 n$ for each of $n = d^2/(2\\ln n)$ pairs.",
        (d_**2 / (2 * log(n))) * (log(n) / log(2)) / d_**2,
        1 / (2 * log(2)),
        latex=r"\frac{n^* \log_2 n^*}{d^2} \to \frac1{2 \ln 2}",
    )


# --- C5


def counting(d: Derivation) -> None:
    """C5."""
    d.say(
        "Key $i$ ranks the values; the ranking changes only where two scores agree. These are "
        "$N = n \\cdot n(n-1)/2$ hyperplanes through 0 in the $D = d^2$ dimensions of $W$.",
        r"(v_k - v_{k'})^\top W u_i = 0",
    )

    def regions(planes: Any, dimensions: int) -> Any:
        return 2 * sum(binomial(planes - 1, i) for i in range(dimensions))

    planes = sympy.Symbol("N", positive=True, integer=True)
    d.equal(
        "The number of regions ([C1965], Theorem 1): a new hyperplane cuts in two those regions "
        "that the others leave in it, one dimension lower, so the largest number satisfies",
        [sympy.expand_func(regions(planes + 1, dimension)) for dimension in (2, 3, 5)],
        [
            sympy.expand_func(regions(planes, dimension) + regions(planes, dimension - 1))
            for dimension in (2, 3, 5)
        ],
        latex=r"R(N + 1, D) = R(N, D) + R(N, D - 1), \qquad"
        r" R(N, D) = 2 \sum_{i=0}^{D-1} \binom{N - 1}{i}",
    )
    d.equal(
        "with one hyperplane, or one dimension, making 2.",
        [regions(sympy.Integer(1), 4), regions(planes, 1)],
        [2, 2],
        latex=r"R(1, D) = R(N, 1) = 2",
    )
    d.say(
        "A region recalls in full at most one of the $n!$ pairings. The pairing is uniform, so the "
        "probability that some region recalls it is at most",
        r"\frac{R(N, d^2)}{n!}",
    )
    for width in (2, 3):
        n = capacity.storage_bound(width)
        chances = [
            regions(sympy.Integer(k * k * (k - 1) // 2), width**2) / factorial(k)
            for k in (n - 1, n)
        ]
        million = Rational(1, 10**6)
        d.holds(
            f"The library's bound for $d = {width}$ is the first $n$ with at most $10^{{-6}}$, in "
            f"exact fractions.",
            sympy.And(chances[0] > million, chances[1] <= million),
            latex=rf"\frac{{R}}{{n!}} \approx {float(chances[1]):.2g} \quad\text{{at }} n = {n}",
        )
    D, c = sympy.symbols("D c", positive=True)
    numbers = D * log(sympy.E * (c * D) ** 3 / (2 * D))
    pairings = c * D * log(c * D / sympy.E)
    d.equal(
        "Large $d$, $n = cD$: $\\sum_{i<D} \\binom{N}{i} \\le (eN/D)^D$ with $N \\le n^3/2$, "
        "against $n! \\ge (n/e)^n$. Pairings win for every $c > 2$.",
        sympy.limit(numbers / pairings, D, sympy.oo),
        2 / c,
        latex=r"\frac{D \ln(eN/D)}{n \ln(n/e)} \to \frac2c",
    )
    p = sympy.Symbol("p", positive=True)
    d.equal(
        "If some $W$ recalls all pairs, scaling it up takes the cross-entropy to 0, its infimum; "
        "and a mean loss below $(\\ln 2)/n$ means that each key has $\\hat p > \\tfrac12$, hence "
        "recalls. So minimising the loss, which is convex, decides whether there is such a $W$; "
        "wherever outer products recall all pairs, there is.",
        sympy.solve(-log(p) - log(2), p),
        [Rational(1, 2)],
        latex=r"-\ln \hat p < \ln 2 \iff \hat p > \tfrac12",
    )
    scale = sympy.Symbol("s", positive=True)
    d.equal(
        "For two values and margin 1, the loss at scale $s$:",
        sympy.limit(log(1 + exp(-scale)), scale, sympy.oo),
        0,
        latex=r"\lim_{s \to \infty} \ln(1 + e^{-s}) = 0",
    )

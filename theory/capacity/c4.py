"""Derivation of C4: outer products, least squares and one gradient step have the same leading
capacity."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from sympy import log, sqrt

from assocmem import capacity
from theory.algebra.calculus import cross_entropy, gradient, symbols
from theory.algebra.draws import decided_alike, laws, right_is_first
from theory.algebra.moments import ROUNDING, exact
from theory.capacity.rivals import against_one_rival
from theory.derivation import Derivation
from theory.memory.recall_limits import center

d_ = sympy.Symbol("d", positive=True, integer=True)


n, z = sympy.symbols("n z", positive=True)


def derive(d: Derivation) -> None:
    r"""All three rules give scores $VV^\top b$ with different vectors $b$, and the law of C2
    depends only on the angle between $b$ and the right value. At the capacity the three angles
    agree to leading order.
    """
    least_squares(d)
    least_squares_limit(d)
    gradient_step(d)


def small_map() -> tuple[np.ndarray, np.ndarray]:
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
        "products have $\\tan\\theta = \\chi_{n-1}/\\chi_d$ (C2).",
        r"\cos^2\theta = \frac{\chi_d^2}{\chi_d^2 + \chi_{n-d}^2} \quad\text{against}\quad"
        r" \cos^2\theta = \frac{\chi_d^2}{\chi_d^2 + \chi_{n-1}^2}",
    )
    width = 16

    def decide(
        own: np.ndarray,
        _: np.ndarray,
        others: np.ndarray,
        left: np.ndarray,
        h: np.ndarray,
        gamma: np.ndarray,
    ) -> bool:
        return right_is_first(np.arctan2(left, own), others / np.linalg.norm(others), gamma, h)

    size = 40
    sampled = [f"chi {width}", "normal 1", f"normal {size - 1}"]
    decided_alike(
        d,
        f"The library's sampler draws these ($n = {size}$, $d = {width}$), and decides as $X > Y$ "
        "does, computed from the same numbers, in each of 300 draws.",
        [*sampled, f"chi {size - width}", f"normal {size}", f"chi {width}"],
        decide,
        latex=r"\texttt{sampled\_recall}, \text{ pseudo-inverse}: \qquad \chi_d, \quad r,"
        r" \quad \chi_{n-d}, \quad h, \quad \gamma",
        n=size,
        d=width,
        rule="pseudo-inverse",
    )
    d.equal(
        "So at $n + d - 1$ pairs the pseudo-inverse has the angle of outer products at $n$. What "
        "differs is the number of rivals.",
        (n + d_ - 1) - d_,
        n - 1,
        latex=r"\chi_{(n + d - 1) - d} = \chi_{n - 1}",
    )


def least_squares_limit(d: Derivation) -> None:
    """C4: where the pseudo-inverse recalls half of the pairs."""
    reach = center(n - d_, n - 1)
    d.equal(
        "Leading order as $n, d \\to \\infty$: for $n \\ge 2d$ that of C2 with $N = n - d$.",
        [reach, reach * (n + d_) / d_**2 - 1],
        [
            d_**2 * (n - 1) / (d_ * (n - d_) + n * (n - 1)),
            d_ * (d_ - 1) / (d_ * (n - d_) + n * (n - 1)),
        ],
        latex=r"c_0^2 = \frac{d^2 (n-1)}{d(n-d) + n(n-1)} = \frac{d^2}{n + d}"
        r"\Big(1 + \frac{d(d-1)}{d(n-d) + n(n-1)}\Big)",
    )
    d.equal(
        "For $d < n < 2d$, $X_0$ falls as $\\chi_{n-d}$ grows, which is below $\\chi_d$ in law: "
        "$c_0^2$ is at least that at $N = d$, hence at least $d/3$; for $n \\le d$, $N = 0$, it is "
        "$d$. As $z_n^2 \\sim 2 \\ln n$, all is recalled in the limit.",
        [center(d_, n - 1) - d_ / 3, center(sympy.Integer(0), n - 1)],
        [d_ * (n - 1 - d_) / (3 * (d_ + 2 * (n - 1))), d_],
        latex=r"\frac{d\,(n-1)}{d + 2(n - 1)} - \frac d3 = \frac{d\,(n - 1 - d)}{3(d + 2(n-1))}"
        r" \ge 0",
    )
    d.equal(
        "So, as in C2, half of the pairs are recalled only where $c_0/z_n \\to 1$; there $n/d "
        "\\to \\infty$ and $n \\sim d^2/(2 \\ln n)$. At $n = d^2/z^2 - d$, $c_0^2$ "
        "is $z^2$ but for a difference of order $1/d^2$, the effect of a bounded number of pairs, "
        "while outer products are $d$ pairs behind.",
        [
            sympy.limit((reach.subs(n, d_**2 / z**2 - d_) - z**2) * d_**2, d_, sympy.oo),
            sympy.limit(
                (center(n - 1, n - 1) - z**2).subs(n, d_**2 / z**2 - d_) * d_ / z**4,
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
    size, width = 40, 16

    def decide(
        own: np.ndarray, _: np.ndarray, others: np.ndarray, h: np.ndarray, gamma: np.ndarray
    ) -> bool:
        b = np.concatenate((own, others))
        b -= b.mean()
        norm = np.linalg.norm(b[1:])
        return right_is_first(np.arctan2(norm, b[0]), b[1:] / norm, gamma, h)

    decided_alike(
        d,
        f"The library's sampler takes this $f$ ($n = {size}$, $d = {width}$, 300 draws).",
        laws(width, size),
        decide,
        latex=r"\texttt{sampled\_recall}, \text{ gradient step}: \qquad f \propto b - \bar b",
        n=size,
        d=width,
        rule="gradient step",
    )
    margin_of_a_step(d)
    recall_of_a_step(d)


def margin_of_a_step(d: Derivation) -> None:
    """C4: mean and variance, exactly."""

    def variance(n: Any) -> Any:
        same, different = 1 - 1 / n, -1 / n
        common = (n - 1 + 2 * (d_ + 1) * (1 - 1 / n)) / d_**2  # CC' = C, with square sum n - 1
        both = 2 * common + ((1 + 1 / d_) ** 2 - 1) * (same**2 + different**2)
        shared = (different + (d_ + 1) * same * different) / d_
        return both - 2 * ((1 + 1 / d_) * shared - same * different)

    with d.aside("Bookkeeping: the library at given sizes"):
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
    ratio = variance(n) / ((2 * n + 6 * d_ + 5) / d_**2)
    d.equal(
        "Over the variance $(2n + 6d + 5)/d^2$ of outer products this is between $1 - 1/n$ and 1.",
        [1 - ratio, ratio - (1 - 1 / n)],
        [
            2 * (n + d_ + 1) / (n * (2 * n + 6 * d_ + 5)),
            (4 * d_ + 3) / (n * (2 * n + 6 * d_ + 5)),
        ],
        latex=r"1 - \frac{2(n + d + 1)}{n(2n + 6d + 5)} = 1 - \frac1n +"
        r" \frac{4d + 3}{n(2n + 6d + 5)}",
    )


def recall_of_a_step(d: Derivation) -> None:
    """C4: to leading order that of outer products, at any rates of n and d."""
    against_one_rival(
        d,
        "Recall, for overlaps $\\beta$ with $f = \\beta/|\\beta|$: the right score is above that "
        "of $k$ when",
    )
    b = symbols("b", 3)
    beta = b - sum(b) / sympy.Integer(3)
    d.equal(
        "Outer products have $\\beta = b$ and one step has $\\beta = b - \\bar b$: the same "
        "differences, at a length (3 symbols)",
        [beta[0] - beta[1], beta @ beta],
        [b[0] - b[1], b @ b - 3 * (sum(b) / 3) ** 2],
        latex=r"\beta_t - \beta_k = b_t - b_k, \qquad |b - \bar b|^2 = |b|^2 - n \bar b^2 .",
    )
    d.say(
        "So where $\\gamma > \\eta$ both rules recall the pair when the sum below is largest for "
        "$t$; only the number $\\rho$ differs.",
        r"b_k + \rho\, h_k, \qquad \rho = \frac{|\beta|}{\gamma - \eta}",
    )
    second = sympy.diag(d_, 1, 1)  # E b b^T: b_t = chi_d, the others are N(0, 1) and independent
    d.equal(
        "Let $n, d \\to \\infty$ at any rates. In the mean, $n \\bar b^2$ is a share of $|b|^2$ "
        "that vanishes (3 entries):",
        3 * (sympy.ones(1, 3) / 3 * second * sympy.ones(3, 1) / 3)[0],
        second.trace() / 3,
        latex=r"\mathbb{E}\, n \bar b^2 = \tfrac1n\, \mathbf 1^\top\, \mathbb{E}[b b^\top]\,"
        r" \mathbf 1 = \tfrac1n\, \mathbb{E}\,|b|^2 = \frac{d + n - 1}{n} .",
    )
    d.say(
        "$|b|^2$ and $\\gamma^2$ are near their means by the tails of C2, and $\\eta$ is "
        "$\\mathcal{N}(0, 1)$, as $f$ is independent of $h$. So in probability, for both rules,",
        r"\rho = (1 + o(1))\,\rho^*, \qquad \rho^* = \sqrt{\frac{n + d}{d}} .",
    )
    d.say(
        "The $b_k + \\rho^* h_k$, $k \\ne t$, are independent $\\mathcal{N}(0, 1 + {\\rho^*}^2)$; "
        "their maximum is as in C2. With $\\rho$ for $\\rho^*$ it changes by at most $|\\rho - "
        "\\rho^*| \\max_k |h_k| = o(\\rho^* z_n)$. The right one is $b_t$ but for "
        "$O(\\rho^*)$:",
        r"\max_{k \ne t}(b_k + \rho h_k) = (1 + o(1))\, \sqrt{1 + {\rho^*}^2}\; z_n, \qquad"
        r" b_t + \rho h_t = (1 + o(1))\, \sqrt d + O(\rho^*)",
    )
    reach = sqrt(d_) / sqrt(1 + (n + d_) / d_)
    d.equal(
        "Over $\\sqrt{1 + {\\rho^*}^2}\\, z_n$ the one is $1 + o(1)$ and the other $(1 + o(1))\\, "
        "c_0/z_n + o(1)$ with the $c_0$ of outer products ($n$ for $n - 1$): for both rules recall "
        "tends to 1 where $c_0/z_n$ stays above $1 + \\varepsilon$ for some $\\varepsilon > 0$, "
        "and to 0 where it stays below $1 - \\varepsilon$.",
        reach**2,
        center(n - 1, n - 1).subs(n, n + 1),
        latex=r"\frac{\sqrt d}{\sqrt{1 + {\rho^*}^2}} = \frac{d}{\sqrt{n + 2d}}",
    )
    d.equal(
        "Bits per parameter, for all three: $\\log_2 n$ for each of $n = d^2/(2\\ln n)$ pairs.",
        (d_**2 / (2 * log(n))) * (log(n) / log(2)) / d_**2,
        1 / (2 * log(2)),
        latex=r"\frac{n^* \log_2 n^*}{d^2} \to \frac1{2 \ln 2}",
    )
    d.holds(
        "In numbers, to two digits:",
        abs(1 / (2 * log(2)) - sympy.Rational(72, 100)) < sympy.Rational(5, 1000),
        latex=r"\frac1{2 \ln 2} \approx 0.72",
    )

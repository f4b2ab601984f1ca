"""Derivations of C1 to C5: moments, laws of recall and counting, from the scores of a memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Rational, binomial, cos, exp, factorial, log, sin, sqrt

import assocmem as am
from assocmem import capacity
from theory.derivation import Derivation, Derive
from theory.derivations.layers import cross_entropy, gradient, symbols
from theory.derivations.near_orthogonality import (
    ROUNDING,
    Moment,
    agrees,
    exact,
    expectation,
    gaussian_moment,
    rademacher_moment,
    sphere_moment,
    sum_over,
)

Array = NDArray[Any]

d_, n_, m_ = sympy.symbols("d n m", positive=True, integer=True)
r, z, rho = sympy.symbols("r z rho", positive=True)


# --- C1


def covariance_of_scores(d: Derivation) -> None:
    """C1."""
    a, b = sympy.symbols("a b", integer=True, positive=True)
    same = sympy.KroneckerDelta(a, b)
    d.say(
        "As in AM2, the score is bilinear in the Gram matrices $G'$ of the values and $G$ of the "
        "keys, and products of different overlaps of one key vanish: $\\mathbb{E}\\,G_{li}G_{l'i} "
        "= \\delta_{ll'}\\,g_{li}$ with $g_{li} = \\kappa$ for $l = i$, else $1/d$.",
        r"\mathbb{E}\,s_{ki}s_{k'i} = \sum_{j,j',l} C_{jl}C_{j'l}\, g_{li}\;"
        r" \mathbb{E}\,G'_{kj}G'_{k'j'}",
    )
    d.equal(
        "Two values $k \\ne k'$. With $j = k$, $j' = k'$: the square norms are independent with "
        "mean 1. With $j = k'$, $j' = k$ (NO1):",
        [(d_ / d_) ** 2, sum_over(same / d_ * same / d_, b, a)],
        [1, 1 / d_],
        latex=r"\mathbb{E}\,G'_{kk}G'_{k'k'} = 1, \qquad \mathbb{E}\,G_{kk'}'^2 = \frac1d",
    )
    d.say(
        "Every other pair has a value that occurs once, or is $\\|v_k\\|^2 v_k^\\top v_{k'}$, odd "
        "in $v_{k'}$: its mean is 0. So",
        r"\mathbb{E}\,s_{ki}s_{k'i} = \Big(1 + \frac1d\Big) \sum_l C_{kl} C_{k'l}\, g_{li}",
    )
    C = symbols("C", 3, 3)
    families: list[tuple[str, Any]] = [("gaussian", 1 + 2 / d_), ("sphere", sympy.Integer(1))]
    for family, kappa in families:
        variance = capacity.score_moments(C, d_, family=family)[1]
        margin = capacity.margin_moments(C, d_, family=family)[1]
        stated = np.zeros((3, 3), dtype=object)
        for k, i in np.ndindex(3, 3):
            if k != i:
                shared = (C @ C.T)[i, k] / d_ + (kappa - 1 / d_) * C[i, i] * C[k, i]
                covariance = (1 + 1 / d_) * shared - C[i, i] * C[k, i]
                stated[k, i] = variance[i, i] + variance[k, i] - 2 * covariance
        d.equal(
            f"The library's variances of margins are the statement's ({family}, 3 keys and values, "
            f"all coefficients and $d$ symbols).",
            margin,
            stated,
            latex=r"\texttt{margin\_moments(C, d)} = \mathrm{Var}\,s_{ii} + \mathrm{Var}\,s_{ki}"
            r" - 2\,\mathrm{Cov}",
        )
    brute_force(d)
    one_value_per_key(d)


def brute_force(d: Derivation) -> None:
    """C1: every entry of keys and values written out, at d = 2."""
    C, keys, values = symbols("C", 2, 2), symbols("u", 2, 2), symbols("v", 2, 2)
    scores = am.AssociativeMemory(keys=keys, values=values, coefficients=C).scores()
    moments: list[tuple[str, Moment]] = [
        ("gaussian", gaussian_moment),
        ("sphere", sphere_moment),
        ("rademacher", rademacher_moment),
    ]

    def mean(polynomial: Any, moment: Moment) -> Any:
        given_keys = expectation(sympy.expand(polynomial), values, moment)
        return expectation(sympy.expand(given_keys), keys, moment)

    for family, moment in moments:
        difference = scores[0, 0] - scores[1, 0]
        found = [mean(difference, moment), mean(difference**2, moment)]
        average, variance = (
            table[1, 0]
            for table in capacity.margin_moments(C, sympy.Integer(2), [0, 1], family=family)
        )
        d.equal(
            f"Term by term for $d = 2$ ({family}), from the entries of keys and values:",
            found,
            [average, variance + average**2],
            latex=r"\mathbb{E}\,(s_{11} - s_{21}) = C_{11} - C_{21}, \qquad"
            r" \mathbb{E}\,(s_{11} - s_{21})^2 = \mathrm{Var} + (C_{11} - C_{21})^2",
        )


def one_value_per_key(d: Derivation) -> None:
    """C1: scores of one key are uncorrelated, and AM2 is recovered."""
    w = symbols("w", 4)
    C = np.array([[w[0], w[1], 0, 0], [0, 0, w[2], w[3]]])
    targets = [0, 0, 1, 1]
    _, variance = capacity.score_moments(C, d_)
    _, margin = capacity.margin_moments(C, d_, targets)
    d.equal(
        "One value per key: columns of $C$ have one entry, rows share none, so both terms of the "
        "covariance vanish (here 4 weighted keys of 2 values).",
        [margin[1, 0], margin[1, 1], margin[0, 2], margin[0, 3]],
        list(variance[0] + variance[1]),
        latex=r"(CC^\top)_{kk'} = 0 = C_{ki}C_{k'i}: \quad"
        r" \mathrm{Var}(s_{ki} - s_{k'i}) = \mathrm{Var}\,s_{ki} + \mathrm{Var}\,s_{k'i}",
    )
    for n in (2, 5):
        _, variance = capacity.score_moments(np.eye(n, dtype=int), d_)
        _, margin = capacity.margin_moments(np.eye(n, dtype=int), d_)
        d.equal(
            f"One to one, $n = {n}$: the variances of AM2, and their sum.",
            [variance[0, 0], variance[1, 0], margin[1, 0]],
            [(n + 4 * d_ + 3) / d_**2, (n + 2 * d_ + 2) / d_**2, (2 * n + 6 * d_ + 5) / d_**2],
            latex=r"\frac{n + 4d + 3}{d^2} + \frac{n + 2d + 2}{d^2} = \frac{2n + 6d + 5}{d^2}",
        )


# --- C2


def many_to_one(d: Derivation) -> None:
    """C2."""
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
        "the derivation of AM3 uses of $b$; the rest of it applies with $m$ values for $n$. So "
        "$VV^\\top b \\propto \\gamma f + (I - ff^\\top)h$, and recall is $X > Y$.",
        r"\tan\theta = \frac{|b_{\ne t}|}{b_t}, \qquad"
        r" f = \cos\theta\, e_t + \sin\theta\, \hat r",
    )
    moments_of_the_law(d)
    leading_order(d)


def moments_of_the_law(d: Derivation) -> None:
    """C2: with the factors put back, the law has the moments of C1 and AM2."""
    A, B, gamma, chi, tau, zeta = sympy.symbols("A B gamma chi tau zeta")
    freedom = {A: d_, B: m_ - 1, gamma: d_, chi: m_ - 2, tau: 1, zeta: 1}

    def mean(polynomial: Any) -> Any:
        """E χ_m^2k = m(m+2)...(m+2k-2); tau and zeta are normal: their odd powers vanish."""
        total = sympy.Integer(0)
        for powers, coefficient in sympy.Poly(polynomial, *freedom).terms():
            if powers[-1] % 2 == 0 and powers[-2] % 2 == 0:
                for power, size in zip(powers, freedom.values(), strict=True):
                    coefficient *= sympy.prod([size + 2 * i for i in range(power // 2)])
                total += coefficient
        return total

    own, other = A + sqrt(r - 1) * zeta, sqrt(r) * B
    factor = A * gamma / d_**2
    right = factor * (gamma * own + tau * other)
    along, rest = factor * (gamma * other - tau * own), factor**2 * (own**2 + other**2) * chi**2
    wrong = (r * m_ + (d_ + 1) * (r + 1)) / d_**2
    d.equal(
        "A check on the law. With the factors put back, the right score is $A\\gamma(\\gamma b_t + "
        "\\tau |b_{\\ne t}|)/d^2$ with $A = \\sqrt d\\|u_i\\|$: its mean and variance, and the "
        "mean square of a wrong score, are those of AM2 for rows of $C$ with $r$ ones.",
        [
            mean(sympy.expand(right)),
            mean(sympy.expand(right**2)) - 1,
            mean(sympy.expand(along**2 + rest)) / (m_ - 1),
        ],
        [1, wrong + (d_ + 1) ** 2 / d_**2 - 1, wrong],
        latex=r"\mathrm{Var}\,s_{ki} = \frac{rm + (d+1)(r+1)}{d^2}, \qquad"
        r" \mathrm{Var}\,s_{ti} = \mathrm{Var}\,s_{ki} + \frac{(d+1)^2}{d^2} - 1",
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
    n = r * m_
    square = d_ + r * (m_ - 1)  # |b|^2, to leading order
    reach = d_ * (d_ / square) * (m_ - 1) / (d_ * r * (m_ - 1) / square + m_ - 1)
    d.equal(
        "Leading order, as in AM3: $\\gamma, \\chi_d \\to \\sqrt d$, $\\chi_{m-1}$ and "
        "$\\chi_{m-2} \\to \\sqrt{m-1}$, $\\tau, \\zeta \\to 0$. Then the square of "
        "$X\\sqrt{m-1}$ becomes",
        reach,
        d_**2 / (n - r + d_ * (1 + r)),
        latex=r"\frac{(m-1)\,d\cos^2\theta}{d\sin^2\theta + m - 1}"
        r" = \frac{d^2}{n - r + d(1 + r)}",
    )
    total = sympy.Symbol("N", positive=True)
    condition = reach.subs(r, total / m_) - z**2
    stated = (d_**2 / z**2 - d_) / (1 + (d_ - 1) / m_)
    d.equal(
        "$Y\\sqrt{m-1}$ lies at $z_m$. Half of the keys are recalled where the two meet; solve for "
        "$n = rm$:",
        sympy.solve(sympy.together(condition), total),
        [stated],
        latex=r"n^* \simeq \frac{d^2/z_m^2 - d}{1 + (d-1)/m}",
    )
    d.equal(
        "With as many values as keys it is AM3,",
        d_**2 / (total + 2 * d_ - 1),
        reach.subs(r, 1).subs(m_, total),
        latex=r"r = 1: \quad \frac{d^2}{n - 1 + 2d} = z_n^2,",
    )
    d.equal(
        "with many more values than dimensions $d^2/z_m^2$, with many fewer $m\\,d/z_m^2$ ($z_m^2 "
        "\\sim 2 \\ln m$ as in AM3).",
        [
            sympy.limit(stated.subs(m_, rho * d_**2) * z**2 / d_**2, d_, sympy.oo),
            sympy.limit(stated * z**2 / (m_ * d_), d_, sympy.oo),
        ],
        [1, 1],
        latex=r"\frac{n^* z_m^2}{d^2} \to 1 \;(m \gg d), \qquad"
        r" \frac{n^* z_m^2}{m\,d} \to 1 \;(m \ll d)",
    )
    noise = (r * m_ + (d_ + 1) * (r + 1)) / d_**2
    d.equal(
        "Fixed $m$ and $r = \\rho d$: the noise of every score, right or wrong, tends to $\\rho$.",
        [
            sympy.limit(variance.subs(r, rho * d_), d_, sympy.oo)
            for variance in (noise, noise + (d_ + 1) ** 2 / d_**2 - 1)
        ],
        [rho, rho],
        latex=r"\frac{rm + (d+1)(r+1)}{d^2} \to \rho",
    )
    d.say(
        "It comes from $\\|v_j\\|^2 b_j$, with $\\|v_j\\| \\to 1$ and independent normal $b_j$, so "
        "the scores are jointly normal in the limit: $1 + \\sqrt\\rho\\,\\zeta$ against $m - 1$ "
        "times $\\sqrt\\rho\\,\\zeta_j$.",
        r"\Pr \to \mathbb{E}\,\Phi\big(\rho^{-1/2} + \zeta\big)^{m-1}",
    )


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
        "$n$ values is $\\sqrt{2 S \\ln n}/d$, and over $w_i$, with $\\ln n = L$ and $L/d \\to 0$,",
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


DERIVATIONS: dict[str, Derive] = {
    "C1": covariance_of_scores,
    "C2": many_to_one,
    "C3": zipf_weights,
    "C4": rules,
    "C5": counting,
}

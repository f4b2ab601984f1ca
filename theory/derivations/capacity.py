"""Derivations of C1 to C5, here C1 and C2: moments and laws of recall, from a memory's scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from sympy import sqrt

import assocmem as am
from assocmem import capacity
from theory.derivation import Derivation, Derive
from theory.derivations import rules
from theory.derivations.layers import symbols
from theory.derivations.near_orthogonality import (
    Moment,
    expectation,
    gaussian_moment,
    rademacher_moment,
    sphere_moment,
    sum_over,
)

d_, m_ = sympy.symbols("d m", positive=True, integer=True)
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


DERIVATIONS: dict[str, Derive] = {
    "C1": covariance_of_scores,
    "C2": many_to_one,
    "C3": rules.zipf_weights,
    "C4": rules.rules,
    "C5": rules.counting,
}

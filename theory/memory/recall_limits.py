"""Leading orders of recall: where the right score lies, the largest wrong one, and who is first.

As the number of values and the width grow, whatever the ratio of the two: C2, C2 and C4 use it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from sympy import Rational, cos, exp, log, sin, sqrt

from theory.algebra.moments import ROUNDING
from theory.derivation import Derivation
from theory.vectors.tails import tails_of_chi_squared

n_, d_ = sympy.symbols("n d", positive=True, integer=True)


SIZES = (3, 2), (30, 16), (1000, 128), (30, 10**4), (10**6, 30)  # pairs, width: |X_0| < η and above


def center(size: Any, others: Any) -> Any:
    """The square of X sqrt(others) at |b_t|^2 = d, |b_rest|^2 = size, over `others` wrong values.

    To leading order: chi^2_k = k, tau = 0.
    """
    cosine2 = d_ / (d_ + size)
    return sympy.cancel(d_ * cosine2 * others / (d_ * (1 - cosine2) + others))


def leading_order(d: Derivation) -> None:
    """C2: capacity."""
    with d.aside("Bookkeeping: tails of $\\chi^2$ and of the normal law"):
        tails(d)
    with d.aside("Bookkeeping: the right score, with bounds"):
        right_score(d)
    with d.aside("Bookkeeping: the largest wrong score"):
        largest_wrong_score(d)
    where_they_meet(d)


def tails(d: Derivation) -> None:
    """How far χ² and τ are from their means."""
    x = sympy.Symbol("x", positive=True)
    tails_of_chi_squared(d)
    d.equal(
        "Let $n$ and $d$ grow, at any rates, and take $x = (\\ln \\min(n, d))^{1/4}$: but for "
        "probability $O(e^{-x})$, which vanishes, all the $\\chi^2_k$ are within $k\\,(1 \\pm "
        "\\varepsilon)$ with one $\\varepsilon \\to 0$, $\\chi^2_{n-2}$ also within $(n-1)(1 \\pm "
        "\\varepsilon)$; and $|\\tau| \\le \\sqrt{2x}$, which is small against $x^2 \\le "
        "\\sqrt{\\ln n}$.",
        [
            sympy.limit(expression, x, sympy.oo)
            for expression in (
                2 * sqrt(x) * exp(-(x**4) / 2) + 2 * x * exp(-(x**4)),
                sqrt(2 * x) / x**2,
            )
        ],
        [0, 0],
        latex=r"2\sqrt{\frac xk} + \frac{2x}k \to 0, \qquad"
        r" \frac{\sqrt{2x}}{x^2} \to 0 \quad\text{at}\quad k \ge e^{x^4} - 2",
    )


def right_score(d: Derivation) -> None:
    """X √(n-1) is d / √(n - 1 + 2d) up to a factor near 1 and a term small against z_n."""
    n, size, a, b, c, g = sympy.symbols("n N a b c g", positive=True)
    eps = sympy.Symbol("epsilon", positive=True)
    cosine2 = a * d_ / (a * d_ + b * size)
    square = d_**2 * a * g * (n - 1) / (size * d_ * b * g + (d_ * a + size * b) * (n - 1) * c)
    d.equal(
        "Without $\\tau$: let $X_0$ be $X$ at $\\tau = 0$, $a, g$ the two $\\chi^2_d/d$ (of "
        "$\\|u_i\\|$ and $\\gamma$), $c = \\chi^2_{n-2}/(n-1)$, and $N b$ the square norm of the "
        "other overlaps over $\\|u_i\\|^2/d$: here $N = n - 1$ and $b = \\chi^2_{n-1}/(n-1)$.",
        g * d_ * cosine2 * (n - 1) / (g * d_ * (1 - cosine2) + c * (n - 1)),
        square,
        latex=r"X_0^2\,(n-1) = \frac{d^2\, a g\,(n-1)}{N d\, b g + (d a + N b)(n-1)\, c}",
    )
    low, high = 1 - eps, 1 + eps
    d.equal(
        "Numerator and denominator grow with each of $a, b, c, g$. At $1 - \\varepsilon$ above and "
        "$1 + \\varepsilon$ below, and the other way round, only a factor is left:",
        [
            sympy.numer(square).subs({a: up, g: up}, simultaneous=True)
            / sympy.denom(square).subs({a: down, b: down, c: down, g: down}, simultaneous=True)
            for up, down in ((low, high), (high, low))
        ],
        [center(size, n - 1) * ratio**2 for ratio in (low / high, high / low)],
        latex=r"\frac{1 - \varepsilon}{1 + \varepsilon} \le \frac{X_0 \sqrt{n-1}}{c_0} \le"
        r" \frac{1 + \varepsilon}{1 - \varepsilon}, \qquad"
        r" c_0^2 = \frac{d^2 (n-1)}{N d + (d + N)(n - 1)}",
    )
    d.equal(
        "Its square is the reciprocal of the variance of a wrong score, but for lower orders.",
        [center(n - 1, n - 1), sympy.expand((n + 2 * d_ + 2) - d_**2 / center(n - 1, n - 1))],
        [d_**2 / (n - 1 + 2 * d_), 3],
        latex=r"N = n - 1: \quad c_0 = \frac{d}{\sqrt{n - 1 + 2d}}, \qquad \text{against}\quad"
        r" \frac{n + 2d + 2}{d^2}",
    )
    gamma, tau, theta, rest = sympy.symbols("gamma tau theta h", real=True)
    change, number, length, length_0 = sympy.symbols("Z Z_0 L L_0", positive=True)
    shift = np.array([tau * sin(theta), -tau * cos(theta), 0])
    d.equal(
        "With $\\tau$: it shifts the vector $(\\gamma\\cos\\theta, \\gamma\\sin\\theta, "
        "h_{\\mathrm{rest}})$ by one of length $|\\tau|$,",
        [shift @ shift, *(np.array([gamma * cos(theta), gamma * sin(theta), rest]) + shift)],
        [
            tau**2,
            gamma * cos(theta) + tau * sin(theta),
            gamma * sin(theta) - tau * cos(theta),
            rest,
        ],
        latex=r"|(\tau\sin\theta, -\tau\cos\theta, 0)| = |\tau|",
    )
    d.equal(
        "so by the triangle inequality the numerator $Z_0 = X_0 L_0$ of $X_0$ and its denominator "
        "$L_0 \\ge \\sqrt{(1 - \\varepsilon)(n-1)}$ change by at most $|\\tau| = \\eta L_0$ each, "
        "to $Z$ and $L$.",
        change / length - number / length_0,
        (change - number) / length - number / length_0 * (length - length_0) / length,
        latex=r"X - X_0 = \frac{Z - Z_0}{L} - X_0\, \frac{L - L_0}{L}",
    )
    (X, X_0, moved), rounding = right_scores_drawn(), float(ROUNDING)
    d.holds(
        "As $L \\ge (1 - \\eta) L_0$, where $\\eta < 1$ (and so in each of the draws, at "
        f"{len(SIZES)} sizes from $n = 3$ to $10^6$, that have $\\eta < 1$):",
        bool(np.all(np.abs(X - X_0) * (1 - moved) <= (moved + rounding) * (1 + np.abs(X_0)))),
        latex=r"|X - X_0| \le \frac{\eta\,(1 + |X_0|)}{1 - \eta}",
    )
    d.say(
        "Here $\\eta \\to 0$ and $\\eta\\sqrt{n-1} \\le |\\tau|/\\sqrt{1 - \\varepsilon}$, which "
        "is small against $\\sqrt{\\ln n}$.",
        r"X\sqrt{n-1} = (1 + o(1))\, c_0 + o(\sqrt{\ln n})",
    )


def right_scores_drawn(draws: int = 1000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, X₀ and η < 1 in draws of the law, at any θ in (0, π): C2 has X₀ of both signs."""
    rng = np.random.default_rng(0)
    columns = []
    for n, width in SIZES:
        gamma, rest = (np.sqrt(rng.chisquare(k, draws)) for k in (width, n - 2))
        across, along = np.sqrt(rng.chisquare(n - 1, draws)), np.sqrt(rng.chisquare(width, draws))
        theta = np.arctan2(across, along * rng.choice([1, -1], draws))
        tau = rng.standard_normal(draws)
        cosine, sine = np.cos(theta), np.sin(theta)
        X = (gamma * cosine + tau * sine) / np.hypot(gamma * sine - tau * cosine, rest)
        length = np.hypot(gamma * sine, rest)
        columns.append([X, gamma * cosine / length, np.abs(tau) / length])
    X, X_0, moved = np.concatenate(columns, axis=1)
    small = moved < 1
    return X[small], X_0[small], moved[small]


def largest_wrong_score(d: Derivation) -> None:
    """Y √(n-1) concentrates at z_n, and z_n² ~ 2 ln n."""
    n, z, s = sympy.symbols("n z s", positive=True)
    d.say(
        "$Y\\sqrt{n-1}$ is the maximum $M$ of $n - 1$ standard normals over $\\chi_{n-1}/"
        "\\sqrt{n-1}$, which is within $\\sqrt{1 \\pm \\varepsilon}$. The median of $M$ is $z_n$, "
        "and around it:",
        r"\Pr(M \le z) = \Phi(z)^{n-1}, \qquad \Phi(z_n)^{n-1} = \tfrac12",
    )
    tail = sympy.erfc(z / sqrt(2)) / 2
    density = exp(-(z**2) / 2) / sqrt(2 * sympy.pi)
    mills, below = density / z, density * (1 / z - 1 / z**3)
    d.equal(
        "Normal tails. All three terms vanish at infinity, and both gaps",
        [sympy.limit(side, z, sympy.oo) for side in (tail, mills, below)],
        [0, 0, 0],
        latex=r"\Big(\frac1z - \frac1{z^3}\Big) \varphi(z) \le 1 - \Phi(z) \le"
        r" \frac{\varphi(z)}z",
    )
    d.equal(
        "decrease to 0, so they are positive.",
        [sympy.diff(gap, z) for gap in (tail - below, mills - tail)],
        [-3 * density / z**4, -density / z**2],
        latex=r"\frac{d}{dz}(\text{gap}) = -\frac{3\varphi(z)}{z^4} < 0 \quad\text{and}\quad"
        r" -\frac{\varphi(z)}{z^2} < 0",
    )
    rate = s**2 + 2 * s
    bound = exp(-rate * z**2 / 2) / ((1 + s) * (1 - 1 / z**2))
    d.equal(
        "Hence for any $s > 0$ the tail at $(1 + s)z$ is small against that at $z$, and likewise "
        "that at $z$ against that at $z/(1 + s)$.",
        [mills.subs(z, (1 + s) * z) / below, sympy.limit(bound, z, sympy.oo)],
        [bound, 0],
        latex=r"\frac{1 - \Phi((1 + s)z)}{1 - \Phi(z)} \le"
        r" \frac{e^{-(s^2 + 2s) z^2/2}}{(1 + s)(1 - z^{-2})} \to 0",
    )
    d.equal(
        "At $z_n$ the tail is $1 - 2^{-1/(n-1)} \\sim \\ln 2/n$. So the mean number "
        "$N$ of normals above $(1 + s) z_n$ tends to 0 and that above $z_n/(1 + s)$ to infinity. "
        "The probability of none above is at least $1 - N$ and at most $e^{-N}$, so $M$ and with "
        "it $Y\\sqrt{n-1}$ concentrates at $z_n$.",
        sympy.limit(n * (1 - exp(-log(2) / (n - 1))), n, sympy.oo),
        log(2),
        latex=r"\lim_{n \to \infty} n\,\big(1 - 2^{-1/(n-1)}\big) = \ln 2",
    )
    d.equal(
        "The size of $z_n$: both bounds give $\\ln(1/(1 - \\Phi(z))) \\sim z^2/2$, and with the "
        "tail of order $1/n$, $z_n^2 \\sim 2\\ln n$.",
        [
            sympy.limit(sympy.expand_log(-log(mills)) / z**2, z, sympy.oo),
            sympy.limit(log(1 - 1 / z**2) / z**2, z, sympy.oo),
        ],
        [Rational(1, 2), 0],
        latex=r"\lim_{z \to \infty} \frac{-\ln(\varphi(z)/z)}{z^2} = \frac12, \qquad"
        r" \lim_{z \to \infty} \frac{\ln(1 - z^{-2})}{z^2} = 0",
    )


def where_they_meet(d: Derivation) -> None:
    """C2: capacity."""
    n, z = sympy.symbols("n z", positive=True)
    d.say(
        "Over $z_n$, the one score is $(1 + o(1))\\,c_0/z_n + o(1)$ and the other $1 + o(1)$. So "
        "recall tends to 1 where $c_0/z_n$ stays above $1 + \\varepsilon$ for some $\\varepsilon > "
        "0$, and to 0 where it stays below $1 - \\varepsilon$. Half of the pairs can be recalled "
        "only where the ratio tends to 1. ($n$ does grow there: at bounded $n$ all variances of "
        "C1 vanish and all is recalled.)",
        r"\frac{(n^* - 1 + 2d)\, z_{n^*}^2}{d^2} \to 1",
    )
    d.equal(
        "Where the two are equal, solved for $n$:",
        sympy.solve(center(n - 1, n - 1) - z**2, n),
        [d_**2 / z**2 - 2 * d_ + 1],
        latex=r"\frac{d}{\sqrt{n - 1 + 2d}} = z_n \iff n = \frac{d^2}{z_n^2} - 2d + 1",
    )
    d.equal(
        "At $n^* \\ge d^2$ the ratio above would grow; so $n^* < d^2$, $z^2$ is at most about $4 "
        "\\ln d$, and the terms $2d - 1$ are of lower order: capacity is $d^2/(2 \\ln n^*)$.",
        sympy.limit((2 * d_ - 1) * 4 * log(d_) / d_**2, d_, sympy.oo),
        0,
        latex=r"\frac{(2d - 1)\, z_n^2}{d^2} \to 0, \qquad n^* \sim \frac{d^2}{2\ln n^*}",
    )

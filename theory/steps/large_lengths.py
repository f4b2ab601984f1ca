"""T-S3 for T → ∞: the first rows of the slope for many content tokens, and row 2."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import sympy
from sympy import Rational

from assocmem.gradients.conditions import harmonic_numbers, moments
from assocmem.gradients.slope import Slope, positions_to_beat
from theory.algebra.rational import K
from theory.derivation import Derivation
from theory.steps.any_length import rational

LARGE, *SYMBOLS = sympy.field("T, x, y, Phi, K", sympy.QQ)


LENGTH, X, Y, PHI, COUNT = (symbol.as_expr() for symbol in SYMBOLS)


class LargeSlope(Slope):
    """The first positions at a symbolic length; Φ, which grows like 2 ln T, is a symbol."""

    def __init__(self, size: int = 8) -> None:
        T, x, y, self.phi, K = SYMBOLS
        self.T, self.H, self.length = T, moments(T, x, y).H, math.inf
        self.rho, self.sigma = 2 + 1 / T + 4 / T**2, K * (1 + 1 / T) + 1 + 4 / T**2
        # y_s = α - β/s for 1 < s < T, so that Z_r needs the sums of 1/s and 1/s² from r on.
        alpha, beta = T * (1 + self.H) / (T - 2) - (1 + self.H**2), T * self.H / (T - 2)
        self.y = [LARGE(0), -(1 + self.H**2), *(alpha - beta / s for s in range(2, size))]
        sums = [harmonic_numbers(r - 1) for r in range(1, size)]
        self.h = [LARGE(0), *(x - _exact(first) for first, _ in sums)]
        last = (self.H - 1 - self.H**2) / T
        self.z = [LARGE(0), LARGE(0)]
        for h, (_, second) in zip(self.h[2:], sums[1:], strict=True):
            self.z.append(alpha * (h - 1 / T) - beta * (y - _exact(second) - 1 / T**2) + last)
        self.z[1] = self.z[2] + self.y[1]
        tails = alpha * (T - 2 * x + 1) - beta * ((x**2 - y) / 2 - (x - 1))
        self.average = (self.y[1] * (x - 1) + tails) / T


def _exact(value: Fraction) -> Any:
    return LARGE(value.numerator) / value.denominator


def _limit(value: Any) -> Any:
    """T → ∞ at fixed x, y, Φ and K."""
    top, bottom = (
        (part.degree(), sum(part.ring({(0, *rest): e}) for (i, *rest), e in part.terms() if i == n))
        for part in (value.numer, value.denom)
        for n in (part.degree(),)
    )
    if top[0] < bottom[0]:
        return sympy.Integer(0)
    return sympy.oo if top[0] > bottom[0] else (LARGE(top[1]) / LARGE(bottom[1])).as_expr()


def large_lengths(d: Derivation) -> None:
    b, T = LargeSlope(), SYMBOLS[0]
    left, right = [], []
    for length in (6, 9):
        exact = Slope(length, K)
        for t, r in ((2, 1), (3, 2), (4, 2), (5, 1)):
            value = b.signal(t, r).as_expr().subs({PHI: rational(exact.phi), COUNT: K})
            first, second = map(rational, harmonic_numbers(length))
            left.append(value.subs({LENGTH: length, X: first, Y: second}))
            right.append(exact.signal(t, r))
    d.equal(
        "The same formulas for the first positions at symbolic $T$, by the sums of T-S2; "
        "compare with $T = 6, 9$.",
        left,
        right,
        latex=r"\sum_s y_s h_{s+1},\ Z_r \text{ in } T, x, y",
    )
    rows = [(t, r) for t in range(3, 7) for r in positions_to_beat(t, 9)]
    wanted, places = [], []
    for t, r in rows:
        wanted.append(_limit(T * b.ahead(t, r)))
        if r == t:
            places.append(
                2 * PHI * (1 + Rational(1, t)) + (COUNT + 1) * Rational(1, t * (t - 1) ** 2)
            )
        else:
            turned = sum(Rational(1, s * s) for s in range(r, t - 1))
            places.append(2 * PHI - (COUNT + 1) * turned / t)
    d.equal(
        "$T \\to \\infty$ at fixed $t$ ($x/T \\to 0$, $\\Phi \\sim 2 \\ln T$), for $t = 3, ..., 6$ "
        "and every $r \\ge 2$: what $t - 1$ is ahead of $r < t$ (and, with another limit, of $t$).",
        wanted,
        places,
        latex=r"T\, t\,(B_{t,t-1} - B_{tr}) \to 2\Phi - \frac{K+1}{t} \sum_{s=r}^{t-2} "
        r"\frac{1}{s^2}",
    )
    sub, rest = [], []
    for t in range(3, 7):
        sub.append(sympy.diff(_limit(T * t * b.coefficient(t, t - 1)), PHI))
        if t > 3:
            rest.append(sympy.diff(_limit(T * t * b.coefficient(t, 2)), PHI))
    d.equal(
        "The sub-diagonal and its largest competitor ($2 \\le r \\le t-2$) at leading order in "
        "$\\Phi$; as $\\frac tT$ is fixed they tend to $1$ and $0$ times $\\frac{2\\Phi}{Tt}$.",
        sub + rest,
        [2 * (1 - Rational(1, t) + Rational(2, t * t)) for t in range(3, 7)]
        + [2 * (-Rational(1, t) + Rational(2, t * t)) for t in range(4, 7)],
        latex=r"\frac{KT^3}{u^2} B_{t,t-1} \sim \frac{2\Phi}{T t}\Big(1 - \frac1t + \frac{2}{t^2}"
        r"\Big),\qquad \frac{KT^3}{u^2} B_{tr} \sim \frac{2\Phi}{Tt}\Big({-\frac1t} + "
        r"\frac{2}{t^2}\Big)",
    )
    rows_recalled(d, b)


def rows_recalled(d: Derivation, b: LargeSlope) -> None:
    """T-S3: how soon the limit is reached, and the rows that are lost first."""
    T = SYMBOLS[0]
    limit, gaps = _limit(T * 4 * b.coefficient(4, 3)), []
    for length in (16, 32, 64, 128):
        exact = Slope(length, 1)
        second = rational(harmonic_numbers(length)[1])
        value = rational(exact.coefficient(4, 3) * 4 * length)
        gaps.append(abs(value / limit.subs({PHI: rational(exact.phi), COUNT: 1, Y: second}) - 1))
    d.holds(
        "Against exact values: $B_{43}$ over its limit with all of its terms, $K = 1$, $T = 16, "
        "32, 64, 128$, is off by these shares.",
        sympy.And(*(late < early / 2 for early, late in zip(gaps, gaps[2:], strict=False))),
        latex=",\\ ".join(f"{float(gap):.3f}" for gap in gaps),
    )
    turned = {t: sum(Rational(1, s * s) for s in range(2, t - 1)) / t for t in range(4, 10)}
    d.holds(
        "The row that many triggers turn first is $t = 5$, where $\\frac1t \\sum_{s=2}^{t-2} "
        "s^{-2}$ is largest (for $t \\ge 9$ it is below $(\\frac{\\pi^2}{6} - 1)/9$): at fixed "
        "$t$, all rows are recalled up to $K + 1 = \\frac{360}{13} \\Phi(T)$.",
        sympy.And(
            *(turned[5] > value for t, value in turned.items() if t != 5),
            turned[5] > (sympy.pi**2 / 6 - 1) / 9,
            sympy.Eq(2 / turned[5], Rational(360, 13)),
        ),
        latex=r"\frac{13}{180} > \frac1t \sum_{s=2}^{t-2} \frac{1}{s^2}",
    )
    gain = b.coefficient(2, 1) - b.coefficient(2, 2)
    zeta = sympy.pi**2 / 6
    d.equal(
        "Row 2 at finite $\\lambda$, to first order: it is recalled once $\\lambda (B_{21} - "
        "B_{22})$ outweighs $A_{22} - A_{21}$ ($B$ by $\\hat J_2$, whose lead is 1):",
        _limit(b.H * b.phi / (2 * (T - 2) * gain)).subs(Y, zeta),
        PHI / (2 * PHI + (COUNT + 1) * (Rational(3, 2) + zeta)),
        latex=r"\lambda > \lambda_2 \to \frac{\Phi}{2\Phi + (K+1)\big(\frac32 + \frac{\pi^2}{6}"
        r"\big)} < \frac12",
    )

"""Derivation of NO5: the coherence of n random vectors is rarely far below the bound of NO2."""

from __future__ import annotations

from math import comb

import sympy
from sympy import Rational, binomial

from assocmem.vectors import overlaps
from theory.algebra.moments import agrees
from theory.derivation import Derivation
from theory.vectors.tails import m_, p_, pairwise_independence, s_, sign_tail, sphere_tail, x_


def derive(d: Derivation) -> None:
    """Count the pairs beyond $t$: they are independent two at a time, so the variance of the count
    is that of independent events. Cantelli's inequality then bounds the probability that there is
    none.
    """
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
    with d.aside("Bookkeeping: the library at given sizes"):
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
                    sympy.nsolve(
                        sphere_tail(width, t) - share, t, (0, 1), solver="bisect", prec=40
                    ),
                    rf"p(t) = {sympy.latex(share)}, \qquad t",
                )
        n, width, delta = 8, 16, Rational(1, 4)
        low, _ = overlaps.coherence_band(n, width, delta=float(delta), family="rademacher")
        step, share = Rational(2, width), level.subs({half: delta / 2, m_: binomial(n, 2)})
        low = Rational(low).limit_denominator(width)
        d.holds(
            f"Signs at $d = {width}$, $n = {n}$, $\\delta = {delta}$: the library's lower limit "
            f"is the "
            "largest value that a pair reaches often enough.",
            sympy.And(sign_tail(width, low - step) >= share, sign_tail(width, low) < share),
            latex=rf"\Pr(|c| \ge {low}) = {sign_tail(width, low - step)} \ge {sympy.latex(share)} >"
            rf" {sign_tail(width, low)} = \Pr(|c| > {low})",
        )

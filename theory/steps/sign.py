"""The sign of the lead of step 2 at every length, for T-S2."""

from __future__ import annotations

import sympy

from theory.algebra import harmonic
from theory.algebra.harmonic import MOMENTS, PHI, at_length
from theory.derivation import Derivation
from theory.steps.lead import content_profile, library_rows, sum_rule


def sign_of_the_lead(d: Derivation) -> None:
    sum_rule(d, library_rows())
    d.say(
        r"Given $\tau$ the trigger's share $m_s = 1\{s \ge \tau\}/s + 1\{s{=}T\}/T$ is not random, "
        r"so only $\mathbb{E}[u_s | \tau]$ enters: by S1, a value for each role of a position "
        "(output, trigger, free), directly and averaged over the past.",
        r"J = \tfrac{1}{K}\,\mathbb{E}_\tau\, \mathrm{Cov}_s\big(\mathbb{E}[u_s|\tau], m_s\big)"
        r"\qquad (\tfrac1N \text{ for random triggers})",
    )
    content_profile(d)
    sign_over_content(d)


def sign_over_content(d: Derivation, limit: int = 20) -> None:
    short = [at_length(PHI, t) for t in (3, 4)]
    d.holds(
        "$\\Phi(3)$ and $\\Phi(4)$ are negative: so is the lead, at every $N$ and $K$.",
        sympy.And(*(value < 0 for value in short)),
        latex=rf"\Phi(3) = {sympy.latex(short[0])},\quad \Phi(4) = {sympy.latex(short[1])}",
    )
    with d.aside("Bookkeeping: the sign of $\\Phi$ at every length"):
        d.holds(
            f"$\\Phi(T)$ is positive for $T = 5, ..., {limit - 1}$, by exact arithmetic.",
            sympy.And(*(at_length(PHI, t) > 0 for t in range(5, limit))),
            latex=rf"\Phi(5) = {sympy.latex(at_length(PHI, 5))} > 0,\ ...,\ \Phi({limit - 1}) > 0",
        )
        bound, exponents = harmonic.lower_bound(MOMENTS.phi, limit)
        d.holds(
            rf"For $T \ge {limit}$: write the numerator of $\Phi$ over $T^6$, drop positive terms "
            r"except the leading $2x$, and use $0 < y < \frac53$. What is subtracted are terms "
            r"$x^j / T^i$ with $j \le 2 i$.",
            sympy.And(*(j <= 2 * i for i, j in exponents)),
            latex=r"\Phi(T)\, \frac{(T-2)^2 (T-1)}{T^3} \ge 2 x - \tfrac{17}{3} - "
            r"\sum_{i \ge 1} c_{ij} \frac{x^j}{T^i}",
        )
        d.say(
            r"Such terms fall with $T$: from $T$ to $T + 1$, $x^j$ grows by at most $(1 + "
            r"\frac{1}{2(T+1)})^{2i} \le e^{i/(T+1)} \le (1 + \frac1T)^i$, as $x \ge 2$. So the "
            r"right "
            f"side grows, and it is enough to look at $T = {limit}$."
        )
        d.holds(
            rf"At $T = {limit}$ the right side is positive. Hence the lead is negative for $T \le "
            rf"4$ "
            r"and positive for $T \ge 5$, at every $N$ and $K$.",
            bound > 0,
            latex=f"{sympy.Float(bound, 3)} > 0",
        )

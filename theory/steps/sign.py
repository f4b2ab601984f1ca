"""The sign of the lead of step 2 at every length, for T-S2."""

from __future__ import annotations

from typing import Any

import sympy

from theory.algebra import harmonic
from theory.algebra.harmonic import MOMENTS, PHI, at_length
from theory.algebra.population import VOCABULARIES
from theory.algebra.rational import C, K
from theory.derivation import Derivation
from theory.steps.any_length import LENGTHS, aligned, rational, readouts, surplus_of_labels
from theory.steps.lead import Rows, content_profile, library_rows, sum_rule


def wanted(length: int, vocabulary: str) -> Any:
    """J₂ between w_E(q) and Φ₁ w_E(q): the readout of step 1 against the share of the trigger."""
    total, moments = sympy.Integer(0), harmonic.covariances(length)
    for kind, readout in readouts(vocabulary).items():
        for role, value in readout.at_roles.items():
            total += value * rational(moments[kind, role])
    total += surplus_of_labels(vocabulary) * rational(moments["remapped", "position"])
    triggers = C + 1 if vocabulary == "random" else K
    return sympy.factor(at_length(total, length) / (triggers * length**3))


def closed_form(d: Derivation, rows: Rows) -> None:
    d.say(
        r"Given $\tau$ the trigger's share $m_s = 1\{s \ge \tau\}/s + 1\{s{=}T\}/T$ is not random, "
        r"so only $\mathbb{E}[u_s | \tau]$ enters: by S1, a value for each role of a position "
        "(output, trigger, free), directly and averaged over the past.",
        r"J = \tfrac{1}{K}\,\mathbb{E}_\tau\, \mathrm{Cov}_s\big(\mathbb{E}[u_s|\tau], m_s\big)"
        r"\qquad (\tfrac1N \text{ for random triggers})",
    )
    with d.aside("Bookkeeping at small lengths, from the library's tables"):
        for vocabulary in VOCABULARIES:
            lengths = [t for v, t in rows if v == vocabulary]
            d.equal(
                f"This is the library's coefficient, $T = 3, ..., {lengths[-1]}$ ({vocabulary}). "
                f"At "
                "$T = 5$:",
                [rows[vocabulary, t].same[0] for t in lengths],
                [wanted(t, vocabulary) for t in lengths],
                latex="J = " + sympy.latex(wanted(5, vocabulary)),
            )


def sign_of_the_lead(d: Derivation) -> None:
    rows = library_rows()
    sum_rule(d, rows)
    closed_form(d, rows)
    content_profile(d)
    sign_over_content(d)
    with d.aside("Bookkeeping at small lengths: prediction over all tokens, random triggers"):
        sign_over_all(d)
        sign_random(d)


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


def sign_over_all(d: Derivation, lengths: tuple[int, ...] = (5, 6, 8, 16, 32)) -> None:
    """Fixed triggers, prediction over all: labels are not uniform over the classes."""
    d.say(
        "Prediction over all tokens: the lead has the sign of",
        _numerators("all"),
    )
    d.equal(
        "For many more content tokens than triggers the sign is again that of $\\Phi$; $T = 3, "
        "..., 8$:",
        [sympy.limit(wanted(t, "all") * C * K * t**3, C, sympy.oo) for t in LENGTHS],
        [at_length(PHI, t) for t in LENGTHS],
        latex=r"\lim_{C \to \infty} T C \cdot K T^2 J = \Phi(T)",
    )
    numerators = {t: sympy.Poly(sympy.numer(wanted(t, "all").subs(K, 1)), C) for t in lengths}
    _thresholds(d, "So with prediction over all tokens and $K = 1$", numerators)


def sign_random(d: Derivation, lengths: range = range(5, 21)) -> None:
    """Random triggers: the sign changes once in N."""
    d.say("Random triggers, $C = N - 1$: the lead has the sign of", _numerators("random"))
    three, four = (sympy.Poly(sympy.numer(wanted(t, "random")), C) for t in (3, 4))
    d.holds(
        "At $T = 3$ it is negative for every $N \\ge 4$, at $T = 4$ for every $N \\ge 3$.",
        sympy.And(
            three.LC() < 0,
            three.count_roots(3, None) == 0,
            four.LC() < 0,
            four.count_roots(2, None) == 0,
        ),
        latex=r"\text{no root in } C \ge 3,\ C \ge 2",
    )
    numerators = {t: sympy.Poly(sympy.numer(wanted(t, "random")), C) for t in lengths}
    _thresholds(d, "So with random triggers", numerators)


def _numerators(vocabulary: str) -> str:
    return aligned(
        *(rf"T = {t}: \quad {sympy.latex(sympy.numer(wanted(t, vocabulary)))}" for t in LENGTHS[:4])
    )


def _thresholds(d: Derivation, setting: str, numerators: dict[int, Any]) -> None:
    """From which C >= 2 on the sign is positive, at each T, and only from there."""
    starts, relations = {}, []
    for t, numerator in numerators.items():
        starts[t] = next(c for c in range(2, 10**4) if numerator.eval(c) > 0)
        relations += [numerator.LC() > 0, numerator.count_roots(starts[t], None) == 0]
        relations += [numerator.eval(c) <= 0 for c in range(2, starts[t])]
    d.holds(
        f"{setting} the lead is positive exactly from this $N$ on: positive there, no root above, "
        "and not positive below.",
        sympy.And(*relations),
        latex=r",\quad ".join(rf"T = {t}: N \ge {start + 1}" for t, start in starts.items()),
    )

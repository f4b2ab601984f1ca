"""Derivation of S2-limit: the lead of step 2 grows like 2 ln T, in units of 1/(C K T^3)."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Symbol

import assocmem as am
from assocmem.model.families import ATOMS, POSITIONS, REMAPPED_POSITIONS, REMAPPED_TOKENS, TOKENS
from theory.algebra.harmonic import PHI, REMAPPED_OUTPUT, T, at_length, x, y
from theory.algebra.rational import C, K
from theory.derivation import Derivation
from theory.steps.any_length import LENGTHS, task
from theory.steps.lead import content_profile, library_rows, sum_rule


def derive(d: Derivation) -> None:
    """The rows of $J_2$ sum to zero over the remapped tokens, so the lead is one coefficient up to
    a factor in $C$. That coefficient is a rational function of $T$ and two harmonic numbers, and
    these have asymptotic series.
    """
    sum_rule(d, library_rows(("content",)))
    content_profile(d)
    z, log_t = Symbol("z", positive=True), Symbol("ell", positive=True)
    d.equal(
        "Expand $\\Phi$ in $1/T$ at fixed $x$ and $y$.",
        sympy.series(PHI.subs(T, 1 / z), z, 0, 2).removeO(),
        2 * x - y - 4 + z * (-(x**2) / 2 + (y + 9) * x - sympy.Rational(7, 2) * y - 14),
        latex=r"\Phi = 2x - y - 4 + \frac1T\Big(-\frac{x^2}{2} + (y + 9) x - \frac72 y - 14\Big)"
        r" + O(x^3 T^{-2})",
    )
    zeta = sympy.pi**2 / 6
    substituted = PHI.subs({x: log_t + z / 2, y: zeta - z, T: 1 / z})
    limit = 2 * log_t - 4 - zeta
    correction = -(log_t**2) / 2 + (9 + zeta) * log_t - 12 - sympy.Rational(7, 2) * zeta
    d.equal(
        r"Euler-Maclaurin: $x = \ell + \frac{1}{2T} + O(T^{-2})$ with $\ell = \ln T + \gamma$, and "
        r"$y = \frac{\pi^2}{6} - \frac1T + O(T^{-2})$.",
        sympy.series(substituted, z, 0, 2).removeO(),
        limit + z * correction,
        latex=r"\Phi = 2 \ell - 4 - \frac{\pi^2}{6} + \frac1T\Big(-\frac{\ell^2}{2} + \Big(9 + "
        r"\frac{\pi^2}{6}\Big) \ell - 12 - \frac{7\pi^2}{12}\Big) + O\Big(\frac{\ln^3 T}{T^2}\Big)",
    )
    gaps = []
    for t in (64, 256, 1024):
        values = {log_t: sympy.log(t) + sympy.EulerGamma}
        rest = at_length(PHI, t) - limit.subs(values) - correction.subs(values) / t
        gaps.append(abs(rest.evalf(30)) * t**2 / sympy.log(t).evalf() ** 3)
    d.holds(
        "In numbers: what is left after both terms, over $\\ln^3 T / T^2$, at $T = 64, 256, 1024$.",
        sympy.And(*(gap < 1 for gap in gaps)),
        latex=", ".join(f"{float(gap):.2f}" for gap in gaps),
    )
    d.say(
        r"$N$ enters only by the factor $1 - C^{-2}$ or $1 - C^{-1}$ above: the limits $T \to "
        r"\infty$ and $N \to \infty$ may be taken in any order."
    )
    unwanted(d)


def unwanted(d: Derivation) -> None:
    """The other coefficients of J₂ that the query at T meets."""
    h = Symbol("H", positive=True)
    s = Symbol("s", positive=True)
    to_trigger = h - 2 - 2 * h**2
    to_position = T * (1 + h * (s - 1) / s) / (T - 2) - (1 + h**2)

    def position(p: int, length: int) -> Any:
        if p == length:
            return h - (1 + h**2)
        return -(1 + h**2) if p == 1 else to_position.subs(s, p)

    left, right = [], []
    for t in LENGTHS:
        table = am.gradients.second_step(task(t, "content"))
        unit = (1 - 1 / C) / (C * K * t**3)
        positions = [position(p, t) for p in range(1, t + 1)]
        remapped = [
            sum(positions[p - 1] / sympy.Integer(p) for p in range(r, t + 1))
            for r in range(1, t + 1)
        ]
        left += [table[TOKENS, TOKENS].same[0], *table[TOKENS, POSITIONS][0]]
        left += [*table[TOKENS, REMAPPED_POSITIONS][0]]
        row = [to_trigger, *positions, *remapped]
        right += [unit * at_length(e.subs(h, REMAPPED_OUTPUT), t) for e in row]
    d.equal(
        r"The other keys for the cue $w_E(q)$, in units of $\frac{u}{K T^2} (1 - \frac1C)$; "
        r"compare with the library, $T = 3, ..., 8$.",
        left,
        right,
        latex=r"w_E(q): H - 2 - 2 H^2;\quad p_s: -(1 + H^2)\ (s = 1),\ \tfrac{T}{T-2}\big(1 + H "
        r"\tfrac{s-1}{s}\big) - (1 + H^2)\ (1 < s < T),\ H - 1 - H^2\ (s = T);\quad "
        r"\Phi_1 p_r: \sum_{s \ge r} \tfrac1s (\text{that of } p_s)",
    )
    d.equal(
        r"As $T \to \infty$, $H \to 1$: these stay bounded (and negative), while the wanted one "
        r"grows like $2 \ln T$.",
        [
            to_trigger.subs(h, 1),
            position(1, 0).subs(h, 1),
            sympy.limit(to_position.subs(h, 1), T, sympy.oo),
        ],
        [-3, -2, -1 / s],
        latex=r"w_E(q) \to -3,\quad p_1 \to -2,\quad p_s \to -\tfrac1s,\quad \Phi_1 p_1 \to "
        r"-1 - \tfrac{\pi^2}{6}",
    )
    left, right = [], []
    for t in LENGTHS:
        table = am.gradients.second_step(task(t, "content"))
        best = table[TOKENS, REMAPPED_TOKENS].same[0]
        left += [
            table[POSITIONS, REMAPPED_TOKENS][-1, 0],
            table[ATOMS[3], REMAPPED_TOKENS][0, 0],
            table[REMAPPED_TOKENS, REMAPPED_TOKENS].same[0],
        ]
        right += [best, best / t, best * 2 / t]
    d.equal(
        r"Among the other queries the largest coefficient is that of $p_T$, equal to the wanted "
        r"one, $J$: it looks for any trigger. $\Phi_1 p_r$ has $J/T$ and $\Phi_1 w_E(q)$ $2J/T$.",
        left,
        right,
        latex=r"J_2[p_T, \Phi_1 w_E(q)] = J,\quad J_2[\Phi_1 p_r, \Phi_1 w_E(q)] = \tfrac{J}{T},"
        r"\quad J_2[\Phi_1 w_E(q), \Phi_1 w_E(q)] = \tfrac{2J}{T}",
    )

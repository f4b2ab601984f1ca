"""The lead of step 2 in the library's tables, which T-S2 and S2-limit both start from."""

from __future__ import annotations

from typing import Any

import sympy

import assocmem as am
from assocmem.model.families import REMAPPED_TOKENS, TOKENS
from theory.algebra.harmonic import PHI, REMAPPED_OUTPUT, at_length
from theory.algebra.population import VOCABULARIES
from theory.algebra.rational import c
from theory.algebra.telescoping import KINDS, covariances
from theory.derivation import Derivation
from theory.steps.any_length import LENGTHS, harmonic_sums, task

Rows = dict[tuple[str, int], Any]


def library_rows(vocabularies: tuple[str, ...] = VOCABULARIES) -> Rows:
    """The library's coefficients of step 2 between w_E and Φ₁ w_E."""
    return {
        (v, t): am.gradients.second_step(task(t, v))[TOKENS, REMAPPED_TOKENS]
        for v in vocabularies
        for t in (LENGTHS if v == "content" else LENGTHS[:4])
    }


def sum_rule(d: Derivation, rows: Rows) -> None:
    d.say(
        r"The shares $m_s(i)$ of the tokens $i$ in $x^1_s$ (atoms $\Phi_1 w_E$) sum to 1 over $i$, "
        r"and a constant has no covariance: every row of $J_2$ sums to 0 over the atoms $\Phi_1 "
        "w_E$. In the row $w_E(q)$ the other fixed triggers do not occur and the competitors are "
        "alike, so that each of the $C$ competitors is $-1/C$ times the wanted coefficient."
    )
    values = []
    for (vocabulary, _), block in rows.items():
        values.append(block.same[0] + c * block.different[0, -1])
        if vocabulary != "random":
            values.append(block.different[0, 0])
    d.equal(
        "In the library's tables:",
        values,
        [0] * len(values),
        latex=r"J_2[w_E(q), \Phi_1 w_E(i)] = -\tfrac1C J_2[w_E(q), \Phi_1 w_E(q)],\ i"
        r"\text{ in the content};\qquad 0,\ i \text{ another fixed trigger}",
    )
    d.say(
        r"So the lead has the sign of the wanted coefficient $J = J_2[w_E(q), \Phi_1 w_E(q)]$: it "
        r"is $(1 + \frac1C) J$ for $K = 1$, for random triggers, or for $J < 0$, and $J$ for $K "
        r"\ge 2$ fixed triggers and $J > 0$, where the best competitor is another trigger, at 0."
    )


def content_profile(d: Derivation) -> None:
    """Φ(T), which decides for prediction over the content."""
    d.say(
        r"Prediction over the content: $\mathbb{E} u_s$ vanishes at triggers and free positions, "
        r"and with $H$ of S1, $e_s = 1\{s{=}\tau{+}1\} + \frac{H}{s} 1\{s > \tau\}$ and the lead "
        r"$u = \frac{1}{TC}$ of $G_1$,",
        r"J = \frac{u}{K T^2} \Big(1 - \frac1C\Big) \Phi(T),\qquad \Phi(T) = T^2\,"
        r"\mathbb{E}_\tau\, \mathrm{Cov}_s(e_s, m_s)",
    )
    with d.aside("Bookkeeping: sums over positions that telescope"):
        harmonic_sums(d)
    numerator = sympy.factor(sympy.together(PHI))
    direct, past = (covariances(kind, "remapped")[0, 1].as_expr() for kind in KINDS)
    d.equal(
        r"These sums give $\Phi$ in $T$, $x = H_T$ and $y = H_T^{(2)}$ (see S2).",
        PHI,
        direct + REMAPPED_OUTPUT * past,
        latex=r"\Phi = " + sympy.latex(numerator),
    )
    for k, factor in ((1, 1 + 1 / c), (2, 1)):
        lengths, left, right = LENGTHS if k == 1 else LENGTHS[2:], [], []
        for t in lengths:
            sizes = am.InductionTask(c + k, t, k)
            block = am.gradients.second_step(sizes)[TOKENS, REMAPPED_TOKENS]
            competitor = block.different[0, -1] if k == 1 else block.different[0, 0]
            left.append(block.same[0] - competitor)
            phi = at_length(PHI, t)
            right.append((1 - 1 / c) * factor * phi.p / (phi.q * k * t**3 * c))
        d.equal(
            f"So the library's lead is, for every $N$, with $K {'= 1' if k == 1 else '= 2'}$, "
            f"$T = {lengths[0]}, ..., {lengths[-1]}$:",
            left,
            right,
            latex=r"\frac{K T^2}{u}\,\mathrm{lead}(J_2) = \Big(1 - \frac1{C"
            + (r"^2" if k == 1 else "")
            + r"}\Big) \Phi(T)",
        )

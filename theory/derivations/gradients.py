"""S1 and S2: differentiate the loss, then take the expectation as a finite sum over patterns."""

from __future__ import annotations

import numpy as np
import sympy

import assocmem as am
from assocmem.model.blocks import OUTPUTS, POSITIONS, REMAPPED_POSITIONS, REMAPPED_TOKENS, TOKENS
from theory.derivation import Derivation, Derive
from theory.derivations import fluctuations, lead, step_three
from theory.derivations.any_length import first_step_at_any_length
from theory.derivations.every_block import library_tables, second_step_at_any_length
from theory.derivations.from_the_loss import (
    LENGTHS,
    SETTINGS,
    agree,
    first_table,
    in_words,
    law_of_patterns,
    loss_at_small_logits,
    pattern_sums,
    second_table,
    softmax_at_zero,
)
from theory.population import VOCABULARIES, exact
from theory.rational import C, c


def derive_S1(d: Derivation, lengths: tuple[int, ...] = LENGTHS) -> None:
    d.say(
        r"The loss is $\mathbb{E}\,\ell(y, \xi)$ with $\xi = W_U W_O^2 o_T$; at $W_O^2 = 0$ all "
        "logits vanish."
    )
    loss_at_small_logits(d)
    d.say(
        r"With $\zeta_k = w_U(k)^\top \Delta\, o_T$ for a change $\Delta$ of $W_O^2$, this is the "
        "inner product of $\\Delta$ with",
        r"G_1 = \mathbb{E}\Big[\sum_k \big(1\{y{=}k\} - \tfrac1M\big) w_U(k)\, o_T^\top\Big]",
    )
    atoms = sympy.symbols("c_1:5")
    d.equal(
        r"With $W_K^1 = W_K^2 = 0$ both layers average: $o_T = \frac1T \sum_s W_V^2 x^1_s$ and "
        r"$x^1_s = x_s + \frac1s \sum_{r \le s} \Phi_1 x_r$. So a remapped atom of position $r$ "
        "enters with the weight $h_r$ (four positions):",
        sum(sum(atoms[:s]) / s for s in range(1, 5)),
        sum(atoms[r - 1] * sum(sympy.Rational(1, s) for s in range(r, 5)) for r in range(1, 5)),
        latex=r"\sum_s \frac1s \sum_{r \le s} c_r = \sum_r h_r c_r",
    )
    law_of_patterns(d)
    for vocabulary in VOCABULARIES:
        pairs = [
            (first_table(t, vocabulary), am.gradients.first_step(pattern_sums(t, vocabulary).task))
            for t in lengths
        ]
        agree(
            d,
            f"Sum over the patterns and average over the tokens of a class: every block is the "
            f"library's, as a rational function of $C$ and $K$, for $T$ = {in_words(lengths)} "
            f"({SETTINGS[vocabulary]}).",
            pairs,
            rows=slice(-1, None) if vocabulary == "content" else slice(None),
        )
    first_step_at_any_length(d)
    table = am.gradients.first_step(am.InductionTask(c + 1, 6, "random", "all"))
    block, at_4 = table[OUTPUTS, TOKENS], {C: 3}
    d.equal(
        "Random triggers, $N = 4$, $T = 6$: the two coefficients of the output memory.",
        [e.as_expr().subs(at_4) for e in (block.same[0], block.different[0, 0])],
        [sympy.Rational(1, 48), -sympy.Rational(1, 144)],
        latex=r"\tfrac{1}{48},\quad -\tfrac{1}{144}",
    )


def derive_S2(d: Derivation, lengths: tuple[int, ...] = LENGTHS) -> None:
    d.say(
        r"At $W_O^2 = \eta_1 G_1$ the logits are $\eta_1 \zeta$ with "
        r"$\zeta_k = w_U(k)^\top G_1 o_T$, so only their first order counts at $\eta_1 = 0$."
    )
    loss_at_small_logits(d)
    totals = []
    for t in lengths:
        for vocabulary in VOCABULARIES:
            sums, table = pattern_sums(t, vocabulary), first_table(t, vocabulary)
            labels = slice(-1, None) if vocabulary == "content" else slice(None)
            sizes = exact(sums.sizes)
            for name in (TOKENS, REMAPPED_TOKENS):
                block = table[OUTPUTS, name]
                total = sizes[labels] @ block.different[labels]
                own = block.same - np.diag(block.different)  # one label is the token itself
                total[labels] = total[labels] + own[labels]
                totals += list(total)
            for name in (POSITIONS, REMAPPED_POSITIONS):
                totals += list(sizes[labels] @ table[OUTPUTS, name][labels])
    d.equal(
        r"The mean over $k$ drops out, because $\sum_k (1\{y{=}k\} - \frac1M) = 0$ in every "
        "sequence; on all atoms of step 1:",
        totals,
        [0] * len(totals),
        latex=r"\sum_k w_U(k)^\top G_1 = 0",
    )
    d.say(
        r"What remains is $\mathbb{E}\,w_U(y)^\top G_1 o_T = \mathbb{E} \sum_s a_s u_s$ with "
        r"$a = \sigma(x^{1\top}_T W_K^2 x^1_s)$ and $u_s = w_U(y)^\top G_1 W_V^2 x^1_s$."
    )
    softmax_at_zero(d)
    d.say(
        r"When $W_K^2$ moves by $\Delta$ the score of $s$ moves by $x^{1\top}_T \Delta\, x^1_s$:",
        r"J_2 = \mathbb{E}\big[x^1_T \otimes \mathrm{Cov}_s(u_s, x^1_s)\big]",
    )
    law_of_patterns(d)
    library = library_tables()
    for vocabulary in VOCABULARIES:
        agree(
            d,
            f"Sum over the patterns, with the readout $u_s$ of step 1: all 16 blocks are the "
            f"library's, as rational functions of $C$ and $K$, for $T$ = {in_words(lengths)} "
            f"({SETTINGS[vocabulary]}).",
            [(second_table(t, vocabulary), library[vocabulary, t]) for t in lengths],
        )
    d.say("The same sums at $T = 7$ and $8$ are among the slow tests.")
    second_step_at_any_length(d, library)
    wanted = second_table(lengths[-1], "content")[TOKENS, REMAPPED_TOKENS].same[0]
    d.say(
        f"For example, with fixed triggers, prediction over the content and $T = {lengths[-1]}$, "
        r"the coefficient of $w_E(q) (\Phi_1 w_E(q))^\top$ is",
        sympy.latex(sympy.factor(wanted.as_expr())),
    )


DERIVATIONS: dict[str, Derive] = {
    "S1": derive_S1,
    "S2": derive_S2,
    "S2-sign": lead.derive_sign,
    "S2-limit": lead.derive_limit,
    "S3a": step_three.derive_S3a,
    "S3b": fluctuations.derive_S3b,
}

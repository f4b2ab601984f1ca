"""Derivation of S2: step 2 writes the induction head, a trigger attends to its remapped copy."""

from __future__ import annotations

import numpy as np
import sympy

from assocmem.model.families import OUTPUTS, POSITIONS, REMAPPED_POSITIONS, REMAPPED_TOKENS, TOKENS
from theory.algebra.population import VOCABULARIES, exact
from theory.derivation import Derivation
from theory.steps.every_block import library_tables, second_step_at_any_length
from theory.steps.from_the_loss import (
    SETTINGS,
    SHORT,
    agree,
    first_table,
    in_words,
    law_of_patterns,
    loss_at_small_logits,
    pattern_sums,
    second_table,
    softmax_at_zero,
)


def derive(d: Derivation, lengths: tuple[int, ...] = SHORT) -> None:
    """After a small first step the logits enter to first order only, so the gradient is a
    covariance over positions, between how much attending to a position helps and the vector at that
    position. Positions have three roles (output, trigger, free), and averages over the places of
    these are harmonic sums in closed form.
    """
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
    with d.aside("Bookkeeping at small lengths: sums over patterns"):
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

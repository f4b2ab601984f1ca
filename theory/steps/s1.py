"""Derivation of S1: step 1 writes the output memory, and a second one on the remapped tokens."""

from __future__ import annotations

import sympy

import assocmem as am
from assocmem.model.families import OUTPUTS, REMAPPED_TOKENS, TOKENS
from theory.algebra.harmonic import REMAPPED_OUTPUT, T, at_length, x, y
from theory.algebra.population import VOCABULARIES
from theory.algebra.rational import C, c
from theory.derivation import Derivation
from theory.steps.any_length import LENGTHS, harmonic_sums, readouts, task
from theory.steps.from_the_loss import (
    SETTINGS,
    SHORT,
    agree,
    first_table,
    in_words,
    law_of_patterns,
    loss_at_small_logits,
    pattern_sums,
)


def first_step_at_any_length(d: Derivation) -> None:
    """S1 with T a symbol, from the probabilities of who stands where."""
    d.say(
        r"At any $T$: average over $\tau$ the weights ($1$, then $h_r$) of the output's position, "
        r"$w_o$, of the two triggers, $w_q$, and of all positions, $w$; then $w_o = 1$, $w_q = 2$, "
        r"$w = T$ for $w_E$. For $\Phi_1 w_E$, with $x = H_T$, use the sums below."
    )
    with d.aside("Bookkeeping: sums over positions that telescope"):
        harmonic_sums(d)
    d.say(
        r"So $w_o = H := \frac{T - x - 1/T}{T-2}$, $w_q = \frac{T - 1/(T-1) - 2/T}{T-2} + "
        r"\frac1T$, $w = T$. With fixed triggers, a content label $k$ and $w_c = w - w_q$: "
        r"$P(y{=}k, z_r{=}i)$ is $1\{i{=}k\}/C$ at the output and $1/C^2$ at a free position. With "
        r"random triggers it is $1\{i{=}k\}/N$ at the output, $1\{i \ne k\}/(N(N-1))$ at a trigger "
        r"and, free, $1/(N(N-1))$ for $i = k$ and $(N-2)/(N(N-1)^2)$ otherwise."
    )
    for vocabulary in VOCABULARIES:
        left, right = [], []
        for length in LENGTHS:
            table = am.gradients.first_step(task(length, vocabulary))
            for kind, tokens in (("direct", TOKENS), ("remapped", REMAPPED_TOKENS)):
                block, readout = table[OUTPUTS, tokens], readouts(vocabulary)[kind]
                left += [block.same[-1], block.different[-1, -1], block.different[-1, 0]]
                right += [at_length(value, length) / length for value in readout]
        d.equal(
            f"These are the library's blocks of the tokens, $T = 3, ..., 8$ ({vocabulary}).",
            left,
            right,
            latex=_FORMULAS[vocabulary],
        )
    d.say(
        "Fixed triggers and content, $N \\to \\infty$: the second memory is as strong as the "
        "first. Their ratio is $H$, with $x = \\ln T + \\gamma + O(1/T)$,",
        r"H = 1 - \frac{\ln T + \gamma - 2}{T} + O\Big(\frac{\ln T}{T^2}\Big)",
    )
    series = sympy.series(REMAPPED_OUTPUT.subs(T, 1 / y), y, 0, 2).removeO()
    d.equal(
        "by expanding in $1/T$ at fixed $x$:",
        series,
        1 - (x - 2) * y,
        latex=r"H = 1 - "
        r"\frac{x-2}{T} + O(x T^{-2})",
    )


_FORMULAS = {
    "content": r"w_U(k)\text{ to } i: \frac{w_o}{T C}\big(\delta_{ik} - \tfrac1C\big),\ "
    r"\text{trigger: } 0",
    "all": r"\frac1T\Big(\frac{w_o \delta_{ik}}{C} + \frac{w_c - w_o}{C^2} - \frac{w_c}{C N}\Big),"
    r"\ \text{trigger: } \frac{w_q}{T K}\big(\tfrac1C - \tfrac1N\big)",
    "random": r"i = k: s = \frac{1}{T N^2}\Big(w_o (N-1) - w_q + \frac{w - w_q - w_o}{N-1}\Big),"
    r"\quad i \ne k: -\frac{s}{N-1}",
}


def derive(d: Derivation, lengths: tuple[int, ...] = SHORT) -> None:
    """At zero weights every class has the probability $1/M$ and attention averages, so the
    gradient correlates labels with averaged tokens. Counting which token stands where makes it a
    sum over positions, which telescopes.
    """
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
    with d.aside("Bookkeeping at small lengths: sums over patterns"):
        law_of_patterns(d)
        for vocabulary in VOCABULARIES:
            pairs = [
                (
                    first_table(t, vocabulary),
                    am.gradients.first_step(pattern_sums(t, vocabulary).task),
                )
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

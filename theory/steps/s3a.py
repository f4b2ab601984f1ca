"""Derivation of S3a: at zero lead, step 3 favours no position; its slope in the lead builds the
head."""

from __future__ import annotations

import sympy
from sympy import Symbol, exp

import assocmem as am
from theory.algebra.population import VOCABULARIES
from theory.derivation import Derivation
from theory.steps.from_the_loss import (
    SETTINGS,
    SHORT,
    agree,
    first_table,
    in_words,
    law_of_patterns,
    pattern_sums,
    second_table,
    softmax_at_zero,
)


def derive(d: Derivation, lengths: tuple[int, ...] = SHORT) -> None:
    r"""Layer 1 moves $x^1_t$, and with it the value at $t$ and the scores of layer 2; each effect
    is the derivative of a softmax. At $\lambda = 0$ only the value matters, and it is constant
    along the inner part of a row; the slope in $\lambda$ is what can prefer the previous position.
    """
    d.say(
        r"As in step 2, at $W_O^2 = \eta_1 G_1$ the derivative at $\eta_1 = 0$ of the loss is "
        r"that of $-\mathbb{E} \sum_s a_s u_s$, now with $a_s = \sigma(b)_s$, "
        r"$b_s = \lambda\, x^{1\top}_T \hat J_2 x^1_s$."
    )
    stream_of_one_position(d)
    softmax_at_zero(d)
    d.say(
        r"For layer 1 the same formula holds with $x^1_t$ in place of the read value: more score "
        r"of $t$ on $r$ moves $x^1_t$ along $\frac1t (\Phi_1 x_r - \frac1t \sum_{r' \le t} \Phi_1 "
        r"x_{r'})$. The score is $p_t^\top W_K^1 p_r$ plus blocks with tokens, which gives the "
        "statement's position block."
    )
    u, b, tilt = sympy.symbols("u_1:4"), sympy.symbols("b_1:4"), Symbol("lambda")
    weights = [exp(tilt * s) for s in b]
    a = [w / sum(weights) for w in weights]
    d.equal(
        r"Value $A$: at $\lambda = 0$ attention is uniform and $D_t = \frac1T G_1^\top w_U(y)$. "
        r"Slope $B$: the attention tilts (three positions), and the two other parts of $D_t$, "
        r"which have a factor $\lambda$, are taken at uniform attention.",
        [sympy.diff(p, tilt).subs(tilt, 0) for p in a],
        [(s - sum(b) / 3) / 3 for s in b],
        latex=r"\frac{d a_s}{d\lambda}\Big|_0 = \frac1T \big(b_s - \bar b\big)",
    )
    d.equal(
        r"At $\lambda = 0$ the read value is the mean of $u$.",
        sum(p * v for p, v in zip(a, u, strict=True)).subs(tilt, 0),
        sum(u) / 3,
        latex=r"\sum_s a_s u_s|_{\lambda=0} = \bar u",
    )
    with d.aside("Bookkeeping at small lengths: sums over patterns"):
        law_of_patterns(d)
        for vocabulary in VOCABULARIES:
            values, slopes = [], []
            for t in lengths:
                sums, second = pattern_sums(t, vocabulary), second_table(t, vocabulary)
                value, slope = sums.third_step(first_table(t, vocabulary), second)
                values.append((value, am.gradients.third_step(sums.task, 0, second=second)))
                slopes.append((slope, am.gradients.third_step_slope(sums.task, second=second)))
            for name, pairs in (("value $A$", values), ("slope $B$", slopes)):
                agree(
                    d,
                    f"Sum over the patterns: the {name} is the library's, as a rational function "
                    f"of $C$ and $K$, for $T$ = {in_words(lengths)} ({SETTINGS[vocabulary]}).",
                    pairs,
                )
    d.say(
        "The same identities at $T = 7$ and $8$ are among the slow tests. Beyond, they rest on the "
        "library's use of the same independence given $(q, o, \\tau)$ at every $T$."
    )


def stream_of_one_position(d: Derivation) -> None:
    """How Σ a_s u_s changes when one x¹_t moves: the three parts of D_t."""
    eps, lam = Symbol("epsilon"), Symbol("lambda")
    u, b = sympy.symbols("u_1:4"), sympy.symbols("b_1:4")
    value, key, query = Symbol("v"), Symbol("k"), sympy.symbols("q_1:4")
    for t, last in ((0, False), (2, True)):
        scores = [s + (eps * lam * key if i == t else 0) for i, s in enumerate(b)]
        if last:
            scores = [s + eps * lam * q for s, q in zip(scores, query, strict=True)]
        values = [v + (eps * value if i == t else 0) for i, v in enumerate(u)]
        total = sum(exp(s) for s in scores)
        read = sum(exp(s) * v for s, v in zip(scores, values, strict=True)) / total
        a = [exp(s) / sum(exp(r) for r in b) for s in b]
        mean = sum(w * v for w, v in zip(a, u, strict=True))
        right = a[t] * value + a[t] * (u[t] - mean) * lam * key
        if last:
            right += sum(w * (v - mean) * lam * q for w, v, q in zip(a, u, query, strict=True))
        d.equal(
            f"If $x^1_t$ moves by $\\epsilon \\delta$, {'t = T' if last else 't < T'}, then $u_t$ "
            r"moves by $\epsilon v$, $v = w_U(y)^\top G_1 W_V^2 \delta$, the score $b_t$ by "
            r"$\epsilon \lambda k$, $k = x^{1\top}_T \hat J_2 \delta$"
            + (
                r", and as $t$ is also the query every score $b_s$ by $\epsilon \lambda q_s$, "
                r"$q_s = \delta^\top \hat J_2 x^1_s$ (three positions):"
                if last
                else " (three positions):"
            ),
            sympy.diff(read, eps).subs(eps, 0),
            right,
            latex=r"\frac{d}{d\epsilon}\Big|_0 \sum_s a_s u_s = a_t v + a_t (u_t - \bar u)"
            r"\, \lambda k" + (r" + \sum_s a_s (u_s - \bar u)\, \lambda q_s" if last else ""),
        )

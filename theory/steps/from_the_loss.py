"""What the derivations of S1, S2 and S3 share: derivatives at zero, sums over patterns."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from sympy import Symbol, exp, log

from assocmem.model.blocks import BlockTable
from theory.algebra.population import PatternSums, differences
from theory.algebra.rational import RING
from theory.derivation import Derivation

SHORT = (3, 4, 5, 6)


SETTINGS = {
    "content": "fixed triggers, prediction over the content",
    "all": "fixed triggers, prediction over all tokens",
    "random": "random triggers",
}


@lru_cache
def pattern_sums(length: int, vocabulary: str) -> PatternSums:
    return PatternSums(length, vocabulary)


@lru_cache
def first_table(length: int, vocabulary: str) -> BlockTable:
    return pattern_sums(length, vocabulary).first_step()


@lru_cache
def second_table(length: int, vocabulary: str) -> BlockTable:
    return pattern_sums(length, vocabulary).second_step(first_table(length, vocabulary))


def agree(d: Derivation, text: str, pairs: Any, rows: Any = slice(None)) -> None:
    """All coefficients of pairs of tables are the same rational functions."""
    found = set().union(*(differences(a, b, rows=rows) for a, b in pairs))
    worst = min((e for e in found if e != 0), key=sympy.count_ops, default=sympy.Integer(0))
    d.equal(text, worst, 0, latex="")


def in_words(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


def loss_at_small_logits(d: Derivation) -> None:
    """The loss is -E[ζ_y - mean ζ] to first order in logits ε ζ."""
    zeta, eps = sympy.symbols("zeta_1:4", real=True), Symbol("epsilon")
    loss = log(sum(exp(eps * z) for z in zeta)) - eps * zeta[0]
    d.equal(
        "At zero logits every class has the probability $1/M$, and along logits "
        r"$\epsilon \zeta$ the cross-entropy changes as follows (written for $M = 3$, $y = 1$).",
        -sympy.diff(loss, eps).subs(eps, 0),
        zeta[0] - sum(zeta) / 3,
        latex=r"-\frac{d}{d\epsilon}\Big|_0 \ell(y, \epsilon\zeta) = \zeta_y"
        r" - \frac1M \sum_k \zeta_k",
    )


def softmax_at_zero(d: Derivation) -> None:
    """Cov_s(u_s, .) is what a uniform softmax does to its scores."""
    u, b = sympy.symbols("u_1:4"), sympy.symbols("b_1:4")
    read = sum(exp(s) * v for s, v in zip(b, u, strict=True)) / sum(exp(s) for s in b)
    zero = dict.fromkeys(b, 0)
    d.equal(
        "Through a softmax with equal scores, more score on $s$ moves the read value towards "
        "$u_s$ (three positions):",
        [sympy.diff(read, s).subs(zero) for s in b],
        [(v - sum(u) / 3) / 3 for v in u],
        latex=r"\frac{\partial}{\partial b_s} \sum_{s'} \sigma(b)_{s'} u_{s'}\Big|_{b=0}"
        r" = \frac1T (u_s - \bar u)",
    )


def law_of_patterns(d: Derivation) -> None:
    d.say(
        "A sequence is, up to the names of its tokens, a pattern: the place $\\tau$ and the set "
        "partition of the other $T - 2$ positions by equal tokens. A pattern with $b$ content "
        "tokens has the probability below, so expectations are finite sums, exact in $C$ (which "
        "is $N - K$, or $N - 1$ with random triggers) and in $K$.",
        r"\frac{1}{T-2}\,\frac{C (C-1) \cdots (C-b+1)}{C^{T-2}}",
    )
    d.equal(
        "These probabilities sum to 1, for $T = 3, ..., 6$.",
        [
            pattern_sums(t, "all").expectation(lambda pattern: {"1": np.array([RING.one])})["1"]
            for t in SHORT
        ],
        [[1]] * len(SHORT),
        latex=r"\sum_b S(T-2, b)\, C (C-1) \cdots (C-b+1) = C^{T-2}",
    )

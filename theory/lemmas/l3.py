"""Derivation of L3: at zero, the gradient of one attention layer stores which inputs carry the
answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy

import assocmem as am
from assocmem import _statistics
from theory.algebra.calculus import cross_entropy, gradient, rational, symbols
from theory.derivation import Derivation


def derive(d: Derivation) -> None:
    """At $W = 0$ all scores are equal, and raising the score of one input moves the output of
    attention towards that input, away from the mean. So the gradient pairs the query with each
    input, weighted by how much attending to it lowers the loss.
    """
    B, T, M, width = 2, 3, 2, 2
    x, outputs = symbols("x", B, T, width), symbols("u", M, width)
    Phi2, W = symbols(r"\phi", width, width), symbols("W", width, width)
    weight, targets = symbols(r"\pi", B, positive=True), [0, 1]
    at_zero = dict.fromkeys(W.ravel(), 0)
    d.say(
        "The definition: the last input is the query, $W$ the key-query matrix, and the mean is "
        f"over sequences with probabilities $\\pi$. Here {B} sequences of $T = {T}$ inputs in "
        f"$\\mathbb{{R}}^{width}$, $M = {M}$ labels, every entry a symbol.",
        r"\xi = W_U \Phi_2 \sum_t \sigma(x_T^\top W x_t)\, x_t, \qquad"
        r" L(W) = \sum_X \pi(X)\,\ell(y, \xi)",
    )
    s, c = symbols("s", T), symbols("c", T)
    d.equal(
        "At equal scores, the softmax weights what it averages by the distance to the mean: for "
        "any numbers $c_t$,",
        [sympy.diff(_statistics.softmax(s) @ c, entry).subs(dict.fromkeys(s, 0)) for entry in s],
        (c - c.sum() / sympy.Integer(T)) / sympy.Integer(T),
        latex=r"\frac{\partial}{\partial s_t} \sum_r \sigma(s)_r\, c_r \Big|_{s = 0}"
        r" = \tfrac1T\,(c_t - \bar c)",
    )
    loss: Any = 0
    for sequence, label, probability in zip(x, targets, weight, strict=True):
        attention = _statistics.softmax(sequence @ (sequence[-1] @ W))
        loss = loss + probability * cross_entropy(outputs @ Phi2 @ (attention @ sequence), label)
    expected: Any = 0
    for sequence, label, probability in zip(x, targets, weight, strict=True):
        centred = sequence - sequence.sum(axis=0) / sympy.Integer(T)
        read = sequence @ (outputs @ Phi2).T
        mean_logits = read.sum(axis=0) / sympy.Integer(T)
        residual = np.eye(M, dtype=int)[label] - _statistics.softmax(mean_logits)
        key = (read @ residual) @ centred / sympy.Integer(T)
        expected = expected + probability * np.outer(sequence[-1], key)
    descent = np.vectorize(lambda entry: -entry.subs(at_zero), otypes=[object])(gradient(loss, W))
    d.equal(
        "Differentiate $L$ by each entry of $W$ and set $W = 0$. The score of $t$ is "
        "$x_T^\\top W x_t$, so it moves $W$ along $x_T x_t^\\top$; what it is worth is the reading "
        "of $\\Phi_2 x_t$ by the residual; and $\\sum_t (c_t - \\bar c)\\, x_t = \\sum_t c_t\\, "
        "(x_t - \\bar x)$:",
        rational(descent),
        rational(expected),
        latex=r"-\nabla L(0) = \mathbb{E} \sum_k (1\{y{=}k\} - \hat p(k|X))\,\tfrac1T \sum_t"
        r" (w_U(k)^\top \Phi_2 x_t)\; x_T (x_t - \bar x)^\top",
    )
    d.equal(
        "This is the library's memory, `gradients.attention_step`, which pairs every query $x_T$ "
        "with its key.",
        rational(am.gradients.attention_step(x, targets, outputs, Phi2, weights=weight).matrix),
        rational(expected),
        latex=r"-\nabla L(0) = \sum_X \pi(X)\; x_T\,\Big(\sum_t c_t\,(x_t - \bar x)\Big)^{\!\top},"
        r"\quad c_t = \tfrac1T \sum_k (1\{y{=}k\} - \hat p(k|X))\, w_U(k)^\top \Phi_2 x_t",
    )

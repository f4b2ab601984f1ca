"""Derivation of L1: the gradient of a linear memory is a memory; one step recalls the likeliest
label."""

from __future__ import annotations

import numpy as np
import sympy

import assocmem as am
from assocmem import _statistics
from theory.algebra.calculus import cross_entropy, gradient, rational, symbols
from theory.derivation import Derivation


def second_derivative_of_cross_entropy(d: Derivation) -> None:
    """The curvature along a line is a variance, so never negative."""
    xi, a = symbols(r"\xi", 3), symbols("a", 3)
    t = sympy.Symbol("t", real=True)
    curvature = sympy.diff(cross_entropy(xi + t * a, 0), t, 2).subs(t, 0)
    p = _statistics.softmax(xi)
    pairs = [(k, l) for k in range(3) for l in range(k)]
    variance = sum(p[k] * p[l] * (a[k] - a[l]) ** 2 for k, l in pairs)
    d.equal(
        "Convex: move along a line, $W + tD$. The logits of a key move as $\\xi + ta$, and the "
        "second derivative of $\\ell$ is the variance of $a$ under $\\hat p$ (here $M = 3$),",
        curvature,
        variance,
        latex=r"\frac{d^2}{dt^2}\Big|_0 \ell(y, \xi + ta)"
        r" = \sum_{k < l} \hat p_k \hat p_l\,(a_k - a_l)^2",
    )
    d.holds(
        "which is never negative. $L$ is a mean of such terms, along every line, from any $W$.",
        variance >= 0,
        latex=r"\sum_{k < l} \hat p_k \hat p_l\,(a_k - a_l)^2 \ge 0",
    )


def derive(d: Derivation) -> None:
    """The loss is a mean of cross-entropies whose logits are linear in $W$, so the chain rule gives
    an outer product of an output and a key for every pair. At $W = 0$ the prediction is uniform, so
    the scores of two labels differ by their probabilities alone.
    """
    N, M, width = 2, 3, 2
    keys, values, W = symbols("e", N, width), symbols("u", M, width), symbols("W", width, width)
    joint = symbols("p", M, N, positive=True)
    d.say(
        "The definition: logits $\\xi(z) = W_U W w_E(z)$ and the mean of the cross-entropy over "
        "the joint law $p(k, z)$ of label and key. Every entry of $W$, of the embeddings "
        f"and of $p$ is a symbol, for $N = {N}$ keys, $M = {M}$ labels, width {width}.",
        r"L(W) = \sum_{k,z} p(k, z)\,\ell(k, \xi(z)), \qquad"
        r" \ell(k, \xi) = \ln \sum_j e^{\xi_j} - \xi_k",
    )
    xi = symbols(r"\xi", M)
    d.equal(
        "By the logits, the derivative of one term is prediction minus label.",
        gradient(cross_entropy(xi, 0), xi),
        _statistics.softmax(xi) - np.eye(M, dtype=int)[0],
        latex=r"\frac{\partial \ell(y, \xi)}{\partial \xi_k} = \hat p(k) - 1\{y = k\}, \qquad"
        r" \hat p(k) = \frac{e^{\xi_k}}{\sum_j e^{\xi_j}}",
    )
    d.equal(
        "By the matrix, the derivative of a logit is an outer product.",
        gradient(values[0] @ W @ keys[0], W),
        np.outer(values[0], keys[0]),
        latex=r"\nabla_W\, w_U(k)^\top W w_E(z) = w_U(k)\, w_E(z)^\top",
    )
    logits = values @ W @ keys.T
    loss = sum(joint[k, z] * cross_entropy(logits[:, z], k) for k, z in np.ndindex(*joint.shape))
    d.equal(
        "Differentiate $L$ by each entry of $W$, at any $W$: minus this is the library's memory, "
        "`gradients.linear_step`.",
        rational(gradient(loss, W)),
        rational(-am.gradients.linear_step(keys, values, joint, matrix=W).matrix),
        latex=r"\nabla L(W) = \sum_k \sum_z"
        r" \big(\hat p_W(k|z)\, p(z) - p(k, z)\big)\, w_U(k) w_E(z)^\top",
    )
    second_derivative_of_cross_entropy(d)
    eta = sympy.Symbol("eta", positive=True)
    step = eta * am.gradients.linear_step(np.eye(N, dtype=int), np.eye(M, dtype=int), joint)
    scores = step.scores()
    d.equal(
        "One step of size $\\eta$ from $W = 0$, where $\\hat p = 1/M$, with orthonormal "
        "embeddings: the score of label $k$ at key $z$ is",
        scores,
        eta * (joint - joint.sum(axis=0) / sympy.Integer(M)),
        latex=r"w_U(k)^\top W w_E(z) = \eta\, p(z)\,\big(p(k|z) - \tfrac1M\big),",
    )
    d.equal(
        "so two labels are told apart by their probabilities alone: the largest score belongs to "
        "the most likely label, at every key that occurs, whatever $\\eta > 0$.",
        scores[0, 0] - scores[1, 0],
        eta * (joint[0, 0] - joint[1, 0]),
        latex=r"w_U(k)^\top W w_E(z) - w_U(l)^\top W w_E(z)"
        r" = \eta\, p(z)\,\big(p(k|z) - p(l|z)\big)",
    )

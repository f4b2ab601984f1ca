"""Derivation of L2: with noisy inputs, one step keeps the token and drops the independent noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from sympy import Rational

import assocmem as am
from assocmem import _statistics
from theory.algebra.calculus import cross_entropy, gradient, rational, symbols
from theory.derivation import Derivation


def derive(d: Derivation) -> None:
    """Only the mean input of each label enters the gradient, and independent noise has the same
    mean under every label. So it cancels between the mean of a label and that of the model, and the
    token stays.
    """
    S, M, width = 3, 2, 2
    x, values, W = symbols("x", S, width), symbols("u", M, width), symbols("W", width, width)
    joint = symbols("p", M, S, positive=True)
    logits = values @ W @ x.T
    loss = sum(joint[k, s] * cross_entropy(logits[:, s], k) for k, s in np.ndindex(*joint.shape))
    d.say(
        "The definition, for an input $x$ that is any random vector, here with "
        f"{S} symbolic values in $\\mathbb{{R}}^{width}$ and $M = {M}$ labels:",
        r"L(W) = \sum_{k,x} p(y{=}k, x)\,\ell(k, W_U W x)",
    )
    label = joint.sum(axis=1)
    predicted = _statistics.softmax(logits, axis=0) * joint.sum(axis=0)  # p̂(k|x) p(x)
    mean, mean_predicted = (table @ x / label[:, None] for table in (joint, predicted))
    d.say(
        "The mean input of a label, and the mean input that the model gives to it:",
        r"\mu_k = \frac{\sum_x p(y{=}k, x)\, x}{p(y{=}k)}, \qquad"
        r" \hat\mu_k = \frac{\sum_x \hat p_W(k|x)\, p(x)\, x}{p(y{=}k)}",
    )
    by_label: Any = sum(
        label[k] * np.outer(values[k], mean_predicted[k] - mean[k]) for k in range(M)
    )
    d.equal(
        "Differentiate $L$ by each entry of $W$, at any $W$: label by label, the two means "
        "replace each other,",
        rational(gradient(loss, W)),
        rational(by_label),
        latex=r"\nabla L(W) = \sum_k p(y{=}k)\, w_U(k)\, (\hat\mu_k - \mu_k)^\top",
    )
    d.equal(
        "and minus this is the library's memory, `gradients.noisy_linear_step`: the keys are "
        "differences of means, the coefficients the probabilities of the labels.",
        rational(am.gradients.noisy_linear_step(x, values, joint, matrix=W).matrix),
        rational(-by_label),
        latex=r"\mathrm{keys}\ \mu_k - \hat\mu_k, \quad \mathrm{values}\ w_U(k), \quad"
        r" \mathrm{coefficients}\ p(y{=}k)",
    )
    noise_is_dropped(d)


def noise_is_dropped(d: Derivation) -> None:
    """x = w_E(y) + p_t: exact coefficients after one step from zero."""
    N = sympy.Symbol("N", positive=True, integer=True)
    d.say(
        "Now $x = w_E(y) + p_t$, $y$ uniform and $t$ independent of it, $W = 0$. With "
        r"$\bar p = \mathbb{E}\, p_t$, both means contain $\bar p$, and it cancels:",
        r"\mu_k = w_E(k) + \bar p, \qquad \hat\mu_k = \tfrac1N \textstyle\sum_i w_E(i) + \bar p",
    )
    d.equal(
        "The step $-\\eta \\nabla L$ writes $\\frac{\\eta}{N}(\\mu_k - \\hat\\mu_k)$ under "
        "$w_U(k)$. Its coefficients on $w_E(k)$ and on every other $w_E(i)$, over $\\eta$, are",
        [(1 - 1 / N) / N, (0 - 1 / N) / N],
        [(N - 1) / N**2, -1 / N**2],
        latex=r"\tfrac1N\big(1 - \tfrac1N\big) = \frac{N - 1}{N^2}, \qquad"
        r" \tfrac1N\big(0 - \tfrac1N\big) = -\frac1{N^2}",
    )
    eta = sympy.Symbol("eta", positive=True)
    for n in (2, 3, 4):
        law = symbols("r", 2, positive=True)
        law[1] = 1 - law[0]  # of t
        atoms = np.eye(n + 2, dtype=int)  # w_E(1..n), p_1, p_2: orthonormal
        x = np.array([atoms[y] + atoms[n + t] for y in range(n) for t in range(2)])
        joint = np.kron(np.eye(n, dtype=int), law) * Rational(1, n)  # the token is the label
        step = eta * am.gradients.noisy_linear_step(x, np.eye(n, dtype=int), joint)
        expected = eta * (n * np.eye(n, dtype=int) - 1) * Rational(1, n**2)
        d.equal(
            f"The library's step at $N = {n}$ with two positions of any law $(r_1, 1 - r_1)$: on "
            "the tokens the wanted coefficients, on the positions nothing.",
            step.scores(keys=atoms),
            np.hstack([expected, np.zeros((n, 2), dtype=int)]),
            latex=rf"w_E(k): {sympy.latex(expected[0, 0])}, \quad"
            rf" w_E(i \ne k): {sympy.latex(expected[0, 1])}, \quad p_1, p_2: 0",
        )

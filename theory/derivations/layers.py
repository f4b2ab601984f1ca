"""L1, L2, L3: differentiate the cross-entropy of a layer, all of whose entries are symbols."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Rational

import assocmem as am
from assocmem import _statistics
from theory.derivation import Derivation, Derive

Array = NDArray[Any]


def symbols(letter: str, *shape: int, **assumptions: bool) -> Array:
    """An array of real symbols: letter_{ij}, counted from 1 as in the formulas."""
    table = np.empty(shape, dtype=object)
    for index in np.ndindex(shape):
        subscript = "".join(str(i + 1) for i in index)
        table[index] = sympy.Symbol(f"{letter}_{{{subscript}}}", **({"real": True} | assumptions))
    return table


def cross_entropy(logits: Array, label: int) -> Any:
    """-ln p̂(label), p̂ the softmax of the logits."""
    return sympy.log(sum(sympy.exp(logit) for logit in logits)) - logits[label]


def gradient(loss: Any, matrix: Array) -> Array:
    """The derivative of the loss by every entry of a matrix of symbols."""
    return np.vectorize(lambda entry: sympy.diff(loss, entry), otypes=[object])(matrix)


def rational(table: Array) -> Array:
    """The same entries with every exponential e^x read as a symbol of that name.

    What is then equal as a rational function, which SymPy decides fast, is equal before.
    """

    def named(exponent: Any) -> Any:
        return sympy.Symbol(f"exp({sympy.expand(exponent)})", positive=True)

    return np.vectorize(lambda entry: entry.replace(sympy.exp, named), otypes=[object])(table)


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


def linear_memory(d: Derivation) -> None:
    """L1."""
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


def noisy_memory(d: Derivation) -> None:
    """L2."""
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


def attention_layer(d: Derivation) -> None:
    """L3."""
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


DERIVATIONS: dict[str, Derive] = {
    "L1": linear_memory,
    "L2": noisy_memory,
    "L3": attention_layer,
}

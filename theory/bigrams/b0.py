"""Derivation of B0: one step on W_F stores the bigrams, each token at the pace of its frequency."""

from __future__ import annotations

import sympy
from sympy import Rational, Symbol, exp, log, symbols

from theory.derivation import Derivation


def derive(d: Derivation) -> None:
    """At zero the loss is a sum over current tokens, so each column of the step is the law of the
    next token minus the uniform law, times the frequency of the current token. Near a uniform
    prediction this direction is an eigenvector of the Hessian, so each step goes the same share of
    the remaining way.
    """
    d.say(
        r"With zero attention and $W_O^2 = 0$ the logits are $\xi_t = W_U (I + W_F) x^1_t$, and "
        r"the token block $F$ of $W_F$ adds $F_{k i}$ to the logit of $k$ where $z_t = i$ "
        r"(orthonormal atoms). The loss is the mean over $t$, so as far as $F$ goes it is the sum "
        "over tokens",
        r"L(F) = \sum_i m_i \sum_k \bar\pi_i(k)\, \big(-\ln \mathrm{softmax}(F_{\cdot i})_k\big)",
    )
    scores, law = symbols("F_1:4", real=True), symbols("pi_1:3", positive=True)
    m, n = Symbol("m", positive=True), 3
    law = (*law, 1 - sum(law))
    partition = log(sum(map(exp, scores)))
    loss = m * sum(p * (partition - s) for p, s in zip(law, scores, strict=True))
    zero = dict.fromkeys(scores, 0)
    d.equal(
        "Its descent direction at $F = 0$ (one column, $N = 3$):",
        [-sympy.diff(loss, s).subs(zero) for s in scores],
        [m * (p - Rational(1, n)) for p in law],
        latex=r"-\frac{\partial L}{\partial F_{ki}}\Big|_0 = m_i \big(\bar\pi_i(k) - \tfrac1N\big)",
    )
    hessian = sympy.hessian(loss, scores).subs(zero)
    d.equal(
        "The second derivative at 0 is the covariance of a uniform class,",
        list(hessian),
        list(m * (sympy.eye(n) / n - sympy.ones(n) / n**2)),
        latex=r"\nabla^2 L = m_i \big(\tfrac1N I - \tfrac{1}{N^2} 1 1^\top\big)",
    )
    direction = sympy.Matrix([p - Rational(1, n) for p in law])
    d.equal(
        r"of which $\bar\pi_i - \frac1N$, whose entries sum to 0, is an eigenvector:",
        list(hessian * direction),
        list(m / n * direction),
        latex=r"\nabla^2 L\, (\bar\pi_i - \tfrac1N) = \tfrac{m_i}{N} (\bar\pi_i - \tfrac1N)",
    )
    eta, step = Symbol("eta", positive=True), Symbol("n", integer=True, positive=True)
    gone = 1 - (1 - eta * m / n) ** step
    d.equal(
        "So gradient steps of size $\\eta$ stay on this line, and the part $a$ of the way to "
        r"$N (\bar\pi_i - \frac1N)$ obeys $a \leftarrow a + \eta \frac{m_i}{N} (1 - a)$:",
        sympy.expand(gone.subs(step, step + 1) - gone - eta * m / n * (1 - gone)),
        0,
        latex=r"a_n = 1 - (1 - \eta m_i / N)^n",
    )
    x = symbols("x_1:3")
    x = (*x, -sum(x))  # a small direction
    epsilon = Symbol("epsilon")
    softmax = [exp(n * epsilon * s) / sum(exp(n * epsilon * r) for r in x) for s in x]
    d.equal(
        r"There the prediction is right to first order in $\bar\pi_i - \frac1N = \epsilon x$:",
        [sympy.diff(p, epsilon).subs(epsilon, 0) for p in softmax],
        list(x),
        latex=r"\mathrm{softmax}(N \epsilon x) = \tfrac1N + \epsilon x + O(\epsilon^2)",
    )

"""Derivation of B3-flow: with the bigrams in W_F, W_O2 grows as t G₁, and W_K2 as t²/2 J₂[P G₁]."""

from __future__ import annotations

import sympy
from sympy import Matrix, Symbol, exp, log, symbols

from theory.derivation import Derivation

OUTPUTS = 3


def derive(d: Derivation) -> None:
    """W_F reads what W_O2 writes along the tokens, so that half of W_O2 copies the other through S.
    What is left is a softmax regression of the label on o_t, whose gradient steps are a geometric
    sum along each eigenvector of the second derivative.
    """
    d.say(
        r"Let $A$ and $B$ be the coefficients of $W_O^2$ at rows $w_U$ and $w_E$. Atoms are "
        r"orthonormal, so $W_U (1 + W_F)$ takes $w_U(k)$ to $k$ and $w_E(i)$ to column $i$ of $S$: "
        "the logits at zero attention are",
        r"\xi_t = S_{\cdot z_t} + (A + S B)\, o_t .",
    )
    n = OUTPUTS
    S = Matrix(n, n, symbols(f"S_1:{n + 1}_1:{n + 1}", real=True))
    A = Matrix(symbols(f"A_1:{n + 1}", real=True))  # the key of one atom; o_t has o of it
    B = Matrix(symbols(f"B_1:{n + 1}", real=True))
    o = Symbol("o", real=True)
    logits = S[:, 0] + (A + S * B) * o  # the current token is 0
    loss = log(sum(map(exp, logits))) - logits[1]  # the next one 1
    law = Matrix([exp(x) for x in logits]) / sum(map(exp, logits))
    residual = Matrix([int(k == 1) for k in range(n)]) - law
    down = Matrix([-sympy.diff(loss, a) for a in A])
    d.equal(
        "One position, one key, $N = 3$. Rows $w_U$ descend by",
        list(down),
        list(residual * o),
        latex=r"-\frac{\partial L}{\partial A_k} = \big(1\{z_{t+1} = k\} - \hat p_t(k)\big)\, o",
    )
    d.equal(
        "and rows $w_E$ by $S^\\top$ times as much,",
        [-sympy.diff(loss, b) for b in B],
        list(S.T * residual * o),
        latex=r"-\nabla_B L = S^\top (-\nabla_A L).",
    )
    d.equal(
        "So from zero $B = S^\\top A$ at all times, and the answers to $o_t$ are",
        list((A + S * B).subs(dict(zip(B, S.T * A, strict=True)))),
        list((sympy.eye(n) + S * S.T) * A),
        latex=r"A + S B = P A,\qquad P = 1 + S S^\top .",
    )
    moved = Matrix(symbols(f"M_1:{n + 1}", real=True))
    size = Symbol("epsilon", real=True)
    scores = S[:, 0] + size * moved * o
    softmax = Matrix([exp(x) for x in scores]) / sum(map(exp, scores))
    p = softmax.subs(size, 0)
    d.equal(
        r"To first order answers $M$ take off $-\nabla_A L$ the covariance of the class,",
        [sympy.diff(x * o, size).subs(size, 0) for x in softmax],
        list((sympy.diag(*p) - p * p.T) * moved * o**2),
        latex=r"H[M] = \mathbb{E} \tfrac1T \sum_t \big(\mathrm{diag}\, \hat p_t - \hat p_t "
        r"\hat p_t^\top\big) M\, o_t o_t^\top .",
    )
    _steps(d)


def _steps(d: Derivation) -> None:
    """What gradient steps do along one eigenvector."""
    eta, mu, g, j = symbols("eta mu g j", positive=True)
    n = Symbol("n", integer=True, positive=True)
    along = g * (1 - (1 - eta * mu) ** n) / mu
    d.say(
        r"So $A \leftarrow A + \eta\,(G_1 - H[P A])$. $H P$ has the eigenvalues of $P^{1/2} H "
        r"P^{1/2}$, real and at least 0. Along an eigenvector of eigenvalue $\mu$, on which $G_1$ "
        "has the coefficient $g$,",
    )
    d.equal(
        "the steps from $A_0 = 0$ sum to a geometric series,",
        [along.subs(n, n + 1), along.subs(n, 0)],
        [along + eta * (g - mu * along), 0],
        latex=r"A_n = g\, \frac{1 - (1 - \eta\mu)^n}{\mu},",
    )
    t = Symbol("t", positive=True)
    flow = g * (1 - exp(-mu * t)) / mu
    d.equal(
        "which is the flow where steps are small:",
        [sympy.diff(flow, t), sympy.limit(along.subs(eta, t / n), n, sympy.oo)],
        [g - mu * flow, flow],
        latex=r"A(t) = g\, \frac{1 - e^{-\mu t}}{\mu},\qquad t = \eta n.",
    )
    d.say(
        r"What is left of the start after $n$ steps is $(1 - \eta\mu)^n$: it stays bounded if and "
        r"only if $\eta\mu \le 2$, for all $\mu$ if and only if $\eta\lambda \le 2$."
    )
    d.equal(
        r"For $\mu t \ll 1$ it is $t g$,",
        sympy.series(flow, t, 0, 3).removeO(),
        t * g - mu * g * t**2 / 2,
        latex=r"A(t) = t\, g\,\big(1 - \tfrac12 \mu t + \dots\big),",
    )
    second = eta**2 * j * g * n * (n - 1) / 2
    d.equal(
        r"and $W_K^2$, whose gradient $J_2[P A]$ is linear in $A$, adds up $\eta\, j\, \eta n g$:",
        [second.subs(n, n + 1), second.subs(n, 1)],
        [second + eta * j * eta * n * g, 0],
        latex=r"W_K^2 = \tfrac{t^2}{2} \big(1 - \tfrac1n\big) J_2[P G_1].",
    )

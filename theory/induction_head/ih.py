"""Derivation of IH: the hand-built head solves the task, up to a tie if the trigger is the first
token."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Rational, Symbol, exp, limit, oo

import assocmem as am
from theory.derivation import Derivation


def _softmax(scores: list[Any]) -> list[Any]:
    total = sum(exp(score) for score in scores)
    return [exp(score) / total for score in scores]


def _hand_built_scores(task: am.InductionTask, tokens: list[int], beta: Any) -> list[Any]:
    """Layer-2 scores of the last position, by the definition of the forward pass."""
    emb = am.FrozenEmbeddings.orthonormal(task)
    head = am.induction_head(task, emb, beta=1)
    W_K1, W_K2, Phi1 = (
        sympy.Matrix(matrix.astype(int))
        for matrix in (head["W_K1"].matrix, head["W_K2"].matrix, emb.Phi1)
    )
    x = [
        sympy.Matrix((emb.tokens[token] + emb.positions[t]).astype(int))
        for t, token in enumerate(tokens)
    ]
    x1 = []
    for t in range(len(x)):
        b = _softmax([beta * (x[t].T * W_K1 * x[s])[0] for s in range(t + 1)])
        copied = sum((b[s] * x[s] for s in range(t + 1)), sympy.zeros(len(x[0]), 1))
        x1.append(x[t] + Phi1 * copied)
    return [sympy.simplify(beta * (x1[-1].T * W_K2 * key)[0]) for key in x1]


def derive(d: Derivation) -> None:
    r"""With one scale $\beta$ in both layers every softmax is explicit, so the forward pass can be
    written down. The score of the output falls short of $\beta$ by a vanishing amount, and all
    other scores vanish, unless the trigger is the first token: position 1 can attend only to
    itself.
    """
    beta, tau, s = (Symbol(name, positive=True) for name in ("beta", "tau", "s"))
    task = am.InductionTask(n_tokens=4, length=5)
    d.say(
        r"With $W_K^1 = \beta \sum_t p_t p_{t-1}^\top$ position $t \ge 2$ gives the score $\beta$ "
        r"to $t-1$ and 0 to the others. Position 1 can attend only to itself.",
        r"b_{t,t-1} = \frac{e^\beta}{e^\beta + t - 1}, \qquad b_{ts} = \frac{1}{e^\beta + t - 1}",
    )
    d.say(
        r"The query $q$ scores $\beta$ times the share of $\Phi_1 w_E(q)$ in $x^1_s$: the layer-1 "
        r"attention that $s$ pays to the positions $\tau$ and $T$, which hold $q$.",
        r"e_s = \beta \sum_{r \le s} b_{sr}\, 1\{z_r = q\}",
    )
    with d.aside("Bookkeeping: the forward pass at each place"):
        for place in (1, 2, 3):
            tokens = [1, 2, 3, 1, 2]
            tokens[place - 1] = tokens[-1] = 0
            predicted: list[Any] = [0] * 5
            for r in range(place, 6):
                predicted[r - 1] = beta / (exp(beta) + r - 1)
            predicted[place - 1] = beta if place == 1 else predicted[place - 1]
            predicted[place] = beta * exp(beta) / (exp(beta) + place)
            predicted[4] = 2 * predicted[4]
            d.equal(
                rf"Forward pass at $T = 5$, $\tau = {place}$, all matrices explicit:",
                _hand_built_scores(task, tokens, beta),
                predicted,
                latex=r",\; ".join(
                    f"e_{i + 1} = {sympy.latex(e)}" for i, e in enumerate(predicted)
                ),
            )
    d.equal(
        r"The output's score falls short of $\beta$ by a vanishing amount,",
        limit(beta - beta * exp(beta) / (exp(beta) + tau), beta, oo),
        0,
        latex=r"\lim_{\beta\to\infty}\big(\beta - e_{\tau+1}\big) = 0",
    )
    d.equal(
        r"and every other score with $s > 1$ vanishes: the softmax puts weight 1 on $\tau + 1$.",
        limit(beta / (exp(beta) + s), beta, oo),
        0,
        latex=r"\lim_{\beta\to\infty} \beta/(e^\beta + s - 1) = 0",
    )
    gap = beta - beta * exp(beta) / (exp(beta) + 1)
    d.equal(
        r"For $\tau = 1$ position 1 scores $\beta$, and position 2 trails by",
        gap,
        beta / (exp(beta) + 1),
    )
    d.equal(
        "which vanishes: both get weight 1/2.",
        1 / (1 + limit(exp(gap), beta, oo)),
        Rational(1, 2),
        latex=r"\lim_{\beta\to\infty} \frac{1}{1 + e^{e_1 - e_2}} = \frac12",
    )
    d.holds(
        r"At finite $\beta$ position 1 is ahead, $a_1 > a_2$. If only the content is predicted, "
        r"position 1 votes for no class.",
        beta / (exp(beta) + 1) > 0,
        latex=r"e_1 - e_2 = \frac{\beta}{e^\beta + 1} > 0",
    )
    _cost_of_the_tie(d, beta)
    d.say(
        r"At finite width every inner product of atoms differs from its value here by "
        r"$O(d^{-1/2})$ (NO1, NO4), and the limits follow as $d$ grows."
    )


def _cost_of_the_tie(d: Derivation, beta: Any) -> None:
    """For β ≥ T the trigger beats the output at τ = 1, however often the output stands later."""
    series = 1 + beta + beta**2 / 2 + beta**3 / 6 + beta**4 / 24  # below e^β
    d.holds(
        r"If $q$ is a predicted class, $a_1 + a_T$ competes with $a_2$ and all $a_s$, $3 \le s < "
        r"T$, where $o$ stands again; times the softmax's sum, $a_s$ is $e^{e_s}$. With $1 - "
        r"e^{-x} \ge x - \frac{x^2}{2}$ at $x = e_1 - e_2$, and $e^\beta$ above its series to "
        r"$\beta^4$,",
        _no_root(2 * (series + 1) - beta * (beta + 2), beta),
        latex=r"e^{e_1} - e^{e_2} \ge \beta - \frac{\beta(\beta + 2)}{2(e^\beta + 1)} > \beta - 1",
    )
    d.holds(
        r"and at most $T - 3 \le \beta - 3$ further outputs, with $e^x \le 1/(1 - x)$ and $\beta "
        r"\ge T \ge 3$, add no more than",
        _no_root(series + 2 - beta - beta * (beta - 3), beta),
        latex=r"(T - 3)\, e^{e_3} \le T - 3 + \frac{(\beta - 3)\,\beta}{e^\beta + 2 - \beta} "
        r"< T - 2",
    )
    d.say(
        r"With $e^{e_T} > 1$ the trigger is ahead by more than $(\beta - 1) + 1 - (T - 2) \ge 2$: "
        r"an error, in the share $\frac{1}{T-2}$ of the sequences that have $\tau = 1$. For $\tau "
        r"\ge 2$ the output's $e^{e_{\tau+1}}$, near $e^\beta$, exceeds the fewer than $T$ others, "
        r"all near 1."
    )


def _no_root(polynomial: Any, beta: Any) -> Any:
    """Whether it is positive for all beta >= 0."""
    found = sympy.Poly(polynomial, beta)
    return sympy.And(found.eval(0) > 0, sympy.Eq(found.count_roots(0, None), 0))

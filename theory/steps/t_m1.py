"""Derivation of T-m1: a finite first step repairs step 2: it learns which classes are never
labels."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Rational, Symbol

import assocmem as am
from assocmem.gradients.conditions import reading_of_frequency
from assocmem.model.families import OUTPUTS
from theory.algebra import harmonic
from theory.algebra.rational import C, K, c, k
from theory.derivation import Derivation
from theory.steps.any_length import LENGTHS, rational, task
from theory.steps.thresholds import rational_moments


# A finite first step.
def derive(d: Derivation) -> None:
    """A first step of size $m_1$ teaches the model which classes are labels, so the part of step 2
    that comes from the frequencies of labels shrinks with the probability left on the other
    classes. The lead changes sign where that part balances the wanted one.
    """
    d.say(
        "After a first step $\\eta_1 G_1$ the model predicts with $\\hat p \\ne \\frac1M$, and "
        "step 2 is $\\mathbb{E}[x^1_T \\otimes \\mathrm{Cov}_s(\\sum_k (1\\{y{=}k\\} - \\hat p_k) "
        "w_U(k)^\\top \\eta_1 G_1 W_V^2 x^1_s,\\ x^1_s)]$. For many content tokens their logits "
        "differ little; what $\\hat p$ learns is that triggers are no labels: each content label "
        "is ahead of each trigger by some $\\delta$, and the triggers keep the share"
    )
    delta, psi = Symbol("delta", positive=True), Symbol("psi")
    share = K / (K + C * sympy.exp(delta))
    n, theta = C + K, 1 / C - 1 / (C + K)
    d.equal(
        "(at $\\delta = 0$ their share of the classes)",
        share.subs(delta, 0),
        K / n,
        latex=r"\pi = \frac{K}{K + C e^\delta}",
    )
    left, right = [], []
    for t in LENGTHS[:4]:
        table = am.gradients.first_step(task(t, "all"))
        for name in ("positions", "remapped_positions"):
            left += list(table[OUTPUTS, name][1] * c + table[OUTPUTS, name][0] * k)
            right += [0] * t
    d.equal(
        "The readings of the label's frequency, $\\theta \\psi_s$ by a content label, sum to 0 "
        "over the classes (library, $T = 3, ..., 6$), so a trigger label reads "
        "$-\\frac{C}{K} \\theta \\psi_s$;",
        left,
        right,
        latex=r"C\, G_1[\text{content}, p_t] + K\, G_1[\text{trigger}, p_t] = 0",
    )
    d.equal(
        "so the residual $1\\{y{=}k\\} - \\hat p_k$ reads $\\pi$ times their difference, and "
        "$\\theta$ of T-S2 becomes $\\frac{\\pi}{C}$, which is $\\theta$ at $\\delta = 0$:",
        [theta * psi + C / K * theta * psi, share.subs(delta, 0) / C],
        [psi / C, theta],
        latex=r"\theta \psi_s + \tfrac{C}{K} \theta \psi_s = \tfrac1C \psi_s",
    )
    crossing(d, share, delta)


def crossing(d: Derivation, share: Any, delta: Symbol) -> None:
    """T-m1: the margin at which the triggers' share of the prediction has fallen enough."""
    d.say(
        "Attention is uniform, so $\\delta$ is the mean reading, $\\delta = \\eta_1 u \\bar\\psi = "
        "m_1 \\bar\\psi$ with $u = \\frac{1}{CT}$ the lead of $G_1$, and"
    )
    found, closed = [], []
    for t in (3, 4, 5, 6, 10):
        w = sum(rational(harmonic.tail(t, tau)) for tau in range(1, t - 1)) / (t - 2)
        w += Rational(1, t)
        h = [rational(harmonic.tail(t, r)) for r in range(1, t + 1)]
        positions = t + sum(sum(h[:s]) / s for s in range(1, t + 1))
        content = (t - 2) * (t - 2) / C + (t - w) * (t - w) / C
        found.append((positions + content + (2 * 2 + w * w) / K) / t)
        m = rational_moments(t)
        closed.append(reading_of_frequency(C, K, t, sympy.harmonic(t), m))
    d.equal(
        "the mean of $\\psi$ over $s$, term by term: position, content and triggers, directly and "
        "over the past ($T = 3, ..., 6$ and $10$).",
        found,
        closed,
        latex=r"\bar\psi = 3 - \frac{x}{T} + \frac{(T-2)^2 + (T-w)^2}{TC} + \frac{4 + w^2}{TK}",
    )
    bracket, phi = Symbol("Psi", negative=True), Symbol("Phi", positive=True)
    critical = (1 - 1 / C) * phi / -bracket
    solution = sympy.log(K * (1 - critical) / (C * critical))
    d.equal(
        "The lead changes sign where the two parts of $J$ balance: $\\Psi$ is the bracket of T-S2.",
        (1 - 1 / C) * phi / C + share.subs(delta, solution) / C * bracket,
        0,
        latex=r"m_1^* = \frac{1}{\bar\psi} \ln \frac{K (1 - \pi^*)}{C \pi^*},\qquad \pi^* = \Big(1 "
        r"- \frac1C\Big) \frac{\Phi}{-\Psi}",
    )
    d.say(
        "Dropped: what one label's own logit and the tokens of the sequence gain. What that moves "
        "is not bounded here; the check finds where the lead changes sign, exactly for $T = 7, 8, "
        "9, 15$ and by samples beyond: it is within 12 percent of $m_1^*$."
    )

"""Derivation of T-S1: step 1 always recalls, but with random triggers the head may answer the
trigger."""

from __future__ import annotations

import sympy
from sympy import Rational, Symbol

import assocmem as am
from assocmem.gradients.conditions import first_leads
from assocmem.model.families import OUTPUTS, REMAPPED_TOKENS, TOKENS
from theory.algebra.harmonic import T, at_length, x
from theory.algebra.rational import C, K
from theory.derivation import Derivation
from theory.steps.any_length import LENGTHS, readouts, task
from theory.steps.averages import MEAN, exact_moments
from theory.steps.thresholds import positive_for_all


def derive(d: Derivation) -> None:
    """A lead of step 1 is a difference of two coefficients of S1, so its sign is that of a
    polynomial in $C$ and $T$. The second memory of step 1 reads the trigger at the position of the
    output; this does no harm with fixed triggers, but can make the answer wrong with random ones.
    """
    d.say(
        "By S1 the coefficient of $w_U(k)$ on $W_V^2 w_E(i)$ is $\\frac1T$ times one of a few "
        "numbers. The competitors of the label $i$ are the other content labels and, if they are "
        "predicted, the triggers, which are never a label."
    )
    content, everything = readouts("content")["direct"], readouts("all")["direct"]
    trigger = -(T - 2) / (C * (C + K))
    d.equal(
        "Fixed triggers: the lead over the other content labels, for both vocabularies, and what "
        "a content label is ahead of a trigger as a label.",
        [
            content.same - content.other,
            everything.same - everything.other,
            everything.other - trigger,
        ],
        [1 / C, 1 / C, (T - 3) / C**2],
        latex=r"T \cdot \mathrm{lead} = \tfrac1C, \qquad \tfrac{T-3}{C^2} \ge 0",
    )
    left, right = [], []
    for vocabulary in ("content", "all"):
        for t in LENGTHS:
            block = am.gradients.first_step(task(t, vocabulary))[OUTPUTS, TOKENS]
            left.append(block.same[-1] - block.different[-1, -1])
            right.append(1 / (C * t))
            if vocabulary == "all":
                left.append(block.different[0, -1])
                right.append(at_length(trigger, t) / t)
    d.equal(
        "In the library's tables, $T = 3, ..., 8$. So step 1 always recalls, by $1/(CT)$.",
        left,
        right,
        latex=r"\mathrm{lead}(G_1) = \frac{1}{CT}",
    )
    first, second = first_leads(C, T, MEAN)
    random = readouts("random")
    d.equal(
        "Random triggers, $C = N - 1$: $q$ stands twice in the sequence and is never the label, "
        "which counts against every pair of a label and its own token. The leads of both memories:",
        [(random[kind].same - random[kind].other) / T for kind in ("direct", "remapped")],
        [first, second],
        latex=r"\frac{C^2 - 2C + T - 3}{T N C^2}, \qquad "
        r"\frac{H C^2 - w C + T - w - H}{T N C^2}",
    )
    n, t = sympy.symbols("n t", nonnegative=True)
    numerator = sympy.expand((first * T * (C + 1) * C**2).subs({C: n + 3, T: t + 3}))
    d.holds(
        "The first is positive for $N \\ge 4$: at $C = 3 + n$, $T = 3 + t$ no coefficient is "
        "negative and the constant is positive. At $N = 3$ it is $T - 3$ times a positive number: "
        "the only population that step 1 does not recall is $N = T = 3$, a tie.",
        sympy.And(
            *(e >= 0 for e in sympy.Poly(numerator, n, t).coeffs()),
            numerator.subs({n: 0, t: 0}) > 0,
            sympy.Eq((first * T * (C + 1) * C**2).subs(C, 2), T - 3),
        ),
        latex=sympy.latex(numerator) + " > 0",
    )
    _cost_at_the_readout(d)


def _cost_at_the_readout(d: Derivation) -> None:
    d.say(
        "What the second memory costs. A perfect head ($\\tau \\ge 2$) attends to $x^1_{\\tau+1} = "
        "w_E(o) + p_{\\tau+1} + \\Phi_1 w_E(q) + \\Phi_1 p_\\tau$. If only the content is "
        "predicted, $\\Phi_1 w_E(q)$ is read alike by every label: nothing is lost. With fixed "
        "triggers and all tokens predicted the label is ahead there too, as triggers are never "
        "labels:"
    )
    w = MEAN.w
    d.equal(
        "what $o$ is ahead of $q$ on $\\Phi_1 w_E(q)$, times $T$.",
        readouts("all")["remapped"].trigger + w / (K * (C + K)),
        w / (K * C),
        latex=r"\tfrac{w}{K}\big(\tfrac1C - \tfrac1N\big) + \tfrac{w}{KN} = \tfrac{w}{KC} > 0",
    )
    left, right = [], []
    for t in LENGTHS[:4]:
        table = am.gradients.first_step(task(t, "random"))
        leads = [
            table[OUTPUTS, name].same[0] - table[OUTPUTS, name].different[0, 0]
            for name in (TOKENS, REMAPPED_TOKENS)
        ]
        left.append(leads[0] - leads[1])
        m = exact_moments(t)
        first, second = first_leads(C, Rational(t), m)
        right.append(first - second)
    d.equal(
        "With random triggers the second memory reads $q$ from the position that says $o$. What is "
        "left of the margin of $o$ over $q$, in the library's tables ($T = 3, ..., 6$):",
        left,
        right,
        latex=r"\frac{(1-H) C^2 - (2-w) C - (3 - w - H)}{T N C^2}",
    )
    later = Symbol("t", nonnegative=True)
    d.holds(
        "For $T \\ge 4$ this is positive if and only if $C$ is above the one positive root: $H < "
        "1$ as $x + \\frac1T > 2$ (true at $T = 3$, and the left side grows with $T$), and $w < 2$ "
        "by a numerator without negative coefficients at $T = 4 + t$.",
        sympy.And(
            (x + 1 / T).subs({x: sympy.harmonic(3), T: 3}) > 2,
            sympy.Eq(sympy.factor(1 / (T + 1) + 1 / (T + 1) - 1 / T), (T - 1) / (T * (T + 1))),
            positive_for_all(2 - w, {T: later + 4}, later),
        ),
        latex=r"1 - H = \frac{x + 1/T - 2}{T - 2} > 0,\qquad 2 - w > 0,\qquad 3 - w - H > 0",
    )
    d.equal(
        "As $T \\to \\infty$ the root is at $T / (\\ln T + \\gamma - 2)$: a head that attends "
        "perfectly answers with the trigger itself unless $N$ is larger than that.",
        [
            sympy.limit((1 - MEAN.H) * T / (x - 2), T, sympy.oo),
            sympy.limit(2 - w, T, sympy.oo),
        ],
        [1, 1],
        latex=r"1 - H \sim \frac{\ln T + \gamma - 2}{T},\qquad w \to 1",
    )

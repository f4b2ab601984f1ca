"""Derivation of T-S2: step 2 recalls from T = 5 on over the content, over all tokens only if C >
C*(T, K)."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Symbol

import assocmem as am
from assocmem.gradients.conditions import (
    FEWEST_TOKENS_RANDOM,
    LengthMoments,
    fewest_tokens_random,
    moments,
    quadratic_with_all,
    second_with_all,
    second_with_random,
)
from assocmem.model.families import REMAPPED_TOKENS, TOKENS
from theory.algebra import harmonic
from theory.algebra.harmonic import GENERATORS, MOMENTS, T, x, y
from theory.algebra.rational import C, K
from theory.derivation import Derivation
from theory.steps.any_length import LENGTHS, readouts, surplus_of_labels, task
from theory.steps.averages import MEAN, averages_over_tau, exact_moments
from theory.steps.from_the_loss import SETTINGS
from theory.steps.sign import sign_of_the_lead
from theory.steps.thresholds import positive_for_all, rational_moments


def wanted_coefficient(d: Derivation, lengths: tuple[int, ...]) -> None:
    """J at symbolic T, from the readouts of step 1."""
    H, w, a, b, c, u, v = sympy.symbols("H w a b c u v")
    m = LengthMoments(H, w, output=u, past_output=v, trigger=a, past_trigger=b, position=c)
    weights = {"direct": (sympy.Integer(1), sympy.Integer(2), T), "remapped": (H, w, T)}
    covariances = {
        "direct": {"output": u, "trigger": a, "free": -u - a},
        "remapped": {"output": v, "trigger": b, "free": -v - b},
    }
    d.say(
        "Given $\\tau$ the reading of step 1 has a mean for each role of a position (S1), and at "
        "each $s$ the shares of output, triggers and free positions sum to 1, so that a free "
        "position is worth minus the two others: $-u - a$, and $-v - b$ over the past."
    )
    formulas = {
        "content": (m.phi * (1 - 1 / C) / C, r"K T^3 J = \tfrac1C\big(1 - \tfrac1C\big)\Phi"),
        "all": (
            second_with_all(C, K, T, m) / (C**2 * (C + K)),
            r"K T^3 J = \tfrac1C\big(1 - \tfrac1C\big) \Phi + \big(\tfrac1C - \tfrac1N\big)"
            r"\Big[c + \tfrac{2a + wb}{K} - \tfrac{(T-2)a + (T-w)b}{C}\Big]",
        ),
        "random": (
            second_with_random(C, T, m) / (C**3 * (C + 1)),
            r"C^3 N^2 T^3 J = (C^2 - 2C + T - 3)\big((C-1)u - a\big) + "
            r"(HC^2 - wC + T - w - H)\big((C-1)v - b\big)",
        ),
    }
    for vocabulary, (formula, latex) in formulas.items():
        total = surplus_of_labels(vocabulary) * c
        for kind, readout in readouts(vocabulary, weights).items():
            total += sum(e * covariances[kind][role] for role, e in readout.at_roles.items())
        d.equal(
            f"The wanted coefficient $J$ of $w_E(q) (\\Phi_1 w_E(q))^\\top$ at symbolic $T$, "
            f"{SETTINGS[vocabulary]}, $\\Phi = u + Hv$:",
            total,
            formula,
            latex=latex,
        )
    left, right = [], []
    for vocabulary in ("all", "random"):
        for t in lengths:
            m = exact_moments(t)
            block = am.gradients.second_step(task(t, vocabulary))[TOKENS, REMAPPED_TOKENS]
            left.append(block.same[0])
            if vocabulary == "all":
                right.append(second_with_all(C, K, t, m) / (K * t**3 * C**2 * (C + K)))
            else:
                right.append(second_with_random(C, t, m) / (C**3 * (C + 1) ** 2 * t**3))
    d.equal(
        f"These are the library's coefficients, $T = {lengths[0]}, ..., {lengths[-1]}$; by the "
        "sum rule above the lead has the sign of $J$.",
        left,
        right,
        latex="",
    )


def derive(d: Derivation, lengths: tuple[int, ...] = LENGTHS[:4]) -> None:
    """The rows of $J_2$ sum to zero, so the lead has the sign of one coefficient: a polynomial in
    $C$ whose coefficients are harmonic sums. At small $T$ its sign follows by exact arithmetic; for
    larger $T$ there is a lower bound that grows with $T$ and is positive at the smallest of these.
    """
    sign_of_the_lead(d)
    with d.aside("Bookkeeping: averages over the place of the trigger"):
        averages_over_tau(d)
    wanted_coefficient(d, lengths)
    _with_all(d)
    with d.aside("Bookkeeping: the two lengths below 5"):
        _small_lengths_with_all(d)
    _law_of_the_threshold(d)
    random_triggers(d)


def _with_all(d: Derivation) -> None:
    d.say(
        "Why labels that are not uniform over the classes hurt: step 1 learns which classes are "
        "labels, and reads it from every position, $\\psi_s$, with the strength $\\theta = "
        "\\frac1C - \\frac1N = \\frac{K}{CN}$. Content carries most of it, and the trigger's past "
        "is where content is missing: step 2 is told to look away from the trigger, by "
        "$-\\theta\\, \\frac{(T-2)a + (T-w)b}{C}$."
    )
    a, b, c, u, v, length = sympy.symbols("a b c u v T")
    m = LengthMoments(Symbol("H"), Symbol("w"), u, v, a, b, c)
    quadratic = sympy.Poly(sympy.expand(second_with_all(C, K, length, m)), C)
    d.equal(
        "Fixed triggers, prediction over all tokens: $K T^3 C^2 N J$ is quadratic in $C$,",
        quadratic.all_coeffs(),
        quadratic_with_all(K, length, m),
        latex=r"\Phi\, C^2 + \big((K-1)\Phi + Kc + 2a + wb\big) C - "
        r"K \big(\Phi + (T-2) a + (T-w) b\big)",
    )
    later = Symbol("t", nonnegative=True)
    d.holds(
        "For $T \\ge 5$ the last coefficient is negative: $\\Phi > 0$ (above), $b > 0$ as a "
        "variance, $w < T$, and $a = T\\,\\mathbb{E}_\\tau\\frac1\\tau + 2 - 2w > 0$ "
        "already with $\\mathbb{E}_\\tau\\frac1\\tau > \\frac{1}{T-2}$, by a numerator "
        "without negative coefficients at $T = 5 + t$.",
        positive_for_all(T / (T - 2) + 2 - 2 * MEAN.w, {T: later + 5}, later),
        latex=r"a > \tfrac{T}{T-2} + 2 - 2w > 0",
    )
    d.say(
        "So for $T \\ge 5$ exactly one root $C^*(T, K)$ is positive, and the lead is positive if "
        "and only if $C > C^*$. It is then $(1 + \\frac1C) J$ for $K = 1$ and $J$ otherwise."
    )


def _small_lengths_with_all(d: Derivation) -> None:
    for t, expected in ((3, [(2, 1), (2, 2)]), (4, SHORT_EXCEPTIONS)):
        polynomial = second_with_all(C, K, sympy.Integer(t), rational_moments(t))
        in_k, in_c = sympy.Poly(polynomial, K), sympy.Poly(polynomial.subs(K, 1), C)
        slope, content = sympy.Poly(in_k.coeff_monomial(K), C), range(2, 40)
        found = [(n, k) for n in content for k in range(1, 40) if polynomial.subs({C: n, K: k}) > 0]
        d.holds(
            f"At $T = {t}$ it falls with $K$ for every $C \\ge 2$, and is negative at $K = 1$ for "
            f"$C \\ge 39$: it is positive for these $(C, K)$ only.",
            sympy.And(
                slope.eval(2) < 0,
                slope.count_roots(2, None) == 0,
                in_c.eval(39) < 0,
                in_c.count_roots(39, None) == 0,
                *(polynomial.subs({C: n, K: 39}) <= 0 for n in content),
                found == expected,
            ),
            latex=r",\ ".join(map(str, found)),
        )


# At T = 4: K = 1 and C = 2 .. 11, K = 2 and C = 3 .. 9.
SHORT_EXCEPTIONS = sorted([(n, 1) for n in range(2, 12)] + [(n, 2) for n in range(3, 10)])


def _law_of_the_threshold(d: Derivation) -> None:
    z = Symbol("z", positive=True)
    leading = {
        name: sympy.series(getattr(MEAN, name).subs(T, 1 / z), z, 0, 1).removeO()
        for name in ("trigger", "past_trigger", "position")
    }
    d.equal(
        "As $T \\to \\infty$ at fixed $x = \\ln T + \\gamma + o(1)$:",
        list(leading.values()),
        [x, x - 2, -1],
        latex=r"a \to x,\quad b \to x - 2,\quad c \to -1,\quad w \to 1,\quad \Phi \to 2x - 4 - "
        r"\tfrac{\pi^2}{6}",
    )
    phi = 2 * x - 4 - sympy.pi**2 / 6
    d.equal(
        "So the three coefficients are $2x$, $2Kx$ and $-2KTx$ to leading order (at fixed $K$ the "
        "second is $(2K+1)x$, which does not count beside $C^*$), and the law of "
        "the threshold is $C^*(C^* + K) = KT$, or",
        [sympy.limit(e / x, x, sympy.oo) for e in (phi, phi - 1, 2 * x - 2)],
        [2, 2, 2],
        latex=r"T^*(N, K) = \frac{C N}{K} \Big(1 - O\Big(\frac{1}{\ln T^*}\Big)\Big)",
    )
    for name, ratio, gap in (
        (r"K \ll C", (2 * x - 2) / phi, 1 + sympy.pi**2 / 12),
        (r"K \gg C", (2 * x - 2) / (phi - 1), sympy.Rational(3, 2) + sympy.pi**2 / 12),
    ):
        d.equal(
            f"The next order, ${name}$:",
            sympy.limit((ratio - 1) * x, x, sympy.oo),
            gap,
            latex=rf"\frac{{CN}}{{K T^*}} = 1 + \frac{{{sympy.latex(gap)}}}{{\ln T^*}} + "
            r"O(\ln^{-2} T^*)",
        )


PROVED_FROM = 100  # by bounds; shorter lengths one by one


def random_triggers(d: Derivation) -> None:
    d.say(
        "Random triggers learn more slowly: a trigger is met in a share $\\frac1N$ of the "
        "sequences instead of $\\frac1K$; and every token is a trigger of some sequence, where it "
        "stands twice without being the label: the $-a$ and $-b$ above, which count more the fewer "
        "tokens there are."
    )
    with d.aside("Bookkeeping: positive coefficients at every length"):
        three, four = (
            sympy.Poly(second_with_random(C, sympy.Integer(t), rational_moments(t)), C)
            for t in (3, 4)
        )
        d.holds(
            "At $T = 3$ the lead is positive at $N = 3$ and negative for every $N \\ge 4$, at "
            "$T = 4$ it is negative for every $N \\ge 3$.",
            sympy.And(
                three.eval(2) > 0,
                *(p.LC() < 0 for p in (three, four)),
                *(p.count_roots(c, None) == 0 for p, c in ((three, 3), (four, 2))),
            ),
            latex=r"\text{no root in } C \ge 3,\ C \ge 2",
        )
        above, below = [], []
        for t in range(5, PROVED_FROM):
            cubic = sympy.Poly(second_with_random(C, sympy.Integer(t), rational_moments(t)), C)
            start = fewest_tokens_random(t) - 1
            above += cubic.shift(start).all_coeffs()
            below += [cubic.eval(n) for n in range(2, start)]
        d.holds(
            f"For each $T = 5, ..., {PROVED_FROM - 1}$ the cubic in $C$ has positive coefficients "
            f"in "
            "$C - C_0$ and is negative for $2 \\le C < C_0$: the lead is positive if and only if "
            "$N "
            "\\ge N^*$, with $N^* = C_0 + 1$ from each of these $T$ on:",
            sympy.And(*(e > 0 for e in above), *(e < 0 for e in below)),
            latex=r",\quad ".join(
                rf"T \ge {t}: N^* = {n}" for t, n in FEWEST_TOKENS_RANDOM.items()
            ),
        )
        _, n, *generators = sympy.field((sympy.Symbol("n"), T, x, y), sympy.QQ)
        cubic = second_with_random(n + 3, generators[0], moments(*generators))
        low = second_with_random(2, GENERATORS[0], MOMENTS)
        bounds, exponents = [], []
        for value in (*_coefficients(cubic), -low):
            bound, terms = harmonic.lower_bound(value, PROVED_FROM)
            bounds.append(bound)
            exponents += terms
        d.holds(
            f"For $T \\ge {PROVED_FROM}$, as above: drop positive terms of the numerators but "
            "constants and multiples of $x$ at the highest power of $T$; the terms $x^j/T^i$ that "
            "are "
            "subtracted have $j \\le 2i$ and fall with $T$. The coefficients in $C - 3$, and "
            "minus the "
            f"value at $C = 2$, are then positive at $T = {PROVED_FROM}$, hence beyond: $N^* = "
            f"4$, and "
            "$N = 3$ is never enough (except at $T = 3$).",
            sympy.And(*(bound > 0 for bound in bounds), *(j <= 2 * i for i, j in exponents)),
            latex=",\\ ".join(f"{float(bound):.2f}" for bound in bounds) + r"\ > 0",
        )


def _coefficients(value: Any) -> list[Any]:
    """The coefficients in the first generator of a fraction, over FIELD."""
    by_power: dict[int, Any] = {}
    ring = harmonic.FIELD.ring
    for (power, *rest), factor in value.numer.terms():
        by_power[power] = by_power.get(power, ring.zero) + ring({tuple(rest): factor})
    denominator = ring({tuple(rest): factor for (_, *rest), factor in value.denom.terms()})
    return [harmonic.FIELD(top) / harmonic.FIELD(denominator) for top in by_power.values()]

"""Derivation of B2: the lead of W_O2 is the mass of repeated triggers."""

from __future__ import annotations

import sympy
from sympy import QQ, Rational, Symbol

from assocmem.gradients import output_lead, repeat_weight, repeated_share
from theory.bigrams.b1 import visits_do_not_depend_on_outputs
from theory.bigrams.enumeration import Independent
from theory.derivation import Derivation

SIZES = ((4, 1, 5), (4, 2, 4), (5, 3, 4))


def derive(d: Derivation) -> None:
    r"""By B1 the lead is the mass of pairs of visits to the same trigger. The probability of a
    visit obeys a recursion in one number, so the mass is $\sum_q f_q^2$ times a function of the
    length and of the total frequency.
    """
    d.say(
        r"By B1 every possible output $k$ leads all others by $\frac1M V$ and the triggers by "
        r"$\frac1M (1 - \frac1M) V$, the smaller; it remains to find $V$."
    )
    visits_do_not_depend_on_outputs(d)
    left, right = [], []
    for n, k, length in SIZES:
        population = Independent(n, k, length)
        f = population.frequencies[:k]
        squares, share = sum(x**2 for x in f), sum(f)
        left.append(population.repeats.as_expr())
        right.append((squares * repeat_weight(length, share)).as_expr())
        table = population.first_step(True)
        left.append((table[k, k] - table[0, k]).as_expr())  # the triggers are the first tokens
        right.append((output_lead(f, n, length)).as_expr())
    d.equal(
        r"A visit at $r$ and one at $t$ have probability $f_q b_r \cdot f_q b_{t-r-1}$. By "
        "enumeration of all sequences of three small languages, frequencies symbols, these are "
        "$V$ and the lead:",
        left,
        right,
        latex=r"V = w_T(F) \sum_q f_q^2,\qquad \text{lead} = \tfrac{M-1}{M^2}\, V",
    )
    lengths = range(3, 12)
    d.equal(
        r"Rare triggers: $b_n = 1$ for $n \ge 1$, so $\sum_r b_r b_{t-r-1} = t - 2$ ($T = 3, ..., "
        "11$),",
        [repeat_weight(t, Rational(0)) for t in lengths],
        [(t + 1 - 2 * sympy.harmonic(t)) / t for t in lengths],
        latex=r"w_T(0) = \frac1T \sum_{t=3}^T \frac{t-2}{t} = \frac{T + 1 - 2 H_T}{T}",
    )
    share, far = Symbol("F", positive=True), Symbol("b")
    d.equal(
        r"Long sequences: $b_n \to \frac{1}{1+F}$, the fixed point of $b = 1 - F b$, so "
        r"$\frac1t \sum_r b_r b_{t-r-1} \to (1+F)^{-2}$.",
        sympy.solve(far - 1 + share * far, far)[0] ** 2,
        1 / (1 + share) ** 2,
        latex=r"w_T(F) \to (1+F)^{-2}",
    )
    repeated_triggers_alone(d)
    other_outputs(d)


def repeated_triggers_alone(d: Derivation) -> None:
    d.say(
        r"With loss on repeated triggers the moments of $V$ are the same: a pair of visits makes "
        r"the second a repeat. All is divided by $R = \frac1T \mathbb{E}\,\#\{\text{repeated "
        r"triggers}\}$."
    )
    left, right = [], []
    for n, k, length in SIZES:
        population = Independent(n, k, length)
        count = sum(
            (p for _, _, last, counts, p in population.visits if last < k and counts[last] > 1),
            population.frequencies[0] * 0,
        )
        left.append((count * QQ(1, population.n_outputs**k * length)).as_expr())
        right.append(repeated_share(population.frequencies[:k], length).as_expr())
    d.equal("It is the library's (enumerated as before):", left, right, latex=r"R")
    epsilon = Symbol("epsilon", positive=True)
    limits, closed = [], []
    for length in range(3, 9):
        repeats = sympy.Poly(repeated_share([epsilon], length), epsilon).coeff_monomial(epsilon**2)
        limits += [repeats, repeat_weight(length, Rational(0)) / repeats]
        pairs = Rational((length - 1) * (length - 2), 2)
        closed += [pairs / length, (length + 1 - 2 * sympy.harmonic(length)) / pairs]
    d.equal(
        r"To leading order a rare trigger occurs twice, at $r \le t - 2$ and $t$, $T = 3, ..., 8$, "
        "and the frequencies cancel:",
        limits,
        closed,
        latex=r"R = \frac{(T-1)(T-2)}{2T} \sum_q f_q^2,\qquad \frac{w_T(0) \sum_q f_q^2}{R} = "
        r"\frac{2 (T + 1 - 2 H_T)}{(T-1)(T-2)}",
    )


def other_outputs(d: Derivation) -> None:
    p, q, mass = sympy.symbols("p_k p_j V", positive=True)
    d.equal(
        r"Outputs with the law $p$: $G_1[j,k] = p_j (\mathbb{E}[\cdot|o{=}j] - \sum_i p_i "
        r"\mathbb{E}[\cdot|o{=}i])$, which is $p_k (1 - p_k) V$ for $j = k$, $-p_j p_k V$ for "
        r"another output and $0$ for a trigger, so the lead over an output is larger by",
        p * (1 - p) * mass + q * p * mass - p * (1 - p) * mass,
        p * q * mass,
        latex=r"p_j p_k V > 0",
    )
    m = Symbol("M", positive=True)
    d.equal(
        "and the smallest lead, over a trigger, is that of the uniform law at $p_k = 1/M$:",
        (p * (1 - p)).subs(p, 1 / m),
        (m - 1) / m**2,
        latex=r"p_k (1 - p_k) V = \tfrac{M-1}{M^2} V",
    )
    d.holds(
        "It grows with $p_k \\le 1/2$, and some output has $p_k \\le 1/M$.",
        sympy.diff(p * (1 - p), p).subs(p, Rational(1, 2) - q) > 0,
        latex=r"\frac{d}{dp}\, p (1 - p) = 1 - 2p \ge 0",
    )

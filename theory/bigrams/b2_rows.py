"""Derivation of B2-rows: a row of W_K2 lives on its own trigger's frequency, squared."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from sympy import QQ
from sympy.polys.rings import ring

import assocmem as am
from assocmem.model.families import REMAPPED_TOKENS, TOKENS
from theory.derivation import Derivation

Array = Any

RATES = (1, 2)  # φ of two triggers, tokens 0 and 1
CONTENT = 2
SECOND, FOURTH = 2, 4  # orders in ε


class Sequence(NamedTuple):
    """Tokens z_1..z_t that end in a trigger, its output, and the probability."""

    tokens: tuple[int, ...]
    output: int
    weight: Any


def derive(d: Derivation) -> None:
    r"""When triggers are rare, only sequences with two occurrences of one trigger contribute to the
    head, and these are sequences of InductionTask of a random length. The first step contributes a
    factor $\sum_q \varphi_q^2$ that all rows share, the second a factor $\varphi_q^2$ for the
    trigger of the row.
    """
    d.say(
        r"Let triggers come with the probabilities $\epsilon \varphi_q$ after every token but a "
        "trigger. With the bigrams known a position has a residual where a trigger $q$ stands, "
        r"$1\{o_q = k\} - \frac1C$, of mean 0 over its output. So sequences that say nothing about "
        "$o_q$ cancel: to leading order $q$ stands at $t$ and once before, at $\\tau \\le t - 2$, "
        r"and no other trigger occurs: $\epsilon^2 \varphi_q^2$ times InductionTask of length $t$, "
        "$\\tau$ uniform, with the weight $t - 2$. The loss on triggers has the denominator "
        r"$\epsilon^2 \sum \varphi^2 \frac{(T-1)(T-2)}{2}$, the loss on all $T$."
    )
    d.say(
        r"Check it on all sequences, as polynomials in $\epsilon$: two triggers, $\varphi = 1, 2$, "
        "two content tokens, loss on all tokens. The first step:"
    )
    for length in (3, 4):
        sequences = list(population(length))
        first = first_step(sequences, length, len(RATES) + CONTENT)
        lowest = coefficients(first, SECOND)
        limit, pairs = induction_first(length), Fraction((length - 1) * (length - 2), 2)
        n = len(RATES)
        squares = sum(r * r for r in RATES)
        columns = [n, n + 1, n + CONTENT]  # two content tokens and the first position
        columns += [n + CONTENT + length + n, n + CONTENT + length + n + 1]
        theirs = [1, 2, 3, 3 + length + 1, 3 + length + 2]
        d.equal(
            f"it has no term in $\\epsilon$, and this one in $\\epsilon^2$, on content tokens and "
            f"the first position, $T = {length}$:",
            [
                *coefficients(first, 1).ravel(),
                *(lowest[n:, columns] * Fraction(length)).ravel(),
            ],
            [0] * first.size + list((limit[1:, theirs] * squares * pairs).ravel()),
            latex=r"T\, G_1 = \epsilon^2 \sum_q \varphi_q^2 \sum_t (t-2)\, G_1^{(t)} + "
            r"O(\epsilon^3)",
        )
        kappa = induction_second(length, limit)
        second = second_step(sequences, lowest, length, n + CONTENT)
        found, closed = [], []
        for q, rate in enumerate(RATES):
            keys = slice(n + CONTENT + length, 2 * (n + CONTENT) + length)
            row = coefficients(second[q, keys], SECOND) * Fraction(length)
            scale = rate**2 * squares * pairs**2 / Fraction(length) * kappa
            content = -scale / CONTENT
            expected = [0 * scale, 0 * scale, content, content]
            expected[q] = scale
            found += list(row)
            closed += expected
        d.equal(
            f"The second, at this first step: row $q$, keys $\\Phi_1 w_E$ of triggers and content, "
            f"$T = {length}$; the keys of a row sum to 0, as attention does to 1.",
            found,
            closed,
            latex=r"T\, J_2[q,q] = \epsilon^4 \varphi_q^2 \sum_{q'} \varphi_{q'}^2\, "
            r"\tfrac1T \Big(\tfrac{(T-1)(T-2)}{2}\Big)^2 \kappa_T",
        )
    _third(d)
    task = am.InductionTask(CONTENT + 1, 3, 1, "content")
    closed_form = am.gradients.second_step(task)[TOKENS, REMAPPED_TOKENS].same[0]
    d.equal(
        "At $T = 3$ there is one length, and $\\kappa_3$ is that of S2:",
        induction_second(3, induction_first(3)),
        Fraction(closed_form).limit_denominator(10**6),
        latex=r"\kappa_3 = J_2[q, q]",
    )


def _third(d: Derivation) -> None:
    """What both triggers write into W_K1."""
    squares, n = sum(r * r for r in RATES), len(RATES) + CONTENT
    for length in (3, 4):
        sequences, pairs = list(population(length)), Fraction((length - 1) * (length - 2), 2)
        lowest = coefficients(first_step(sequences, length, n), SECOND)
        found = coefficients(third_step(sequences, lowest, length, n), SECOND)
        scale = squares**2 * pairs**2 / Fraction(length)
        closed = induction_third(length, induction_first(length)) * scale
        d.equal(
            "The third, at this first step and the pairs of $w_E(q)$ with $\\Phi_1 w_E(q)$ in "
            f"layer 2, $T = {length}$: every trigger adds the same two tables $A_T$ and $B_T$, "
            "once for itself and once through $G_1$.",
            (found * Fraction(length)).ravel(),
            closed.ravel(),
            latex=r"T\, (A, B) = \epsilon^4 \Big(\sum_q \varphi_q^2\Big)^2\, "
            r"\tfrac1T \Big(\tfrac{(T-1)(T-2)}{2}\Big)^2 (A_T, B_T)",
        )


def coefficients(table: Array, power: int) -> Array:
    """The coefficient of a power of ε in every entry."""
    found = [entry.coeff(_EPSILON**power) if power else entry for entry in np.ravel(table)]
    return np.array([Fraction(int(c.numerator), int(c.denominator)) for c in found]).reshape(
        np.shape(table)
    )


def population(length: int) -> Iterator[Sequence]:
    """All prefixes of BigramTask that end in a trigger, with polynomials for weights."""
    k, n = len(RATES), len(RATES) + CONTENT
    rates = [_EPSILON * r for r in RATES]
    f = rates + [(1 - sum(rates)) * QQ(1, CONTENT)] * CONTENT
    for outputs in itertools.product(range(k, n), repeat=k):
        for t in range(1, length + 1):
            for tokens in itertools.product(range(n), repeat=t):
                if tokens[-1] >= k:
                    continue
                weight = f[tokens[0]] * QQ(1, CONTENT**k)
                for a, b in itertools.pairwise(tokens):
                    weight = weight * (f[b] if a >= k else int(b == outputs[a]))
                if weight:
                    yield Sequence(tokens, outputs[tokens[-1]], weight * QQ(1, length))


def induction(length: int) -> list[Sequence]:
    """InductionTask with one trigger, 0, predicting its content."""
    batch = am.InductionTask(CONTENT + 1, length, 1, "content").enumerate()
    chance = Fraction(1, (length - 2) * CONTENT ** (length - 2))
    rows = zip(batch.tokens.tolist(), batch.targets[:, -1].tolist(), strict=True)
    return [Sequence(tuple(tokens), y + 1, chance) for tokens, y in rows]


def induction_first(length: int) -> Array:
    """Σ_t (t - 2) G₁ of lengths t ≤ T over Σ (t - 2), rows over all tokens."""
    total = sum(
        (t - 2) * first_step(induction(t), length, CONTENT + 1) for t in range(3, length + 1)
    )
    return total / Fraction((length - 1) * (length - 2), 2)


def induction_second(length: int, first: Array) -> Fraction:
    """κ_T: the coefficient of w_E(q) to Φ₁ w_E(q) in the mean second step at this first step."""
    total = Fraction(0)
    for t in range(3, length + 1):
        step = second_step(induction(t), first, length, CONTENT + 1)
        total += (t - 2) * step[0, CONTENT + 1 + length]
    return total / Fraction((length - 1) * (length - 2), 2)


def induction_third(length: int, first: Array) -> Array:
    """A_T and B_T: the mean third step at this first step, and its slope."""
    total = sum(
        (t - 2) * third_step(induction(t), first, length, CONTENT + 1) for t in range(3, length + 1)
    )
    return total / Fraction((length - 1) * (length - 2), 2)


def streams(tokens: tuple[int, ...], length: int, n: int) -> Array:
    """x¹_s over (w_E, p, Φ₁ w_E, Φ₁ p), (t, 2 (N + T))."""
    inputs = np.full((len(tokens), n + length), Fraction(0))
    inputs[np.arange(len(tokens)), tokens] = Fraction(1)
    inputs[np.arange(len(tokens)), n + np.arange(len(tokens))] = Fraction(1)
    sizes = np.array([Fraction(s) for s in range(1, len(tokens) + 1)])
    return np.concatenate([inputs, inputs.cumsum(axis=0) / sizes[:, None]], axis=1)


def residual(sequence: Sequence, n: int) -> Array:
    """1{k = o} - 1/C over the content, 0 on the triggers."""
    rho = np.full(n, Fraction(-1, CONTENT))
    rho[: n - CONTENT] = Fraction(0)
    rho[sequence.output] += 1
    return rho


def first_step(sequences: Iterable[Sequence], length: int, n: int) -> Array:
    """Σ weight · residual ⊗ mean of x¹."""
    total: Array = 0
    for sequence in sequences:
        mean = streams(sequence.tokens, length, n).sum(axis=0) / Fraction(len(sequence.tokens))
        total = total + _weighted(np.outer(residual(sequence, n), mean), sequence.weight)
    return total


def second_step(sequences: Iterable[Sequence], first: Array, length: int, n: int) -> Array:
    """Σ weight · Cov_s(reading of the residual, x¹_s) in the row of the last token."""
    rows: list[Array] = [0] * n
    for sequence in sequences:
        x = streams(sequence.tokens, length, n)
        t = Fraction(len(x))
        reading = x @ (residual(sequence, n) @ first)
        moved = (reading - reading.sum() / t) @ x / t
        last = sequence.tokens[-1]
        rows[last] = rows[last] + _weighted(moved, sequence.weight)
    zero = 0 * next(row for row in rows if np.ndim(row))
    return np.array([zero + row for row in rows])


def third_step(sequences: Iterable[Sequence], first: Array, length: int, n: int) -> Array:
    """Σ weight · the value path, and the value and key path per λ, over positions (2, T, T)."""
    total: Array = 0
    for sequence in sequences:
        x, t = streams(sequence.tokens, length, n), Fraction(len(sequence.tokens))
        remapped = n + length + np.array(sequence.tokens), 2 * n + length + np.arange(len(x))
        reading = residual(sequence, n) @ first
        looking = np.full(len(reading), Fraction(0))
        looking[n + length + sequence.tokens[-1]] = Fraction(1)
        u, e = x @ reading, x @ looking
        copied, sought = (
            vector[remapped[0]] + vector[remapped[1]] for vector in (reading, looking)
        )
        value = np.outer(np.full(len(x), 1 / t), copied)
        slope = np.outer(e - e.sum() / t, copied) / t + np.outer(u - u.sum() / t, sought) / t
        table = np.full((2, length, length), Fraction(0))
        for s in range(len(x)):
            for i, rows in enumerate((value, slope)):
                mean = rows[s, : s + 1].sum() / Fraction(s + 1)
                table[i, s, : s + 1] = (rows[s, : s + 1] - mean) / Fraction(s + 1)
        total = total + _weighted(table, sequence.weight)
    return total


def _weighted(numbers: Array, weight: Any) -> Array:
    """Fractions times a fraction or a polynomial in ε."""
    if isinstance(weight, Fraction):
        return numbers * weight
    terms = [weight * QQ(v.numerator, v.denominator) for v in numbers.ravel()]
    found = np.empty(len(terms), dtype=object)
    found[:] = terms
    return found.reshape(numbers.shape)


_EPSILON = ring("epsilon", QQ)[1]

"""T-S2: the averages over τ that step 2 needs, at symbolic T."""

from __future__ import annotations

from fractions import Fraction

import sympy

from theory import harmonic
from theory.conditions import Moments, harmonic_numbers, moments
from theory.derivation import Derivation
from theory.derivations.any_length import harmonic_sums, rational
from theory.harmonic import MOMENTS, T, x, y

MEAN = Moments(*(value.as_expr() for value in MOMENTS))  # at symbolic T


def exact_moments(length: int) -> Moments:
    return moments(Fraction(length), *harmonic_numbers(length))


def averages_over_tau(d: Derivation) -> None:
    """The moments of step 2 at symbolic T, sum by sum."""
    h, squares, first, s, past = sympy.symbols("h S g s h'", positive=True)  # g = 1/τ
    d.say(
        "Given $\\tau$, the share of the trigger in the past of $s$ is $m_s = 1\\{s \\ge "
        "\\tau\\}/s + 1\\{s{=}T\\}/T$. Write $h = h_\\tau$ and $S = \\sum_{s \\ge \\tau} s^{-2}$. "
        "Two sums need a step:"
    )
    d.equal(
        "the sum of the first $s$ tails, from $s$ to $s + 1$ ($h'$ for $h_{s+2}$), gains "
        "$h_{s+1}$;",
        ((s + 1) * past + (s + 1)) - (s * (past + 1 / (s + 1)) + s),
        past + 1 / (s + 1),
        latex=r"\sum_{r \le s} h_r = s\, h_{s+1} + s",
    )
    d.equal(
        "and, by telescoping ($h'$ for $h_{s+1}$),",
        (past + 1 / s) ** 2 - past**2,
        2 * past / s + 1 / s**2,
        latex=r"h_s^2 - h_{s+1}^2 = \tfrac{2}{s} h_{s+1} + \tfrac{1}{s^2} \;\Rightarrow\; "
        r"\sum_{s \ge \tau} \tfrac{h_{s+1}}{s} = \tfrac12 (h^2 - S)",
    )
    harmonic_sums(d)
    n, tail = T - 2, 1 / (T - 1) + 1 / T
    reciprocal_squared = (y - 1 / (T - 1) ** 2 - 1 / T**2) / n
    mean = {  # of h^i S^j g^k over τ, from the sums less their terms at T - 1 and T
        (0, 0, 0): sympy.Integer(1),
        (1, 0, 0): MEAN.w - 1 / T,
        (2, 0, 0): (2 * T - x - tail**2 - 1 / T**2) / n,
        (0, 1, 0): (x - 1 / (T - 1) ** 2 - 2 / T**2) / n,
        (0, 0, 1): (x - tail) / n,
        (0, 0, 2): reciprocal_squared,
        (1, 0, 1): ((x**2 - y) / 2 - 1 / (T * (T - 1))) / n + reciprocal_squared,
    }
    shares = h + 1 / T  # Σ_s m_s
    given_tau = {
        "trigger": T * (first + 2 / T) - 2 * shares,
        "past_trigger": T * (squares + 3 / T**2) - shares**2,
        "past_output": T * (squares - first**2 + 1 / T**2) - (h - first) * shares,
        "position": T * (h + (h**2 - squares) / 2 + 1 / T) - (2 * T - x) * shares,
    }
    left = [
        sum(factor * mean[powers] for powers, factor in sympy.Poly(e, h, squares, first).terms())
        for e in given_tau.values()
    ]
    d.equal(
        "Average over $\\tau = 1, ..., T - 2$: $T^2\\, \\mathrm{Cov}_s(\\cdot, m_s)$ for the "
        "trigger ($a$), its share of the past ($b$), the output's share of the past ($v$) and the "
        "mean of $h_r$ over $r \\le s$ ($c$), in $T$, $x$ and $y$.",
        left,
        [getattr(MEAN, name) for name in given_tau],
        latex=r"a = T\, \mathbb{E}_\tau\tfrac1\tau + 2 - 2w,\quad b = T\, \mathbb{E}_\tau S + "
        r"\tfrac3T - \mathbb{E}_\tau (h + \tfrac1T)^2,\quad c = T\, \mathbb{E}_\tau\big[h + "
        r"\tfrac12 (h^2 - S)\big] + 1 - (2T - x)\, w,\quad w = \mathbb{E}_\tau h + \tfrac1T",
    )
    names = {
        ("direct", "output"): "output",
        ("remapped", "output"): "past_output",
        ("direct", "trigger"): "trigger",
        ("remapped", "trigger"): "past_trigger",
        ("remapped", "position"): "position",
    }
    found, closed = [], []
    for t in (*range(3, 13), 20):
        sums, m = harmonic.covariances(t), exact_moments(t)
        found += [rational(sums[name]) for name in names]
        closed += [rational(getattr(m, short)) for short in names.values()]
    d.equal(
        "The sums over $\\tau$ and $s$ written out, $T = 3, ..., 12$ and $20$: for these four, and "
        "for the output itself ($u$).",
        found,
        closed,
        latex=r"u = T\, \mathbb{E}_\tau \tfrac{1}{\tau+1} - w",
    )

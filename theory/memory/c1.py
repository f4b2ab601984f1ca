"""Derivation of C1: scores and margins over random keys and values have exact moments, for any
weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy

import assocmem as am
from assocmem import capacity
from theory.algebra.calculus import symbols
from theory.algebra.moments import (
    Moment,
    expectation,
    gaussian_moment,
    rademacher_moment,
    sphere_moment,
    sum_over,
)
from theory.derivation import Derivation
from theory.memory.variances import moments_of_scores

d_ = sympy.Symbol("d", positive=True, integer=True)


def derive(d: Derivation) -> None:
    """A score is bilinear in two independent Gram matrices, so its mean and variance need first and
    second moments of overlaps only. Products of different overlaps have mean zero, so only squares
    contribute.
    """
    moments_of_scores(d)
    a, b = sympy.symbols("a b", integer=True, positive=True)
    same = sympy.KroneckerDelta(a, b)
    d.say(
        "As in C1, the score is bilinear in the Gram matrices $G'$ of the values and $G$ of the "
        "keys, and products of different overlaps of one key vanish: $\\mathbb{E}\\,G_{li}G_{l'i} "
        "= \\delta_{ll'}\\,g_{li}$ with $g_{li} = \\kappa$ for $l = i$, else $1/d$.",
        r"\mathbb{E}\,s_{ki}s_{k'i} = \sum_{j,j',l} C_{jl}C_{j'l}\, g_{li}\;"
        r" \mathbb{E}\,G'_{kj}G'_{k'j'}",
    )
    d.equal(
        "Two values $k \\ne k'$. With $j = k$, $j' = k'$: the square norms are independent with "
        "mean 1. With $j = k'$, $j' = k$ (NO1):",
        [(d_ / d_) ** 2, sum_over(same / d_ * same / d_, b, a)],
        [1, 1 / d_],
        latex=r"\mathbb{E}\,G'_{kk}G'_{k'k'} = 1, \qquad \mathbb{E}\,G_{kk'}'^2 = \frac1d",
    )
    d.say(
        "Every other pair has a value that occurs once, or is $\\|v_k\\|^2 v_k^\\top v_{k'}$, odd "
        "in $v_{k'}$: its mean is 0. So",
        r"\mathbb{E}\,s_{ki}s_{k'i} = \Big(1 + \frac1d\Big) \sum_l C_{kl} C_{k'l}\, g_{li}",
    )
    C = symbols("C", 3, 3)
    families: list[tuple[str, Any]] = [("gaussian", 1 + 2 / d_), ("sphere", sympy.Integer(1))]
    for family, kappa in families:
        variance = capacity.score_moments(C, d_, family=family)[1]
        margin = capacity.margin_moments(C, d_, family=family)[1]
        stated = np.zeros((3, 3), dtype=object)
        for k, i in np.ndindex(3, 3):
            if k != i:
                shared = (C @ C.T)[i, k] / d_ + (kappa - 1 / d_) * C[i, i] * C[k, i]
                covariance = (1 + 1 / d_) * shared - C[i, i] * C[k, i]
                stated[k, i] = variance[i, i] + variance[k, i] - 2 * covariance
        d.equal(
            f"The library's variances of margins are the statement's ({family}, 3 keys and values, "
            f"all coefficients and $d$ symbols).",
            margin,
            stated,
            latex=r"\texttt{margin\_moments(C, d)} = \mathrm{Var}\,s_{ii} + \mathrm{Var}\,s_{ki}"
            r" - 2\,\mathrm{Cov}",
        )
    brute_force(d)
    one_value_per_key(d)


def brute_force(d: Derivation) -> None:
    """C1: every entry of keys and values written out, at d = 2."""
    C, keys, values = symbols("C", 2, 2), symbols("u", 2, 2), symbols("v", 2, 2)
    scores = am.AssociativeMemory(keys=keys, values=values, coefficients=C).scores()
    moments: list[tuple[str, Moment]] = [
        ("gaussian", gaussian_moment),
        ("sphere", sphere_moment),
        ("rademacher", rademacher_moment),
    ]

    with d.aside("Bookkeeping: the moments of the margins, entry by entry"):
        for family, moment in moments:
            difference = scores[0, 0] - scores[1, 0]
            found = [
                expectation(power, values, keys, moment=moment)
                for power in (difference, difference**2)
            ]
            average, variance = (
                table[1, 0]
                for table in capacity.margin_moments(C, sympy.Integer(2), [0, 1], family=family)
            )
            d.equal(
                f"Term by term for $d = 2$ ({family}), from the entries of keys and values:",
                found,
                [average, variance + average**2],
                latex=r"\mathbb{E}\,(s_{11} - s_{21}) = C_{11} - C_{21}, \qquad"
                r" \mathbb{E}\,(s_{11} - s_{21})^2 = \mathrm{Var} + (C_{11} - C_{21})^2",
            )


def one_value_per_key(d: Derivation) -> None:
    """C1: scores of one key are uncorrelated, and C1 is recovered."""
    w = symbols("w", 4)
    C = np.array([[w[0], w[1], 0, 0], [0, 0, w[2], w[3]]])
    targets = [0, 0, 1, 1]
    _, variance = capacity.score_moments(C, d_)
    _, margin = capacity.margin_moments(C, d_, targets)
    d.equal(
        "One value per key: columns of $C$ have one entry, rows share none, so both terms of the "
        "covariance vanish (here 4 weighted keys of 2 values).",
        [margin[1, 0], margin[1, 1], margin[0, 2], margin[0, 3]],
        list(variance[0] + variance[1]),
        latex=r"(CC^\top)_{kk'} = 0 = C_{ki}C_{k'i}: \quad"
        r" \mathrm{Var}(s_{ki} - s_{k'i}) = \mathrm{Var}\,s_{ki} + \mathrm{Var}\,s_{k'i}",
    )
    with d.aside("Bookkeeping: the library at given sizes"):
        for n in (2, 5):
            _, variance = capacity.score_moments(np.eye(n, dtype=int), d_)
            _, margin = capacity.margin_moments(np.eye(n, dtype=int), d_)
            d.equal(
                f"One to one, $n = {n}$: the variances of C1, and their sum.",
                [variance[0, 0], variance[1, 0], margin[1, 0]],
                [(n + 4 * d_ + 3) / d_**2, (n + 2 * d_ + 2) / d_**2, (2 * n + 6 * d_ + 5) / d_**2],
                latex=r"\frac{n + 4d + 3}{d^2} + \frac{n + 2d + 2}{d^2} = \frac{2n + 6d + 5}{d^2}",
            )

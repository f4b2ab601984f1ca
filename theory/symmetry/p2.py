"""Derivation of P2: step 2 after a first step of real size: the correction is kappa_T m_1 / C."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from sympy import Rational, Symbol, exp, log, symbols

from assocmem.model.blocks import BlockTable
from assocmem.model.families import OUTPUTS, REMAPPED_TOKENS, TOKENS
from theory.algebra.patterns import Pattern
from theory.algebra.population import FAMILIES, PatternSums
from theory.algebra.rational import C
from theory.derivation import Derivation
from theory.symmetry.claims import SECOND_ORDER


def derive(d: Derivation) -> None:
    """To second order in the first step the gradient has one more term, by which the prediction
    takes back what it has learned. Summed over the patterns and divided by the first order it is a
    number that depends on $T$ alone, over $C$.
    """
    d.say(
        r"$W_K^1 = W_K^2 = 0$ and $W_O^2 = \eta G_1$: with $r_{ks} = w_U(k)^\top G_1 W_V^2 x^1_s$ "
        r"the logits are $\xi_k = \eta \sum_s a_s r_{ks}$, $a$ the softmax of scores $b = 0$. "
        r"$-\nabla_{W_K^2} L = E[\sum_s (-\partial\ell/\partial b_s)\, x^1_T (x^1_s)^\top]$."
    )
    _second_derivative(d)
    for length, kappa in SECOND_ORDER.items():
        found = _relative_second_order(length)
        d.equal(
            rf"$T = {length}$: the sum over patterns, in ratio to the lead of $J_2$ and per unit "
            r"of $m_1$, is the same for all $K$ and falls as $1/C$.",
            found,
            Rational(kappa.numerator, kappa.denominator) / C,
            latex=rf"\frac{{\kappa_{length}}}{{C}} = {sympy.latex(found)}",
        )


def _second_derivative(d: Derivation) -> None:
    eta, b, r = Symbol("eta"), symbols("b_1:3"), sympy.Matrix(3, 2, symbols("r_1:4_1:3"))
    z = sum(exp(s) for s in b)
    attention = sympy.Matrix([exp(s) / z for s in b])
    logits = eta * r * attention
    loss = log(sum(exp(entry) for entry in logits)) - logits[0]
    zero = dict.fromkeys(b, 0)
    expansion = -sympy.diff(loss, b[0]).subs(zero)
    mean = [sum(r.row(k)) / 2 for k in range(3)]
    tilt = [(r[k, 0] - mean[k]) / 2 for k in range(3)]
    d.equal(
        "Three classes, two positions, the label first: the first order in $\\eta$ is step 2,",
        sympy.diff(expansion, eta).subs(eta, 0),
        tilt[0] - sum(tilt) / 3,
        latex=r"\partial_\eta\Big(-\frac{\partial\ell}{\partial b_s}\Big) = \sum_k "
        r"\big(1\{y=k\} - \tfrac1M\big) \frac1T (r_{ks} - \bar r_k)",
    )
    centred = [m - sum(mean) / 3 for m in mean]
    d.equal(
        "and the second is what the prediction after the first step takes back.",
        sympy.diff(expansion, eta, 2).subs(eta, 0) / 2,
        -sum(c * t for c, t in zip(centred, tilt, strict=True)) / 3,
        latex=r"\tfrac12 \partial_\eta^2\Big(-\frac{\partial\ell}{\partial b_s}\Big) = "
        r"-\frac1M \sum_k \big(\bar r_k - \tfrac1M \textstyle\sum_j \bar r_j\big) "
        r"\frac1T (r_{ks} - \bar r_k)",
    )


def _relative_second_order(length: int) -> Any:
    """κ_T / C: the lead of the second order over that of the first, in units of m₁."""
    sums = PatternSums(length, "content")
    first = sums.first_step()
    second = sums.second_step(first)[TOKENS, REMAPPED_TOKENS]
    direct, correction = first[OUTPUTS, TOKENS], _second_order(sums, first)
    lead, change = (block.same[0] - block.different[0, -1] for block in (second, correction))
    return (change / lead / (direct.same[-1] - direct.different[-1, -1])).as_expr()


def _second_order(sums: PatternSums, first: BlockTable) -> Any:
    """-(1/M) E[w_E(q) ⊗ Cov_s(Σ_k (r̄_k - mean r̄) r_ks, x¹_s)], the block of Φ₁ w_E."""
    length, m, (read, scale) = sums.length, sums.outputs, sums.cleared(first)

    def reader(of: np.ndarray, label: int | None) -> np.ndarray:
        """The row of G₁ of a content token on the atoms that occur; None: it does not occur."""
        parts = []
        for tokens, positions in FAMILIES:
            row = read[OUTPUTS, tokens].different[-1][of]
            if label is not None:
                row[label] = read[OUTPUTS, tokens].same[-1]
            parts += [row, read[OUTPUTS, positions][-1]]
        return np.concatenate(parts)

    def statistic(pattern: Pattern) -> dict[str, np.ndarray]:
        x, of, b = sums.streams(pattern), sums.of_class(pattern), pattern.n_content
        labels = [*range(1, 1 + b), None]
        number = np.array([*[sums.sizes[-1] * 0 + 1] * b, sums.sizes[-1] - b], dtype=object)
        r = np.array([sums.stack(x) @ reader(of, label) for label in labels], dtype=object)
        total = r.sum(axis=1)
        v = ((number * total) @ r) * m - (number @ r) * (number @ total)
        key = (length * v - v.sum()) @ x[REMAPPED_TOKENS]
        query = pattern.holds[-1]
        return sums.pair_sums("block", pattern, query, key, sums.classes(pattern) @ query)

    # r carries scale · unit, twice; the two means over s are sums of T, v one of M more
    divisor = -(m**2) * scale**2 * sums.unit**3 * length**3
    return sums.token_block("block", sums.expectation(statistic, divisor))

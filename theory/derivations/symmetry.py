"""P1: count the sequences of a pattern. P2: the second order of the first step, over patterns."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Rational, Symbol, exp, log, symbols
from sympy.functions.combinatorial.numbers import stirling

import assocmem as am
from assocmem.model.blocks import OUTPUTS, REMAPPED_TOKENS, TOKENS, BlockTable
from assocmem.tasks.symmetry import set_partitions
from theory.derivation import Derivation, Derive
from theory.patterns import Pattern
from theory.population import FAMILIES, PatternSums
from theory.rational import C
from theory.symmetry import SECOND_ORDER

Array = NDArray[Any]


def derive_P1(d: Derivation) -> None:
    d.say(
        "Renaming triggers among themselves and content tokens among themselves maps the "
        "population to itself and, for symmetric weights, leaves the loss of a sequence as it is: "
        "the loss depends on the pattern only, the place of the trigger and a partition of the "
        "$T - 2$ content positions into sets of equal tokens."
    )
    sizes = range(1, 8)
    d.equal(
        "The library's partitions of $n$ positions into $b$ sets are as many as Stirling's "
        "numbers, $n = 1, ..., 7$.",
        [
            [int((set_partitions(n).max(axis=1) == b - 1).sum()) for b in range(1, n + 1)]
            for n in sizes
        ],
        [[stirling(n, b) for b in range(1, n + 1)] for n in sizes],
        latex=r"\#\{\pi : |\pi| = b\} = S(n, b)",
    )
    d.equal(
        "A pattern with $b$ content tokens is that of $C (C-1) \\cdots (C-b+1)$ choices of them; "
        "together these are all $C^n$ words, as polynomials in $C$.",
        [
            sympy.expand_func(sum(stirling(n, b) * sympy.ff(C, b) for b in range(1, n + 1)))
            for n in sizes
        ],
        [C**n for n in sizes],
        latex=r"\sum_b S(n, b)\, C (C-1) \cdots (C-b+1) = C^n",
    )
    _library_counts(d)
    _softmax_with_multiplicity(d)
    _averages(d)


def _library_counts(d: Derivation) -> None:
    sizes: list[tuple[int, Any]] = [(5, 1), (5, 3), (9, 2), (4, "random"), (9, "random")]
    tasks = [am.InductionTask(n, t, k, "all") for n, k in sizes for t in (3, 4, 6)]
    populations = [task.enumerate(up_to_symmetry=True) for task in tasks]
    d.equal(
        "The library counts the sequences of every pattern so, and in all as many as there are "
        "($N = 4, 5, 9$, fixed and random triggers).",
        [[*p.counts, sum(p.counts)] for p in populations],
        [
            [
                *(
                    len(task.triggers) * sympy.ff(task.n_content, len(set(row)) - 1)
                    for row in p.batch.tokens.tolist()
                ),
                len(task.triggers) * (task.length - 2) * task.n_content ** (task.length - 2),
            ]
            for task, p in zip(tasks, populations, strict=True)
        ],
        latex=r"K (T-2) \sum_\pi C (C-1) \cdots (C-b+1) = K (T-2)\, C^{T-2}",
    )
    d.equal(
        "Its probabilities are these counts over their sum, to the last bit.",
        [[sympy.Integer(w != 0) for w in (_probabilities(p) - _shares(p))] for p in populations],
        [[0] * len(p) for p in populations],
        latex=r"P(\tau, \pi) = \frac{1}{T-2}\,\frac{C (C-1) \cdots (C-b+1)}{C^{T-2}}",
    )


def _probabilities(patterns: am.tasks.Patterns) -> Array:
    return patterns.batch.weights[:, -1]


def _shares(patterns: am.tasks.Patterns) -> Array:
    """The nearest floating-point numbers to the exact shares of the sequences."""
    words = [tuple(row) for row in patterns.batch.tokens.tolist()]
    c, slots = patterns.task.n_content, patterns.task.length - 2
    exact = [Rational(sympy.ff(c, len(set(word)) - 1), slots * c**slots) for word in words]
    return np.array([int(share.p) / int(share.q) for share in exact])


def _softmax_with_multiplicity(d: Derivation) -> None:
    a, b, x, *absent = symbols("a b x x_1:5")
    full = log(exp(a) + exp(b) + sum(exp(s) for s in absent)) - a
    short = log(exp(a) + exp(b) + 4 * exp(x)) - a
    alike = dict.fromkeys(absent, x)
    d.equal(
        "Four classes that do not occur have one logit $x$: the loss counts them four times,",
        full.subs(alike),
        short,
        latex=r"\ell = \ln\big(e^a + e^b + 4 e^x\big) - a",
    )
    d.equal(
        "and its derivative in $x$ is the sum of those in their four logits.",
        sum(sympy.diff(full, s) for s in absent).subs(alike),
        sympy.diff(short, x),
        latex=r"\frac{\partial\ell}{\partial x} = \sum_{i=1}^4 "
        r"\frac{\partial\ell}{\partial x_i}\Big|_{x_i = x}",
    )


def _averages(d: Derivation) -> None:
    d.say(
        "A gradient summed over the renamings of one sequence has in each pair of atoms the sum "
        "over the pairs of the same classes (and equal or different tokens), divided by their "
        "number."
    )
    task = am.InductionTask(4, 3, 1, "all")
    rows, columns = 4, 2 * (4 + 3)
    given = 12 * np.arange(rows * columns).reshape(rows, columns) ** 2  # means are integers
    names = [np.array([0, *p]) for p in itertools.permutations((1, 2, 3))]
    total = np.zeros((rows, columns))
    for name in names:
        column = np.concatenate([name, 4 + np.arange(3), 7 + name, 11 + np.arange(3)])
        total += given[np.ix_(name, column)]
    averaged = BlockTable.averaged(task, "W_O2", given, task).coefficients()
    d.equal(
        "The library's average of any $W_O^2$ is the mean over the six renamings of three content "
        "tokens.",
        averaged.astype(int).tolist(),
        (total / len(names)).astype(int).tolist(),
        latex=r"\bar G_{ji} = \frac{1}{3!} \sum_{\rho \in S_3} G_{\rho(j)\rho(i)}",
    )


def derive_P2(d: Derivation) -> None:
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

    def reader(of: Array, label: int | None) -> Array:
        """The row of G₁ of a content token on the atoms that occur; None: it does not occur."""
        parts = []
        for tokens, positions in FAMILIES:
            row = read[OUTPUTS, tokens].different[-1][of]
            if label is not None:
                row[label] = read[OUTPUTS, tokens].same[-1]
            parts += [row, read[OUTPUTS, positions][-1]]
        return np.concatenate(parts)

    def statistic(pattern: Pattern) -> dict[str, Array]:
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


DERIVATIONS: dict[str, Derive] = {"P1": derive_P1, "P2": derive_P2}

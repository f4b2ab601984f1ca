"""Derivation of P1: for symmetric weights the population is a sum over patterns of equal tokens."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import sympy
from sympy import Rational, exp, log, symbols
from sympy.functions.combinatorial.numbers import stirling

import assocmem as am
from assocmem.model.blocks import BlockTable
from assocmem.tasks.symmetry import set_partitions
from theory.algebra.rational import C
from theory.derivation import Derivation


def derive(d: Derivation) -> None:
    """Renaming tokens of one class leaves the population and a symmetric loss as they are. So one
    sequence stands for its pattern of equal tokens, and counts as often as it can be renamed.
    """
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
    populations = [task.patterns() for task in tasks]
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


def _probabilities(patterns: am.tasks.Patterns) -> np.ndarray:
    return patterns.batch.weights[:, -1]


def _shares(patterns: am.tasks.Patterns) -> np.ndarray:
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

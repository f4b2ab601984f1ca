"""Patterns of equal tokens, sums over them, and exact arithmetic."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

import assocmem as am
from theory.algebra.patterns import Pattern, patterns
from theory.algebra.population import exact, through_softmax
from theory.algebra.rational import FIELD, c, degree, k


def pattern_of(tokens, tau):
    """The pattern of a sequence of tokens, by order of first occurrence."""
    names = {tokens[-1]: 0}
    return Pattern(tau, tuple(names.setdefault(token, len(names)) for token in tokens))


@pytest.mark.parametrize(
    "task", [am.InductionTask(5, 5, 2), am.InductionTask(4, 5, "random", "all")]
)
def test_patterns_have_the_probabilities_of_the_task(task):
    """Count every sequence of the task: C (C-1) .. (C-b+1) / ((T-2) C^(T-2)) a pattern."""
    counts = Counter()
    for tokens in task.enumerate().tokens.tolist():
        counts[pattern_of(tokens, tokens.index(tokens[-1]))] += 1
    content = task.n_content
    for pattern in patterns(task.length):
        ways = int(np.prod([content - i for i in range(pattern.n_content)]))
        law = Fraction(ways, (task.length - 2) * content ** (task.length - 2))
        assert Fraction(counts[pattern], task.n_sequences) == law
    assert set(counts) <= set(patterns(task.length))


def test_through_softmax_centres_each_row_over_its_past():
    change = exact(np.arange(9).reshape(3, 3))
    block = through_softmax(change)
    assert block[0, 0] == 0
    assert block[1].tolist() == [-FIELD(1) / 4, FIELD(1) / 4, 0]
    assert sum(block[2]) == 0


def test_degree_in_c_at_infinity():
    assert degree(1 / c) == -1
    assert degree((c + k) / (c * 3 - 1)) == 0
    assert degree((c**2 - k**2) / (c - k)) == 1
    assert degree(k**2) == 0
    assert degree(c - c) == -np.inf

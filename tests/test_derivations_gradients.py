"""S1 to S3 follow from the loss, and stop to follow once a term of the library changes."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from theory.derivations.gradients import DERIVATIONS

import assocmem as am
from assocmem import gradients
from assocmem.gradients import steps
from assocmem.gradients.previous_token import PreviousTokenSignal
from assocmem.model.blocks import (
    OUTPUTS,
    POSITIONS,
    REMAPPED_TOKENS,
    TOKENS,
    BlockTable,
    TokenBlock,
)
from assocmem.tasks.symmetry import set_partitions
from theory import CLAIMS
from theory.algebra import population
from theory.algebra.patterns import Pattern, patterns
from theory.algebra.population import VOCABULARIES, PatternSums, exact, through_softmax
from theory.algebra.rational import FIELD, C, K, c, degree, k
from theory.derivation import Derivation, DerivationError, derive
from theory.steps.s1 import derive as derive_S1
from theory.steps.s2 import derive as derive_S2
from theory.steps.s3a import derive as derive_S3a


@pytest.mark.parametrize("claim_id", DERIVATIONS)
def test_the_derivation_holds(claim_id):
    steps = derive(CLAIMS[claim_id], DERIVATIONS[claim_id]).steps
    assert sum(step.checked for step in steps) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("derivation", [derive_S1, derive_S2, derive_S3a])
@pytest.mark.parametrize("length", [7, 8])
def test_the_sums_over_patterns_hold_at_longer_lengths(derivation, length):
    longer = Derivation("longer")
    derivation(longer, lengths=(length,))
    assert any(step.checked for step in longer.steps)


# Negative controls: one term of the library's formula is altered.


def with_block(table, name, block):
    return BlockTable(table.task, table.matrix, {key: table[key] for key in table} | {name: block})


def harmonic_weights_forgotten(monkeypatch):
    """The weight of Φ₁ w_E is 1 in place of h_r."""
    step = gradients.first_step

    def first_step(task):
        table = step(task)
        return with_block(table, (OUTPUTS, REMAPPED_TOKENS), table[OUTPUTS, TOKENS])

    monkeypatch.setattr(gradients, "first_step", first_step)


def baseline_forgotten(monkeypatch):
    """1{y=k} in place of 1{y=k} - 1/M, on the position atoms."""
    step = gradients.first_step

    def first_step(task):
        table = step(task)
        block = table[OUTPUTS, POSITIONS] + 1 / (task.n_outputs * task.length)
        return with_block(table, (OUTPUTS, POSITIONS), block)

    monkeypatch.setattr(gradients, "first_step", first_step)


def shares_do_not_fluctuate(monkeypatch):
    """The covariance of the shares in x¹_T with the readout is dropped."""
    moments = steps._token_moments

    def without(*args):
        by_key, different, same = moments(*args)
        return by_key, 0 * different, 0 * same

    monkeypatch.setattr(steps, "_token_moments", without)


def second_step_with(change):
    """second_step, its block w_E to Φ₁ w_E changed."""

    def plant(monkeypatch):
        step = gradients.second_step

        def second_step(task):
            table = step(task)
            block = table[TOKENS, REMAPPED_TOKENS]
            return with_block(table, (TOKENS, REMAPPED_TOKENS), TokenBlock(*change(*block)))

        monkeypatch.setattr(gradients, "second_step", second_step)

    return plant


def term_without(name):
    """A term of the third step is dropped."""

    def plant(monkeypatch):
        term = getattr(PreviousTokenSignal, name)
        monkeypatch.setattr(PreviousTokenSignal, name, lambda self, *a: 0 * term(self, *a))

    return plant


def coincidence_worth_much(monkeypatch):
    """κ of order 1."""
    step = gradients.second_step

    def second_step(task):
        table = step(task)
        block, lead = table[REMAPPED_TOKENS, TOKENS], table[TOKENS, REMAPPED_TOKENS].same[0]
        block = TokenBlock(block.different, block.same + lead)
        return with_block(table, (REMAPPED_TOKENS, TOKENS), block)

    monkeypatch.setattr(gradients, "second_step", second_step)


def shares_do_not_repeat(monkeypatch):
    """Patterns in which content tokens coincide are left out."""
    found = population.patterns

    def patterns(length, tau=None):
        return (p for p in found(length, tau) if p.n_content == length - 2)

    monkeypatch.setattr(population, "patterns", patterns)


def attention_too_sharp(monkeypatch):
    """Scores of layer 2 enter the softmax twice."""
    softmax = steps.softmax
    monkeypatch.setattr(steps, "softmax", lambda scores: softmax(2 * scores))


CONTROLS = [
    ("S1", harmonic_weights_forgotten, "every block is the library's"),
    ("S1", baseline_forgotten, "every block is the library's"),
    ("S2", shares_do_not_fluctuate, "all 16 blocks are the library's"),
    ("S2", second_step_with(lambda d, s: (d, 2 * s)), "all 16 blocks are the library's"),
    ("S2-sign", second_step_with(lambda d, s: (-d, -s)), "the library's coefficient"),
    ("S2-sign", second_step_with(lambda d, s: (0 * d, s)), "In the library's tables"),
    ("S2-limit", second_step_with(lambda d, s: (2 * d, 2 * s)), "So the library's lead is"),
    ("S3a", term_without("_query"), "slope"),
    ("S3a", term_without("_key"), "slope"),
    ("S3a", term_without("_value_fluctuation"), "slope"),
    ("S3a", term_without("value"), "value"),
    ("S3b", coincidence_worth_much, "in units of the wanted coefficient"),
    ("S3b", attention_too_sharp, "is what is kept"),
    ("S3b", term_without("_query"), "is what is kept"),
    ("S3b", term_without("_key"), "is what is kept"),
    ("S3b", term_without("_value_fluctuation"), "is what is kept"),
    ("S3b", term_without("_shared"), "is what is kept"),
    ("S3b-bound", shares_do_not_repeat, "a content position holds"),
]


@pytest.mark.parametrize(("claim_id", "plant", "where"), CONTROLS)
def test_an_altered_term_is_found(claim_id, plant, where, monkeypatch):
    plant(monkeypatch)
    with pytest.raises(DerivationError, match=where):
        derive(CLAIMS[claim_id], DERIVATIONS[claim_id])


def test_every_derivation_has_a_negative_control():
    assert {claim_id for claim_id, _, _ in CONTROLS} == set(DERIVATIONS)


# What the derivations stand on: patterns, sums, exact arithmetic.


def test_bell_numbers():
    assert [len(set_partitions(n)) for n in range(7)] == [1, 1, 2, 5, 15, 52, 203]


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


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_first_step_by_patterns_is_the_mean_over_all_sequences(vocabulary):
    n, length = 4, 5
    task = am.InductionTask(
        n,
        length,
        "random" if vocabulary == "random" else 2,
        "content" if vocabulary == "content" else "all",
    )
    batch = task.enumerate()
    one_hot = np.eye(n)[batch.tokens]
    label = np.eye(task.n_outputs)[batch.targets[:, -1]] - 1 / task.n_outputs
    weight = np.tri(length).T @ (1 / np.arange(1, length + 1))  # h_r
    measured = label.T @ np.einsum("r,bri->bi", weight, one_hot) / length / len(batch)
    block = PatternSums(length, vocabulary).first_step()[OUTPUTS, REMAPPED_TOKENS]
    sizes = {C: task.n_content, K: 2}
    number = np.vectorize(lambda e: float(e.as_expr().subs(sizes)))
    same, different = number(block.same), number(block.different)
    rounding = len(batch) * np.finfo(float).eps
    assert abs(measured[-1, -1] - same[-1]) < rounding
    assert abs(measured[-1, -2] - different[-1, -1]) < rounding
    assert abs(measured[-1, 0] - different[-1, 0]) < rounding


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

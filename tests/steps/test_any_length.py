"""S2 at symbolic T: its sums and its blocks, and what happens when one of them is altered."""

from __future__ import annotations

import numpy as np
import pytest
from sympy import Rational

import assocmem as am
from assocmem.model.blocks import BlockTable
from assocmem.model.families import ATOMS, TokenBlock
from theory.algebra import telescoping
from theory.algebra.population import VOCABULARIES, differences
from theory.algebra.telescoping import LENGTH
from theory.derivation import Derivation, DerivationError
from theory.steps import any_length, averages, every_block, second_step
from theory.steps.any_length import task


@pytest.fixture
def d():
    return Derivation("S2")


@pytest.mark.parametrize("powers", telescoping.ANTIDIFFERENCES)
def test_an_altered_antidifference_is_found(powers, d, monkeypatch):
    F = telescoping.ANTIDIFFERENCES[powers]
    monkeypatch.setitem(telescoping.ANTIDIFFERENCES, powers, lambda *end: 2 * F(*end))
    with pytest.raises(DerivationError, match="telescope"):
        any_length.harmonic_sums(d)


def twice(function):
    return lambda *args: 2 * function(*args)


@pytest.mark.parametrize(
    ("module", "name", "step"),
    [
        (averages, "covariance", averages.columns),
        (averages, "covariance_with_tails", averages.columns),
        (averages, "mean_over_tau", averages.averages),
        (averages, "covariances", averages.roles),
        (averages, "covariances_of_free", averages.free_positions),
        (averages, "covariances_with_tails", averages.free_positions),
        (averages, "covariances", averages.free_positions),
        (every_block, "covariances", every_block.over_the_content),
        (every_block, "covariances_of_free", every_block.over_the_content),
    ],
)
def test_an_altered_average_is_found(module, name, step, d, monkeypatch):
    monkeypatch.setattr(module, name, twice(getattr(module, name)))
    with pytest.raises(DerivationError, match="differ by"):
        step(d)


# Blocks.
@pytest.mark.parametrize(("vocabulary", "length"), [("content", 12), ("all", 9), ("random", 9)])
def test_the_blocks_hold_at_longer_lengths(vocabulary, length):
    table = am.gradients.second_step(task(length, vocabulary))
    assert differences(table, every_block.second_step(vocabulary).table(length)) == {0}


def altered(table, name, entry):
    """The table with one entry of one block changed by a thousandth, or by 1 if it is 0."""

    def changed(block):
        flat = [*block.ravel()]
        flat[entry] = flat[entry] * 1001 / 1000 or flat[entry] + 1
        return np.array(flat, dtype=object).reshape(block.shape)

    blocks = {key: table[key] for key in table}
    block = blocks[name]
    if not isinstance(block, TokenBlock):
        blocks[name] = changed(block)
    elif entry == 0:
        blocks[name] = block._replace(same=changed(block.same))
    else:
        blocks[name] = block._replace(different=changed(block.different))
    return BlockTable(table.task, table.matrix, blocks)


@pytest.fixture(scope="module")
def tables():
    return every_block.library_tables(VOCABULARIES, (4,))


def test_the_blocks_are_the_library_s(tables, d):
    every_block.compare(d, tables)
    assert len(d.steps) == len(VOCABULARIES)


@pytest.mark.parametrize("entry", [0, -1])
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("column", ATOMS)
@pytest.mark.parametrize("row", ATOMS)
def test_an_altered_block_is_found(row, column, vocabulary, entry, tables, d):
    table = altered(tables[vocabulary, 4], (row, column), entry)
    with pytest.raises(DerivationError, match="All 16 blocks, with symbols"):
        every_block.compare(d, {(vocabulary, 4): table})


def reading_does_not_fluctuate(column, i, j, *, same):
    with_share = second_step.meets(i, j, same=same) * (column.reads @ second_step.FREE)
    return (second_step.COUNT[i] * column.keys[j] + with_share) / LENGTH


@pytest.mark.parametrize(
    ("owner", "name", "change", "vocabulary"),
    [
        (second_step, "meets", lambda i, j, *, same: second_step.FIELD(int(same)), "content"),
        (second_step, "covariances_of_free", lambda *kinds: second_step.FIELD(1), "content"),
        (second_step, "COUNT", dict.fromkeys("qoc", second_step.FIELD(1)), "content"),
        (second_step.Column, "counted", reading_does_not_fluctuate, "content"),
        (second_step, "surplus_of_labels", lambda vocabulary: Rational(0), "all"),
    ],
)
def test_a_dropped_term_of_the_derivation_is_found(
    owner, name, change, vocabulary, tables, d, monkeypatch
):
    monkeypatch.setattr(owner, name, change)
    monkeypatch.setattr(every_block, "second_step", second_step.SecondStep)
    with pytest.raises(DerivationError, match="All 16 blocks, with symbols"):
        every_block.compare(d, {(vocabulary, 4): tables[vocabulary, 4]})

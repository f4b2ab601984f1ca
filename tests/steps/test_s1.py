"""Planted errors that the check and the derivation of S1 must see."""

from __future__ import annotations

import pytest

from assocmem import gradients
from assocmem.model.families import OUTPUTS, POSITIONS, REMAPPED_TOKENS, TOKENS
from tests.controls import (
    alter,
    block_replaced,
    derivation_fails,
    different,
    failures,
    with_block,
)
from theory.derivation import Derivation
from theory.steps import s1


def harmonic_weights_forgotten(monkeypatch):
    """The weight of Φ₁ w_E is 1 in place of h_r."""
    step = gradients.first_step

    def first_step(task):
        table = step(task)
        return block_replaced(table, (OUTPUTS, REMAPPED_TOKENS), table[OUTPUTS, TOKENS])

    monkeypatch.setattr(gradients, "first_step", first_step)


def baseline_forgotten(monkeypatch):
    """1{y=k} in place of 1{y=k} - 1/M, on the position atoms."""
    step = gradients.first_step

    def first_step(task):
        table = step(task)
        block = table[OUTPUTS, POSITIONS] + 1 / (task.n_outputs * task.length)
        return block_replaced(table, (OUTPUTS, POSITIONS), block)

    monkeypatch.setattr(gradients, "first_step", first_step)


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (gradients, "first_step", with_block(("outputs", "tokens"), different(-1))),
    ],
)
def test_the_check_sees_an_altered_formula(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    assert any(failures("S1", seed=0))


@pytest.mark.parametrize(
    ("planted", "where"),
    [
        (harmonic_weights_forgotten, "every block is the library's"),
        (baseline_forgotten, "every block is the library's"),
    ],
)
def test_the_derivation_finds_an_altered_term(planted, where, monkeypatch):
    planted(monkeypatch)
    derivation_fails("S1", ".*" + where)


@pytest.mark.slow
@pytest.mark.parametrize("length", [7, 8])
def test_the_sums_over_patterns_hold_at_longer_lengths(length):
    longer = Derivation("longer")
    s1.derive(longer, lengths=(length,))
    assert any(step.checked for step in longer.steps)

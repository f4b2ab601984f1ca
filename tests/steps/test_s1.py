"""Planted errors that the check and the derivation of S1 must see."""

from __future__ import annotations

import pytest

from assocmem import gradients
from assocmem.model.families import OUTPUTS, POSITIONS, REMAPPED_TOKENS, TOKENS
from tests.controls import alter, block_replaced, derivation_fails, different, failures, with_block
from theory.derivation import Derivation
from theory.steps import s1


def harmonic_weights_forgotten(monkeypatch):
    """The weight of Φ₁ w_E is 1 in place of h_r."""

    def forgotten(table):
        return block_replaced(table, (OUTPUTS, REMAPPED_TOKENS), table[OUTPUTS, TOKENS])

    alter(monkeypatch, gradients, "first_step", forgotten)


def baseline_forgotten(monkeypatch):
    """1{y=k} in place of 1{y=k} - 1/M, on the position atoms."""

    def forgotten(table):
        block = table[OUTPUTS, POSITIONS] + 1 / (table.task.n_outputs * table.task.length)
        return block_replaced(table, (OUTPUTS, POSITIONS), block)

    alter(monkeypatch, gradients, "first_step", forgotten)


def test_the_check_sees_an_altered_formula(monkeypatch):
    alter(monkeypatch, gradients, "first_step", with_block(("outputs", "tokens"), different(-1)))
    assert any(failures("S1", seed=0))


@pytest.mark.parametrize("planted", [harmonic_weights_forgotten, baseline_forgotten])
def test_the_derivation_finds_an_altered_term(planted, monkeypatch):
    planted(monkeypatch)
    derivation_fails("S1", ".*every block is the library's")


@pytest.mark.slow
@pytest.mark.parametrize("length", [7, 8])
def test_the_sums_over_patterns_hold_at_longer_lengths(length):
    longer = Derivation("longer")
    s1.derive(longer, lengths=(length,))
    assert any(step.checked for step in longer.steps)

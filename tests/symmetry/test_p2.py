"""Planted errors that the check and the derivation of P2 must see."""

from __future__ import annotations

from fractions import Fraction

from assocmem.model.transformer import FrozenTransformer
from tests.controls import derivation_fails, failures
from tests.symmetry.planting import drawn_with_replacement, no_multiplicity
from theory.symmetry import p2
from theory.symmetry.claims import SECOND_ORDER


def test_P2_fails_with_another_constant(monkeypatch):
    monkeypatch.setitem(SECOND_ORDER, 5, SECOND_ORDER[5] * 101 / 100)
    assert any(failures("P2", seed=0))


def test_P2_fails_when_absent_classes_are_left_out(monkeypatch):
    original = p2._second_order

    def only_present(sums, first):
        sums.sizes = [sums.sizes[0], sums.sizes[1] + 1]
        return original(sums, first)

    monkeypatch.setattr(p2, "_second_order", only_present)
    derivation_fails("P2")


def test_the_check_fails_when_tokens_are_drawn_with_replacement(monkeypatch):
    drawn_with_replacement(monkeypatch)
    assert any(failures("P2", seed=0))


def test_the_check_fails_when_absent_tokens_count_once(monkeypatch):
    monkeypatch.setattr(FrozenTransformer, "_sums", no_multiplicity)
    assert any(failures("P2", seed=0))


def test_the_derivation_fails_with_another_constant(monkeypatch):
    monkeypatch.setitem(SECOND_ORDER, 4, Fraction(-23077, 7057))
    derivation_fails("P2")

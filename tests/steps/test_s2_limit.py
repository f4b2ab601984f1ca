"""Planted errors that the check and the derivation of S2-limit must see."""

from __future__ import annotations

from assocmem import gradients
from tests.controls import alter, derivation_fails, failures
from tests.steps.planting import second_step_with


def test_the_check_sees_an_altered_formula(monkeypatch):
    alter(monkeypatch, gradients, "second_step", lambda table: 1.05 * table)
    assert any(failures("S2-limit", seed=0))


def test_the_derivation_finds_an_altered_term(monkeypatch):
    second_step_with(lambda d, s: (2 * d, 2 * s))(monkeypatch)
    derivation_fails("S2-limit", ".*So the library's lead is")

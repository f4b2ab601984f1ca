"""Planted errors that the check and the derivation of IH must see."""

from __future__ import annotations

import assocmem as am
from tests.controls import alter, derivation_fails, failures


def reversed_head(memories: dict[str, am.AssociativeMemory]) -> dict[str, am.AssociativeMemory]:
    return memories | {"W_K1": memories["W_K1"].T}  # attends to the next position


def test_the_check_sees_an_altered_formula(monkeypatch):
    alter(monkeypatch, am, "induction_head", reversed_head)
    assert any(failures("IH", seed=0))


def test_the_derivation_fails_when_the_formula_is_altered(monkeypatch):
    alter(monkeypatch, am, "induction_head", reversed_head)
    derivation_fails("IH")

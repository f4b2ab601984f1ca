"""Planted errors that the check and the derivation of IH must see."""

from __future__ import annotations

import pytest

import assocmem as am
from tests.controls import alter, derivation_fails, failures


def reversed_head(memories: dict[str, am.AssociativeMemory]) -> dict[str, am.AssociativeMemory]:
    return memories | {"W_K1": memories["W_K1"].T}  # attends to the next position


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (am, "induction_head", reversed_head),
    ],
)
def test_the_check_sees_an_altered_formula(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    assert any(failures("IH", seed=0))


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (am, "induction_head", reversed_head),
    ],
)
def test_the_derivation_fails_when_the_formula_is_altered(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    derivation_fails("IH")

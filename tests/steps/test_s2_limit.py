"""Planted errors that the check and the derivation of S2-limit must see."""

from __future__ import annotations

import pytest

from assocmem import gradients
from tests.controls import alter, derivation_fails, failures
from tests.steps.planting import second_step_with


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (gradients, "second_step", lambda table: 1.05 * table),
    ],
)
def test_the_check_sees_an_altered_formula(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    assert any(failures("S2-limit", seed=0))


@pytest.mark.parametrize(
    ("planted", "where"),
    [
        (second_step_with(lambda d, s: (2 * d, 2 * s)), "So the library's lead is"),
    ],
)
def test_the_derivation_finds_an_altered_term(planted, where, monkeypatch):
    planted(monkeypatch)
    derivation_fails("S2-limit", ".*" + where)

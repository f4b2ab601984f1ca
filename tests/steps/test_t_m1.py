"""Planted errors that the check and the derivation of T-m1 must see."""

from __future__ import annotations

import pytest

from assocmem import gradients
from assocmem.gradients import conditions
from tests.controls import alter, derivation_fails, failures, seen, with_block
from theory.steps import t_m1


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (conditions, "reading_of_frequency", lambda value: value / 2),
        (conditions, "reading_of_frequency", lambda value: 2 * value),
    ],
)
def test_the_check_sees_an_altered_formula(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    assert any(failures("T-m1", seed=0))


def test_the_check_sees_one_percent_where_the_formula_is_worst(monkeypatch):
    alter(monkeypatch, conditions, "repairing_margin", lambda value: 1.01 * value)
    assert seen("T-m1", "C=2 K=1 T=7", 0)


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (gradients, "first_step", with_block(("outputs", "positions"), lambda b: b + 1)),
        (t_m1, "reading_of_frequency", lambda value: 2 * value),
    ],
)
def test_the_derivation_fails_when_the_formula_is_altered(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    derivation_fails("T-m1")

"""Planted errors that the check and the derivation of T-S1 must see."""

from __future__ import annotations

import pytest

from assocmem import gradients
from assocmem.gradients import conditions
from assocmem.model.families import TokenBlock
from tests.controls import alter, derivation_fails, different, failures, with_block


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (conditions, "_random_leads", lambda leads: (1.01 * leads[0], leads[1])),
        (gradients, "first_step", with_block(("outputs", "remapped_tokens"), different(-1))),
    ],
)
def test_the_check_sees_an_altered_formula(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    assert any(failures("T-S1", seed=0))


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (
            gradients,
            "first_step",
            with_block(
                ("outputs", "remapped_tokens"), lambda b: TokenBlock(2 * b.different, b.same)
            ),
        ),
    ],
)
def test_the_derivation_fails_when_the_formula_is_altered(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    derivation_fails("T-S1")

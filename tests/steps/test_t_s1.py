"""Planted errors that the check and the derivation of T-S1 must see."""

from __future__ import annotations

import pytest

from assocmem import gradients
from assocmem.gradients import conditions
from assocmem.model.families import TokenBlock
from tests.controls import alter, derivation_fails, different, failures, with_block

REMAPPED_OUTPUTS = ("outputs", "remapped_tokens")


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (conditions, "_random_leads", lambda leads: (1.01 * leads[0], leads[1])),
        (gradients, "first_step", with_block(REMAPPED_OUTPUTS, different(-1))),
    ],
)
def test_the_check_sees_an_altered_formula(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    assert any(failures("T-S1", seed=0))


def test_the_derivation_fails_when_the_formula_is_altered(monkeypatch):
    altered = with_block(REMAPPED_OUTPUTS, lambda b: TokenBlock(2 * b.different, b.same))
    alter(monkeypatch, gradients, "first_step", altered)
    derivation_fails("T-S1")

"""Planted errors that the check and the derivation of T must see."""

from __future__ import annotations

import numpy as np
import pytest

from assocmem import gradients
from assocmem.model.families import TokenBlock
from assocmem.topdown import steps
from tests.controls import alter, derivation_fails, failures, with_block

REMAPPED = "remapped_tokens"


def test_the_check_sees_an_altered_formula(monkeypatch):
    alter(monkeypatch, steps, "third_step", with_block(("positions", "positions"), np.negative))
    assert any(failures("T", seed=0))


@pytest.mark.parametrize(
    ("name", "block", "change"),
    [
        ("first_step", ("outputs", REMAPPED), lambda b: TokenBlock(2 * b.different, b.same)),
        ("second_step", ("tokens", REMAPPED), lambda b: TokenBlock(b.different, 2 * b.same)),
        ("third_step", ("positions", "positions"), lambda b: b * np.arange(len(b))),
    ],
)
def test_the_derivation_fails_when_the_formula_is_altered(name, block, change, monkeypatch):
    alter(monkeypatch, gradients, name, with_block(block, change))
    derivation_fails("T")

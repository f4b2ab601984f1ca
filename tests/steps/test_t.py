"""Planted errors that the check and the derivation of T must see."""

from __future__ import annotations

import numpy as np
import pytest

from assocmem import gradients
from assocmem.model.families import TokenBlock
from assocmem.topdown import steps
from tests.controls import alter, derivation_fails, failures, with_block


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (steps, "third_step", with_block(("positions", "positions"), np.negative)),
    ],
)
def test_the_check_sees_an_altered_formula(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    assert any(failures("T", seed=0))


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
        (
            gradients,
            "second_step",
            with_block(
                ("tokens", "remapped_tokens"), lambda b: TokenBlock(b.different, 2 * b.same)
            ),
        ),
        (
            gradients,
            "third_step",
            with_block(("positions", "positions"), lambda b: b * np.arange(len(b))),
        ),
    ],
)
def test_the_derivation_fails_when_the_formula_is_altered(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    derivation_fails("T")

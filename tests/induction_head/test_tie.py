"""Planted errors that the check and the derivation of tie must see."""

from __future__ import annotations

import numpy as np
import pytest

from assocmem import gradients
from assocmem.model.blocks import BlockTable
from tests.controls import alter, derivation_fails, failures, with_block


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (gradients, "second_step", with_block(("tokens", "positions"), np.negative)),
    ],
)
def test_the_check_sees_an_altered_formula(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    assert any(failures("tie", seed=0))


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (BlockTable, "coefficients", np.transpose),
    ],
)
def test_the_derivation_fails_when_the_formula_is_altered(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    derivation_fails("tie")

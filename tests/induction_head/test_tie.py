"""Planted errors that the check and the derivation of tie must see."""

from __future__ import annotations

import numpy as np

from assocmem import gradients
from assocmem.model.blocks import BlockTable
from tests.controls import alter, derivation_fails, failures, with_block


def test_the_check_sees_an_altered_formula(monkeypatch):
    alter(monkeypatch, gradients, "second_step", with_block(("tokens", "positions"), np.negative))
    assert any(failures("tie", seed=0))


def test_the_derivation_fails_when_the_formula_is_altered(monkeypatch):
    alter(monkeypatch, BlockTable, "coefficients", np.transpose)
    derivation_fails("tie")

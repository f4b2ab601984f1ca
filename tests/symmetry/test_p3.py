"""Planted errors that the check and the derivation of P3 must see."""

from __future__ import annotations

import numpy as np

import assocmem as am
from assocmem.model.blocks import BlockTable
from tests.controls import failures
from tests.symmetry.planting import drawn_with_replacement


def test_P3_fails_when_the_third_step_points_the_other_way(monkeypatch):
    original = am.SymmetricTransformer.loss_and_tables

    def reversed_positions(self, patterns, wrt=("W_K1", "W_K2", "W_O2")):
        loss, tables = original(self, patterns, wrt)
        if "W_K1" in tables:
            block = np.array(tables["W_K1"]["positions", "positions"])
            block[1:-1, :2] = block[1:-1, 1::-1]
            tables["W_K1"] = BlockTable(self.task, "W_K1", {("positions", "positions"): block})
        return loss, tables

    monkeypatch.setattr(am.SymmetricTransformer, "loss_and_tables", reversed_positions)
    assert any(failures("P3", seed=0))


def test_the_check_fails_when_tokens_are_drawn_with_replacement(monkeypatch):
    drawn_with_replacement(monkeypatch)
    assert any(failures("P3", seed=0))

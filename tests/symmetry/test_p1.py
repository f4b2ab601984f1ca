"""Planted errors that the check and the derivation of P1 must see."""

from __future__ import annotations

import numpy as np

from assocmem.model.blocks import BlockTable
from assocmem.model.transformer import FrozenTransformer
from assocmem.tasks import symmetry as tasks_symmetry
from tests.controls import alter, derivation_fails, failures
from tests.symmetry.planting import drawn_with_replacement, no_multiplicity
from theory.symmetry import p1


def test_P1_fails_when_a_partition_is_missing(monkeypatch):
    alter(
        monkeypatch, p1, "set_partitions", lambda found: found[: max(1, 2 ** found.shape[1] // 3)]
    )
    derivation_fails("P1")


def test_P1_fails_when_tokens_are_drawn_with_replacement(monkeypatch):
    drawn_with_replacement(monkeypatch)
    assert any(failures("P1", seed=0))
    derivation_fails("P1")


def test_P1_fails_when_probabilities_are_equal(monkeypatch):
    monkeypatch.setattr(
        tasks_symmetry, "_probabilities", lambda task, b: np.full(len(b), 1 / len(b))
    )
    derivation_fails("P1")


def test_P1_fails_when_averages_are_sums(monkeypatch):
    alter(monkeypatch, BlockTable, "averaged", lambda table: 2 * table)
    derivation_fails("P1")


def test_the_check_fails_when_absent_tokens_count_once(monkeypatch):
    monkeypatch.setattr(FrozenTransformer, "_sums", no_multiplicity)
    assert any(failures("P1", seed=0))

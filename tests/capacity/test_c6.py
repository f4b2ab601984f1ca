"""Planted errors that the check and the derivation of C6 must see."""

from __future__ import annotations

import pytest

import assocmem as am
from assocmem import capacity as library
from tests.capacity.planting import by_rule, lenient
from tests.controls import failures, plant, seen


@pytest.mark.parametrize("rule", ["outer products", "pseudo-inverse"])
def test_C6_sees_another_rule(rule, monkeypatch, seed):
    plant(monkeypatch, library, "memorise", by_rule(lambda _: rule))
    assert any(failures("C6", seed)), f"{seed=}"


def test_C6_sees_recall_that_does_not_end(monkeypatch, seed):
    plant(monkeypatch, am.AssociativeMemory, "_margin", lenient(10))
    assert seen("C6", "4 n*", seed), f"{seed=}"

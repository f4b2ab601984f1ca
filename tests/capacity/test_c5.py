"""Planted errors that the check and the derivation of C5 must see."""

from __future__ import annotations

import pytest

import assocmem as am
from assocmem import capacity as library
from tests.controls import derivation_fails, failures, plant


def test_C5_sees_more_than_any_rule_can_store(monkeypatch, seed):
    plant(monkeypatch, am.AssociativeMemory, "recall", lambda recall: lambda *args, **kw: 1.0)
    assert any(failures("C5", seed)), f"{seed=}"


def test_C5_sees_a_minimiser_that_goes_uphill(monkeypatch, seed):
    plant(monkeypatch, library, "_least_cross_entropy", lambda least: lambda *args: -least(*args))
    assert any(failures("C5", seed)), f"{seed=}"


@pytest.mark.parametrize("error", [-1, 1])
def test_C5_fails_for_another_bound(error, monkeypatch):
    plant(monkeypatch, library, "storage_bound", lambda bound: lambda d: bound(d) + error)
    derivation_fails("C5")

"""Planted errors that the check and the derivation of NO6 must see."""

from __future__ import annotations

import pytest

from assocmem.vectors import overlaps
from tests.controls import derivation_fails, failures, plant, scaled, swap
from validation.vectors import no6


@pytest.mark.parametrize("factor", [0.95, 1.05])
def test_NO6_sees_another_quantile(factor, monkeypatch, seed):
    plant(monkeypatch, no6, "coherence_quantile", scaled(factor))
    assert any(failures("NO6", seed)), f"{seed=}"


def of_ordered_pairs(quantile):
    return lambda q, *args, **kw: quantile(q**0.5, *args, **kw)


def test_NO6_sees_ordered_pairs_counted(monkeypatch, seed):
    """n(n-1) pairs for half as many: the right quantile of another probability."""
    plant(monkeypatch, no6, "coherence_quantile", of_ordered_pairs)
    assert any(failures("NO6", seed)), f"{seed=}"


def test_NO6_fails_for_ordered_pairs(monkeypatch):
    swap(monkeypatch, overlaps, "coherence_quantile", of_ordered_pairs)
    derivation_fails("NO6", r".*coherence_quantile")

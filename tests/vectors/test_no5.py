"""Planted errors that the check and the derivation of NO5 must see."""

from __future__ import annotations

from math import comb

import pytest

from assocmem import coherence_bound
from assocmem.vectors import overlaps
from assocmem.vectors.overlaps import coherence_band
from tests.controls import derivation_fails, failures, plant
from tests.vectors.planting import limits_scaled
from validation.vectors import no5


@pytest.mark.parametrize("low", [0.9, 1.1])
def test_NO5_sees_another_lower_limit(low, monkeypatch, seed):
    plant(monkeypatch, no5, "coherence_band", limits_scaled(low, 1))
    assert any(failures("NO5", seed)), f"{seed=}"


@pytest.mark.parametrize("high", [0.9, 1.25])
def test_NO5_sees_another_upper_limit(high, monkeypatch, seed):
    plant(monkeypatch, no5, "coherence_band", limits_scaled(1, high))
    assert any(failures("NO5", seed)), f"{seed=}"


def test_NO5_sees_a_dropped_minus_one(monkeypatch, seed):
    """m for m - 1 in the bound; at n = 10^6 that makes no difference that could be seen."""

    def band(n, d, *, delta, family="sphere"):
        _, high = coherence_band(n, d, delta=delta, family=family)
        m, half = comb(n, 2), delta / 2
        p = (1 - half) / (1 + half * m)
        return coherence_bound(2, d, delta=p, family=family, sharp=True), high

    monkeypatch.setattr(no5, "coherence_band", band)
    assert any(failures("NO5", seed)), f"{seed=}"


@pytest.mark.parametrize("limit", ["lower", "upper"])
def test_NO5_fails_for_a_limit_at_another_delta(limit, monkeypatch):
    band = overlaps.coherence_band

    def coherence_band(n, d, *, delta, family="sphere"):
        low, high = band(n, d, delta=delta, family=family)
        other_low, other_high = band(n, d, delta=delta / 2, family=family)
        return (other_low, high) if limit == "lower" else (low, other_high)

    monkeypatch.setattr(overlaps, "coherence_band", coherence_band)
    derivation_fails("NO5", rf".*{limit} limit")


def test_NO5_fails_for_signs_one_step_off(monkeypatch):
    band = overlaps.coherence_band

    def coherence_band(n, d, *, delta, family="sphere"):
        low, high = band(n, d, delta=delta, family=family)
        return (low + 2 / d if family == "rademacher" else low), high

    monkeypatch.setattr(overlaps, "coherence_band", coherence_band)
    derivation_fails("NO5", r".*Signs")

"""Planted errors that the check and the derivation of NO2 must see."""

from __future__ import annotations

import pytest

import assocmem as am
from tests.controls import derivation_fails, failures, plant
from tests.vectors.planting import scaled
from validation.vectors import no2


@pytest.mark.parametrize("factor", [0.9, 1.1], ids=["exceeded too often", "looser than stated"])
def test_NO2_sees_another_bound(factor, monkeypatch, seed):
    plant(monkeypatch, no2, "coherence_bound", scaled(factor))
    assert any(failures("NO2", seed)), f"{seed=}"


@pytest.mark.parametrize(
    "altered",
    [
        {"family": "sphere", "sharp": False},
        {"family": "rademacher", "sharp": False},
        {"family": "gaussian", "sharp": False},
        {"family": "sphere", "sharp": True},
        {"family": "rademacher", "sharp": True},
        {"family": "gaussian", "sharp": True},
    ],
    ids=lambda kw: f"{kw['family']}, {'sharp' if kw['sharp'] else 'plain'}",
)
@pytest.mark.parametrize("error", ["n(n+1)", "delta/2"])
def test_NO2_fails_for_a_bound_with_one_term_altered(altered, error, monkeypatch):
    bound = am.coherence_bound

    def coherence_bound(n, d, *, delta, family="sphere", normalised=True, sharp=False):
        if {"family": family, "sharp": sharp} == altered:
            delta = delta / 2 if error == "delta/2" else delta * (n - 1) / (n + 1)
        return bound(n, d, delta=delta, family=family, normalised=normalised, sharp=sharp)

    monkeypatch.setattr(am, "coherence_bound", coherence_bound)
    derivation_fails("NO2", r".*bound")

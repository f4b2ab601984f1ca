"""Errors that every check of the coherence of random vectors must see."""

from __future__ import annotations

from importlib import import_module

import pytest

from assocmem.vectors import families
from tests.controls import failures, plant
from tests.vectors.planting import mean_coherence, repeated
from validation.vectors import coherences

CLAIMS = ("NO2", "NO5", "NO6", "NO7")


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("family", ["gaussian", "sphere", "rademacher"])
def test_a_vector_drawn_twice_is_seen(family, claim, monkeypatch, seed):
    monkeypatch.setitem(families.FAMILIES, family, repeated(families.FAMILIES[family]))
    check = import_module(f"validation.vectors.{claim.lower()}")  # of that family alone
    monkeypatch.setattr(check, "DRAWN", [each for each in check.DRAWN if family in each])
    assert any(failures(claim, seed)), f"{seed=}"


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_mean_overlap_is_no_coherence(claim, monkeypatch, seed):
    """The mean is blind to a few bad pairs."""
    plant(monkeypatch, coherences, "coherence", mean_coherence)
    assert any(failures(claim, seed)), f"{seed=}"

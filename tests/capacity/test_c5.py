"""Planted errors that the check and the derivation of C5 must see."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
from assocmem import capacity as library
from tests.controls import derivation_fails, failures, plant
from validation.capacity import c5


def test_C5_sees_more_than_any_rule_can_store(monkeypatch, seed):
    plant(monkeypatch, am.AssociativeMemory, "recall", lambda recall: lambda *args, **kw: 1.0)
    assert any(failures("C5", seed)), f"{seed=}"


def test_C5_sees_a_minimiser_that_goes_uphill(monkeypatch, seed):
    plant(monkeypatch, library, "_least_cross_entropy", lambda least: lambda *args: -least(*args))
    assert any(failures("C5", seed)), f"{seed=}"


def test_C5_sees_a_region_counted_once_too_often(monkeypatch, seed):
    plant(monkeypatch, c5, "regions", lambda regions: lambda planes: regions(planes) + 2)
    assert next(failures("C5", seed)).case.startswith("regions")


@pytest.mark.parametrize("planes", [2, 3, 4])
def test_C5_counts_the_regions_between_parallel_planes_once(planes, seed):
    normal = np.random.default_rng(seed).standard_normal(3)
    assert c5.regions(np.outer(np.arange(1, planes + 1), normal)) == 2


@pytest.mark.parametrize("error", [-1, 1])
def test_C5_fails_for_another_bound(error, monkeypatch):
    plant(monkeypatch, library, "storage_bound", lambda bound: lambda d: bound(d) + error)
    derivation_fails("C5")

"""Planted errors that the check and the derivation of NO1 must see."""

from __future__ import annotations

import pytest

import assocmem as am
from assocmem.vectors import families
from tests.controls import alter, derivation_fails, failures, scaled
from tests.vectors.planting import anisotropic


@pytest.mark.parametrize("family", ["gaussian", "sphere", "rademacher"])
@pytest.mark.parametrize("error", [scaled(1.05), anisotropic], ids=["scale", "shape"])
def test_NO1_sees(family, error, monkeypatch, seed):
    monkeypatch.setitem(families.FAMILIES, family, error(families.FAMILIES[family]))
    assert any(failures("NO1", seed)), f"{seed=}"


@pytest.mark.parametrize("family", ["gaussian", "sphere", "rademacher"])
def test_NO1_fails_for_a_family_of_another_scale(family, monkeypatch):
    alter(monkeypatch, am, family, lambda rows: 2 * rows)
    derivation_fails("NO1", rf".*`{family}`.*differ")

"""Planted errors that the check and the derivation of WR4 must see."""

from __future__ import annotations

import numpy as np
import pytest

import validation.writers.wr4
from assocmem import capacity
from tests.controls import derivation_fails, failures, plant, scaled, seen
from tests.writers.planting import tilted


@pytest.mark.parametrize("factor", [0.85, 1.15], ids=["fewer", "more"])
def test_WR4_sees_another_number_of_items(factor, monkeypatch, seed):
    plant(monkeypatch, capacity, "polar_recall", scaled(factor))
    assert any(failures("WR4", seed)), f"{seed=}"


@pytest.mark.slow
@pytest.mark.parametrize("power", [-0.25, 0.25])
def test_WR4_sees_another_exponent(power, monkeypatch, seed):
    plant(monkeypatch, capacity, "polar_recall", lambda f: lambda p, d: f(p, d) * (d / 32) ** power)
    assert seen("WR4", "exponent", seed), f"{seed=}"


def test_WR4_sees_gradient_descent_in_place_of_the_factor(monkeypatch, seed):
    monkeypatch.setattr(validation.writers.wr4, "polar_factor", np.asarray)
    assert any(failures("WR4", seed)), f"{seed=}"


@pytest.mark.parametrize("error", [scaled(1 + 1e-8), tilted(1e-6)])
def test_WR4_fails_for_another_recall(error, monkeypatch):
    plant(monkeypatch, capacity, "polar_recall", error)
    derivation_fails("WR4", "The library's")

"""Planted errors that the check and the derivation of WR2 must see."""

from __future__ import annotations

import numpy as np
import pytest

import validation.writers.wr2
from assocmem import capacity
from tests.controls import derivation_fails, failures, plant, scaled
from tests.writers.planting import tilted


@pytest.mark.parametrize("error", [scaled(1.05), tilted(0.2)], ids=["factor", "another law"])
def test_WR2_sees_other_scores(error, monkeypatch, seed):
    plant(monkeypatch, capacity, "sign_scores", error)
    assert any(failures("WR2", seed)), f"{seed=}"


def test_WR2_sees_a_power_that_frequencies_share_alike(monkeypatch, seed):
    plant(monkeypatch, capacity, "_power_index", lambda f: lambda p: f(p).mean() * p / p.mean())
    assert any(failures("WR2", seed)), f"{seed=}"


@pytest.mark.parametrize("part", ["Gaussian", "square of the wrong", "square of the right"])
def test_WR2_sees_scores_of_another_memory(part, monkeypatch, seed):
    """One entry in twenty of the memories keeps no sign."""

    def partly(W, u, v):
        mask = np.arange(W.shape[-1] ** 2).reshape(W.shape[-2:]) % 20 > 0
        return v @ (W * mask) @ np.swapaxes(u, -1, -2)

    monkeypatch.setattr(validation.writers.wr2, "scores_of", partly)
    assert any(part in case.case for case in failures("WR2", seed)), f"{seed=}"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("_power_index", scaled(1 + 1e-9)),
        ("_power_index", lambda f: lambda p: f(p**1.5)),
        ("sign_scores", scaled(1 + 1e-9)),
        pytest.param(
            "sign_scores",
            lambda f: lambda p, d, **kw: f(p, d, **kw) + (len(p) == 3) * 1e-8,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_WR2_fails_for_other_scores(name, error, monkeypatch):
    plant(monkeypatch, capacity, name, error)
    derivation_fails("WR2")

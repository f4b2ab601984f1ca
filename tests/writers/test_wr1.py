"""Planted errors that the check and the derivation of WR1 must see."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
import validation.writers.wr1
from assocmem import capacity, training
from tests.controls import derivation_fails, failures, plant, scaled, seen


def nearly(matrix):
    """Two steps of a Newton iteration instead of the exact factor."""
    X = np.asarray(matrix) / np.linalg.norm(matrix, 2)
    for _ in range(12):
        X = 1.5 * X - 0.5 * X @ X.T @ X
    return X


@pytest.mark.parametrize(
    "error",
    [
        scaled(1 + 1e-6),
        lambda factor: nearly,
        lambda factor: lambda M: factor(np.asarray(M) + 1e-7 * np.ones_like(M)),
    ],
    ids=["factor", "a few iterations", "another matrix"],
)
def test_WR1_sees_another_factor(error, monkeypatch, seed):
    plant(monkeypatch, capacity, "polar_factor", error)
    assert any(failures("WR1", seed)), f"{seed=}"


def test_WR1_sees_signs_that_keep_magnitudes(monkeypatch, seed):
    """A saturated one is off by 2 e⁻²⁰ or more, wherever the coefficients, at most 1, are drawn."""
    monkeypatch.setattr(
        training.SignDescent, "direction", lambda self, W, g, state: (np.tanh(10 * g), state)
    )
    assert seen("WR1", "sign descent", seed), f"{seed=}"


def test_WR1_sees_families_that_are_not_orthonormal(monkeypatch, seed):
    monkeypatch.setattr(validation.writers.wr1.am, "orthonormal", am.sphere)
    assert any(failures("WR1", seed)), f"{seed=}"


@pytest.mark.parametrize("error", [scaled(1 + 1e-9), lambda factor: lambda M: factor(M).T])
def test_WR1_fails_for_another_factor(error, monkeypatch):
    plant(monkeypatch, capacity, "polar_factor", error)
    derivation_fails("WR1", "The library's factor")


def test_WR1_fails_for_another_memory(monkeypatch):
    matrix = am.AssociativeMemory.matrix.fget
    monkeypatch.setattr(
        am.AssociativeMemory, "matrix", property(lambda self: matrix(self) + matrix(self).T)
    )
    derivation_fails("WR1")

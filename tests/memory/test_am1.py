"""Planted errors that the check and the derivation of AM1 must see."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
from tests.controls import derivation_fails, failures, plant
from validation.memory import am1


@pytest.mark.parametrize(
    "error",
    [
        lambda scores: lambda W: -scores(W),
        lambda scores: lambda W: scores(W) * (1 + 1e-9),
        lambda scores: lambda W: np.roll(scores(W), 1, axis=0),
        lambda scores: lambda W: scores(W).astype(np.float32),
    ],
    ids=["sign", "factor", "index", "single precision"],
)
def test_AM1_sees(error, monkeypatch, seed):
    plant(monkeypatch, am.AssociativeMemory, "scores", error)
    assert any(failures("AM1", seed)), f"{seed=}"


def test_AM1_sees_keys_that_are_not_orthonormal(monkeypatch, seed):
    monkeypatch.setattr(am1, "orthonormal", am.gaussian)
    assert any(failures("AM1", seed)), f"{seed=}"


def test_AM1_fails_for_another_matrix(monkeypatch):
    matrix = am.AssociativeMemory.matrix.fget
    monkeypatch.setattr(am.AssociativeMemory, "matrix", property(lambda self: matrix(self).T))
    derivation_fails("AM1", r"The same over orthonormal keys")

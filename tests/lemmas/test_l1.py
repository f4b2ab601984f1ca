"""Planted errors that the check and the derivation of L1 must see."""

from __future__ import annotations

import numpy as np
import pytest
from sympy import exp

from assocmem import _statistics, gradients
from tests.controls import altered_result, derivation_fails, failures, plant
from tests.lemmas.planting import ascent, at_zero


def test_the_derivation_fails_when_the_softmax_is_not_normalised(monkeypatch):
    monkeypatch.setattr(
        _statistics,
        "softmax",
        lambda scores, axis=-1: 1 / (1 + np.vectorize(exp, otypes=[object])(-scores)),
    )
    derivation_fails("L1", r"By the logits")


def test_the_check_sees_another_gradient(monkeypatch):
    plant(monkeypatch, gradients, "linear_step", altered_result(lambda memory: -memory))
    assert any(failures("L1", seed=0))


@pytest.mark.parametrize("error", [ascent, at_zero])
def test_the_derivation_fails_when_the_closed_form_is_altered(error, monkeypatch):
    plant(monkeypatch, gradients, "linear_step", error)
    derivation_fails("L1", ".*differ by")

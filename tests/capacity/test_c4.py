"""Planted errors that the check and the derivation of C4 must see."""

from __future__ import annotations

import numpy as np
import pytest

from assocmem import capacity as library
from tests.capacity.planting import by_rule, scaled
from tests.controls import derivation_fails, failures, leave_out, plant, seen
from validation.capacity import c4


@pytest.mark.parametrize(
    "instead",
    [
        lambda rule: "outer products",
        lambda rule: "pseudo-inverse" if rule == "outer products" else rule,
        lambda rule: "pseudo-inverse" if rule == "gradient step" else rule,
    ],
)
def test_C4_sees_another_rule(instead, monkeypatch, seed):
    plant(monkeypatch, library, "sampled_recall", by_rule(instead))
    assert any(failures("C4", seed)), f"{seed=}"


def test_C4_sees_a_regularised_inverse(monkeypatch, seed):
    leave_out(monkeypatch, c4, "at_capacity")
    pinv = np.linalg.pinv
    monkeypatch.setattr(np.linalg, "pinv", lambda a, **kw: pinv(a, **kw) * (1 + 1e-6))
    assert seen("C4", "as stored", seed), f"{seed=}"


@pytest.mark.parametrize("rule", ["pseudo-inverse", "gradient step"])
def test_C4_fails_for_another_rule(rule, monkeypatch):
    def error(memorise):
        return lambda *args, rule: memorise(*args, rule="outer products")

    plant(monkeypatch, library, "memorise", error)
    derivation_fails("C4")


def test_C4_fails_for_other_moments_of_margins(monkeypatch):
    plant(monkeypatch, library, "margin_moments", scaled(2))
    derivation_fails("C4")


@pytest.mark.parametrize(
    "error",
    [
        lambda written: lambda b, rule, n, d, rng: written(b, rule, n + d - 1, d, rng),
        lambda written: (
            lambda b, rule, *rest: b if rule == "gradient step" else written(b, rule, *rest)
        ),
    ],
    ids=["dimensions of the crosstalk", "mean kept"],
)
def test_C4_fails_for_other_overlaps(error, monkeypatch):
    plant(monkeypatch, library, "_written", error)
    derivation_fails("C4")

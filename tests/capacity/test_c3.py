"""Planted errors that the check and the derivation of C3 must see."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_ndtr

import validation.capacity
from assocmem import capacity as library
from tests.capacity.planting import overlaps
from tests.controls import derivation_fails, failures, leave_out, plant, seen
from validation.capacity import c3


@pytest.mark.parametrize(
    "error",
    [
        overlaps(lambda weight, own, rivals, counts: (weight, own, 2 * rivals, counts)),
        overlaps(lambda weight, own, rivals, counts: (weight**1.2, own, rivals, counts)),
    ],
    ids=["heavier rivals", "another exponent"],
)
def test_C3_sees(error, monkeypatch, seed):
    plant(monkeypatch, library, "_overlaps", error)
    assert any(failures("C3", seed)), f"{seed=}"


def test_C3_sees_another_limit(monkeypatch, seed):
    plant(monkeypatch, library, "zipf_recall", lambda limit: lambda x, alpha: limit(2 * x, alpha))
    assert any(failures("C3", seed)), f"{seed=}"


def test_C3_sees_items_beyond_place_4_left_out(monkeypatch, seed):
    """The cases of `limit_of_zipf` end there; 16 % of the integral do not."""
    leave_out(monkeypatch, c3, "limit_of_zipf")
    plant(
        monkeypatch,
        library,
        "zipf_recall",
        lambda limit: lambda x, a: limit(x, a) * (np.asarray(x) < 4),
    )
    assert seen("C3", "items recalled of n", seed), f"{seed=}"


@pytest.mark.parametrize("factor", [0.6, 1.4], ids=["less", "more"])
def test_C3_sees_another_signal_among_many_items(factor, monkeypatch, seed):
    leave_out(monkeypatch, c3, "limit_of_zipf")
    plant(
        monkeypatch,
        validation.capacity,
        "is_recalled",
        lambda right: lambda i, w, g, h, own, gamma: right(i, w, g, h, factor * own, gamma),
    )
    assert seen("C3", "items recalled of n", seed), f"{seed=}"


def test_C3_sees_another_power_of_the_width(monkeypatch, seed):
    plant(
        monkeypatch,
        library,
        "sampled_recall",
        lambda f: lambda n, d, **kw: f(n, round(d**0.6 * 1e5**0.4) if d > 1e4 else d, **kw),
    )
    assert seen("C3", "exponent", seed), f"{seed=}"


@pytest.mark.parametrize(
    "error",
    [
        lambda product: lambda x, exponent: product(x, exponent) - log_ndtr((1 / x) ** exponent),
        lambda product: lambda x, exponent: product(x, exponent + 1e-9),
    ],
    ids=["without the first rival", "exponent"],
)
def test_C3_fails_for_another_product(error, monkeypatch):
    plant(monkeypatch, library, "_log_zipf", error)
    derivation_fails("C3")


def test_C3_fails_for_a_product_that_ends_early(monkeypatch):
    monkeypatch.setattr("assocmem.capacity.laws._SURE", 3)
    derivation_fails("C3")


def test_C3_fails_for_another_limit(monkeypatch):
    plant(monkeypatch, library, "zipf_recall", lambda f: lambda x, a: f(x, a) * (1 + 1e-9))
    derivation_fails("C3")

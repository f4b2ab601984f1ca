"""Planted errors that the check and the derivation of NO3 must see."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

import assocmem as am
from tests.controls import derivation_fails, failures, plant, scaled, seen, swap
from validation.vectors import no3


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_NO3_sees_a_wrong_factor(factor, monkeypatch, seed):
    plant(monkeypatch, no3, "welch_bound", scaled(factor))
    assert any(failures("NO3", seed)), f"{seed=}"


def test_NO3_sees_a_dropped_minus_one(monkeypatch, seed):
    monkeypatch.setattr(no3, "welch_bound", lambda n, d: np.sqrt(max(n - d, 0) / (d * n)))
    assert any(failures("NO3", seed)), f"{seed=}"


def test_NO3_sees_vectors_that_are_moved_further_than_stated(monkeypatch, seed):
    monkeypatch.setattr(no3, "sphere", lambda n, d, *, rng: 10 * am.sphere(n, d, rng=rng))
    assert seen("NO3", "moved", seed), f"{seed=}"


@pytest.mark.parametrize(
    "welch_bound",
    [
        lambda n, d: sqrt(max(n - d, 0) / (d * n)),
        lambda n, d: sqrt(max(n - d + 1, 0) / (d * (n - 1))),
        lambda n, d: sqrt(max(n - d, 0) / (n - 1)),
    ],
    ids=["n for n - 1", "n - d + 1 for n - d", "d dropped"],
)
def test_NO3_fails_for_a_bound_with_one_term_altered(welch_bound, monkeypatch):
    monkeypatch.setattr(am, "welch_bound", welch_bound)
    derivation_fails("NO3", r".*`welch_bound`")


def test_NO3_fails_for_a_bound_that_denies_orthonormal_vectors(monkeypatch):
    swap(monkeypatch, am, "welch_bound", lambda f: lambda n, d: f(n, d) if n > d else 1 / n)
    derivation_fails("NO3", r".*orthonormal")

"""Planted errors that the check and the derivation of C1 must see."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
import validation.capacity
from assocmem import capacity as library
from tests.capacity.planting import (
    doubled,
    scaled,
    squared,
)
from tests.controls import derivation_fails, failures, plant
from theory import CLAIMS
from theory.algebra import moments
from theory.derivation import DerivationError, derive


def without_covariance(_):
    def spread(C, d, targets, *, family):
        variance = library.score_moments(C, d, family=family)[1]
        keys = np.arange(C.shape[1])
        total = variance + variance[targets, keys]
        total[targets, keys] = 0
        return C[targets, keys] - C, total

    return spread


@pytest.mark.parametrize(
    "error",
    [
        without_covariance,
        lambda moments: lambda C, d, targets, *, family: moments(C, d, targets, family="gaussian"),
        lambda moments: lambda C, d, targets, *, family: moments(C, d, targets, family="sphere"),
    ],
    ids=["no covariance", "norms that vary", "norms that do not vary"],
)
def test_C1_sees(error, monkeypatch, seed):
    plant(monkeypatch, library, "margin_moments", error)
    assert any(failures("C1", seed)), f"{seed=}"


def test_C1_sees_scores_transposed_in_their_noise(monkeypatch, seed):
    plant(monkeypatch, validation.capacity, "drawn_scores", lambda f: lambda *a: f(*a)[:, ::-1])
    assert any(failures("C1", seed)), f"{seed=}"


@pytest.mark.parametrize("name", ["score_moments", "margin_moments"])
def test_C1_fails_for_another_variance(name, monkeypatch):
    plant(monkeypatch, library, name, scaled(2))
    derivation_fails("C1")


@pytest.mark.parametrize("family", ["gaussian", "sphere", "rademacher"])
def test_C1_fails_for_another_law_of_the_entries(family, monkeypatch):
    """Fourth moments a tenth too large; the second ones are unchanged."""
    plant(
        monkeypatch,
        moments,
        f"{family}_moment",
        lambda moment: lambda powers: moment(powers) * (11 if sum(powers) == 4 else 10) / 10,
    )
    with pytest.raises(DerivationError, match=rf"^C1: .*\({family}\).*differ"):
        derive(CLAIMS["C1"])


@pytest.mark.parametrize("error", [doubled, squared])
def test_the_derivation_fails_for_other_scores(error, monkeypatch):
    plant(monkeypatch, am.AssociativeMemory, "scores", error)
    derivation_fails("C1")

"""Planted errors that the check and the derivation of W3 must see."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
from assocmem.width import moments as step_noise
from assocmem.width import wick
from tests.controls import alter, derivation_fails, failures, seen, swap
from tests.rounding import PRODUCTS
from validation.width import w3


@pytest.mark.parametrize("factor", [0.1, 10])
def test_W3_sees_another_variance(factor, monkeypatch, seed):
    """The width is then wrong by this factor."""
    alter(monkeypatch, wick.ScoreMoments, "margins", lambda found: (found[0], factor * found[1]))
    assert any(failures("W3", seed)), f"{seed=}"


def test_W3_sees_in_draws_a_width_that_is_tenfold(monkeypatch, seed):
    swap(monkeypatch, w3, "all_recalled", lambda f: lambda task, W, d, *a: f(task, W, 10 * d, *a))
    assert seen("W3", "all recalled", seed), f"{seed=}"


def test_W3_sees_memories_that_recall_nothing(monkeypatch, seed):
    monkeypatch.setattr(am.Probe, "recall", lambda *arguments: 0.0)
    assert any(failures("W3", seed)), f"{seed=}"


def test_W3_is_exact_where_cantelli_is():
    """Cantelli is attained by two values; of one cue and one rival the bound is the probability."""
    p = 0.2  # the margin is 0 with probability p, and 3 otherwise
    mean, variance = 3.0 * (1 - p), 9.0 * p * (1 - p)
    moments = wick.ScoreMoments(
        np.array([[[mean, 0.0]]]),
        np.array([[[[mean**2 + variance, 0.0], [0.0, 0.0]]]]),
    )
    bound = step_noise.cantelli_failure(moments, 1.0, np.array([0]))
    assert bound == pytest.approx(p, rel=PRODUCTS)
    among = np.array([[True], [False]])
    assert step_noise.cantelli_failure(moments, 1.0, np.array([0]), among) == 0
    assert step_noise.cantelli_failure(moments, 1.0, np.array([1])) == 1  # a negative margin


def test_W3_fails_for_another_bound(monkeypatch):
    alter(monkeypatch, step_noise, "cantelli_failure", lambda bound: 1.1 * bound)
    derivation_fails("W3", ".*Not shown to be true")

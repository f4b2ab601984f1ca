"""Planted errors that the check and the derivation of C7 must see."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from assocmem import capacity as library
from tests.controls import derivation_fails, failures, plant


def with_the_scores_own_moments(_):
    """The moments of C1, the common factor left in."""

    def probability(n, d, *, classes=None):
        m = classes or n
        wrong = (n + (d + 1) * (n / m + 1)) / d**2
        right = wrong + (d + 1) ** 2 / d**2 - 1
        normal = np.linspace(-9, 9, 289)
        win = (m - 1) * special.log_ndtr((1 + np.sqrt(right) * normal) / np.sqrt(wrong))
        return float(stats.norm.pdf(normal) @ np.exp(win)) / 16

    return probability


@pytest.mark.parametrize(
    "error",
    [
        with_the_scores_own_moments,
        lambda probability: lambda n, d, **kw: probability(n, round(1.5 * d), **kw),
        lambda probability: lambda n, d, *, classes=None: probability(n, d),
    ],
    ids=["moments of C1", "width", "one to one"],
)
def test_C7_sees(error, monkeypatch, seed):
    plant(monkeypatch, library, "recall_probability", error)
    assert any(failures("C7", seed)), f"{seed=}"


def counted_once(log_win):
    return lambda score, variances, counts: log_win(score, variances, np.ones(len(counts)))


def test_C7_fails_for_rivals_counted_once(monkeypatch):
    plant(monkeypatch, library, "_log_win", counted_once)
    derivation_fails("C7")


def test_C7_fails_for_a_coarse_integral(monkeypatch):
    monkeypatch.setattr("assocmem.capacity.laws._STEP", 1)
    derivation_fails("C7")


def test_C7_fails_for_another_capacity(monkeypatch):
    plant(
        monkeypatch, library, "capacity", lambda size: lambda *a, **kw: size(*a, recall=0.51, **kw)
    )
    derivation_fails("C7")

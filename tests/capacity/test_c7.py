"""Planted errors that the check and the derivation of C7 must see."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from assocmem import capacity as library
from tests.capacity.planting import term_replaced
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


@pytest.mark.parametrize(
    ("term", "other"),
    [
        ("weight * (1 - 1 / (2 * d))", "weight"),
        ("(d * (weight**2 + own) + others)", "(d * weight**2 + others)"),
        ("(d * (weight**2 + own) + others)", "((d + 1) * (weight**2 + own) + others)"),
        ("(d * (weight**2 + rivals) + own + others - rivals)",
         "(d * (weight**2 + rivals) + own + others)"),
        ("(d * (weight**2 + rivals) + own + others - rivals)",
         "(d * (weight**2 + rivals) + others - rivals)"),
        ("counts @ log_ndtr", "np.ones(len(counts)) @ log_ndtr"),
        ("step = 1 / 8", "step = 1"),
    ],
)  # fmt: skip
def test_C7_fails_for_another_approximation(term, other, monkeypatch):
    term_replaced(monkeypatch, "recall_probability", term, other)
    derivation_fails("C7")


def test_C7_fails_for_another_capacity(monkeypatch):
    term_replaced(monkeypatch, "capacity", "classes=classes) - recall", "classes=classes) - 0.51")
    derivation_fails("C7")


@pytest.mark.parametrize(
    ("name", "term", "other"),
    [
        ("_overlaps", "1.0, n / m - 1,", "1.0, n / m,"),
        ("_overlaps", "np.array([n / m])", "np.array([n / m - 1])"),
        ("_overlaps", "float(w[item])", "float(w[item] ** 2)"),
    ],
)
def test_the_derivation_fails_for_other_overlaps(name, term, other, monkeypatch):
    term_replaced(monkeypatch, name, term, other)
    derivation_fails("C7")

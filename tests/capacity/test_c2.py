"""Planted errors that the check and the derivation of C2 must see."""

from __future__ import annotations

import pytest

import assocmem as am
from assocmem import capacity as library
from tests.capacity.planting import (
    SAMPLER,
    doubled,
    lenient,
    overlaps,
    scaled,
    squared,
    term_replaced,
)
from tests.controls import derivation_fails, failures, plant


@pytest.mark.parametrize(
    "error",
    [
        overlaps(lambda weight, own, rivals, counts: (weight, own, 0 * rivals + 1, counts)),
        overlaps(lambda weight, own, rivals, counts: (1.2 * weight, own, rivals, counts)),
    ],
    ids=["crosstalk of one key a class", "signal"],
)
def test_C2_sees(error, monkeypatch, seed):
    plant(monkeypatch, library, "_overlaps", error)
    assert any(failures("C2", seed)), f"{seed=}"


def test_C2_sees_a_lenient_margin(monkeypatch, seed):
    plant(monkeypatch, am.AssociativeMemory, "margin", lenient)
    assert any(failures("C2", seed)), f"{seed=}"


def test_C2_fails_for_another_limit_of_few_values(monkeypatch):
    term_replaced(monkeypatch, "recall_probability", "right = (d *", "right = (0.999 * d *")
    derivation_fails("C2")


@pytest.mark.parametrize(("term", "other"), SAMPLER)
def test_the_derivation_fails_for_another_sampler(term, other, monkeypatch):
    term_replaced(monkeypatch, "sampled_recall", term, other)
    derivation_fails("C2")


@pytest.mark.parametrize(
    ("name", "term", "other"),
    [
        ("sampled_recall", "sqrt(own) * rng", "0 * rng"),
        ("_overlaps", "1.0, n / m - 1,", "1.0, n / m,"),
        ("_overlaps", "np.array([n / m])", "np.array([n / m - 1])"),
    ],
)
def test_the_derivation_fails_for_other_overlaps(name, term, other, monkeypatch):
    term_replaced(monkeypatch, name, term, other)
    derivation_fails("C2")


@pytest.mark.parametrize("error", [doubled, squared])
def test_the_derivation_fails_for_other_scores(error, monkeypatch):
    plant(monkeypatch, am.AssociativeMemory, "scores", error)
    derivation_fails("C2")


def test_the_derivation_fails_for_other_moments_of_scores(monkeypatch):
    plant(monkeypatch, library, "score_moments", scaled(2))
    derivation_fails("C2")

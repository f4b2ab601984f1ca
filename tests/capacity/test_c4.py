"""Planted errors that the check and the derivation of C4 must see."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
from assocmem import capacity as library
from tests.capacity.planting import SAMPLER, by_rule, doubled, scaled, squared, term_replaced
from tests.controls import derivation_fails, failures, plant


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
    pinv = np.linalg.pinv
    monkeypatch.setattr(np.linalg, "pinv", lambda a, **kw: pinv(a, **kw) * (1 + 1e-6))
    assert any("as stored" in case.case for case in failures("C4", seed)), f"{seed=}"


@pytest.mark.parametrize("rule", ["pseudo-inverse", "gradient step"])
def test_C4_fails_for_another_rule(rule, monkeypatch):
    def error(memorise):
        return lambda *args, rule: memorise(*args, rule="outer products")

    plant(monkeypatch, library, "memorise", error)
    derivation_fails("C4")


def test_C4_fails_for_other_moments_of_margins(monkeypatch):
    plant(monkeypatch, library, "margin_moments", scaled(2))
    derivation_fails("C4")


@pytest.mark.parametrize(("term", "other"), SAMPLER)
def test_the_derivation_fails_for_another_sampler(term, other, monkeypatch):
    term_replaced(monkeypatch, "sampled_recall", term, other)
    derivation_fails("C4")


@pytest.mark.parametrize(
    ("name", "term", "other"),
    [
        ("sampled_recall", "rng.chisquare(n - d, size)", "rng.chisquare(n - 1, size)"),
        ("sampled_recall", "b -= b.mean(axis=1, keepdims=True)", "b -= 0"),
    ],
)
def test_the_derivation_fails_for_other_overlaps(name, term, other, monkeypatch):
    term_replaced(monkeypatch, name, term, other)
    derivation_fails("C4")


@pytest.mark.parametrize("error", [doubled, squared])
def test_the_derivation_fails_for_other_scores(error, monkeypatch):
    plant(monkeypatch, am.AssociativeMemory, "scores", error)
    derivation_fails("C4")

"""Planted errors that the check and the derivation of B1 must see."""

from __future__ import annotations

import numpy as np
import pytest

from tests.controls import altered_result, derivation_fails, failures, plant
from theory.bigrams.enumeration import Independent
from validation.bigrams import b1, populations


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (b1, "repeat_weight", lambda weight: weight * (1 + 1e-6)),
        (populations, "occupancy", lambda table: table * (1 + 1e-6)),
        (populations, "measured_output_step", lambda table: -table),
    ],
)
def test_the_check_sees_an_altered_formula(owner, name, change, seed, monkeypatch):
    function = getattr(b1, name)
    plant(monkeypatch, owner, name, altered_result(change))
    monkeypatch.setattr(b1, name, altered_result(change)(function))
    assert any(failures("B1", seed))


def test_the_check_sees_frequencies_left_out(seed, monkeypatch):
    """At W_F = 0 as with the bigrams known: nothing but repeats counts."""
    leads = b1.leads
    monkeypatch.setattr(b1, "leads", lambda task, *, knows_bigrams: leads(task, knows_bigrams=True))
    assert any("uniform" in case.case for case in failures("B1", seed))


def test_the_derivation_finds_a_residual_off_the_triggers(monkeypatch):
    residual = Independent._residual

    def leaking(self, last, outputs, knows_bigrams):
        law = residual(self, last, outputs, knows_bigrams)
        return residual(self, last, outputs, False) if last == self.n_tokens - 1 else law

    monkeypatch.setattr(Independent, "_residual", leaking)
    derivation_fails("B1", "the bigrams known")


def test_the_derivation_finds_a_repeat_too_many(monkeypatch):
    k = property(lambda self: self.mean(lambda last, c: c[last] if last < self.n_triggers else 0))
    monkeypatch.setattr(Independent, "repeats", k)
    derivation_fails("B1", "the bigrams known")


def test_one_frequency_for_all_leaves_nothing_but_repeats():
    """The condition on the language: tokens that are alike are recalled at W_F = 0 as well."""
    task = b1.am.BigramTask(populations.independent(np.full(5, 0.2)), 5, triggers=[0], loss="all")
    found = b1.leads(task, knows_bigrams=False)
    assert (found[1:][~np.eye(4, dtype=bool)] > 0).all()

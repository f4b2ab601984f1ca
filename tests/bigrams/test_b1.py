"""Planted errors that the check and the derivation of B1 must see."""

from __future__ import annotations

import numpy as np
import pytest

from tests.controls import altered_result, derivation_fails, failures, plant, seen
from tests.rounding import OPERATION
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
    assert seen("B1", "uniform", seed)


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


def test_random_triggers_add_a_covariance_and_no_mean():
    """The note of B1: one random trigger, and a predictor that is exact at each position."""
    n, length, f = 4, 4, np.array([0.4, 0.3, 0.2, 0.1])
    language = populations.independent(f)
    task = b1.am.BigramTask(language, length, n_triggers=1, triggers="random", loss="all")
    batch = task.enumerate()
    chance, tokens = batch.weights[:, 0] * length, batch.tokens
    trigger, output = batch.triggers[:, 0], batch.outputs[:, 0]
    uniform = (1 - np.eye(n)) / (n - 1)
    predictor, predicted = np.empty((length, n, n)), np.zeros((n, n))
    for t in range(length):
        counts = tokens[:, : t + 1, None] == np.arange(n)
        share, asked = counts.mean(axis=1), tokens[:, t] == trigger
        for i in range(n):
            weights = chance * (tokens[:, t] == i)
            here = weights.sum()
            often = weights @ asked / here
            predictor[t, i] = (1 - often) * f + often * uniform[i]
            covariance = (weights * (asked - often)) @ share  # times P(z_t = i), by k
            tilt = uniform[i] - f
            predicted += (tilt[:, None] - tilt) * covariance[:, None]
        for k in range(n):
            told = (output == k) - uniform[trigger, k] - (output[:, None] == np.arange(n)).T
            told = told + uniform[trigger].T  # (j, sequences): 1{o=k} - 1{o=j} less their means
            predicted[k] += told @ (chance * asked * share[:, k])
    table = b1.am.gradients.bigram_step(task, "W_O2", predictor=predictor)["tokens"]
    found = np.diagonal(table)[:, None] - table.T  # of output k over row j, for the cue k
    np.testing.assert_allclose(found, predicted / length, atol=OPERATION)

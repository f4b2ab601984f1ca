"""Planted errors that the check and the derivation of B1-any must see."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
from tests.controls import altered_result, derivation_fails, failures, plant
from theory.bigrams import b1_any as derivation
from validation.bigrams import b1_any


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("returns", lambda found: (found[0], found[1] - 1)),  # the trigger itself takes a step
        ("returns", lambda found: (found[0] * (1 + 1e-6), found[1])),
        ("in_the_limit", lambda table: table.T),
    ],
)
def test_the_check_sees_an_altered_formula(name, change, seed, monkeypatch):
    plant(monkeypatch, b1_any, name, altered_result(change))
    assert any(failures("B1-any", seed))


def test_the_check_sees_a_length_in_place_of_the_limit(seed, monkeypatch):
    def at_length(language):
        task = am.BigramTask(language, b1_any.LENGTH, triggers=[0], loss="all")
        return am.gradients.bigram_step(task, "W_O2", predictor="bigrams")["tokens"]

    monkeypatch.setattr(b1_any, "in_the_limit", at_length)
    assert any(failures("B1-any", seed))


def test_the_derivation_finds_a_law_that_is_not_stationary(monkeypatch):
    plant(monkeypatch, derivation, "_stationary", altered_result(lambda pi: [pi[0], pi[2], pi[1]]))
    derivation_fails("B1-any", "The chain renews itself")


def test_an_output_that_hides_another_breaks_the_condition():
    """From j the trigger comes soon, by way of k; from k itself late: j is recalled instead."""
    q, k, j, far = range(4)
    bigram = np.full((4, 4), 0.0)
    bigram[q] = 0.25
    bigram[k] = [0.05, 0.05, 0.0, 0.9]  # k wanders off
    bigram[j] = [0.5, 0.5, 0.0, 0.0]
    bigram[far] = [0.05, 0.0, 0.05, 0.9]
    language = am.Language(unigram=np.full(4, 0.25), bigram=bigram)
    visits, tau = b1_any.returns(language.bigram, q)
    share = visits / tau[:, None] ** 2
    table = b1_any.in_the_limit(language)
    assert share[j - 1, k - 1] > share[k - 1, k - 1]  # the condition fails for k
    assert table[j, k] > table[k, k]  # and so does its recall

"""Planted errors that the check and the derivation of B2 must see."""

from __future__ import annotations

import pytest

from assocmem.gradients import repeats
from tests.controls import derivation_fails, failures, plant
from theory.bigrams.enumeration import Independent


def without_returns(repeat_weight):
    """b_n = 1: the trigger is as likely at once after its output as ever."""
    return lambda length, share: repeat_weight(length, 0 * share)


def of_all_tokens(output_lead):
    """1/N in place of (M - 1)/M²."""

    def lead(frequencies, n_tokens, length, **options):
        m = n_tokens - len(frequencies)
        return output_lead(frequencies, n_tokens, length, **options) * m**2 / (m - 1) / n_tokens

    return lead


def of_all_visits(repeated_share):
    """The first visit of a trigger counted as a repeat."""
    return lambda frequencies, length: repeated_share(frequencies, length) + sum(frequencies) ** 2


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("repeat_weight", without_returns),
        ("output_lead", of_all_tokens),
        ("repeated_share", of_all_visits),
    ],
)
def test_the_check_sees_an_altered_formula(name, error, seed, monkeypatch):
    plant(monkeypatch, repeats, name, error)
    assert any(failures("B2", seed))


@pytest.mark.parametrize(
    ("name", "error", "where"),
    [
        ("repeat_weight", without_returns, "A visit at"),
        ("output_lead", of_all_tokens, "A visit at"),
        ("repeated_share", of_all_visits, "It is the library's"),
    ],
)
def test_the_derivation_finds_an_altered_formula(name, error, where, monkeypatch):
    plant(monkeypatch, repeats, name, error)
    derivation_fails("B2", where)


def test_the_derivation_finds_an_output_that_is_likelier(monkeypatch):
    def lopsided(self):
        for outputs in all_outputs(self):
            yield (self.n_tokens - 1, *outputs[1:])

    all_outputs = Independent.all_outputs
    monkeypatch.setattr(Independent, "all_outputs", lopsided)
    derivation_fails("B2", "A visit at")

"""Planted errors that the check of B2-text must see."""

from __future__ import annotations

import pytest

from tests.controls import altered_result, failures, plant
from validation.bigrams import b2_text


@pytest.mark.parametrize("factor", [0.6, 1.45])
def test_the_check_sees_a_mass_beyond_its_band(factor, seed, monkeypatch):
    plant(monkeypatch, b2_text, "repeats", altered_result(lambda mass: mass * factor))
    assert any(failures("B2-text", seed))


def test_the_check_sees_frequencies_squared_in_place_of_repeats(seed, monkeypatch):
    def squares(task):
        return float((task.language.unigram[task.trigger_tokens] ** 2).sum())

    monkeypatch.setattr(b2_text, "repeats", squares)
    assert any(failures("B2-text", seed))

"""Planted errors that the check and the derivation of B0 must see."""

from __future__ import annotations

import pytest

from tests.controls import altered_result, derivation_fails, plant, seen
from theory.bigrams import b0 as derivation
from validation.bigrams import b0


def test_the_check_sees_a_token_that_is_a_thousandth_more_frequent(seed, monkeypatch):
    change = altered_result(lambda found: (found[0] * 1.001, found[1]))
    plant(monkeypatch, b0, "occupied", change)
    assert seen("B0", "token block", seed)


def test_the_check_sees_a_pace_that_is_a_thousandth_faster(seed, monkeypatch):
    change = altered_result(lambda block: block * 1.001)
    plant(monkeypatch, b0, "token_block", change)
    assert seen("B0", "part of the way", seed)


@pytest.mark.parametrize(
    ("name", "wrong", "where"),
    [
        ("Rational", lambda p, q: derivation.sympy.Rational(p, q + 1), "Its descent direction"),
        ("exp", lambda x: 1 + x, "There the prediction|The second derivative"),
    ],
)
def test_the_derivation_finds_an_altered_term(name, wrong, where, monkeypatch):
    monkeypatch.setattr(derivation, name, wrong)
    derivation_fails("B0", f"({where})")

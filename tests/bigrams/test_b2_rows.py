"""Planted errors that the check and the derivation of B2-rows must see."""

from __future__ import annotations

import numpy as np
import pytest

from tests.controls import altered_result, derivation_fails, failures, plant
from theory.bigrams import b2_rows as derivation
from validation.bigrams import b2_rows


def test_the_check_sees_rows_that_go_with_the_frequency_itself(seed, monkeypatch):
    monkeypatch.setattr(b2_rows, "keys", keys_at(np.sqrt(b2_rows.RATES)))
    assert any(failures("B2-rows", seed))


def keys_at(rates):
    """The measured keys at triggers of other frequencies."""
    keys = b2_rows.keys

    def wrong(epsilon, loss):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(b2_rows, "RATES", rates)
            return keys(epsilon, loss)

    return wrong


def test_the_check_sees_a_constant_off_by_a_hundredth(seed, monkeypatch):
    plant(monkeypatch, b2_rows, "wanted_coefficient", altered_result(lambda kappa: kappa * 1.01))
    assert any(failures("B2-rows", seed))


def test_the_check_sees_the_first_memory_of_one_length(seed, monkeypatch):
    change = altered_result(lambda table: table * (np.abs(table).sum() > 0) * 0.9)
    plant(monkeypatch, b2_rows, "padded", change)
    assert any(failures("B2-rows", seed))


@pytest.mark.parametrize(("factors", "seen"), [((1.001, 1), "value path"), ((1, 0.999), "slope")])
def test_the_check_sees_positions_off_by_a_thousandth(factors, seen, seed, monkeypatch):
    change = altered_result(lambda table: table * np.array(factors)[:, None, None])
    plant(monkeypatch, b2_rows, "positions", change)
    found = [case.case for case in failures("B2-rows", seed)]
    assert len(found) == 6
    assert all(seen in case for case in found)


@pytest.mark.parametrize(
    ("name", "change", "where"),
    [
        ("induction_first", lambda table: table * 2, "it has no term"),
        ("induction_second", lambda kappa: -kappa, "The second, at this first step"),
        ("streams", lambda x: x[:, ::-1], "it has no term|The second"),
        ("induction_third", lambda table: table[::-1], "The third, at this first step"),
    ],
)
def test_the_derivation_finds_an_altered_term(name, change, where, monkeypatch):
    plant(monkeypatch, derivation, name, altered_result(change))
    derivation_fails("B2-rows", f"({where})")

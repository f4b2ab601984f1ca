"""Planted errors that the check and the derivation of T-S3 must see."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from assocmem import gradients
from assocmem.gradients import slope
from tests.controls import alter, derivation_fails, failures, with_block
from theory.derivation import Derivation, DerivationError
from theory.steps import t_s3


def test_a_wrong_number_of_triggers_is_found(monkeypatch):
    monkeypatch.setitem(t_s3.MOST_TRIGGERS, 6, 4)
    with pytest.raises(DerivationError, match="T = 6"):
        t_s3.every_population(Derivation("T-S3"), lengths=(6,))


@pytest.mark.slow
def test_rows_at_longer_lengths():
    t_s3.every_population(Derivation("T-S3"), lengths=(11, 12))


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (gradients, "third_step_slope", with_block(("positions", "positions"), np.negative)),
        (
            gradients,
            "third_step",
            with_block(("positions", "positions"), lambda block: block[:, ::-1]),
        ),
        (slope, "key_of_position", lambda value: value * Fraction(99, 100)),
    ],
)
def test_the_check_sees_an_altered_formula(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    assert any(failures("T-S3", seed=0))


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (gradients, "third_step", with_block(("positions", "positions"), lambda b: b[:, ::-1])),
        (gradients, "third_step_slope", with_block(("positions", "positions"), lambda b: 2 * b)),
    ],
)
def test_the_derivation_fails_when_the_formula_is_altered(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    derivation_fails("T-S3")

"""Planted errors that the check and the derivation of S2 must see."""

from __future__ import annotations

import numpy as np
import pytest

from assocmem import gradients
from assocmem.gradients import steps
from tests.controls import alter, derivation_fails, failures, with_block
from tests.steps.planting import second_step_with
from theory.derivation import Derivation
from theory.steps import s2


def shares_do_not_fluctuate(monkeypatch):
    """The covariance of the shares in x¹_T with the readout is dropped."""
    alter(
        monkeypatch, steps, "_token_moments", lambda found: (found[0], 0 * found[1], 0 * found[2])
    )


def test_the_check_sees_an_altered_formula(monkeypatch):
    alter(
        monkeypatch,
        gradients,
        "second_step",
        with_block(("positions", "remapped_positions"), np.negative),
    )
    assert any(failures("S2", seed=0))


@pytest.mark.parametrize(
    "planted", [shares_do_not_fluctuate, second_step_with(lambda d, s: (d, 2 * s))]
)
def test_the_derivation_finds_an_altered_term(planted, monkeypatch):
    planted(monkeypatch)
    derivation_fails("S2", ".*all 16 blocks are the library's")


@pytest.mark.slow
@pytest.mark.parametrize("length", [7, 8])
def test_the_sums_over_patterns_hold_at_longer_lengths(length):
    longer = Derivation("longer")
    s2.derive(longer, lengths=(length,))
    assert any(step.checked for step in longer.steps)

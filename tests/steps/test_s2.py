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
    moments = steps._token_moments

    def without(*args):
        by_key, different, same = moments(*args)
        return by_key, 0 * different, 0 * same

    monkeypatch.setattr(steps, "_token_moments", without)


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (gradients, "second_step", with_block(("positions", "remapped_positions"), np.negative)),
    ],
)
def test_the_check_sees_an_altered_formula(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    assert any(failures("S2", seed=0))


@pytest.mark.parametrize(
    ("planted", "where"),
    [
        (shares_do_not_fluctuate, "all 16 blocks are the library's"),
        (second_step_with(lambda d, s: (d, 2 * s)), "all 16 blocks are the library's"),
    ],
)
def test_the_derivation_finds_an_altered_term(planted, where, monkeypatch):
    planted(monkeypatch)
    derivation_fails("S2", ".*" + where)


@pytest.mark.slow
@pytest.mark.parametrize("length", [7, 8])
def test_the_sums_over_patterns_hold_at_longer_lengths(length):
    longer = Derivation("longer")
    s2.derive(longer, lengths=(length,))
    assert any(step.checked for step in longer.steps)

"""Planted errors that the check and the derivation of S3a must see."""

from __future__ import annotations

import pytest

from assocmem import gradients
from tests.controls import alter, derivation_fails, failures, with_block
from tests.steps.planting import term_without
from theory.derivation import Derivation
from theory.steps import s3a


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (
            gradients,
            "third_step_slope",
            with_block(("positions", "positions"), lambda block: block[:, ::-1]),
        ),
        (gradients, "third_step", lambda table: -1 * table),
        (gradients, "third_step", lambda table: table if table.task.n_tokens == 4 else -1 * table),
    ],
)
def test_the_check_sees_an_altered_formula(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    assert any(failures("S3a", seed=0))


@pytest.mark.parametrize(
    ("name", "where"),
    [("_query", "slope"), ("_key", "slope"), ("_value_fluctuation", "slope"), ("value", "value")],
)
def test_the_derivation_finds_an_altered_term(name, where, monkeypatch):
    term_without(name)(monkeypatch)
    derivation_fails("S3a", ".*" + where)


@pytest.mark.slow
@pytest.mark.parametrize("length", [7, 8])
def test_the_sums_over_patterns_hold_at_longer_lengths(length):
    longer = Derivation("longer")
    s3a.derive(longer, lengths=(length,))
    assert any(step.checked for step in longer.steps)

"""Planted errors that the check and the derivation of S2-sign must see."""

from __future__ import annotations

import pytest

from assocmem import gradients
from tests.controls import altered_result, derivation_fails, failures
from tests.steps.planting import second_step_with


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (gradients, "second_step", lambda table: -1 * table),
    ],
)
def test_the_check_sees_an_altered_formula(owner, name, change, monkeypatch):
    monkeypatch.setattr(owner, name, altered_result(change)(getattr(owner, name)))
    assert any(failures("S2-sign", seed=0))


@pytest.mark.parametrize(
    ("planted", "where"),
    [
        (second_step_with(lambda d, s: (-d, -s)), "the library's coefficient"),
        (second_step_with(lambda d, s: (0 * d, s)), "In the library's tables"),
    ],
)
def test_the_derivation_finds_an_altered_term(planted, where, monkeypatch):
    planted(monkeypatch)
    derivation_fails("S2-sign", ".*" + where)

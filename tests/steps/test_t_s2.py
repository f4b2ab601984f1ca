"""Planted errors that the check and the derivation of T-S2 must see."""

from __future__ import annotations

from fractions import Fraction

import pytest

from assocmem import gradients
from assocmem.gradients import conditions
from tests.controls import alter, derivation_fails, failures
from tests.steps.planting import second_step_with
from theory.derivation import Derivation, DerivationError
from theory.steps import t_s2


@pytest.mark.parametrize(
    "name", ["output", "past_output", "trigger", "past_trigger", "position", "w"]
)
def test_an_altered_average_over_tau_is_found(name, monkeypatch):
    """Each closed form of conditions.LengthMoments, changed by a hundredth."""

    def altered(m):
        return m._replace(**{name: getattr(m, name) * Fraction(101, 100)})

    alter(monkeypatch, t_s2, "exact_moments", altered)
    with pytest.raises(DerivationError, match=r"^T-S2: "):
        t_s2.wanted_coefficient(Derivation("T-S2"), lengths=(3, 4, 5))


def test_a_wrong_threshold_for_random_triggers_is_found(monkeypatch):
    monkeypatch.setitem(conditions.FEWEST_TOKENS_RANDOM, 41, 5)
    with pytest.raises(DerivationError, match="positive coefficients in"):
        t_s2.random_triggers(Derivation("T-S2"))


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (conditions, "quadratic_with_all", lambda p: (p[0], p[1], 1.1 * float(p[2]))),
        (gradients, "second_step", lambda table: -1 * table),
    ],
)
def test_the_check_sees_an_altered_formula(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    assert any(failures("T-S2", seed=0))


def test_the_derivation_fails_when_the_formula_is_altered(monkeypatch):
    second_step_with(lambda d, s: (d, 2 * s))(monkeypatch)
    derivation_fails("T-S2")


@pytest.mark.parametrize(
    ("planted", "where"),
    [
        (second_step_with(lambda d, s: (-d, -s)), "So the library's lead is"),
        (second_step_with(lambda d, s: (0 * d, s)), "In the library's tables"),
    ],
)
def test_the_derivation_finds_an_altered_sign(planted, where, monkeypatch):
    planted(monkeypatch)
    derivation_fails("T-S2", ".*" + where)

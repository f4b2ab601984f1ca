"""The gates of all verdicts: which numbers a case lets pass, and which steps a derivation does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy

from theory.derivation import Derivation, DerivationError
from validation.runner.cases import PAIRS, ROUNDING, Case, agreement, between, order

x, n = sympy.Symbol("x", real=True), sympy.Symbol("n", positive=True)


@pytest.mark.parametrize(
    ("kind", "below", "above"),
    [
        # the signs of the excess measured - predicted that a kind admits, up to the tolerance
        ("equal", True, True),
        ("rate", True, True),
        ("empirical", True, True),
        ("upper", True, False),
        ("lower", False, True),
        ("high_prob", True, True),
    ],
)
@pytest.mark.parametrize("predicted", [-2.0, 0.0, 3.0])
@pytest.mark.parametrize("tolerance", [0.5, 4.0])
def test_a_kind_admits_its_side_up_to_the_tolerance(kind, below, above, predicted, tolerance):
    def passed(excess):
        return Case("x", predicted, predicted + excess, tolerance).passed(kind)

    assert passed(0.0)
    for part in (0.25, 1.0):
        assert passed(-part * tolerance) is below
        assert passed(part * tolerance) is above
    assert passed(1.25 * tolerance) is False
    assert passed(-1.25 * tolerance) is (kind == "high_prob")  # an event may be rarer than stated
    assert passed(math.nan) is False


def test_an_unknown_number_passes_no_gate():
    for numbers in ((math.nan, 1, 1), (1, math.nan, 1), (1, 1, math.nan)):
        assert not Case("x", *numbers).passed("equal")


def test_a_tolerance_below_zero_is_refused():
    with pytest.raises(ValueError, match="tolerance: expected a number >= 0"):
        Case("x", 1, 1, -1e-9)


def test_rounding_is_that_of_a_thousand_operations():
    assert 2.27e-13 < ROUNDING < 2.28e-13


@pytest.mark.parametrize("kind", ["equal", "rate", "empirical", "upper", "lower"])
@pytest.mark.parametrize("share", [-0.9, -0.3, 0.0, 0.3, 0.9])
@pytest.mark.parametrize("scale", [None, 7.0])
def test_an_error_of_the_size_of_the_power_turns_the_verdict(kind, share, scale):
    """Whichever way the prediction is off; and an error a little smaller, one way, does not."""
    case = Case("x", 5.0, 5.0 + share, 1.0, scale=scale)
    if not case.passed(kind):
        return
    size = case.power(kind) * (scale or 5.0)

    def moved(by):
        return Case("x", 5.0 + by, 5.0 + share, 1.0).passed(kind)

    assert not moved(1.001 * size)
    assert not moved(-1.001 * size)
    assert moved(0.999 * size) or moved(-0.999 * size)


def test_agreement_compares_entry_by_entry_and_asks_for_one_shape():
    table = np.array([[1.0, -4.0], [0.5, 2.0]])
    assert agreement("x", table, table, ROUNDING).passed("equal")
    for index in np.ndindex(table.shape):
        other = table.copy()
        other[index] += 1e-11
        assert not agreement("x", other, table, ROUNDING).passed("equal")
    with pytest.raises(ValueError, match="expected one shape"):
        agreement("x", table, table[:1], ROUNDING)


@pytest.mark.parametrize("sign", [1, -1])
def test_an_order_is_confirmed_refused_or_undecided(sign):
    differences = sign * np.arange(1.0, PAIRS + 1)
    assert order("x", differences, sign).passed("order") is True
    assert order("x", -differences, sign).passed("order") is False
    for one_off in (-differences[0], 0.0):
        mixed = np.append(differences[1:], one_off)
        assert order("x", mixed, sign).passed("order") is None


# Derivations


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([1, 2], [1, 2, 3]),
        ([1, 2, 3], [1, 2]),
        ([[1, 2], [3]], [[1], [2, 3]]),
        ([x], x),
        ([], [1]),
    ],
)
def test_sides_of_different_shape_are_not_equal(left, right):
    with pytest.raises(DerivationError, match="different shapes"):
        Derivation("X").equal("Compare.", left, right)


def test_a_comparison_of_nothing_is_refused():
    with pytest.raises(DerivationError, match="compares nothing"):
        Derivation("X").equal("Compare.", [], [])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (x, -x),
        (x, x + sympy.Rational(1, 10**30)),
        (sympy.nan, sympy.nan),
        (sympy.oo, sympy.oo),
        (sympy.sqrt(x**2), x),
        ([x, n], [n, x]),
        (np.array([[x, 1], [2, n]]), np.array([[x, 1], [n, 2]])),
    ],
)
def test_what_is_not_identical_is_not_equal(left, right):
    with pytest.raises(DerivationError, match="differ by"):
        Derivation("X").equal("Compare.", left, right)


@pytest.mark.parametrize(
    "relation",
    [
        n < 0,
        x > 0,  # true for some x only
        sympy.Function("f")(x) > 0,  # cannot be decided
        sympy.Symbol("p"),
        False,
    ],
)
def test_what_is_false_or_undecided_does_not_hold(relation):
    with pytest.raises(DerivationError, match="Not shown to be true"):
        Derivation("X").holds("Compare.", relation)


@pytest.mark.parametrize("relation", [n > 0, x**2 >= 0, sympy.Rational(1, 3) < 1, True])
def test_what_is_true_holds(relation):
    derivation = Derivation("X")
    derivation.holds("Compare.", relation)
    assert derivation.steps[-1].checked


# What is displayed is what was checked


def test_a_display_is_printed_from_what_was_checked():
    derivation = Derivation("X")
    derivation.equal("Expand.", (x + 1) ** 2, x**2 + 2 * x + 1)
    (step,) = derivation.steps
    assert step.latex == r"\left(x + 1\right)^{2} = x^{2} + 2 x + 1"
    assert not step.written
    assert step.scope == "1 equation in x"


def test_a_display_that_is_written_by_hand_says_so():
    derivation = Derivation("X")
    derivation.equal("Claim.", [x + n, 2 * n], [n + x, n + n], latex="1 = 2")
    derivation.holds("Sign.", sympy.Gt(n, 0, evaluate=False), latex="n > 1")
    derivation.equal("Numbers.", [1, 2, 3], [1, 2, 3])
    derivation.say("Define.", "y = 2")
    written, sign, numbers, said = derivation.steps
    assert written.written
    assert written.scope == "2 equations in n, x"
    assert sign.written
    assert sign.scope == "1 relation in n"
    assert not numbers.written
    assert numbers.scope == "3 equations of numbers"
    assert not said.checked


def test_beside_a_formula_by_hand_stands_an_equation_as_it_was_checked():
    derivation = Derivation("X")
    derivation.equal("Alike first.", [x, (x + 1) ** 2], [x, x**2 + 2 * x + 1], latex="1 = 2")
    derivation.equal("Too long.", sum(sympy.symbols("c:99")), sum(sympy.symbols("c:99")), latex="c")
    derivation.holds("Sign.", sympy.Gt(n, 0, evaluate=False), latex="n > 1")
    derivation.holds("Decided.", True, latex="n > 1")
    assert [step.compared for step in derivation.steps] == [
        r"\left(x + 1\right)^{2} = x^{2} + 2 x + 1",
        "",
        "n > 0",
        "",
    ]
    assert derivation.steps[0].formulas == ("1 = 2", derivation.steps[0].compared)


def test_a_count_has_the_power_of_the_number_behind_it():
    assert Case("x", 3, 3, 0).power("equal") is None
    assert Case("x", 3, 3, 0, sees=0.2).power("equal") == 0.2
    assert Case("x", 3, 4, 0, sees=0.2).power("equal") == pytest.approx(1 / 3)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.5), (-0.5, 0.0), (5.0, 7.0)])
def test_a_range_admits_what_is_in_it(low, high):
    for share, holds in ((0.0, True), (1.0, True), (-0.01, False), (1.01, False)):
        case = between("x", low, high, low + share * (high - low), "range")
        assert case.passed("empirical") is holds
        assert case.scale == max(abs(low), abs(high))

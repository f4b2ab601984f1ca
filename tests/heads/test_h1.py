"""Planted errors that the check and the derivation of H1 must see."""

from __future__ import annotations

from functools import cache
from math import sqrt

import numpy as np
import pytest

from assocmem import overlap_law
from assocmem.heads import Null
from tests.controls import alter, derivation_fails, failures, leave_out, seen
from validation.heads import h1


@pytest.fixture
def p_values_alone(monkeypatch):
    """The rows on p-values, without those on moments before them."""
    leave_out(monkeypatch, h1, "rotations")


def scaled(factor):
    return property(lambda null: factor * np.linalg.norm(null.turned) / sqrt(len(null.turned)))


@pytest.mark.parametrize("factor", [1.1, 0.9])
def test_H1_sees_another_variance(factor, monkeypatch, seed):
    monkeypatch.setattr(Null, "std", scaled(factor))
    assert seen("H1", "mean square", seed), f"{seed=}"


@pytest.mark.parametrize(
    "moment",
    [
        lambda B: 3 * np.sum(B**2) ** 2 / len(B) ** 2,  # that of the normal law
        lambda B: 3 * np.sum(B**2) ** 2 / (len(B) * (len(B) + 2)),  # as if its rank were 1
    ],
    ids=["normal", "rank 1"],
)
def test_H1_sees_another_fourth_moment(moment, monkeypatch, seed):
    """Each is right for one of the ranks, and 20 % or more off for another."""
    monkeypatch.setattr(h1, "fourth_moment", moment)
    assert seen("H1", "fourth moment", seed), f"{seed=}"


@pytest.mark.usefixtures("p_values_alone")
def test_H1_sees_the_wrong_size_in_the_overlap(monkeypatch, seed):
    law_of_overlaps = cache(overlap_law)

    def p_value(null, law="rotation"):
        cosine = null.statistic / np.linalg.norm(null.weights) / np.linalg.norm(null.direction)
        return float(law_of_overlaps(null.weights.shape[1]).sf(cosine))

    monkeypatch.setattr(Null, "p_value", p_value)
    assert seen("H1", "p by gaussian", seed), f"{seed=}"


@pytest.mark.usefixtures("p_values_alone")
def test_H1_sees_a_statistic_that_is_not_centred(monkeypatch, seed):
    """Right scores without the mean of the admissible ones: cosines of 0.9 make it another law."""
    statistic = Null.statistic
    monkeypatch.setattr(
        Null, "statistic", property(lambda null: statistic.fget(null) + 0.7 * null.std)
    )
    laws = {"p by rotation", "p by permutation"}
    for case in failures("H1", seed):
        laws -= {law for law in laws if law in case.case}
        if not laws:
            return
    pytest.fail(f"{laws=}, {seed=}")


@pytest.mark.usefixtures("p_values_alone")
def test_H1_sees_permutations_that_spread_too_little(monkeypatch, seed):
    """A quarter of the spread and no signs: the law of p is 0.29 from uniform."""

    def without_signs(null, *, draws, rng):
        d = len(null.turned)
        orders = rng.permuted(np.tile(np.arange(d), (draws, 1)), axis=1)
        drawn = null.turned[orders, np.arange(d)].sum(axis=1) / 4
        return (1 + np.sum(drawn >= null.statistic)) / (draws + 1)

    monkeypatch.setattr(Null, "permutation_p_value", without_signs)
    assert seen("H1", "p by permutation", seed), f"{seed=}"


@pytest.mark.parametrize("factor", [1 + 1e-9, 1 - 1e-9])
def test_H1_fails_for_another_variance(factor, monkeypatch):
    monkeypatch.setattr(Null, "std", scaled(factor))
    derivation_fails("H1", r".*`Null`")


def test_H1_fails_for_another_tail(monkeypatch):
    alter(monkeypatch, Null, "p_value", lambda p: 2 * p)
    derivation_fails("H1", r".*p-value")

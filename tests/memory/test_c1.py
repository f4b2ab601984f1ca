"""Planted errors that the check and the derivation of C1 must see."""

from __future__ import annotations

import secrets

import numpy as np
import pytest

import assocmem as am
import validation.memory
from assocmem import capacity as library
from tests.capacity.planting import scaled
from tests.controls import derivation_fails, failures, leave_out, plant, swap
from tests.rounding import PRODUCTS
from theory.algebra import moments
from validation.memory import c1, variances


def without_covariance(_):
    def spread(C, d, targets, *, family):
        variance = library.score_moments(C, d, family=family)[1]
        keys = np.arange(C.shape[1])
        total = variance + variance[targets, keys]
        total[targets, keys] = 0
        return C[targets, keys] - C, total

    return spread


@pytest.mark.parametrize(
    "error",
    [
        without_covariance,
        lambda moments: lambda C, d, targets, *, family: moments(C, d, targets, family="gaussian"),
        lambda moments: lambda C, d, targets, *, family: moments(C, d, targets, family="sphere"),
    ],
    ids=["no covariance", "norms that vary", "norms that do not vary"],
)
def test_C1_sees(error, monkeypatch, seed):
    plant(monkeypatch, library, "margin_moments", error)
    assert any(failures("C1", seed)), f"{seed=}"


def test_C1_sees_scores_transposed_in_their_noise(monkeypatch, seed):
    plant(monkeypatch, validation.memory, "drawn_scores", lambda f: lambda *a: f(*a)[:, ::-1])
    assert any(failures("C1", seed)), f"{seed=}"


@pytest.mark.parametrize("name", ["score_moments", "margin_moments"])
def test_C1_fails_for_another_variance(name, monkeypatch):
    plant(monkeypatch, library, name, scaled(2))
    derivation_fails("C1")


def normalised(scores):
    """Scores of unit keys: what is lost is the fourth moment of their norms."""

    def of_unit_keys(W):
        keys = W.keys / np.linalg.norm(W.keys, axis=1, keepdims=True)
        return scores(am.AssociativeMemory(keys=keys, values=W.values, coefficients=W.coefficients))

    return of_unit_keys


def without_crosstalk(scores):
    """Only the pairs that share a key or a value with the question: the term ||C||^2 / d^2 goes."""

    def direct(W):
        total = scores(W)
        G_v, G_u = W.values @ W.values.T, W.keys @ W.keys.T
        np.fill_diagonal(G_v, 0)
        np.fill_diagonal(G_u, 0)
        return total - G_v @ W.coefficients @ G_u

    return direct


@pytest.mark.parametrize(
    "error",
    [
        normalised,
        without_crosstalk,
        lambda scores: lambda W: -scores(W),
        lambda scores: lambda W: np.roll(scores(W), 1, axis=0),
    ],
)
def test_C1_sees_first(error, monkeypatch, seed):
    leave_out(monkeypatch, c1, "margins")
    plant(monkeypatch, am.AssociativeMemory, "scores", error)
    assert any(failures("C1", seed)), f"{seed=}"


def test_C1_sees_widths_exchanged_in_the_prediction(monkeypatch, seed):
    leave_out(monkeypatch, c1, "margins")
    swap(monkeypatch, variances, "score_variance", lambda f: lambda C, d, e, *a: f(C, e, d, *a))
    assert any(failures("C1", seed)), f"{seed=}"


def test_C1_sees_the_fourth_moment_left_out_of_the_prediction(monkeypatch, seed):
    leave_out(monkeypatch, c1, "margins")
    swap(
        monkeypatch, variances, "score_variance", lambda f: lambda C, d, e, _: f(C, d, e, "sphere")
    )
    assert any(failures("C1", seed)), f"{seed=}"


@pytest.mark.parametrize("n", [2, 5, 40])
@pytest.mark.parametrize("d", [2, 7, 100])
def test_the_variance_has_the_closed_forms_of_the_statement(n, d):
    """Rounding: sums of at most n^2 terms, all positive but for the last subtraction."""
    C = np.random.default_rng(secrets.randbits(32)).standard_normal((n, n))
    square, rows, columns = np.sum(C**2), np.sum(C**2, axis=1), np.sum(C**2, axis=0)
    total = square + (d + 1) * (rows[:, None] + columns) + (d + 1) ** 2 * C**2
    rounding = n**2 * np.finfo(float).eps * total / d**2
    variance = variances.score_variance(C, d, d, "gaussian")
    assert np.all(np.abs(variance - (total / d**2 - C**2)) <= rounding)
    one_to_one = variances.score_variance(np.eye(n), d, d, "gaussian")
    assert one_to_one[0, 0] == pytest.approx((n + 4 * d + 3) / d**2, rel=PRODUCTS)
    assert one_to_one[0, 1] == pytest.approx((n + 2 * d + 2) / d**2, rel=PRODUCTS)


@pytest.mark.parametrize("family", ["gaussian", "sphere", "rademacher"])
def test_C1_fails_for_another_law_of_the_entries(family, monkeypatch):
    """Fourth moments a tenth too large; the second ones, and with them NO1, are unchanged."""
    plant(
        monkeypatch,
        moments,
        f"{family}_moment",
        lambda moment: lambda powers: moment(powers) * (11 if sum(powers) == 4 else 10) / 10,
    )
    derivation_fails("C1", r".*differ")

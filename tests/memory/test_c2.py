"""Planted errors that the check and the derivation of C2 must see."""

from __future__ import annotations

import secrets

import numpy as np
import pytest
from scipy import stats

import assocmem as am
from assocmem import capacity as library
from tests.capacity.planting import lenient, overlaps
from tests.controls import (
    altered_result,
    derivation_fails,
    failures,
    leave_out,
    plant,
    seen,
    swap,
)
from tests.rounding import PRODUCTS
from theory.memory import recall_limits
from validation.memory import c2, one_to_one, recall


@pytest.mark.parametrize(
    "error",
    [
        overlaps(lambda weight, own, rivals, counts: (weight, own, 0 * rivals + 1, counts)),
        overlaps(lambda weight, own, rivals, counts: (1.2 * weight, own, rivals, counts)),
    ],
    ids=["crosstalk of one key a class", "signal"],
)
def test_C2_sees(error, monkeypatch, seed):
    plant(monkeypatch, library, "_overlaps", error)
    assert any(failures("C2", seed)), f"{seed=}"


def negative(margin):
    """The worst rival counts as the right answer."""
    return altered_result(lambda found: (-found[0], found[1]))(margin)


@pytest.mark.parametrize("error", [lenient(0.05), negative])
def test_C2_sees_other_margins(error, monkeypatch, seed):
    plant(monkeypatch, am.AssociativeMemory, "_margin", error)
    assert any(failures("C2", seed)), f"{seed=}"


@pytest.mark.parametrize("family", [am.sphere, am.orthonormal])
def test_C2_sees_another_family(family, monkeypatch, seed):
    leave_out(monkeypatch, c2, "many_to_one")
    monkeypatch.setattr(one_to_one, "gaussian", lambda n, d, *, rng: family(n, n, rng=rng)[:, :d])
    assert any(failures("C2", seed)), f"{seed=}"


def test_C2_sees_a_capacity_that_grows_with_another_power(monkeypatch, seed):
    """Recall measured at a width that does not grow as it should: the exponent tells."""

    def narrower(draw):
        return lambda n, d, *, rng: draw(n, round(24 * (d / 24) ** 0.9), rng=rng)

    leave_out(monkeypatch, c2, "many_to_one")
    swap(monkeypatch, one_to_one, "gaussian", narrower)
    assert seen("C2", "exponent", seed), f"{seed=}"


def test_the_law_of_recall_is_exact_at_the_smallest_sizes():
    """d = 1, n = 3, by hand: the signs and the largest |value| decide.

    In one dimension v_k W u_i = v_k u_i s with s = sum v_j u_j, so pair i is recalled if v_i is the
    extreme value on the side of the sign of u_i s.
    """
    rng = np.random.default_rng(secrets.randbits(32))
    draws = 100_000
    u, v = rng.standard_normal((2, draws, 3))
    side = np.sign(u[:, 0] * np.sum(u * v, axis=1))
    recalled = side * v[:, 0] > np.max(side[:, None] * v[:, 1:], axis=1)
    law, error = one_to_one.recall_law(3, 1, draws, rng)
    deviation = np.hypot(error, recalled.std() / np.sqrt(draws))
    assert abs(recalled.mean() - law) <= stats.norm.isf(5e-7) * deviation


def test_half_recall_inverts_a_probit_line():
    sizes = np.array([100, 200])
    shares = stats.norm.cdf(3 - 2 * np.log(sizes / 50))  # 1/2 at ln(n / 50) = 3/2
    log_n, error = recall.half_recall(sizes, shares, np.array([1e-3, 1e-3]))
    assert log_n == pytest.approx(np.log(50) + 1.5, rel=PRODUCTS)
    nudge = 1e-6 * np.eye(2)
    shifted = [recall.half_recall(sizes, shares + step, np.zeros(2))[0] for step in nudge]
    assert error == pytest.approx(1e-3 * np.hypot(*(np.array(shifted) - log_n)) / 1e-6, rel=1e-3)


@pytest.mark.parametrize(
    "error",
    [
        lambda X, X_0, moved: (X, X_0, moved / 2),
        lambda X, X_0, moved: (X + 0.1 * moved * (1 + abs(X_0)), X_0, moved),
    ],
    ids=["half the shift", "another right score"],
)
def test_C2_fails_for_a_bound_that_the_draws_break(error, monkeypatch):
    plant(monkeypatch, recall_limits, "right_scores_drawn", altered_result(lambda f: error(*f)))
    derivation_fails("C2", r"As \$L \\ge")


def test_a_bound_for_large_right_scores_only_is_broken_by_the_draws():
    """(X₀ - η) / (1 + η) <= X holds where X₀ >= η, and not below."""
    X, X_0, moved = recall_limits.right_scores_drawn()
    below = (X_0 - moved) / (1 + moved) - 1e-9 > X
    assert below.sum() > 100
    assert np.all(X_0[below] < moved[below])

"""AM1 to AM3 hold, and each check fails once the error its claim excludes is planted."""

from __future__ import annotations

import secrets

import numpy as np
import pytest
from scipy import stats

import assocmem as am
from theory import CLAIMS
from validation import memory
from validation.runner.cases import run


def failures(claim_id, seed):
    """The cases that fail, one after the other: the first is found without running the rest."""
    claim = CLAIMS[claim_id]
    for case in run(claim, memory.CHECKS[claim_id], seed, "quick"):
        if not case.passed(claim.kind):
            yield case


@pytest.fixture
def seed():
    return secrets.randbits(32)  # shown by a failing assertion


@pytest.mark.parametrize("claim_id", memory.CHECKS)
def test_the_claim_holds_at_any_seed(claim_id, seed):
    assert list(failures(claim_id, seed)) == [], f"{seed=}"


def plant(monkeypatch, name, error):
    """Replace a method of AssociativeMemory by error(method)."""
    monkeypatch.setattr(am.AssociativeMemory, name, error(getattr(am.AssociativeMemory, name)))


# --- AM1


@pytest.mark.parametrize(
    "error",
    [
        lambda scores: lambda W: -scores(W),
        lambda scores: lambda W: scores(W) * (1 + 1e-9),
        lambda scores: lambda W: np.roll(scores(W), 1, axis=0),
        lambda scores: lambda W: scores(W).astype(np.float32),
    ],
    ids=["sign", "factor", "index", "single precision"],
)
def test_AM1_sees(error, monkeypatch, seed):
    plant(monkeypatch, "scores", error)
    assert any(failures("AM1", seed)), f"{seed=}"


def test_AM1_sees_keys_that_are_not_orthonormal(monkeypatch, seed):
    monkeypatch.setattr(memory, "orthonormal", memory.gaussian)
    assert any(failures("AM1", seed)), f"{seed=}"


# --- AM2


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
def test_AM2_sees(error, monkeypatch, seed):
    plant(monkeypatch, "scores", error)
    assert any(failures("AM2", seed)), f"{seed=}"


def test_AM2_sees_widths_exchanged_in_the_prediction(monkeypatch, seed):
    right = memory.score_variance
    monkeypatch.setattr(
        memory, "score_variance", lambda C, d_keys, d_values, *a: right(C, d_values, d_keys, *a)
    )
    assert any(failures("AM2", seed)), f"{seed=}"


def test_AM2_sees_the_fourth_moment_left_out_of_the_prediction(monkeypatch, seed):
    right = memory.score_variance
    monkeypatch.setattr(memory, "score_variance", lambda C, d, e, _: right(C, d, e, "sphere"))
    assert any(failures("AM2", seed)), f"{seed=}"


@pytest.mark.parametrize("n", [2, 5, 40])
@pytest.mark.parametrize("d", [2, 7, 100])
def test_the_variance_has_the_closed_forms_of_the_statement(n, d):
    """Rounding: sums of at most n^2 terms, all positive but for the last subtraction."""
    C = np.random.default_rng(secrets.randbits(32)).standard_normal((n, n))
    square, rows, columns = np.sum(C**2), np.sum(C**2, axis=1), np.sum(C**2, axis=0)
    total = square + (d + 1) * (rows[:, None] + columns) + (d + 1) ** 2 * C**2
    rounding = n**2 * np.finfo(float).eps * total / d**2
    variance = memory.score_variance(C, d, d, "gaussian")
    assert np.all(np.abs(variance - (total / d**2 - C**2)) <= rounding)
    one_to_one = memory.score_variance(np.eye(n), d, d, "gaussian")
    assert one_to_one[0, 0] == pytest.approx((n + 4 * d + 3) / d**2, rel=1e-12)
    assert one_to_one[0, 1] == pytest.approx((n + 2 * d + 2) / d**2, rel=1e-12)


# --- AM3


def lenient(margin):
    """Counts a key as recalled that is beaten by a little."""
    return lambda W, *args, **kw: margin(W, *args, **kw) + 0.05


@pytest.mark.parametrize("error", [lenient, lambda margin: lambda W, *a, **kw: -margin(W)])
def test_AM3_sees(error, monkeypatch, seed):
    plant(monkeypatch, "margin", error)
    assert any(failures("AM3", seed)), f"{seed=}"


@pytest.mark.parametrize("family", [am.sphere, am.orthonormal])
def test_AM3_sees_another_family(family, monkeypatch, seed):
    monkeypatch.setattr(memory, "gaussian", lambda n, d, *, rng: family(n, n, rng=rng)[:, :d])
    assert any(failures("AM3", seed)), f"{seed=}"


def test_AM3_sees_a_capacity_that_grows_with_another_power(monkeypatch, seed):
    """Recall measured at a width that does not grow as it should: the exponent tells."""
    gaussian = memory.gaussian
    monkeypatch.setattr(
        memory, "gaussian", lambda n, d, *, rng: gaussian(n, round(24 * (d / 24) ** 0.9), rng=rng)
    )
    assert any("exponent" in case.case for case in failures("AM3", seed)), f"{seed=}"


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
    law, error = memory.recall_law(3, 1, draws, rng)
    deviation = np.hypot(error, recalled.std() / np.sqrt(draws))
    assert abs(recalled.mean() - law) <= stats.norm.isf(5e-7) * deviation


def test_half_recall_inverts_a_probit_line():
    sizes = np.array([100, 200])
    recall = stats.norm.cdf(3 - 2 * np.log(sizes / 50))  # 1/2 at ln(n / 50) = 3/2
    log_n, error = memory.half_recall(sizes, recall, np.array([1e-3, 1e-3]))
    assert log_n == pytest.approx(np.log(50) + 1.5, rel=1e-12)
    nudge = 1e-6 * np.eye(2)
    shifted = [memory.half_recall(sizes, recall + step, np.zeros(2))[0] for step in nudge]
    assert error == pytest.approx(1e-3 * np.hypot(*(np.array(shifted) - log_n)) / 1e-6, rel=1e-3)

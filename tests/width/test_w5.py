"""Planted errors that the check and the derivation of W5 must see."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
from assocmem.width import gradient_noise, wick
from assocmem.width import response as linear_response
from tests.controls import alter, derivation_fails, failures, swap
from tests.width.planting import COUNTS, counted_wrongly
from theory import CLAIMS
from theory.derivation import derive
from validation import reference
from validation.width import w5
from validation.width.written import with_coefficients

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["second_step_map", "value_path_map"])
@pytest.mark.parametrize("factor", [-1, 1.01])
def test_W5_sees_another_map(name, factor, monkeypatch, seed):
    alter(monkeypatch, gradient_noise, name, lambda table: factor * table)
    assert "a map of S" in next(failures("W5", seed)).case, f"{seed=}"


def test_W5_sees_keys_that_are_not_centred(monkeypatch, seed):
    """Attention that grows everywhere is no change: without the mean in Cov_s the map is wrong."""

    def second_moment(residual, query, keys):
        moment = keys.transpose(0, 2, 1) @ keys / keys.shape[1]
        return np.einsum("nk,ne,nca->ecka", residual, query, moment)

    monkeypatch.setattr(gradient_noise, "_by_covariance", second_moment)
    assert "a map of S" in next(failures("W5", seed)).case, f"{seed=}"


@pytest.mark.parametrize("error", ["half the noise", "sign"])
def test_W5_sees_wrong_counts_of_pairings(error, monkeypatch, seed):
    alter(monkeypatch, wick, "expansion", counted_wrongly(COUNTS[error]))
    assert "noise / limit" in next(failures("W5", seed)).case, f"{seed=}"


def test_W5_sees_the_limit_taken_for_the_covariance_at_a_small_width(monkeypatch, seed):
    """The departure from the limit, 12 % at d = 24, is three tolerances."""
    monkeypatch.setattr(
        wick.ScoreMoments, "covariance", lambda moments, d: moments.limit_covariance() / d
    )
    assert "noise / limit" in next(failures("W5", seed)).case, f"{seed=}"


class Small(w5.Run):
    """A run on a task of 24 sequences, at steps of about the natural sizes."""

    def __init__(self, steps=gradient_noise.true_steps, family="gaussian"):
        self.task, self.family, self.sizes = am.InductionTask(3, 5), family, [5, 180, 100]
        self.response = linear_response.linear_response(
            steps(self.task, self.sizes), self.task, family=family
        )
        limit = am.FrozenEmbeddings.orthonormal(self.task)
        self.limit = w5.Measured(self.task, limit).three_steps(self.sizes)

    def failures(self, seed, kind):
        """Names of the quantities whose cases fail."""
        cases = getattr(self, kind)(20, np.random.default_rng(seed), tests=100)
        return {case.case.partition(":")[0] for case in cases if not case.passed("equal")}


@pytest.fixture(scope="module")
def small():
    return Small()


def test_the_small_run_passes(small, seed):
    assert small.failures(seed, "variances") == small.failures(seed, "remainders") == set()


@pytest.mark.parametrize("family", ["sphere", "orthonormal"])
def test_a_small_run_of_another_family_passes(family, seed):
    assert Small(family=family).failures(seed, "variances") == set()


def test_W5_sees_rows_that_are_not_orthonormalised(small, monkeypatch, seed):
    """Their noise in the scores of W_K1 is ten times that of orthonormal rows."""
    monkeypatch.setattr(small, "response", Small(family="orthonormal").response)
    assert "scores of W_K1" in small.failures(seed, "variances"), f"{seed=}"


def fixed_coefficients(task, sizes):
    """W2's noise for a true run: coefficients that no embedding enters."""
    limit = gradient_noise.true_steps(task, sizes)(am.FrozenEmbeddings.orthonormal(task))
    tables = {name: limit[f"coefficients of {name}"] for name in ("W_K2", "W_K1")}
    tables["W_O2"] = limit["scores of W_O2"]
    return lambda emb: {
        f"scores of {name}": with_coefficients(table, name, emb).scores()
        for name, table in tables.items()
    }


@pytest.mark.parametrize("kind", ["variances", "remainders"])
def test_W5_sees_coefficients_taken_for_fixed(kind, seed):
    """The noise of W2 is right for step 1, and too small for steps 2 and 3."""
    fixed = Small(fixed_coefficients)
    assert fixed.failures(seed, kind) == {"scores of W_K2", "scores of W_K1"}, f"{seed=}"


def test_W5_sees_norms_that_vary_as_much_as_overlaps(monkeypatch, seed):
    monkeypatch.setattr(linear_response, "DIAGONAL", 1.0)
    assert len(Small().failures(seed, "remainders")) == 6, f"{seed=}"


def test_W5_sees_noise_of_another_size(small, monkeypatch, seed):
    doubled = {name: 2 * R for name, R in small.response.items()}
    monkeypatch.setattr(small, "response", doubled)
    assert {"scores of W_O2", "scores of W_K2"} <= small.failures(seed, "variances"), f"{seed=}"


MATRICES = ("W_O2", "W_K2", "W_K1")


def longer(*names):
    """A change: of the gradients these are longer by 1 %."""
    return lambda found: {k: (1.01 if k in names else 1) * g for k, g in found.items()}


@pytest.mark.parametrize("name", MATRICES)
def test_W5_sees_a_gradient_that_is_scaled(name, small, monkeypatch, seed):
    """A step that is longer in the measured run only, by 1 %."""
    alter(monkeypatch, reference, "gradients", longer(name))
    assert small.failures(seed, "remainders"), f"{seed=}"


def test_W5_sees_the_scaled_gradient_in_the_whole_check(monkeypatch, seed):
    alter(monkeypatch, reference, "gradients", longer(*MATRICES))
    assert any(failures("W5", seed)), f"{seed=}"


@pytest.mark.parametrize(
    ("name", "step"), [("second_step_map", "differentiate"), ("value_path_map", "and by every")]
)
@pytest.mark.parametrize(
    "error", [lambda table: -table, lambda table: table[::-1]], ids=["sign", "order"]
)
def test_W5_fails_for_another_map(name, step, error, monkeypatch):
    alter(monkeypatch, gradient_noise, name, error)
    derivation_fails("W5", ".*" + step)


def test_W5_fails_for_another_closed_form_of_step_3(monkeypatch):
    alter(monkeypatch, am.gradients, "third_step", lambda table: 1.01 * table)
    derivation_fails("W5", ".*and between positions")


def test_a_map_that_is_no_fraction_is_refused(monkeypatch):
    alter(monkeypatch, gradient_noise, "second_step_map", lambda table: table * np.sqrt(2))
    with pytest.raises(ValueError, match="table: expected multiples of 1/"):
        derive(CLAIMS["W5"])


def test_W5_fails_when_covariances_of_different_outputs_are_left_out(monkeypatch):
    def within_one_output(right):
        def moments(task, coefficients):
            found = right(task, coefficients)
            output = np.arange(coefficients.size) // coefficients.shape[1]
            same = output[:, None] == output[None, :]
            return found._replace(second_powers=found.second_powers * same)

        return moments

    swap(monkeypatch, gradient_noise, "first_score_moments", within_one_output)
    derivation_fails("W5", ".*At \\$d = 1\\$")


@pytest.mark.parametrize("sigma", [1.0, 0.5])
def test_W5_fails_for_another_variance_on_the_diagonal(sigma, monkeypatch):
    monkeypatch.setattr(linear_response, "DIAGONAL", sigma)
    derivation_fails("W5", ".*The library's linear response")


def test_W5_fails_for_another_limit(monkeypatch):
    alter(monkeypatch, wick.ScoreMoments, "limit_covariance", lambda limit: 1.01 * limit)
    derivation_fails("W5", ".*The library's linear response")

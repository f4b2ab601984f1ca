"""Planted errors that the check and the derivation of W5 must see."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
from assocmem.width import gradient_noise, wick
from assocmem.width import response as linear_response
from tests.controls import derivation_fails, failures
from theory import CLAIMS
from theory.derivation import derive
from validation import reference
from validation.width import w5

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["second_step_map", "value_path_map"])
@pytest.mark.parametrize("factor", [-1, 1.01])
def test_W5_sees_another_map(name, factor, monkeypatch, seed):
    right = getattr(gradient_noise, name)
    monkeypatch.setattr(gradient_noise, name, lambda task: factor * right(task))
    case = next(failures("W5", seed))
    assert "a map of S" in case.case, f"{seed=}"


def test_W5_sees_keys_that_are_not_centred(monkeypatch, seed):
    """Attention that grows everywhere is no change: without the mean in Cov_s the map is wrong."""

    def second_moment(residual, query, keys):
        moment = keys.transpose(0, 2, 1) @ keys / keys.shape[1]
        return np.einsum("nk,ne,nca->ecka", residual, query, moment)

    monkeypatch.setattr(gradient_noise, "_by_covariance", second_moment)
    assert "a map of S" in next(failures("W5", seed)).case, f"{seed=}"


@pytest.mark.parametrize(
    "error",
    [
        lambda powers: {p: count / 2 if p == 1 else count for p, count in powers.items()},
        lambda powers: {power: -count for power, count in powers.items()},
    ],
    ids=["half the noise", "sign"],
)
def test_W5_sees_wrong_counts_of_pairings(error, monkeypatch, seed):
    right = wick.expansion
    monkeypatch.setattr(
        wick,
        "expansion",
        lambda segments: {
            pairing: error(powers) if len(pairing) == 4 else powers
            for pairing, powers in right(segments).items()
        },
    )
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

    def quantities(emb):
        n = task.n_tokens
        at = {
            "W_O2": (emb.values, emb.outputs, limit["scores of W_O2"]),
            "W_K2": (emb.atoms, emb.atoms, limit["coefficients of W_K2"]),
            "W_K1": (emb.inputs[n:], emb.inputs[n:], limit["coefficients of W_K1"]),
        }
        return {
            f"scores of {name}": am.AssociativeMemory(
                keys=keys, values=values, coefficients=table
            ).scores()
            for name, (keys, values, table) in at.items()
        }

    return quantities


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


@pytest.mark.parametrize("name", ["W_O2", "W_K2", "W_K1"])
def test_W5_sees_a_gradient_that_is_scaled(name, small, monkeypatch, seed):
    """A step that is longer in the measured run only, by 1 %."""
    right = reference.gradients
    monkeypatch.setattr(
        reference,
        "gradients",
        lambda params, *args, wrt, **kw: {
            key: (1.01 if key == name else 1) * gradient
            for key, gradient in right(params, *args, wrt=wrt, **kw).items()
        },
    )
    assert small.failures(seed, "remainders"), f"{seed=}"


def test_W5_sees_the_scaled_gradient_in_the_whole_check(monkeypatch, seed):
    right = reference.gradients
    monkeypatch.setattr(
        reference,
        "gradients",
        lambda *args, **kw: {k: 1.01 * g for k, g in right(*args, **kw).items()},
    )
    assert any(failures("W5", seed)), f"{seed=}"


@pytest.mark.parametrize(
    ("name", "step"), [("second_step_map", "differentiate"), ("value_path_map", "and by every")]
)
@pytest.mark.parametrize(
    "error", [lambda table: -table, lambda table: table[::-1]], ids=["sign", "order"]
)
def test_W5_fails_for_another_map(name, step, error, monkeypatch):
    right = getattr(gradient_noise, name)
    monkeypatch.setattr(gradient_noise, name, lambda task: error(right(task)))
    derivation_fails("W5", ".*" + step)


def test_W5_fails_for_another_closed_form_of_step_3(monkeypatch):
    right = am.gradients.third_step
    monkeypatch.setattr(
        am.gradients,
        "third_step",
        lambda task, margin: {
            ("positions", "positions"): 1.01 * right(task, margin)["positions", "positions"]
        },
    )
    derivation_fails("W5", ".*" + "and between positions")


def test_a_map_that_is_no_fraction_is_refused(monkeypatch):
    right = gradient_noise.second_step_map
    monkeypatch.setattr(gradient_noise, "second_step_map", lambda task: right(task) * np.sqrt(2))
    with pytest.raises(ValueError, match="table: expected multiples of 1/"):
        derive(CLAIMS["W5"])


def test_W5_fails_when_covariances_of_different_outputs_are_left_out(monkeypatch):
    right = gradient_noise.first_score_moments

    def within_one_output(task, coefficients):
        moments = right(task, coefficients)
        output = np.arange(coefficients.size) // coefficients.shape[1]
        return moments._replace(
            second_powers=moments.second_powers * (output[:, None] == output[None, :])
        )

    monkeypatch.setattr(gradient_noise, "first_score_moments", within_one_output)
    derivation_fails("W5", ".*" + "At \\$d = 1\\$")


def test_W5_fails_when_a_loop_is_not_counted(monkeypatch):
    wick.expansion.cache_clear()
    right = wick._loops
    monkeypatch.setattr(wick, "_loops", lambda *arguments: max(1, right(*arguments) - 1))
    try:
        derivation_fails("W5", ".*" + "orthonormal in the mean")
    finally:
        wick.expansion.cache_clear()


@pytest.mark.parametrize("sigma", [1.0, 0.5])
def test_W5_fails_for_another_variance_on_the_diagonal(sigma, monkeypatch):
    monkeypatch.setattr(linear_response, "DIAGONAL", sigma)
    derivation_fails("W5", ".*" + "The library's linear response")


def test_W5_fails_for_another_limit(monkeypatch):
    right = wick.ScoreMoments.limit_covariance
    monkeypatch.setattr(
        wick.ScoreMoments, "limit_covariance", lambda moments: 1.01 * right(moments)
    )
    derivation_fails("W5", ".*The library's linear response")

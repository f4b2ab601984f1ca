"""W5 follows from the loss and the law of the factors, and fails once a term is altered."""

from __future__ import annotations

import numpy as np
import pytest
from theory.derivations.linear_response import DERIVATIONS

import assocmem as am
from assocmem.width import gradient_noise, wick
from assocmem.width import response as linear_response
from theory import CLAIMS
from theory.derivation import DerivationError, derive


def test_the_derivation_of_W5_holds():
    derive(CLAIMS["W5"], DERIVATIONS["W5"])


def fails(match):
    with pytest.raises(DerivationError, match=rf"^W5: .*{match}"):
        derive(CLAIMS["W5"], DERIVATIONS["W5"])


@pytest.mark.parametrize(
    ("name", "step"), [("second_step_map", "differentiate"), ("value_path_map", "and by every")]
)
@pytest.mark.parametrize(
    "error", [lambda table: -table, lambda table: table[::-1]], ids=["sign", "order"]
)
def test_W5_fails_for_another_map(name, step, error, monkeypatch):
    right = getattr(gradient_noise, name)
    monkeypatch.setattr(gradient_noise, name, lambda task: error(right(task)))
    fails(step)


def test_W5_fails_for_another_closed_form_of_step_3(monkeypatch):
    right = am.gradients.third_step
    monkeypatch.setattr(
        am.gradients,
        "third_step",
        lambda task, lead: {
            ("positions", "positions"): 1.01 * right(task, lead=lead)["positions", "positions"]
        },
    )
    fails("and between positions")


def test_a_map_that_is_no_fraction_is_refused(monkeypatch):
    right = gradient_noise.second_step_map
    monkeypatch.setattr(gradient_noise, "second_step_map", lambda task: right(task) * np.sqrt(2))
    with pytest.raises(ValueError, match="table: expected multiples of 1/"):
        derive(CLAIMS["W5"], DERIVATIONS["W5"])


def test_W5_fails_when_covariances_of_different_outputs_are_left_out(monkeypatch):
    right = gradient_noise.first_score_moments

    def within_one_output(task, coefficients):
        moments = right(task, coefficients)
        output = np.arange(coefficients.size) // coefficients.shape[1]
        return moments._replace(
            second_powers=moments.second_powers * (output[:, None] == output[None, :])
        )

    monkeypatch.setattr(gradient_noise, "first_score_moments", within_one_output)
    fails("At \\$d = 1\\$")


def test_W5_fails_when_a_loop_is_not_counted(monkeypatch):
    wick.expansion.cache_clear()
    right = wick._loops
    monkeypatch.setattr(wick, "_loops", lambda *arguments: max(1, right(*arguments) - 1))
    try:
        fails("orthonormal in the mean")
    finally:
        wick.expansion.cache_clear()


@pytest.mark.parametrize("sigma", [1.0, 0.5])
def test_W5_fails_for_another_variance_on_the_diagonal(sigma, monkeypatch):
    monkeypatch.setattr(linear_response, "DIAGONAL", sigma)
    fails("The library's linear response")


def test_W5_fails_for_another_limit(monkeypatch):
    right = wick.Moments.limit_covariance
    monkeypatch.setattr(wick.Moments, "limit_covariance", lambda moments: 1.01 * right(moments))
    fails("The library's linear response")

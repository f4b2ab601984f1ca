"""Checks of a reader's own lemma: they hold where it is true, and fail where it is a little off."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
from assocmem.testing import Comparison, check_gradient, check_mean, reference_gradient
from tests.rounding import OPERATION
from validation import reference

TASKS = [
    am.InductionTask(4, 5),
    am.InductionTask(5, 4, 2, "all"),
    am.InductionTask(4, 5, "random", "all"),
]


def one_off(table, relative):
    """All blocks of a table in full, the largest entry off by a share of itself."""
    blocks = {block: np.array(table.block(*block), dtype=float) for block in table}
    block = max(blocks.values(), key=lambda block: np.abs(block).max())
    worst = np.unravel_index(np.abs(block).argmax(), block.shape)
    block[worst] *= 1 + relative
    return blocks


@pytest.mark.parametrize("task", TASKS, ids=str)
@pytest.mark.parametrize("oracle", [None, reference_gradient(reference)], ids=["ours", "reference"])
def test_a_population_tells_a_table_from_one_that_is_a_little_off(task, oracle):
    table = am.gradients.first_step(task)
    found = check_gradient(task, "W_O2", table, gradient=oracle)
    assert found.holds
    assert found.delta == 0
    assert found.power < 1e-11 * np.abs(found.predicted).max()
    assert check_gradient(task, "W_O2", one_off(table, 0), gradient=oracle).holds
    assert not check_gradient(task, "W_O2", one_off(table, 1e-10), gradient=oracle).holds


def test_draws_tell_what_their_error_allows():
    task = am.InductionTask(6, 8)
    table = am.gradients.first_step(task)
    blocks = {("outputs", "tokens"): np.asarray(table.block("outputs", "tokens"), dtype=float)}
    rng = np.random.default_rng()  # any draws: a false alarm has probability 1e-6
    found = check_gradient(task, "W_O2", blocks, sequences=20_000, rng=rng)
    assert found.holds
    assert found.standard_error.max() > 0
    blocks["outputs", "tokens"] = blocks["outputs", "tokens"] + 2.1 * found.tolerance.max()
    assert not check_gradient(task, "W_O2", blocks, sequences=20_000, rng=rng).holds


def test_all_of_a_table_by_draws_where_many_entries_are_zero():
    task = am.InductionTask(4, 6)
    found = check_gradient(task, "W_O2", am.gradients.first_step(task), sequences=3200)
    assert found.holds
    assert (found.predicted == 0).any() or np.abs(found.predicted).min() < OPERATION


def test_what_is_not_predicted_is_not_compared():
    task = am.InductionTask(4, 5)
    table = np.full((3, 5), np.nan)
    table[0, 2] = am.gradients.first_step(task).block("outputs", "positions")[0, 2]
    found = check_gradient(task, "W_O2", {("outputs", "positions"): table})
    assert found.holds
    assert found.measured.shape == (1,)


def test_a_mean_is_told_from_one_that_is_off_by_more_than_its_error():
    rng = np.random.default_rng()
    draws = rng.normal(3.0, 1.0, size=(10_000, 4))
    found = check_mean(np.full(4, 3.0), draws)
    assert found.holds
    assert not check_mean(np.full(4, 3.0) + 2.1 * found.tolerance, draws).holds
    assert np.allclose(found.standard_error, 0.01, rtol=0.2)
    assert check_mean(2.0, np.full(5, 2.0)).holds  # nothing random: to rounding
    assert not check_mean(2.0 + 1e-9, np.full(5, 2.0)).holds


def test_a_false_alarm_is_as_rare_as_stated():
    rng, delta, trials = np.random.default_rng(), 0.5, 400
    alarms = sum(not check_mean(0.0, rng.normal(size=50), delta=delta).holds for _ in range(trials))
    assert alarms <= trials * delta  # a tenth of it is spent: 20 expected


def test_it_says_what_it_found():
    assert repr(check_mean(1.0, [1.0, 1.0])).startswith("Comparison(holds: predicted 1, measured 1")
    nan = Comparison(*(np.array([np.nan]),) * 4, delta=0.1)
    assert not nan.holds
    assert "nan" in repr(nan)
    predicted, allowed = np.array([0.0, 1.0]), np.array([1e-13, 0.01])  # the second is off
    off = Comparison(predicted, predicted + np.array([1e-17, 0.02]), predicted, allowed, 0.0)
    assert "FAILS: predicted 1, measured 1.02 ± 1, tolerance 0.01 at (1,) of (2,)" in repr(off)
    text = repr(check_mean(0.0, np.linspace(1, 1.001, 99)))
    assert "FAILS" in text
    assert "±" in text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: check_mean(1.0, 1.0), "draws: expected at least two"),
        (lambda: check_mean([1.0, 2.0], [[1.0], [2.0]]), r"draws: .* each of shape \(2,\)"),
        (lambda: check_gradient(TASKS[0], "W_V", {}), "name: expected"),
        (lambda: check_gradient(TASKS[0], "W_O2", {}), "predicted: expected at least one number"),
        (
            lambda: check_gradient(TASKS[0], "W_O2", {("outputs", "tokens"): np.eye(2)}),
            r"predicted: expected shape \(3, 4\)",
        ),
        (
            lambda: check_gradient(TASKS[0], "W_O2", {("tokens", "tokens"): np.eye(4)}),
            "row: expected",
        ),
        (
            lambda: check_gradient(
                TASKS[0], "W_O2", am.gradients.first_step(TASKS[0]), sequences=10
            ),
            "sequences: expected at least 64",
        ),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""The checks of D1 to D6: they hold for runs like those of the record, and fail for others."""

import numpy as np
import pytest
from scipy import stats

from theory import CLAIMS
from theory.dynamics.claims import MEASURED, RUNS
from validation.dynamics import experiments, measures
from validation.dynamics.experiments import Scale
from validation.dynamics.record import CLAIMED, summarised
from validation.runner.cases import FALSE_ALARM, Context

IDS = ["D1", "D2", "D3", "D4", "D5", "D6"]


def verdicts(id, cases):
    return [case.passed(CLAIMS[id].kind) for case in cases]


def like_the_record(id, rng, **shifts):
    """Five normal draws of each quantity, as the record describes them, shifted by name."""
    return {
        name: mean + shifts.get(name, 0.0) + deviation * rng.standard_normal(measures.SEEDS)
        for name, (mean, deviation) in MEASURED[id].items()
    }


@pytest.mark.parametrize("id", IDS)
def test_runs_like_those_of_the_record_agree(id):
    """False alarm: at most FALSE_ALARM by construction, here with known means."""
    rng = np.random.default_rng()
    assert all(verdicts(id, measures.compared(id, like_the_record(id, rng))))


@pytest.mark.parametrize("id", IDS)
def test_a_shift_of_any_quantity_is_seen(id):
    """By twice the tolerance: the five draws stay within one of it, at the false-alarm rate."""
    rng = np.random.default_rng()
    for name, (_, deviation) in MEASURED[id].items():
        quantities = like_the_record(id, rng)
        (case,) = (c for c in measures.compared(id, quantities) if c.case == name)
        for sign in (-1, 1):
            shifted = like_the_record(id, rng, **{name: sign * 2 * case.tolerance})
            assert not all(verdicts(id, measures.compared(id, shifted)))
        assert case.tolerance > deviation


def test_the_tolerance_is_that_of_students_law():
    """Two means of 5 and RUNS[id] normal draws differ by more with the probability allowed."""
    quantities = dict.fromkeys(MEASURED["D1"], np.zeros(5))
    for case in measures.compared("D1", quantities):
        error = MEASURED["D1"][case.case][1] * np.sqrt(1 / 5 + 1 / RUNS["D1"])
        exceeds = 2 * stats.t.sf(case.tolerance / error, RUNS["D1"] - 1)
        assert exceeds == pytest.approx(FALSE_ALARM / len(quantities))


@pytest.mark.parametrize("id", IDS)
def test_the_record_states_its_orders(id):
    """A claimed order is a mean difference that the runs of the record tell from zero."""
    orders = {
        "D1": ["accuracy that the second layer adds"],
        "D2": ["updates from W_O2 to W_K2", "updates from W_O2 to W_K1"],
        "D3": ["updates from the one to the other"],
        "D4": ["accuracy lost with random triggers", "accuracy lost with 20 triggers for 1"],
        "D5": ["accuracy on uniform outputs lost by bigram training"],
        "D6": ["updates from W_K1 to W_O2"],
    }
    for name in orders[id]:
        mean, deviation = MEASURED[id][name]
        assert stats.t.sf(mean / (deviation / np.sqrt(RUNS[id])), RUNS[id] - 1) < 1e-3


def test_crossings_are_interpolated():
    curves = {"step": np.array([0, 10, 20]), "x": np.array([0.0, 0.2, 0.6])}
    falling = {"step": curves["step"], "x": -curves["x"]}
    times = [measures.first([curves], "x", level)[0] for level in (0.0, 0.1, 0.4, 0.7)]
    assert times == pytest.approx([0, 5, 15, 20])
    assert measures.first([falling], "x", -0.4, falls=True)[0] == pytest.approx(15)


def test_nothing_is_trained_in_the_quick_profile():
    for claim in CLAIMED.values():
        assert list(claim.check(Context(np.random.default_rng(0)))) == []


def test_the_quantities_are_those_of_the_record():
    """Also that every experiment has the columns that its claim reads: from two updates of each."""
    tiny = Scale(16, 8, 16, steps=2, all_steps=2, frozen=1, rows=2, reference_steps=2)
    names = {name for claim in CLAIMED.values() for name in claim.NAMES}
    found = experiments.histories(sorted(names), scale=tiny, seeds=2, rng=np.random.default_rng(0))
    for id, record in MEASURED.items():
        assert list(summarised(id, found)) == list(record)

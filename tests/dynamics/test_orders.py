"""Orders of fresh runs: what confirms one, what refutes it, and how likely a false verdict is."""

import itertools
import json

import numpy as np
import pytest

from tests.dynamics.planting import STEPS, rising, run, without_gradients
from tests.rounding import PRODUCTS
from theory import CLAIMS
from validation.dynamics import experiments, measures
from validation.dynamics.experiments import Scale
from validation.dynamics.record import CLAIMED
from validation.runner import checks
from validation.runner.cases import PAIRS, Context, order
from validation.runner.command import main


def test_false_verdicts_are_as_rare_as_stated():
    """Of all sequences of ten signs one confirms, one refutes, the rest leave it open."""
    signs = itertools.product((-1, 1), repeat=PAIRS)
    found = [order("x", s, predicted=1).passed("order") for s in signs]
    assert [found.count(verdict) for verdict in (True, False)] == [1, 1]
    assert found.count(None) == 2**PAIRS - 2


@pytest.mark.parametrize("predicted", [1, -1])
@pytest.mark.parametrize(("agree", "verdict"), [(10, True), (9, None), (1, None), (0, False)])
def test_one_pair_that_disagrees_leaves_it_open(predicted, agree, verdict):
    differences = predicted * np.where(np.arange(PAIRS) < agree, 1e-3, -50)
    assert order("x", differences, predicted).passed("order") is verdict


@pytest.mark.parametrize("predicted", [1, -1])
def test_a_tie_is_no_agreement(predicted):
    ties = np.array([0.0] + [float(predicted)] * (PAIRS - 1))
    assert order("x", ties, predicted).passed("order") is None
    assert order("x", 0 * ties, predicted).passed("order") is None


def test_a_missing_number_is_no_agreement():
    assert not order("x", [np.nan] + [1] * (PAIRS - 1)).passed("order")


def test_other_numbers_of_pairs_and_other_predictions_are_refused():
    with pytest.raises(ValueError, match="expected 10 differences"):
        order("x", np.ones(PAIRS - 1))
    with pytest.raises(ValueError, match="expected a sign"):
        order("x", np.ones(PAIRS), 0)


@pytest.mark.parametrize(
    ("agree", "verdict", "code", "passed"),
    [
        (10, "holds", 0, True),
        (9, "undecided: 9 of 10 pairs as predicted", 2, None),
        (0, "FAILS", 1, False),
    ],
)
def test_the_report_tells_undecided_from_confirmed_and_refuted(
    agree, verdict, code, passed, single_claims, monkeypatch, tmp_path, capsys
):
    case = order("which is first", np.where(np.arange(PAIRS) < agree, 1, -1))
    monkeypatch.setattr(checks, "check_of", lambda claim: lambda context: [case])
    assert main(["run", "D2", "--output", str(tmp_path)]) == code
    shown = capsys.readouterr().out
    assert ("all hold" in shown) == (passed is True)
    assert ("Undecided: D2" in shown) == (passed is None)
    (row,) = (r for r in json.loads((tmp_path / "report.json").read_text()) if r["id"] == "D2")
    assert (row["passed"], row["verdict"]) == (passed, verdict)


def test_the_quick_profile_says_what_it_leaves_out(tmp_path, capsys):
    assert main(["run", "D1", "NO3", "--output", str(tmp_path)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Not checked in this profile: D1 (--profile full)." in shown


def test_nothing_is_trained_in_the_quick_profile():
    for claim in CLAIMED.values():
        assert list(claim.check(Context(np.random.default_rng(0)))) == []


def test_the_register_has_the_claims_that_train():
    assert set(CLAIMED) == {id for id, claim in CLAIMS.items() if claim.kind == "order"}


def test_every_experiment_has_what_its_claim_reads(monkeypatch):
    """Two updates of each, taken for ten runs: columns and shapes, not verdicts."""
    without_gradients(monkeypatch)
    tiny = Scale(16, 8, 16, steps=2, all_steps=2, frozen=1, rows=2, reference_steps=2)
    names = sorted({name for claim in CLAIMED.values() for name in claim.NAMES})
    found = experiments.histories(names, scale=tiny, seeds=1, rng=np.random.default_rng(0))
    for id, claim in CLAIMED.items():
        many = {name: found[name] * PAIRS for name in claim.NAMES}
        cases = list(claim.orders(many))
        assert len(cases) >= 1, id
        assert {case.part for case in cases} == set(CLAIMS[id].parts or ("",)), id


def test_crossings_are_interpolated():
    curves = {"step": np.array([0, 10, 20]), "x": np.array([0.0, 0.2, 0.6])}
    falling = {"step": curves["step"], "x": -curves["x"]}
    times = [measures.first([curves], "x", level)[0] for level in (0.0, 0.1, 0.4, 0.7)]
    assert times == pytest.approx([0, 5, 15, 20])
    assert measures.first([falling], "x", -0.4, falls=True)[0] == pytest.approx(15)


def test_groups_are_means_of_runs_of_their_own():
    numbers = np.random.default_rng().normal(size=4 * PAIRS)
    by_hand = [sum(numbers[4 * i : 4 * i + 4]) / 4 for i in range(PAIRS)]
    np.testing.assert_allclose(measures.by_group(numbers), by_hand, rtol=PRODUCTS)


def test_made_up_curves_cross_where_they_are_told_to():
    for when in (100.0, 310.0):
        made = run(x=rising(1.0, when))
        assert made["step"] is STEPS
        assert measures.first([made], "x", 0.5)[0] == pytest.approx(when, abs=5)

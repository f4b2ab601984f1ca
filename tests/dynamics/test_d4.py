"""D4: made-up runs, the sets of triggers, and the leads that predict."""

import numpy as np
import pytest

import assocmem as am
from tests.dynamics.planting import runs, verdicts, without_gradients
from validation.dynamics import d4, leads
from validation.dynamics.experiments import EXPERIMENTS, SCALES, by_rank

COLUMNS = ("accuracy", "accuracy_third", "accuracy_first", "accuracy_random", "accuracy_five")


def found(**changes):
    """Accuracies of all tests by experiment, in the claimed order unless changed."""
    level = {
        "K = 5 fixed": 0.8,
        "first and third": 0.7,
        "second and third": 0.3,
        "five of that mass": 0.1,
        "third alone": 0.2,
        "K = 5 random": 0.4,
        "K = 3 random": 0.2,
        "K = 1 random": 0.05,
        "K = 5 rare": 0.06,
        "K = 20 fixed": 0.15,
    } | changes
    return {name: runs(i, **dict.fromkeys(COLUMNS, level[name])) for i, name in enumerate(d4.NAMES)}


def test_all_parts_in_order(monkeypatch):
    without_gradients(monkeypatch)
    assert verdicts("D4", found()) == [True] * 8


@pytest.mark.parametrize(
    ("changes", "refuted"),
    [
        ({"third alone": 0.9}, [0, 2]),
        ({"five of that mass": 0.5}, [1]),
        ({"K = 20 fixed": 0.95}, [3]),
        ({"K = 3 random": 0.6}, [4]),
        ({"K = 1 random": 0.3}, [5]),
        ({"K = 5 random": 0.9}, [6]),
        ({"K = 5 rare": 0.9}, [7]),
    ],
)
def test_every_part_is_seen(changes, refuted, monkeypatch):
    without_gradients(monkeypatch)
    seen = verdicts("D4", found(**changes))
    assert [i for i, verdict in enumerate(seen) if verdict is False] == refuted
    assert seen.count(True) == len(seen) - len(refuted)


def test_runs_like_those_of_the_record_leave_a_tie_open(monkeypatch):
    without_gradients(monkeypatch)
    assert verdicts("D4", found(**{"K = 3 random": 0.05}))[5] is None


def test_the_sets_of_equal_mass():
    """Within one percent, and both with the trigger that is asked."""
    frequency = am.Language.characters().unigram
    two, five = (
        EXPERIMENTS[name].trained_on(SCALES["quick"]).trigger_tokens
        for name in ("second and third", "five of that mass")
    )
    assert (len(two), len(five)) == (2, 5)
    assert set(by_rank(3)) <= set(two) & set(five)
    assert (frequency[five] ** 2).sum() == pytest.approx((frequency[two] ** 2).sum(), rel=0.01)


def test_a_rank_is_that_of_the_frequency():
    frequency = am.Language.characters().unigram
    found = frequency[list(by_rank(*range(1, 66)))]
    assert (np.diff(found) <= 0).all()


@pytest.mark.slow
def test_the_leads_predict_every_sign():
    for better, worse in d4.ASKED_THIRD:
        assert leads.query_lead(better, *by_rank(3)) > leads.query_lead(worse, *by_rank(3))
    for better, worse, _ in d4.ASKED_OTHERS:
        assert leads.output_lead(better) > leads.output_lead(worse)


def test_a_lead_that_vanishes_predicts_nothing():
    assert [leads.sign(x) for x in (2.0, -1e-9)] == [1, -1]
    with pytest.raises(ValueError, match="expected one that is not 0"):
        leads.sign(0.0)

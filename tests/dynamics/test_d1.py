"""D1: made-up runs that confirm, refute and leave it open; and other runs, trained."""

import numpy as np
import pytest

from tests.dynamics.planting import runs, verdicts
from validation.dynamics import experiments, measures
from validation.dynamics.d1 import check
from validation.runner.cases import Context


@pytest.mark.parametrize(
    ("two", "one", "expected"),
    [
        (0.9, 0.3, [True, True, True]),
        (0.6, 0.3, [True, False, True]),
        (0.9, 0.7, [True, True, False]),
        (0.3, 0.9, [False, False, False]),
    ],
)
def test_every_part_is_seen(two, one, expected):
    found = {"all three": runs(0, accuracy=two), "one layer": runs(1, accuracy=one)}
    assert verdicts("D1", found) == expected


def test_equal_runs_leave_it_open():
    """One thousandth of all seeds would do otherwise, by chance."""
    found = {"all three": runs(0, accuracy=0.9), "one layer": runs(1, accuracy=0.9)}
    assert verdicts("D1", found) == [None, True, False]


@pytest.mark.slow
def test_two_runs_of_one_layer_are_not_told_apart(monkeypatch):
    right = experiments.histories

    def wrong(names, **keywords):
        one = right(["one layer"], **{**keywords, "seeds": 2 * keywords["seeds"]})["one layer"]
        return {"all three": one[::2], "one layer": one[1::2]}

    monkeypatch.setattr(measures, "histories", wrong)
    cases = list(check(Context(np.random.default_rng(7), "full")))
    assert [case.passed("order") for case in cases[1:]] == [False, True]
    assert cases[0].passed("order") is not True or abs(cases[0].measured) == 1

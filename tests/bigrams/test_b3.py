"""Planted errors that the check of B3 must see, and its figure."""

from __future__ import annotations

import numpy as np
import pytest

from tests.controls import altered_result, plant, seen
from validation.bigrams import b3
from validation.figures import make
from validation.figures.sheets import read
from validation.runner.cases import Context


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t._replace(W_O2=t.W_O2 / 3),  # a lead three times as large
        lambda t: t._replace(W_K2=t.W_K2**2 / 20),  # linear growth in place of t²
    ],
)
def test_the_check_sees_other_times(change, seed, monkeypatch):
    plant(monkeypatch, b3, "predicted", altered_result(change))
    assert seen("B3", "log2", seed)


def test_the_check_sees_a_third_memory_that_comes_first(seed, monkeypatch):
    plant(monkeypatch, b3, "measured", altered_result(lambda t: t._replace(third=1.0)))
    assert seen("B3", "W_K1", seed)


@pytest.mark.slow
def test_the_figure_holds_both_times(tmp_path):
    paths = make("times", tmp_path, Context(np.random.default_rng(0)), names=["1"])
    assert {path.name for path in paths} >= {"times.png", "times.csv"}
    rows = {row["matrix"]: row for row in read(tmp_path / "times.csv")}
    task = b3.characters((1,), loss="triggers")
    lead = b3.bigram_step(task, "W_O2").lead
    assert float(rows["W_O2"]["predicted"]) == pytest.approx(b3.LEVEL / lead)
    assert 1 / 2 < float(rows["W_O2"]["measured"]) * lead / b3.LEVEL < 2

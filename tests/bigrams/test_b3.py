"""Planted errors that the check of B3 must see, and its figure."""

from __future__ import annotations

import secrets

import numpy as np
import pytest

from tests.controls import altered_result, plant, seen
from validation.bigrams import b3
from validation.figures import make
from validation.figures.sheets import read
from validation.runner.cases import Context


@pytest.mark.parametrize(
    ("matrix", "change"),
    [
        ("W_O2", lambda t: t._replace(W_O2=t.W_O2 / 3)),  # a lead three times as large
        ("W_K2", lambda t: t._replace(W_K2=t.W_K2**2 / 20)),  # linear growth in place of t²
    ],
)
def test_the_check_sees_other_times(matrix, change, seed, monkeypatch):
    plant(monkeypatch, b3, "predicted", altered_result(change))
    assert seen("B3", f"{matrix} over the predicted, ranks 3, loss on triggers", seed)


def test_the_check_sees_a_third_memory_that_comes_first(seed, monkeypatch):
    plant(monkeypatch, b3, "measured", altered_result(lambda t: t._replace(third=1.0)))
    assert seen("B3", "W_K1", seed)


def test_the_times_hold_with_loss_on_triggers(seed, monkeypatch):
    monkeypatch.setattr(b3, "PARTS", {"triggers": "a"})
    cases = list(b3.check(Context(np.random.default_rng(seed))))
    assert len(cases) == 3
    assert [case for case in cases if not case.passed("empirical")] == [], f"{seed=}"


@pytest.fixture(scope="module")
def on_all():
    """What is predicted of the first token alone with loss on all, and what training does: once."""
    rng, task = np.random.default_rng(secrets.randbits(32)), b3.characters((1,), loss="all")
    expected = b3.predicted(task, rng)
    until, soon = b3.FEW
    rate = b3.learning_rate(task, expected, until)
    return {
        "predicted": expected,
        "learning_rate": rate,
        "measured": b3.measured(task, rng, rate),
        "bigrams_first": b3.bigrams_first(task, rng, soon),
    }


def wrong_with_loss_on_all(found, monkeypatch):
    """The cases that fail when these functions return what was found."""
    monkeypatch.setattr(b3, "PARTS", {"all": "c"})
    for name, result in found.items():
        monkeypatch.setattr(b3, name, lambda *_, result=result: result)
    cases = b3.check(Context(np.random.default_rng(0)))
    return {case.case.partition(",")[0] for case in cases if not case.passed("empirical")}


def test_the_times_hold_with_loss_on_all(on_all, monkeypatch):
    assert wrong_with_loss_on_all(on_all, monkeypatch) == set()


@pytest.mark.parametrize(
    ("wrong", "name", "change"),
    [
        ("time of W_O2", "predicted", lambda t: t._replace(W_O2=t.W_O2 / 3)),
        ("time of W_K2", "predicted", lambda t: t._replace(W_K2=t.W_K2 / 4)),
        ("time of W_F", "bigrams_first", lambda first: (first[0] / 3, *first[1:])),
        ("W_F before W_O2", "bigrams_first", lambda first: (*first[:2], -first[2])),
        (
            "W_F before W_O2",
            "bigrams_first",
            lambda first: (20 * first[0], 20 * first[1], first[2]),
        ),
    ],
)
def test_the_check_sees_other_times_with_loss_on_all(wrong, name, change, on_all, monkeypatch):
    found = on_all | {name: change(on_all[name])}
    (case,) = wrong_with_loss_on_all(found, monkeypatch)
    assert case.startswith(wrong)


def test_the_check_sees_answers_without_the_rows_that_W_F_reads(on_all, monkeypatch):
    monkeypatch.setattr(b3, "answers", lambda S, A: A)
    found = {name: result for name, result in on_all.items() if name != "predicted"}
    assert wrong_with_loss_on_all(found, monkeypatch) == {"time of W_K2 over the predicted"}


@pytest.mark.slow
def test_the_figure_holds_both_times(tmp_path):
    names = {"triggers": ["1"], "all": ["1"]}
    paths = make("times", tmp_path, Context(np.random.default_rng(0)), names=names)
    assert {path.name for path in paths} >= {"times.png", "times.csv"}
    rows = {(row["loss"], row["matrix"]): row for row in read(tmp_path / "times.csv")}
    assert rows.keys() == {
        *(("triggers", matrix) for matrix in ("W_O2", "W_K2")),
        *(("all", matrix) for matrix in ("W_F", "W_O2", "W_K2")),
    }
    task = b3.characters((1,), loss="triggers")
    lead, level = b3.bigram_step(task, "W_O2").lead, b3.LEVELS["triggers"]["W_O2"]
    row = rows["triggers", "W_O2"]
    assert float(row["predicted"]) == pytest.approx(level / lead)
    assert 1 / 2 < float(row["measured"]) * lead / level < 2

"""Planted errors that the check of B3 must see, and its figure."""

from __future__ import annotations

import secrets

import numpy as np
import pytest

from tests.controls import failures, once
from theory.record import Claim
from validation.bigrams import b3
from validation.figures import make
from validation.figures.sheets import read
from validation.runner.cases import Context


def measured_once(loss):
    """What is predicted of the quick profile's triggers, and what training does."""
    rng = np.random.default_rng(secrets.randbits(32))
    task = b3.characters(b3.SETTINGS[loss][b3.QUICK[loss]], loss=loss)
    expected = b3.predicted(task, rng)
    until, soon = b3.FEW
    rate = b3.learning_rate(task, expected, until)
    found = {
        "predicted": expected,
        "learning_rate": rate,
        "measured": b3.measured(task, rng, rate),
    }
    return found | ({"bigrams_first": b3.bigrams_first(task, rng, soon)} if loss == "all" else {})


@pytest.fixture(scope=once)
def on_triggers():
    return measured_once("triggers")


@pytest.fixture(scope=once)
def on_all():
    return measured_once("all")


def wrong(loss, found, monkeypatch):
    """The cases that fail when these functions return what was found."""
    monkeypatch.setattr(b3, "PARTS", {loss: b3.PARTS[loss]})
    for name, result in found.items():
        monkeypatch.setattr(b3, name, lambda *_, result=result: result)
    rows = list(b3.check(Context(np.random.default_rng(0))))
    assert len(rows) == {"triggers": 3, "all": 5}[loss]
    monkeypatch.setattr(Claim, "parts", tuple({row.part for row in rows}))
    return {case.case.partition(",")[0] for case in failures("B3", seed=0)}


@pytest.mark.usefixtures("seed")
def test_the_times_hold_with_loss_on_triggers(on_triggers, monkeypatch):
    assert wrong("triggers", on_triggers, monkeypatch) == set()


@pytest.mark.usefixtures("seed")  # that `margins.py` takes it
@pytest.mark.parametrize(
    ("case", "name", "change"),
    [
        # a lead three times as large
        ("time of W_O2", "predicted", lambda t: t._replace(W_O2=t.W_O2 / 3)),
        # linear growth in place of t²
        ("time of W_K2", "predicted", lambda t: t._replace(W_K2=t.W_K2**2 / 20)),
        # a third memory that comes first
        ("W_K1 not yet there", "measured", lambda t: t._replace(third=1.0)),
    ],
)
def test_the_check_sees_other_times_with_loss_on_triggers(
    case, name, change, on_triggers, monkeypatch
):
    found = on_triggers | {name: change(on_triggers[name])}
    (failed,) = wrong("triggers", found, monkeypatch)
    assert failed.startswith(case)


@pytest.mark.usefixtures("seed")
def test_the_times_hold_with_loss_on_all(on_all, monkeypatch):
    assert wrong("all", on_all, monkeypatch) == set()


@pytest.mark.usefixtures("seed")  # that `margins.py` takes it
@pytest.mark.parametrize(
    ("case", "name", "change"),
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
def test_the_check_sees_other_times_with_loss_on_all(case, name, change, on_all, monkeypatch):
    found = on_all | {name: change(on_all[name])}
    (failed,) = wrong("all", found, monkeypatch)
    assert failed.startswith(case)


@pytest.mark.usefixtures("seed")
def test_the_check_sees_answers_without_the_rows_that_W_F_reads(on_all, monkeypatch):
    monkeypatch.setattr(b3, "answers", lambda S, A: A)
    found = {name: result for name, result in on_all.items() if name != "predicted"}
    assert wrong("all", found, monkeypatch) == {"time of W_K2 over the predicted"}


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

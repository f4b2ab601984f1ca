"""The figures of trained models: their numbers, their pictures, and runs that go on."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from validation.dynamics import experiments
from validation.dynamics.experiments import EXPERIMENTS, Scale, curves_of
from validation.figures import attention, bigrams, depth, forming, make, sheets
from validation.runner.cases import Context

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TINY = Scale(
    length=12, width=8, batch_size=8, steps=4, all_steps=4, frozen=2, rows=2, reference_steps=4
)
MODULES = {"2": attention, "3": forming, "4": bigrams, "depth": depth}


def context(seed=3, profile="quick"):
    return Context(np.random.default_rng(seed), profile)


@pytest.mark.parametrize("name", MODULES)
def test_a_figure_is_drawn_from_its_rows(name, tmp_path):
    paths = make(name, tmp_path, context(), scale=TINY)
    assert [path.name for path in paths] == [
        f"{name}.{kind}" for kind in ("png", "pdf", "svg", "csv", "txt")
    ]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob("*.partial"))
    if name == "2":
        return  # no curves
    rows = sheets.read(tmp_path / f"{name}.csv")
    lines = {
        line.get_label(): line.get_ydata()
        for axes in MODULES[name].draw(rows).axes
        for line in axes.lines
    }
    shown = {
        "3": (*forming.SHOWN, experiments.REFERENCE),
        "4": (*bigrams.TRIGGERS, *bigrams.OUTPUTS),
        "depth": depth.LAYERS,
    }
    assert set(shown[name]) == {row["experiment"] for row in rows}
    assert all(row["step"] in (0, 2, 4, 8) for row in rows)
    if name == "depth":
        _, values = curves_of(rows, "one layer", "attention_induction")
        assert values.shape == (5, 3)
        np.testing.assert_allclose(lines["one layer"], values.mean(axis=0))


def test_the_same_seed_gives_the_same_runs(tmp_path):
    names, found = ("all three", "one layer"), []
    for seed, folder in (1, None), (1, tmp_path), (2, None):
        rng = np.random.default_rng(seed)
        runs = experiments.histories(names, scale=TINY, seeds=2, rng=rng, folder=folder)
        found.append([runs[name][i]["loss"].tolist() for name in names for i in range(2)])
    assert found[0] == found[1] != found[2]
    assert len({tuple(curve) for curve in found[0]}) == 4


def test_columns_that_a_run_does_not_have_are_not_numbers():
    curves = {"step": np.array([0, 2]), "accuracy": np.array([0.0, 1.0])}
    rows = experiments.rows_of({"one layer": [curves]}, ["accuracy", "recall_W_K1"])
    assert [row["accuracy"] for row in rows] == [0.0, 1.0]
    assert all(math.isnan(row["recall_W_K1"]) for row in rows)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_is_what_its_name_says(name):
    setting = EXPERIMENTS[name].setting(TINY, np.random.default_rng(0))
    task = setting["task"]
    assert setting["layers"] == 1 if name == "one layer" else "layers" not in setting
    if name.endswith("late"):
        frozen = name.removesuffix(" late").split(", ")
        assert setting["frozen_until"] == dict.fromkeys(frozen, TINY.frozen)
    else:
        assert setting["frozen_until"] == {}
    if name.startswith("K ="):
        assert (task.loss, setting["trained"][-1]) == ("all", "W_F")
        assert task.n_triggers == int(name.split()[2].rstrip(","))
        assert (task.avoid == "nothing") == name.endswith("any output")
        assert task.random_triggers == name.endswith("random")
        assert (task.trigger_offset > 0) == name.endswith("rare")
    if name.endswith("outputs"):
        assert task.trigger_outputs == name.split()[0]
        tests = {key: test.trigger_outputs for key, test in setting["test"].items()}
        assert tests == {"uniform": "uniform", "bigram": "bigram"}


LINES = "abracadabra" * 40, "the_quick_brown_fox_jumps_over_the_lazy_dog;" * 30


@pytest.mark.parametrize("line", LINES)
def test_a_text_of_ones_own_is_what_the_models_are_trained_on(line, tmp_path):
    path = tmp_path / "own.txt"
    path.write_text(line, encoding="utf-8")
    scale = experiments.sized(TINY, text=str(path))
    by_count = sorted(set(line), key=line.count, reverse=True)
    for name, ranks in ("first and third", (1, 3)), ("K = 5 rare", (11, 12, 13, 14, 15)):
        if max(ranks) > len(by_count):
            continue
        task = EXPERIMENTS[name].trained_on(scale)
        assert sorted(task.language.names) == sorted(by_count)
        triggers = [task.language.names[token] for token in task.trigger_tokens]
        assert [line.count(sign) for sign in sorted(triggers, key=line.count, reverse=True)] == [
            line.count(by_count[rank - 1]) for rank in ranks
        ]
    setting = EXPERIMENTS["third alone"].setting(scale, np.random.default_rng(0))
    assert {test.language.n_tokens for test in setting["test"].values()} == {len(by_count)}
    default = experiments.sized(TINY, text=None).given()
    assert scale.given() == {**default, "text": str(path)}


def test_a_figure_is_drawn_of_a_text_of_ones_own(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text(LINES[1], encoding="utf-8")
    make("2", tmp_path, context(), scale=TINY, text=str(path))
    rows = [row for row in sheets.read(tmp_path / "2.csv") if row["panel"] == "layer 1"]
    assert {str(row["column"]) for row in rows} <= set(LINES[1])


@pytest.mark.parametrize("name", ["3", "4", "depth"])
@pytest.mark.parametrize("length", [12, 64])  # below and above that of the quick profile
def test_all_runs_of_a_figure_are_on_the_text(name, length, tmp_path, monkeypatch):
    path, asked = tmp_path / "own.txt", []
    path.write_text(LINES[1], encoding="utf-8")
    monkeypatch.setattr(
        experiments, "histories", lambda names, *, scale, **_: asked.append(scale) or {}
    )
    MODULES[name].data(context(), scale=TINY, text=str(path), length=length)
    assert [scale.text for scale in asked] == [str(path)] * (2 if name == "3" else 1)


@pytest.mark.parametrize("name", ["4", "2"])
def test_runs_on_another_content_of_a_text_are_not_taken_up(name, tmp_path):
    path, found = tmp_path / "own.txt", []
    for line in LINES[1], LINES[1], LINES[1][::-1] + "abc":
        path.write_text(line, encoding="utf-8")
        scale = experiments.sized(TINY, text=str(path))
        if name == "2":
            rows = attention.measure(scale, np.random.default_rng(0), tmp_path / "runs")
        else:
            rng = np.random.default_rng(0)
            runs = experiments.histories(
                ["one layer"], scale=scale, seeds=1, rng=rng, folder=tmp_path / "runs"
            )
            rows = runs["one layer"][0]["loss"].tolist()
        found.append(str(rows))
    assert found[0] == found[1] != found[2]


KILLED = """
from pathlib import Path
import numpy as np
from validation.dynamics import experiments
if __name__ == "__main__":
    scale = experiments.Scale(**{scale})
    experiments.histories(
        ["all three", "one layer"], scale=scale, seeds=6, rng=np.random.default_rng(5),
        folder=Path({folder!r}),
    )
"""


def alive(group):
    """Whether a process of this group is left."""
    try:
        os.killpg(group, signal.SIG_DFL)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_a_figure_that_is_killed_goes_on(tmp_path):
    """After kill -9 in the middle the runs are those that an undisturbed sweep finds."""
    scale = Scale(length=16, width=32, batch_size=32, steps=400, all_steps=400)
    script = tmp_path / "killed.py"
    script.write_text(KILLED.format(scale=asdict(scale), folder=str(tmp_path / "runs")))
    log = tmp_path / "runs" / "runs.jsonl"
    child = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    patience = time.monotonic() + 120
    while not (log.exists() and len(log.read_bytes().splitlines()) >= 3):
        assert child.poll() is None
        assert time.monotonic() < patience
        time.sleep(0.05)
    child.kill()  # the sweep alone: its workers have to notice
    child.wait()
    while alive(child.pid):
        assert time.monotonic() < patience, "workers outlive the sweep"
        time.sleep(0.05)
    finished = log.read_bytes().splitlines()
    assert len(finished) < 13, "nothing was left to do"
    names, rng = ["all three", "one layer"], np.random.default_rng
    resumed = experiments.histories(
        names, scale=scale, seeds=6, rng=rng(5), folder=tmp_path / "runs"
    )
    assert log.read_bytes().splitlines()[: len(finished)] == finished
    assert len(log.read_bytes().splitlines()) == 13
    whole = experiments.histories(names, scale=scale, seeds=6, rng=rng(5))
    for name in names:
        for mine, theirs in zip(resumed[name], whole[name], strict=True):
            assert all((mine[key] == theirs[key]).all() for key in mine)

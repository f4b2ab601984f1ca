"""The records of the figures that take hours: made by one command, and drawn from there."""

from __future__ import annotations

import pytest

from validation.dynamics import experiments
from validation.dynamics.experiments import Scale
from validation.figures import FIGURES, recorded, sheets

TINY = Scale(length=8, width=16, batch_size=16, steps=4, all_steps=4, rows=2, reference_steps=2)
KEPT = sorted(recorded.RECORDS.glob("figure-*.csv"))


def test_a_record_says_how_it_was_made_and_is_taken_up_again(monkeypatch, tmp_path):
    monkeypatch.setitem(experiments.SCALES, "full", TINY)
    monkeypatch.setattr(recorded, "RECORDS", tmp_path)
    path = recorded.record("depth", tmp_path / "out")
    first = path.read_text(encoding="utf-8")
    assert first.startswith("# version: ")
    assert "\n# command: python -m validation figure depth --seed 0 --scale paper\n" in first
    assert "\n# sizes: length 8, width 16, batch_size 16, " in first
    runs = (tmp_path / "out" / "figure-depth-runs" / "runs.jsonl").read_text(encoding="utf-8")
    assert recorded.record("depth", tmp_path / "out").read_text(encoding="utf-8") == first
    again = (tmp_path / "out" / "figure-depth-runs" / "runs.jsonl").read_text(encoding="utf-8")
    assert again == runs


def test_there_are_records():
    assert KEPT


@pytest.mark.parametrize("path", KEPT, ids=[path.stem for path in KEPT])
def test_a_record_has_its_sizes_and_can_be_drawn(path):
    head = path.read_text(encoding="utf-8").splitlines()[:4]
    assert [line.partition(": ")[0] for line in head] == [
        "# version",
        "# command",
        "# seed",
        "# sizes",
    ]
    name = path.stem.removeprefix("figure-")
    paper = "length 256, width 128, batch_size 512"
    assert ("length 32, batch_size 256" if name == "times" else paper) in head[3]
    figure = FIGURES[name].draw(sheets.read(path))
    figure.draw_without_rendering()  # raises what a file of it would
    assert all(axes.has_data() for axes in figure.axes)

"""The history of the benchmarks: files that say where they come from, and the page of them."""

from __future__ import annotations

import json

import pytest

from benchmarks import history
from benchmarks.phases_before import PHASES

RATIOS = {
    "assocmem": {"wall": 1.0, "cpu": 1.0, "megabytes": 50},
    "PyTorch, memory kept": {"wall": 3.62, "cpu": 3.6, "megabytes": 359},
}


def test_a_run_is_kept_with_machine_and_versions_and_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(history, "FOLDER", tmp_path / "history")
    found = {"a step": {"agree": True, "share": 0.51, "ratios": RATIOS}, "a loop": 127.4}
    path = history.keep("training_step", found, threads=2)
    run = json.loads(path.read_text())
    assert run["found"] == found
    assert (run["threads"], run["versions"]["assocmem"]) == (2, history.am.__version__)
    assert {"processor", "python"} <= set(run["machine"])
    rows = history.ratios().splitlines()[:1:-1]  # by name, from the end
    assert rows[0].endswith("| a step |  | 3.6 |  |  |  | 51% |")
    assert rows[1].endswith("| a loop | 127 |  |  |  |  |  |")


@pytest.mark.parametrize("name", history.TABLES)
def test_the_page_has_the_tables_of_all_runs(name):
    start, end = history.mark(name)
    drawn = history.PAGE.read_text(encoding="utf-8").partition(start)[2].partition(end)[0].strip()
    assert drawn == history.TABLES[name](), "run python -m benchmarks.history"


def test_the_newest_split_by_phases_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(history, "FOLDER", tmp_path)
    for day, seconds in (1, 0.5), (2, 0.25):
        monkeypatch.setattr(history.time, "strftime", lambda *_, day=day: f"2026-01-0{day}")
        part = {"seconds": seconds, "operations": 2e9, "bytes": 3e6, "share": 0.4}
        split = dict.fromkeys((*PHASES, "total"), part)
        case = {"phases today, T=1, d=2": {"share": 0.4, "phases": split}}
        history.keep("phases_before", case, threads=1)
    title, _, heads, _, *rows = history.phases().splitlines()
    assert (title, heads) == ("**T=1, d=2**", "| phase | today |")
    assert len(rows) == len(PHASES) + 1
    assert rows[-1] == "| total | 250.0 ms, 2.00 GFLOP, 3 MB, 40% |"

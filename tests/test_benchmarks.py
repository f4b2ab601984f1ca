"""The history of the benchmarks: files that say where they come from, and the page of them."""

from __future__ import annotations

import json

from benchmarks import history

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
    rows = history.table().splitlines()[:1:-1]  # by name, from the end
    assert rows[0].endswith("| a step |  | 3.6 |  |  |  | 51% |")
    assert rows[1].endswith("| a loop | 127 |  |  |  |  |  |")


def test_the_page_has_the_table_of_all_runs():
    text = history.PAGE.read_text(encoding="utf-8")
    drawn = text.partition(history.START)[2].partition(history.END)[0].strip()
    assert drawn == history.table(), "run python -m benchmarks.history"

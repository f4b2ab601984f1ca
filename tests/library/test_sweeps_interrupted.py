"""Sweeps that are ended, by Ctrl-C, a full disk or a kill: at once, and with all workers."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from assocmem.sweeps import run
from tests.library.cells import N_CELLS, grid, note, until

ROOT = Path(__file__).parents[2]
WORKERS = 2
QUICKEST = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"


def ran(folder):
    return len(list(folder.glob("ran*")))


@pytest.mark.parametrize("progress", [False, True])
@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_what_ends_a_sweep_cancels_the_cells_that_wait(
    error, pool, progress, monkeypatch, tmp_path, capsys
):
    """While a line goes to a slow disk; what has finished meanwhile is kept."""

    def fail_at_ten(file):
        fail_at_ten.calls += 1
        if fail_at_ten.calls == 10 or (fail_at_ten.calls > 10 and isinstance(error, OSError)):
            raise error
        time.sleep(0.02)  # four cells

    fail_at_ten.calls = 0
    output = tmp_path / "sweep.jsonl"
    with pool(WORKERS) as executor:
        monkeypatch.setattr(os, "fsync", fail_at_ten)
        with pytest.raises(type(error)):
            run(note, grid(tmp_path), rng=0, executor=executor, output=output, progress=progress)
        monkeypatch.undo()
    kept = len(output.read_text().splitlines()) - 1
    assert kept >= 9
    in_flight = WORKERS + 1
    finished = in_flight if isinstance(error, OSError) else 0  # which the disk did not take
    assert ran(tmp_path) <= kept + in_flight + finished
    (tmp_path / "hurry").touch()
    table = run(note, grid(tmp_path), rng=0, output=output)  # and nothing is lost
    assert table["square"] == [n * n for n in range(N_CELLS)]


SCRIPT = """
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from assocmem.sweeps import run
from tests.library.cells import grid, note
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs behind a shell ignores it
    exec(sys.argv[3])
    folder = Path(sys.argv[1])
    with ProcessPoolExecutor(int(sys.argv[4]), mp_context=get_context(sys.argv[2])) as executor:
        run(note, grid(folder), rng=0, executor=executor, output=folder / "sweep.jsonl")
"""


@pytest.fixture
def start(tmp_path):
    """The script, as one starts it, ended with all that it began."""
    processes = []

    def start(method, first=""):
        (tmp_path / "script.py").write_text(SCRIPT)
        arguments = [str(tmp_path), method, first, str(WORKERS)]
        process = subprocess.Popen(
            [sys.executable, str(tmp_path / "script.py"), *arguments],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            start_new_session=True,
            stderr=subprocess.PIPE,
        )
        processes.append(process)
        until(lambda: ran(tmp_path) > 5 or process.poll() is not None)
        return process

    yield start
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def runs(process):
    """Whether the process of this number runs; the dead wait for a parent to count them."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_workers_end_with_a_killed_sweep(method, start, tmp_path):
    process = start(method)
    workers = {file.read_text() for file in tmp_path.glob("ran*")} - {""}
    assert workers
    assert str(process.pid) not in workers
    process.kill()
    process.wait()
    until(lambda: not any(map(runs, workers)))
    before = ran(tmp_path)
    time.sleep(0.1)
    assert ran(tmp_path) == before < N_CELLS


@pytest.mark.parametrize("whole_group", [False, True])  # kill -INT, and Ctrl-C in a terminal
def test_an_interrupt_ends_a_pool_sweep(whole_group, start, tmp_path):
    process = start(QUICKEST)
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert b"KeyboardInterrupt" in errors
    assert ran(tmp_path) < N_CELLS
    for line in (tmp_path / "sweep.jsonl").read_text().splitlines():
        json.loads(line)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of sizes here")
def test_a_file_that_cannot_grow_ends_a_pool_sweep(start, tmp_path):
    """The system itself refuses the write, in the middle of a line."""
    process = start(QUICKEST, "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (4001, 4001))")
    _, errors = process.communicate(timeout=120)
    assert b"OSError" in errors
    *whole, cut = (tmp_path / "sweep.jsonl").read_text().split("\n")
    kept = len([json.loads(line) for line in whole]) - 1
    assert 0 < kept <= ran(tmp_path) <= kept + 2 * (WORKERS + 1)
    assert cut
    (tmp_path / "hurry").touch()
    again = start(QUICKEST)
    assert again.wait() == 0
    lines = (tmp_path / "sweep.jsonl").read_text().splitlines()
    assert {json.loads(line)["cell"]["n"] for line in lines[1:]} == set(range(N_CELLS))
    assert len(lines) == N_CELLS + 1


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")
def test_a_terminated_sweep_keeps_its_lines(start, tmp_path):
    process = start(QUICKEST)
    process.terminate()
    process.wait()
    workers = {file.read_text() for file in tmp_path.glob("ran*")} - {""}
    until(lambda: not any(map(runs, workers)))
    kept = (tmp_path / "sweep.jsonl").read_text().count("\n") - 1
    # those that ended while nobody wrote them down any more, until the workers noticed
    assert 0 < kept <= ran(tmp_path) <= kept + 2 * (WORKERS + 1)


def test_threads_are_not_watched():
    """They are the sweep's own process."""
    with ThreadPoolExecutor(1) as executor:
        run(lambda n, rng: {"x": n}, {"n": [1]}, executor=executor)
    assert "ends with the sweep" not in {each.name for each in threading.enumerate()}


# The file


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/random", "pipe"])
def test_an_output_that_is_no_file_is_refused(device, tmp_path):
    if device == "pipe":
        device = str(tmp_path / "pipe")
        os.mkfifo(device)
    elif not Path(device).exists():
        pytest.skip(f"no {device} here")
    link = tmp_path / "link"
    link.symlink_to(device)
    for output in (device, link):
        with pytest.raises(ValueError, match=r"output: expected a new file .* device or a pipe"):
            run(note, grid(tmp_path), rng=0, output=output)
    assert ran(tmp_path) == 0


def test_an_output_may_be_a_link_to_a_file(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "sweep.jsonl")
    table = run(draw, {"n": [1, 2]}, rng=0, output=tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert run(draw, {"n": [1, 2]}, rng=0, output=tmp_path / "sweep.jsonl").rows == table.rows


# The seeds of cells


def draw(rng, **cell):
    return {"bits": int(rng.integers(2**63)), "uniform": rng.random()}


@pytest.mark.parametrize(
    "values",
    [
        list(range(1000)),
        [f"{i:04}" for i in range(1000)],
        list(1 + np.arange(1000) * np.finfo(float).eps),  # neighbours in float64
        [[i // 32, i % 32] for i in range(1000)],
        [1000**i for i in range(1000)],
    ],
    ids=["integers", "strings", "floats", "lists", "powers"],
)
def test_a_thousand_cells_draw_independently(values):
    """No two start alike, here and at the next seed, and what they draw first is uniform."""
    from scipy import stats

    tables = [run(draw, {"n": values}, rng=seed) for seed in (0, 1)]
    assert len({bits for table in tables for bits in table["bits"]}) == 2000
    first = np.array([table["uniform"] for table in tables])
    assert stats.kstest(first.ravel(), "uniform").pvalue > 1e-7
    # neighbours, and the two seeds: a correlation of 1000 pairs of uniforms
    for a, b in ((first[:, 1:], first[:, :-1]), (first[:1], first[1:])):
        assert stats.pearsonr(a.ravel(), b.ravel()).pvalue > 1e-7


def test_a_grid_of_a_thousand_cells_draws_independently():
    grid = {"a": list(range(10)), "b": list(range(10)), "c": list(range(10))}
    assert len(set(run(draw, grid, rng=0)["bits"])) == 1000

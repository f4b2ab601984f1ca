"""Sweeps that are killed resume, whatever runs their cells."""

import json
import os
import signal
import sys

import pytest

from assocmem.sweeps import run
from tests.library.cells import GRID, draw, sweep_in_folder, until, wait_at_five

# A kill in the middle

SCRIPT = """
import sys
from pathlib import Path
from tests.library.cells import sweep_in_folder
if __name__ == "__main__":
    sweep_in_folder(Path(sys.argv[1]), sys.argv[2])
"""


@pytest.mark.parametrize("engine", ["serial", "processes", "MPI"])
def test_a_sweep_killed_in_the_middle_resumes(engine, start, tmp_path):
    output, script = tmp_path / "sweep.jsonl", tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = start(engine, script, str(tmp_path), engine)
    before = 5 if engine == "serial" else 9  # one worker is at cell 5, another ends all the rest
    until(
        lambda: (
            output.exists()
            and output.read_bytes().count(b"\n") == 1 + before
            and "5" in (tmp_path / "started").read_text().split()
        ),
        process,
    )
    with pytest.raises(
        BlockingIOError, match=r"output: expected a file that no other process writ"
    ):
        run(draw, GRID, output=output)
    # kill -9: the sweep and its pool are one group; of MPI it is one process, and MPI ends the rest
    os.killpg(os.getpgid(int((tmp_path / "manager").read_text())), signal.SIGKILL)
    assert process.wait(timeout=600) != 0

    def logged(name):
        return sorted(map(int, (tmp_path / name).read_text().split()))

    finished = [json.loads(line)["cell"]["n"] for line in output.read_text().splitlines()[1:]]
    assert sorted(finished) == logged("ended")
    assert len(finished) == before
    assert 5 not in finished

    (tmp_path / "go").touch()
    assert start(engine, script, str(tmp_path), engine).wait(timeout=600) == 0
    table = sweep_in_folder(tmp_path, "serial")  # all from the file
    assert logged("ended") == list(range(10))  # no cell twice
    assert logged("started") == sorted([*range(10), 5])  # but the one that was cut short
    undisturbed = run(wait_at_five, {"n": list(range(10)), "folder": [str(tmp_path)]}, rng=0)
    assert table.rows == undisturbed.rows


@pytest.mark.skipif(sys.platform == "win32", reason="no lock there")
def test_workers_that_outlive_a_killed_sweep_do_not_keep_its_file(start, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = start("processes", script, str(tmp_path), "processes")
    until((tmp_path / "ended").exists, process)
    try:
        process.kill()
        process.wait()
        (tmp_path / "go").touch()
        assert len(sweep_in_folder(tmp_path, "serial")) == 10
    finally:
        os.killpg(process.pid, signal.SIGKILL)

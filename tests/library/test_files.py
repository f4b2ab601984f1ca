"""Files of the library: whole or not at all, whoever writes and reads at the same time."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections import Counter

import numpy as np
import pytest

from assocmem import InductionTask, TopDownRun, _files, sweeps, top_down
from assocmem.tasks import characters
from assocmem.training import History, TrainingRun
from tests.library.cells import until
from validation.figures import sheets
from validation.runner import report

HISTORY = History({"step": np.array([0, 10]), "loss": np.array([1 / 3, 0.1])})
TABLE = sweeps.run(lambda n, rng: {"square": n**2}, {"n": [3, 1]})


def save(path):
    _files.save(path, "Sketch", {"seed": 1}, {"W": np.eye(2)})


# Every writer of the library, and the name of the file that it makes of "out".
WRITERS = {
    "history": (HISTORY.to_csv, "out"),
    "table": (TABLE.to_csv, "out"),
    "arrays": (save, "out.npz"),
    "record": (save, "out.json"),
    "report": (lambda path: report.write([], path), "out"),
    "characters": (lambda path: characters.main([str(path)]), "out"),
}


@pytest.fixture(params=WRITERS)
def writer(request):
    return WRITERS[request.param]


# --- one file ------------------------------------------------------------------------------------


@pytest.mark.parametrize("absolute", [True, False])
def test_links_are_followed(writer, absolute, tmp_path):
    """The link stays one, and the file that it leads to, here or elsewhere, is written."""
    write, name = writer
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "target"
    link = tmp_path / name
    link.symlink_to(target if absolute else "elsewhere/target")
    for _ in range(2):  # a link to nothing, then to a file
        write(tmp_path / "out")
        assert link.is_symlink()
        assert target.stat().st_size > 0
    assert os.listdir(target.parent) == ["target"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_the_mode_is_kept(writer, mode, tmp_path):
    write, name = writer
    write(tmp_path / "out")
    os.chmod(tmp_path / name, mode)
    write(tmp_path / "out")
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode


def test_a_new_file_has_the_mode_of_any_new_file(writer, tmp_path):
    write, name = writer
    write(tmp_path / "out")
    (tmp_path / "any").touch()
    assert (tmp_path / name).stat().st_mode == (tmp_path / "any").stat().st_mode


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "link to itself"])
def test_what_is_no_regular_file_is_refused(writer, kind, tmp_path):
    write, name = writer
    path = tmp_path / name
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/null")
    else:
        path.symlink_to(path)
    with pytest.raises(ValueError, match=r"expected a regular file or none; got .* Give another"):
        write(tmp_path / "out")
    assert not list(tmp_path.rglob("*.partial"))


def break_off(path, error):
    with _files.replaced(path) as file:
        file.write(b"half")
        raise error


def test_a_write_that_breaks_off_leaves_the_old_file(tmp_path):
    path = tmp_path / "out"
    path.write_text("old")
    for error in (KeyboardInterrupt, OSError, ValueError):
        with pytest.raises(error):
            break_off(path, error)
    assert (path.read_text(), os.listdir(tmp_path)) == ("old", ["out"])


def test_a_file_that_must_not_be_written_is_left_alone(tmp_path, monkeypatch):
    path = tmp_path / "out"
    path.write_text("old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # for the superfluous rights of a root
    with pytest.raises(PermissionError, match="expected a file that may be written"):
        _files.write_json(path, [])
    assert path.read_text() == "old"


def test_missing_folders_are_named(writer, tmp_path):
    write, _ = writer
    with pytest.raises(ValueError, match=r"expected a folder that exists; got .*missing"):
        write(tmp_path / "missing" / "out")
    (tmp_path / WRITERS["history"][1]).symlink_to(tmp_path / "missing" / "out")
    with pytest.raises(ValueError, match=r"expected a folder that exists; got .*missing"):
        HISTORY.to_csv(tmp_path / "out")


def test_numbers_read_back_from_the_tables(tmp_path):
    HISTORY.to_csv(tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_bytes() == b"step,loss\n0,0.3333333333333333\n10,0.1\n"
    rows = sweeps.run(lambda n, rng: {"x": [n, 1 / 3]}, {"n": [3, 1]})
    rows.to_csv(tmp_path / "table.csv")
    text = (tmp_path / "table.csv").read_text()
    assert text == 'n,x\n3,"[3, 0.3333333333333333]"\n1,"[1, 0.3333333333333333]"\n'
    sheets.publish(tmp_path, "stem", [{"a": 1, "b": "x,y"}], sheets.canvas(1, 1))
    assert sheets.read(tmp_path / "stem.csv") == [{"a": 1, "b": "x,y"}]


# --- many writers and readers --------------------------------------------------------------------

LOOP = """
import sys, numpy as np
from pathlib import Path
from assocmem import _files
path, number, enough = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
while not enough.exists():
    _files.save(path, "Sketch", {"seed": number}, {"W": np.full((300, 300), number)})
"""


def test_two_savers_in_a_loop_beside_a_reader(tmp_path):
    """No torn file, no raw error: every file that the reader finds is one of the three, whole.

    The savers go on until the reader has found 25 files of each, however slow the machine is.
    """
    folder, enough, found = tmp_path / "runs", tmp_path / "enough", Counter()
    folder.mkdir()
    path = str(folder / "run")
    _files.save(path, "Sketch", {"seed": 0}, {"W": np.full((300, 300), 0)})
    command = [sys.executable, "-c", LOOP, path]
    savers = [subprocess.Popen([*command, str(i), str(enough)]) for i in (1, 2)]

    def read():
        record, arrays = _files.load(path, "Sketch")
        found[record["seed"]] += 1
        assert (arrays["W"] == record["seed"]).all()
        assert json.loads((folder / "run.json").read_text())["seed"] in (0, 1, 2)
        return min(found[1], found[2]) >= 25 or any(saver.poll() is not None for saver in savers)

    try:
        until(read)
        enough.touch()
        assert [saver.wait(60) for saver in savers] == [0, 0]
    finally:
        for saver in savers:
            saver.kill()
            saver.wait()
    assert min(found[1], found[2]) >= 25
    assert sorted(os.listdir(folder)) == ["run.json", "run.npz"]


def test_a_lock_keeps_others_out_and_leaves_nothing(tmp_path):
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with _files.locked(tmp_path / "run", "checkpoint"):
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)  # of this process, whose own locks fcntl does not see
    thread.start()
    entered.wait(60)
    with (
        pytest.raises(BlockingIOError, match="checkpoint: expected a path that no other run"),
        _files.locked(tmp_path / "run", "checkpoint"),
    ):
        pass
    other = subprocess.run(
        [sys.executable, "-c", LOCK, str(tmp_path / "run")], capture_output=True, check=False
    )
    assert b"BlockingIOError: checkpoint: expected" in other.stderr
    leave.set()
    thread.join()
    assert os.listdir(tmp_path) == []
    with _files.locked(tmp_path / "run", "checkpoint"):
        pass


LOCK = """
import sys
from assocmem import _files
with _files.locked(sys.argv[1], "checkpoint"):
    print("locked", flush=True)
    if len(sys.argv) > 2:
        sys.stdin.read()
"""


def test_a_killed_process_gives_its_lock_back(tmp_path):
    command = [sys.executable, "-c", LOCK, str(tmp_path / "run"), "wait"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"locked\n"
        with (
            pytest.raises(BlockingIOError),
            _files.locked(tmp_path / "run", "checkpoint"),
        ):
            pass
        process.kill()
    with _files.locked(tmp_path / "run", "checkpoint"):
        assert (tmp_path / "run.lock").exists()


def test_two_sweeps_of_one_process_do_not_share_an_output(tmp_path):
    """And the one that is refused does not end the lock of the other."""
    output, inner = tmp_path / "sweep.jsonl", []

    def cell(n, rng):
        with pytest.raises(BlockingIOError, match="output: expected a file that no other process"):
            sweeps.run(lambda n, rng: {"x": n}, {"n": [1]}, output=output)
        found = subprocess.run([sys.executable, "-c", OPEN, str(output)], check=True, timeout=60)
        inner.append(found.returncode)
        return {"x": n}

    assert sweeps.run(cell, {"n": [1, 2]}, output=output, rng=0)["x"] == [1, 2]
    assert inner == [0, 0]


OPEN = """
import sys
from assocmem import _files
assert _files.open_exclusively(sys.argv[1]) is None
"""


def test_what_killed_runs_leave_is_removed_in_the_end(tmp_path):
    old, new, other = (
        tmp_path / f"{name}.host-1.ab.partial" for name in ("run.npz", "run.json", "x")
    )
    for path in (old, new, other):
        path.touch()
    hours_ago = time.time() - 2 * _files.LEFT_OVER_AFTER
    for path in (old, other):
        os.utime(path, (hours_ago, hours_ago))
    with _files.locked(tmp_path / "run", "checkpoint"):
        assert not old.exists()
    assert new.exists()  # somebody may still be writing it
    assert other.exists()


@pytest.mark.parametrize("folder", ["/proc", "/dev/full"])
def test_a_folder_that_cannot_be_written_is_refused_by_name(folder):
    with (
        pytest.raises((OSError, ValueError), match="checkpoint: expected a folder that"),
        _files.locked(f"{folder}/run", "checkpoint"),
    ):
        pass


# --- reading -------------------------------------------------------------------------------------


def test_a_run_of_one_kind_is_no_run_of_another(tmp_path):
    run = top_down(InductionTask(4, 5), rng=0, evaluate_on=10)
    run.save(tmp_path / "run")
    assert TopDownRun.load(tmp_path / "run").recall == run.recall
    with pytest.raises(ValueError, match=r"path: .* got a TopDownRun, and no TrainingRun"):
        TrainingRun.load(tmp_path / "run")
    with pytest.raises(FileNotFoundError, match="path: expected a saved TrainingRun; got"):
        TrainingRun.load(tmp_path / "none")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(ValueError, match=r"path: .* is no regular file"):
        TrainingRun.load(tmp_path / "folder")


@pytest.mark.parametrize("version", [None, 1, 3, "2"])
def test_another_format_is_refused(version, tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "FORMAT", version)
    save(tmp_path / "out")
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"path: expected a file of format 2 in .*; got format"):
        _files.load(tmp_path / "out", "Sketch")


def test_a_file_without_one_of_its_arrays_is_refused(tmp_path):
    save(tmp_path / "out")
    with np.load(tmp_path / "out.npz") as stored:
        arrays = dict(stored)
    for changed in (
        {"record.json": arrays["record.json"]},
        arrays | {"more": np.eye(2)},
        arrays | {"W": np.eye(3)},
        arrays | {"W": np.eye(2, dtype=np.float32)},
    ):
        np.savez(tmp_path / "out.npz", **changed)
        with pytest.raises(ValueError, match=r"path: expected a saved run in .*; got the arrays"):
            _files.load(tmp_path / "out", "Sketch")


def test_damage_is_a_value_error(tmp_path):
    """Bytes that are flipped, cut or added: refused by a ValueError, or read back as they were."""
    save(tmp_path / "out")
    path = tmp_path / "out.npz"
    content, refused, rng = path.read_bytes(), 0, np.random.default_rng()
    for i in range(300):
        damaged = bytearray(content)
        if i % 3 == 0:
            damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        elif i % 3 == 1:
            del damaged[rng.integers(len(damaged)) :]
        else:
            place = rng.integers(len(damaged))
            damaged[place : place + 4] = rng.bytes(8)
        path.write_bytes(damaged)
        try:
            record, arrays = _files.load(tmp_path / "out", "Sketch")
        except ValueError as error:
            assert str(error).startswith("path: expected a saved run")  # noqa: PT017
            refused += 1
        else:  # in bytes that mean nothing, such as a date
            assert record == {"seed": 1}
            np.testing.assert_array_equal(arrays["W"], np.eye(2))
    assert refused > 150

"""Both command lines where the terminal is no friend: it closes, fills, or knows no Greek."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from assocmem.__main__ import main as command
from validation import figures
from validation.__main__ import main
from validation.runner import checks, derived
from validation.runner.cases import Case

ROOT = Path(__file__).parent.parent
COMMANDS = [
    *(["theory", *rest] for rest in (["list"], ["table"], ["show", "B1-any"], ["--help"])),
    *(["validation", *rest] for rest in (["list"], ["run", "NO3"], ["--help"])),
    *(["assocmem", *rest] for rest in (["step", "1"], ["--help"])),
]
SAYS = ("show", "run", "step")  # one of each program, where both streams close
FULL = Path("/dev/full")


def program(command, output, **settings):
    name, *rest = command
    where = ["--output", str(output)] if rest[0] == "run" else []
    settings = {"cwd": ROOT, "capture_output": True, "check": False} | settings
    return subprocess.run([sys.executable, "-m", name, *rest, *where], **settings)


@pytest.mark.parametrize(
    ("command", "both"),
    [*((c, False) for c in COMMANDS), *((c, True) for c in COMMANDS if c[1] in SAYS)],
    ids=lambda given: " ".join(given) if isinstance(given, list) else str(given),
)
def test_a_reader_may_stop_reading(command, both, tmp_path):
    """As `| head` does, and `2>&1 | head`."""
    reader, writer = os.pipe()
    os.close(reader)
    errors = writer if both else subprocess.PIPE
    done = program(command, tmp_path, capture_output=False, stdout=writer, stderr=errors)
    os.close(writer)
    assert done.returncode == 0, done.stderr
    if not both:
        lines = done.stderr.splitlines()
        assert len(lines) == ("run" in command), lines
        assert all(b"the checks go on" in line for line in lines), lines
    if "run" in command:  # the product is whole
        rows = json.loads((tmp_path / "report.json").read_text())
        assert any(row["passed"] for row in rows)


@pytest.mark.skipif(not FULL.exists(), reason="no full device here")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_room_for_the_output(command, tmp_path):
    with FULL.open("wb") as full:
        done = program(command, tmp_path, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == (0 if "run" in command else 2)  # the report is what counts
    assert b"No space left on device" in done.stderr
    assert done.stderr.count(b"\n") == 1


# every encoding: one module writes for all commands
@pytest.mark.parametrize(
    ("command", "encoding"),
    [
        ("theory table", "ascii"),
        ("theory show IH", "cp1252"),
        ("theory show IH", "utf-16"),
    ],
)
def test_an_encoding_without_greek(command, encoding, tmp_path):
    settings = {"env": os.environ | {"PYTHONIOENCODING": encoding}, "encoding": encoding}
    done = program(command.split(), tmp_path, **settings)
    assert (done.returncode, done.stderr) == (0, "")
    if command.endswith("IH"):  # whose derivation has betas
        assert ("β" if encoding.startswith("utf") else r"\u03b2") in done.stdout


@pytest.mark.parametrize("where", ["/proc/steps.png", "/nowhere/steps.png", "{}", "{}/steps.none"])
def test_a_picture_that_cannot_be_put_there_is_found_first(where, monkeypatch, tmp_path, capsys):
    def never(*anything, **options):
        raise AssertionError("it computed")

    monkeypatch.setattr("assocmem.top_down", never)
    assert command(["top-down", "--picture", where.format(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "--picture: " in shown.err
    assert not list(tmp_path.iterdir())


def test_a_path_that_no_encoding_knows(tmp_path):
    output = os.fsencode(tmp_path) + b"/\xff"
    settings = {"env": os.environ | {"PYTHONIOENCODING": "ascii"}}
    done = program(["validation", "run", "NO3"], os.fsdecode(output), **settings)
    assert (done.returncode, done.stderr) == (0, b"")
    assert Path(os.fsdecode(output), "report.json").exists()


@pytest.mark.parametrize("arguments", [["run"], ["figure", "map"]])
@pytest.mark.parametrize("where", ["/proc", "/dev/null", "/dev/full", __file__])
def test_an_output_that_takes_no_files_is_found_first(arguments, where, monkeypatch, capsys):
    def never(*anything):
        raise AssertionError("it computed")

    monkeypatch.setattr(checks, "check_of", lambda claim: never)
    monkeypatch.setattr(figures, "FIGURES", {"map": SimpleNamespace(data=never)})
    for output in (where, where + "/new"):
        assert main([*arguments, "--output", output]) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "argument --output: expected a directory to write to; got" in shown.err


def test_a_directory_in_place_of_the_report(tmp_path, capsys):
    (tmp_path / "report.json").mkdir()
    assert main(["run", "NO3", "--output", str(tmp_path)]) == 2
    assert "report.json: expected a file to write; got a directory" in capsys.readouterr().err


@pytest.mark.parametrize(("off", "code"), [(0, 2), (1, 1)])
def test_a_report_that_cannot_be_written_is_no_claim_that_fails(
    off, code, single_claims, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(
        checks, "check_of", lambda claim: lambda context: [Case("x", 1, 1 + off, 0)]
    )
    monkeypatch.setattr(derived, "derived", lambda *_, **__: {})

    def full(*anything):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert main(["run", "--output", str(tmp_path)]) == code
    shown = capsys.readouterr()
    assert ("all hold" in shown.out) == (off == 0)
    assert "report.json: not written ([Errno 28] No space left on device)" in shown.err
    assert "Report:" not in shown.out


def test_a_figure_that_cannot_be_written(monkeypatch, tmp_path, capsys):
    def full(*anything):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figures, "FIGURES", {"map": SimpleNamespace(data=full)})
    assert main(["figure", "map", "--output", str(tmp_path)]) == 2
    assert "not written ([Errno 28] No space left on device)" in capsys.readouterr().err


@pytest.mark.parametrize("profile", [[], ["--profile", "quick"]])
def test_exit_code_where_nothing_was_checked(profile, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(checks, "check_of", lambda claim: lambda context: ())
    monkeypatch.setattr(derived, "derived", lambda *_, **__: {})
    for ids in ([], ["D1"], ["L1", "L2"]):
        assert main(["run", *ids, *profile, "--output", str(tmp_path)]) == 2
        shown = capsys.readouterr()
        assert "nothing was checked" in shown.out
        assert "No case in the quick profile: pass --profile full" in shown.err
    assert all(row["passed"] is None for row in json.loads((tmp_path / "report.json").read_text()))

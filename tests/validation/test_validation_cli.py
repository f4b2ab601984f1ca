"""``python -m validation``: verdicts, exit codes, the report, and what a user sees."""

from __future__ import annotations

import json
import math
import re
import secrets
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory import CLAIMS
from validation.__main__ import main
from validation.runner import checks, derived, report, table
from validation.runner.cases import Case

ROOT = Path(__file__).parents[2]
FIELDS = [
    *("id", "case", "title", "kind"),
    *("predicted", "measured", "tolerance", "passed", "seconds"),
    *("verdict", "evidence", "power", "part"),
]
FAST = ["NO3", "C6"]  # real checks of a tenth of a second


def holds(context):
    yield Case("equal", 1, 1, 0)


def fails(context):
    yield Case("equal", 1, 1, 0)
    yield Case("off by one", 1, 2, 0.5)


def breaks_off(context):
    yield Case("equal", 1, 1, 0)
    raise ZeroDivisionError("a message\nof two lines")


def is_interrupted(context):
    yield Case("equal", 1, 1, 0)
    raise KeyboardInterrupt


def has_no_case(context):
    return iter(())


@pytest.fixture
def plant(monkeypatch, single_claims):
    """Every check holds at once, but for those given by id."""

    def plant(**planted):
        fake = dict.fromkeys(CLAIMS, holds) | planted
        monkeypatch.setattr(checks, "check_of", lambda claim: fake[claim.id])
        monkeypatch.setattr(derived, "derived", lambda *_, **__: {})

    return plant


def read(directory):
    return json.loads((directory / "report.json").read_text(encoding="utf-8"))


def verdicts(rows):
    return {row["id"]: row["passed"] for row in rows}


# --- what runs, and the exit code


@pytest.mark.parametrize("arguments", [[], ["run"], ["--seed", "3"], ["--profile", "full"]])
def test_without_ids_every_claim_runs(arguments, plant, monkeypatch, tmp_path, capsys):
    plant()
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 0
    rows = read(tmp_path / "out")
    assert [row["id"] for row in rows] == list(CLAIMS)
    assert all(row["passed"] is True for row in rows)
    printed = capsys.readouterr().out
    assert f"{len(CLAIMS)} cases of {len(CLAIMS)} claims" in printed
    assert "all hold" in printed
    assert str(Path("out", "report.json")) in printed


def test_a_claim_that_fails(plant, tmp_path, capsys):
    plant(L1=fails)
    assert main(["run", "--output", str(tmp_path)]) == 1
    rows = read(tmp_path)
    assert [(row["id"], row["case"]) for row in rows if not row["passed"]] == [("L1", "off by one")]
    printed = capsys.readouterr().out
    assert "1 case FAILED (L1)" in printed
    assert printed.startswith("1 of the claims checked FAIL\n")


def test_a_check_that_raises_fails_and_the_others_go_on(plant, tmp_path, capsys):
    plant(L1=breaks_off)
    assert main(["run", "--output", str(tmp_path)]) == 1
    rows = [row for row in read(tmp_path) if row["id"] == "L1"]
    assert [row["passed"] for row in rows] == [True, False]
    assert "ZeroDivisionError: a message of two lines" in rows[1]["case"]
    assert rows[1]["predicted"] is rows[1]["measured"] is rows[1]["tolerance"] is None
    assert all(row["passed"] for row in read(tmp_path) if row["id"] != "L1")
    shown = capsys.readouterr()
    assert "ZeroDivisionError" in shown.out
    assert "Traceback" in shown.err


def test_claims_not_selected_are_listed_as_not_run(plant, tmp_path, capsys):
    plant()
    assert main(["run", "t-S2", "No1", "--output", str(tmp_path)]) == 0
    rows = read(tmp_path)
    assert verdicts(rows) == {id: True if id in ("T-S2", "NO1") else None for id in CLAIMS}
    for row in rows:
        empty = {row[name] for name in FIELDS[4:] if name != "verdict"}
        assert row["passed"] or (empty, row["verdict"]) == ({None}, "not selected")
    printed = capsys.readouterr().out
    assert "2 cases of 2 claims" in printed
    assert not re.search("^L1 ", printed, re.MULTILINE)


def test_a_claim_without_a_case_is_outside_the_quick_profile_only(plant, tmp_path, capsys):
    plant(L1=has_no_case)
    assert main(["run", "L1", "L2", "--output", str(tmp_path)]) == 0
    assert verdicts(read(tmp_path))["L1"] is None
    assert main(["run", "L1", "L2", "--profile", "full", "--output", str(tmp_path)]) == 1
    assert verdicts(read(tmp_path))["L1"] is False


def test_an_interrupted_run_reports_what_ran(plant, tmp_path, capsys):
    plant(L1=is_interrupted)
    assert main(["run", "AM1", "L1", "L2", "--output", str(tmp_path)]) == 130
    assert {k: v for k, v in verdicts(read(tmp_path)).items() if v} == {"L1": True}
    assert verdicts(read(tmp_path))["L2"] is None
    shown = capsys.readouterr()
    assert "interrupted" in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "XY"], "argument ID: expected a claim's id, .* got 'XY'. `list` shows"),
        (["run", "--seed", "-1"], "argument --seed: expected an integer >= 0; got '-1'. Leave"),
        (["run", "--workers", "0"], "argument --workers: expected an integer >= 1; got '0'. Leave"),
        (["run", "--seed", "x"], "argument --seed: expected an integer >= 0; got 'x'. Leave"),
        (["--profile", "slow"], "argument --profile: expected .* quick, full; got 'slow'. Choose"),
        (["run", "--output", __file__], "argument --output: expected a directory .* Name another"),
        (["figure", "xyz"], "argument NAME: expected a figure, one of .*; got 'xyz'. Choose"),
        (["figure", "4", "--text", "no/such"], "argument --text: expected a text; got 'no/such'"),
        (["figure", "map", "--text", __file__], "--text: figure map takes none of the sizes"),
        (["figure"], "required: NAME, a figure to draw, or --list"),
        (["XY"], "invalid choice: 'XY' .*run"),
    ],
)
def test_wrong_usage_is_2_and_says_what_to_do(arguments, message, capsys):
    assert main(arguments) == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize("number", [2, 20])
def test_a_text_of_few_characters_is_refused(number, tmp_path, capsys):
    path = tmp_path / "few.txt"
    path.write_text("abcdefghijklmnopqrstuvwxyz"[:number] * 9, encoding="utf-8")
    assert main(["figure", "4", "--text", str(path)]) == 2
    assert f"with {number}. Name a longer one" in capsys.readouterr().err


def test_help_teaches(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for word in ("examples:", "list", "run L2 S1 --seed 3", "figure induction-head", "exit code"):
        assert word in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_list_shows_every_claim(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(CLAIMS)
    assert all(CLAIMS[line.split()[0]].title in line for line in lines)


def test_a_figure_is_drawn_into_the_directory(monkeypatch, tmp_path, capsys):
    from validation import figures
    from validation.figures import sheets

    def data(context):
        return [{"profile": context.profile, "number": context.rng.integers(10**9)}]

    module = SimpleNamespace(data=data, draw=lambda rows, columns: sheets.canvas(columns, 1))
    monkeypatch.setattr(figures, "FIGURES", {"dot": module})
    drawn = []
    for seed in (5, 5, 6):
        assert main(["figure", "Dot", "--seed", str(seed), "--output", str(tmp_path / "new")]) == 0
        drawn.append(sheets.read(tmp_path / "new" / "dot.csv"))
    assert drawn[0] == drawn[1] != drawn[2]
    assert str(tmp_path / "new" / "dot.png") in capsys.readouterr().out


# --- the register


def test_checks_and_claims_match_one_to_one():
    assert all(callable(checks.check_of(claim)) for claim in CLAIMS.values())
    assert len({id.lower() for id in CLAIMS}) == len(CLAIMS)  # ids are read in any case
    assert all(id == claim.id for id, claim in CLAIMS.items())


# --- the report


def test_real_rows_follow_from_their_numbers(tmp_path):
    assert main(["run", *FAST, "--output", str(tmp_path)]) == 0
    rows = read(tmp_path)
    ran = [row for row in rows if row["passed"] is not None]
    assert {row["id"] for row in ran} == set(FAST)
    for row in rows:
        assert list(row) == FIELDS
        assert (row["title"], row["kind"]) == (CLAIMS[row["id"]].title, CLAIMS[row["id"]].kind)
    for row in ran:
        numbers = [row[name] for name in ("predicted", "measured", "tolerance")]
        assert {type(number) for number in [*numbers, row["seconds"]]} == {float}
        assert row["passed"] is Case(row["case"], *numbers).passed(row["kind"])


numbers = st.floats() | st.sampled_from([0.0, 1.0, 1.5, 2.0])
tolerances = st.floats(min_value=0) | st.sampled_from([0.0, 1.0, 1.5, 2.0, math.nan])


@given(st.sampled_from(list(CLAIMS.values())), numbers, numbers, tolerances)
def test_the_verdict_survives_the_report(claim, predicted, measured, tolerance):
    with np.errstate(all="ignore"):
        row = json.loads(
            json.dumps(report.checked(claim, Case("x", predicted, measured, tolerance)))
        )
        read_back = [
            math.nan if row[name] is None else row[name]
            for name in ("predicted", "measured", "tolerance")
        ]
        assert row["passed"] is Case("x", *read_back).passed(row["kind"])


def test_every_kind_can_fail():
    for claim in CLAIMS.values():
        assert not report.checked(claim, Case("x", 1.0, 2.0, 0.5))["passed"]
        assert not report.checked(claim, Case("x", 1.0, math.nan, 0.5))["passed"]


# --- the table


@given(
    st.sampled_from(list(CLAIMS.values())),
    st.text(st.characters(codec="ascii"), max_size=300),
    st.tuples(numbers, numbers, tolerances),
    st.floats(0, 9999),
)
def test_no_row_is_wider_than_the_table(claim, case, given_numbers, seconds):
    row = report.checked(claim, Case(case, *given_numbers, seconds=seconds))
    for shown in (row, report.not_run(claim, selected=True)):
        assert all(len(line) <= table.DETAIL_WIDTH for line in table.detail(shown))


def test_headings_and_header_fit():
    for claim in (*CLAIMS.values(), replace(CLAIMS["L1"], title="long title " * 30)):
        assert all(len(line) <= table.DETAIL_WIDTH for line in table.heading(claim).splitlines())
    assert len(table.DETAIL_HEADER) <= table.DETAIL_WIDTH


@pytest.mark.parametrize(("options", "width"), [([], 80), (["-v"], 100)])
def test_everything_printed_fits(options, width, plant, tmp_path, capsys):
    plant(L1=fails, L2=breaks_off)
    main(["run", *options, "--output", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= width for line in lines if str(tmp_path) not in line)
    assert options or len(lines) <= 100


def test_every_row_is_shown_on_demand(plant, tmp_path, capsys):
    plant(L1=fails)
    for options, shown in (([], False), (["-v"], True)):
        main(["run", "L1", *options, "--output", str(tmp_path)])
        rows = re.findall(r"^L1 +equal +1 +1 +0 +yes", capsys.readouterr().out, re.MULTILINE)
        assert bool(rows) is shown


def test_a_long_case_loses_nothing():
    words = [f"word{i}" for i in range(40)]
    row = report.checked(CLAIMS["L1"], Case(" ".join(words), 1, 1, 0))
    shown = " ".join(table.detail(row)).split()
    assert [word for word in shown if word.startswith("word")] == words


# --- random numbers


def measured(tmp_path, *arguments):
    main(["run", *arguments, "--output", str(tmp_path)])
    return {
        (row["id"], row["case"]): row["measured"]
        for row in read(tmp_path)
        if row["passed"] is not None
    }


def test_numbers_depend_on_the_seed_and_the_claim_only(tmp_path):
    seed = str(secrets.randbits(32))
    together = measured(tmp_path, *FAST, "--seed", seed)
    assert together == measured(tmp_path, *FAST[::-1], "--seed", seed)
    assert together == measured(tmp_path, *FAST, "--seed", seed, "--workers", "2")
    alone = [measured(tmp_path, id, "--seed", seed) for id in FAST]
    assert together == alone[0] | alone[1]
    assert together != measured(tmp_path, *FAST, "--seed", seed + "1")


# --- as a program


def run_program(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "validation", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_program(tmp_path):
    done = run_program("run", FAST[0], "--output", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert {FAST[0]} == {row["id"] for row in read(tmp_path) if row["passed"]}
    assert run_program("run", "XY").returncode == 2


def test_help_and_list_load_no_library():
    """They answer at once: neither the checks nor matplotlib are imported."""
    code = (
        "import sys; from validation.__main__ import main; main(['list']); main(['--help']);"
        "print({'autograd', 'scipy', 'matplotlib', 'assocmem'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "set()"

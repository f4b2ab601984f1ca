"""The table of `python -m validation`: short, narrow, failures first, every verdict in its word."""

from __future__ import annotations

import argparse
import json
import math
import re
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory import CHAPTERS, CLAIMS
from theory.command_line import claims_named, selected
from validation.runner import report, table
from validation.runner.cases import Case, Evidence

PAPER = table.Paper()
KINDS = ("equal", "upper", "lower", "rate", "high_prob", "empirical")
numbers = st.floats() | st.sampled_from([0.0, 1.0, 1.5, 2.0])
tolerances = st.floats(min_value=0) | st.just(math.nan) | st.sampled_from([0.0, 1.0, 2.0])


def shown(cases, paper=PAPER, seed=0):
    """The table of the claims, one list of cases each."""
    rows = []
    for id, found in cases.items():
        rows += [report.checked(CLAIMS[id], case) for case in found]
        if not found:
            rows.append(report.not_run(CLAIMS[id], selected=True))
    found = report.outcomes(CLAIMS.values(), rows)
    return list(table.table(found, report.summary(found, 1.0), seed, paper))


def all_hold():
    return {id: [GOOD] for id in CLAIMS}


GOOD, BAD = Case("fits", 1, 1, 0), Case("off by one", 1, 2, 0.5)


def test_every_claim_in_a_line_under_its_chapter():
    lines = shown(all_hold())
    assert len(lines) <= table.MOST_LINES
    first = {line.split()[0]: number for number, line in enumerate(lines) if line}
    assert [first[id] for id in CLAIMS] == sorted(first[id] for id in CLAIMS)
    for chapter in CHAPTERS:
        ids = [id for id, claim in CLAIMS.items() if claim.chapter == chapter]
        above = lines[first[ids[0]] - 1]
        assert table.chapter_title(chapter).startswith(above)
        assert [lines[first[ids[0]] + step].split()[0] for step in range(len(ids))] == ids


@pytest.mark.parametrize("broken", [1, 3, 1000])
def test_failures_come_first_and_what_has_no_room_is_counted(broken):
    lines = shown(all_hold() | {"S2": [GOOD, *[BAD] * broken]}, seed=7)
    assert len(lines) <= table.MOST_LINES + 10
    assert lines[0] == "1 of the claims checked FAIL"
    assert lines[1].startswith("S2  ")
    told = sum("case: off by one" in line for line in lines)
    more = [int(line.split()[1]) for line in lines if line.startswith("... ")]
    assert told + sum(more) == broken
    assert "1 case" if broken == 1 else f"{broken} cases FAILED (S2)" in " ".join(lines)
    if broken == 1:
        assert "  predicted 1, measured 2, tolerance 0.5 (equal)" in lines
        assert "  again: python -m validation run S2 --seed 7 -v" in lines


@given(
    st.dictionaries(
        st.sampled_from(list(CLAIMS)),
        st.lists(
            st.builds(
                Case,
                case=st.text(st.characters(codec="ascii", categories=["L", "N", "Zs"])),
                predicted=numbers, measured=numbers, tolerance=tolerances,
                evidence=st.sampled_from(get_args(Evidence)),
                scale=st.none() | st.floats(1e-90, 1e90),
                undecided=st.sampled_from(["", "too few runs"]),
                seconds=st.floats(0, 3333),
            ),
            max_size=3,
        ),
    ),
    st.sampled_from([80, 93, 120]),
)  # fmt: skip
def test_no_line_is_wider_than_the_paper(cases, width):
    with np.errstate(all="ignore"):
        lines = shown(cases, table.Paper(width))
    assert max(map(len, lines)) <= width


def test_colour_changes_nothing_but_colour():
    cases = {"L1": [GOOD], "L2": [BAD], "D1": [], "NO1": [replace(GOOD, undecided="few runs")]}
    plain, coloured = shown(cases), shown(cases, table.Paper(colour=True))
    assert any("\033[1;31m" in line for line in coloured)
    assert [re.sub(r"\033\[[\d;]*m", "", line) for line in coloured] == plain


@pytest.mark.parametrize(
    ("cases", "verdict", "passed"),
    [
        ([GOOD, GOOD], "holds", True),
        ([GOOD, BAD], "FAILS", False),
        ([GOOD, replace(GOOD, undecided="few runs")], "undecided", None),
        ([BAD, replace(GOOD, undecided="few runs")], "FAILS", None),
        ([], "not checked: --profile full", None),
    ],
)
def test_the_verdict_of_a_claim(cases, verdict, passed):
    lines = shown({"L1": cases})
    line = lines[lines.index(table.chapter_title("lemmas")) + 1]
    assert line.startswith("L1 ")
    assert f" {verdict}" in line
    if cases:
        assert report.checked(CLAIMS["L1"], cases[-1])["passed"] is passed


def test_what_is_undecided_says_why_and_is_no_success():
    row = report.checked(CLAIMS["D1"], replace(GOOD, undecided="3 runs of 12"))
    assert (row["passed"], row["verdict"]) == (None, "undecided: 3 runs of 12")
    found = report.outcomes(CLAIMS.values(), [row])
    assert "all hold" not in report.summary(found, 1.0)
    assert "Undecided: D1." in report.summary(found, 1.0)
    assert any("3 runs of 12" in line for line in table.detail(row))


@given(st.sampled_from(KINDS), numbers, numbers, st.floats(0, 5))
def test_a_case_that_holds_is_within_its_tolerance(kind, predicted, measured, tolerance):
    with np.errstate(all="ignore"):
        claim = replace(CLAIMS["L1"], kind=kind)
        row = report.checked(claim, Case("x", predicted, measured, tolerance))
        share = report.distance(row)
    if row["passed"]:
        assert share is not None
        assert share <= 1 + 1e-12
    elif kind not in ("upper", "lower"):  # they fail on the wrong side, however close
        assert share is None or share >= 1 - 1e-12


def test_rows_are_json_and_say_what_they_rest_on():
    case = Case("x", 2, 2, 1, evidence="statistics", scale=4)
    row = json.loads(json.dumps(report.checked(CLAIMS["L1"], case)))
    assert (row["evidence"], row["power"], row["verdict"]) == ("statistics", 0.25, "holds")
    keys = [list(report.not_run(CLAIMS["L1"], selected=choice)) for choice in (True, False)]
    assert keys == [list(row)] * 2


# --- the claims that an argument names


def test_an_id_wins_over_a_family():
    assert claims_named("t") == ("T",)
    assert claims_named("STEPS") == tuple(
        id for id, claim in CLAIMS.items() if claim.chapter == "steps"
    )
    assert claims_named("c*") == tuple(id for id in CLAIMS if id.startswith("C"))
    assert [claim.id for claim in selected([("S2", "S1"), ("L1",)])] == ["L1", "S1", "S2"]
    assert [claim.id for claim in selected([])] == list(CLAIMS)


@pytest.mark.parametrize(("given_", "near"), [("S2sgn", "S2"), ("widht", "width"), ("tm1", "T-m1")])
def test_a_wrong_id_suggests_near_ones(given_, near):
    with pytest.raises(argparse.ArgumentTypeError, match=rf"got '{given_}'\. Did you .*{near}"):
        claims_named(given_)


def test_an_id_near_nothing_points_at_the_list():
    with pytest.raises(argparse.ArgumentTypeError, match=r"'qqqqq'\. `list` shows them"):
        claims_named("qqqqq")

"""A claim of several propositions: its rows say which they test, and each has a row."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from theory.record import Claim
from validation.runner.cases import Case, run
from validation.runner.report import checked
from validation.runner.table import detail

SINGLE = Claim(
    id="X",
    title="One is one",
    statement=r"$f (a) $ holds, see (a), (1) and $$ x (b) $$",
    assumptions=(),
    kind="equal",
    source="folklore",
    status="proved",
)
BUNDLED = replace(SINGLE, statement="(a) One is one. (b) $2 = 2$,\nand (c)\n$$3 = 3$$")
GOOD = Case("a sum", 1, 1, 0)


def ran(claim, cases):
    return list(run(claim, lambda context: cases, 0, "quick"))


def test_parts_are_read_off_the_statement():
    assert SINGLE.parts == ()
    assert BUNDLED.parts == ("a", "b", "c")


def test_rows_carry_their_part():
    cases = ran(BUNDLED, [GOOD.of(letter) for letter in "cabb"])
    rows = [checked(BUNDLED, case) for case in cases]
    assert [row["part"] for row in rows] == ["c", "a", "b", "b"]
    assert [row["case"] for row in rows] == [f"({letter}) a sum" for letter in "cabb"]
    assert " (c) a sum " in next(detail(rows[0]))
    assert [checked(SINGLE, case)["case"] for case in ran(SINGLE, [GOOD])] == ["a sum"]


@pytest.mark.parametrize(
    ("claim", "letters", "message"),
    [
        (BUNDLED, ["a", ""], "'a sum': expected the part that it tests, one of ('a', 'b', 'c')"),
        (BUNDLED, ["a", "d"], "got 'd'. Mark it"),
        (BUNDLED, ["a", "a", "c"], "expected a case for every part; got none for ['b']"),
        (SINGLE, ["a"], "got 'a'"),
    ],
)
def test_a_row_without_its_part_and_a_part_without_row_are_refused(claim, letters, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ran(claim, [GOOD.of(letter) for letter in letters])


def test_a_check_that_does_not_run_in_this_profile_is_not_asked_for_parts():
    assert ran(BUNDLED, []) == []

"""The committed pictures are what the commands draw: their numbers, by the command of each."""

from __future__ import annotations

import shlex
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from validation.__main__ import main
from validation.figures import FIGURES, SECONDS, WHY_LONG, sheets
from validation.figures.recorded import RECORDS

IMAGES = Path(__file__).parents[2] / "docs" / "images"
FAST = ("induction-head", "exact", "conditions", "heads")
# What rounding, which differs from machine to machine, makes of a number: of the size of its
# column. Of trained models the accuracy moves by steps, where an answer is nearly a tie.
#
# Measured on two runs of figure 4, in single precision, with two kernels of OpenBLAS (its own
# choice here, and Nehalem) and all else equal: with loss on all tokens the divergence moves by 7e-8
# in 600 updates ("K = 5 fixed"), no more than a rounding. With loss on repeated triggers (CHAOTIC)
# it moves by 1e-7 until update 120, 1e-4 at 240, 1e-2 at 360 and 0.26 at most of 1200, and the
# accuracy by 0.02: rounding is amplified until the runs differ like two seeds. Two versions of the
# code with the same draws differed by 0.07 in accuracy so, where two seeds differ by 0.08. Hence
# these runs are held to START until update 120, and to the range between the seeds from then on.
#
# In figure 3 the recall of W_K1 moves by up to 4 of its 30 places between two kernels, from update
# 160 on: rows of W_K1 that are nearly ties. Between two seeds it moves by 13.
PLACES = {"recall_W_K1_64": 5 / 30}
CHAOTIC = ("uniform outputs", "bigram outputs")
LAST_ALIKE, START = 120, 1e-4
TOLERANCE = dict.fromkeys(FIGURES, 1e-6) | dict.fromkeys(("2", "3", "4", "depth", "triggers"), 0.05)


def slow_unless(names, fast):
    return [n if n in fast else pytest.param(n, marks=pytest.mark.slow) for n in names]


@cache
def committed(name):
    """The rows of a picture in the repository; who alters one copies it."""
    return sheets.read(IMAGES / f"{name}.csv")


def header(path):
    """The lines of comment that a CSV starts with, by name."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))


def assert_same_numbers(found, expected, tolerance):
    assert len(found) == len(expected)
    assert list(found[0]) == list(expected[0])
    for column in expected[0]:
        mine, theirs = ([row[column] for row in rows] for rows in (found, expected))
        numbers = [isinstance(value, (int, float)) for value in theirs]
        assert [m for m, n in zip(mine, numbers, strict=True) if not n] == [
            t for t, n in zip(theirs, numbers, strict=True) if not n
        ]
        a, b = (
            np.array([v for v, n in zip(values, numbers, strict=True) if n], dtype=float)
            for values in (mine, theirs)
        )
        size = np.abs(b[np.isfinite(b)]).max(initial=0)
        atol = max(tolerance * size, PLACES.get(column, 0) * (1 + 1e-9))
        np.testing.assert_allclose(a, b, rtol=0, atol=atol, err_msg=column)


def assert_same(found, expected, tolerance):
    """The same numbers; runs that amplify rounding are held to what two of their seeds share."""

    def of(rows, chosen):
        return [row for row in rows if chosen(row)]

    def steady(row):
        return row.get("experiment") not in CHAOTIC

    def start(row):
        return not steady(row) and row["step"] <= LAST_ALIKE

    assert len(found) == len(expected)
    assert_same_numbers(of(found, steady), of(expected, steady), tolerance)
    if any(map(start, expected)):
        assert_same_numbers(of(found, start), of(expected, start), START)
    for name in {row.get("experiment") for row in expected} & set(CHAOTIC):
        one, other = (
            of(expected, lambda row: row["experiment"] == name and row["seed"] == seed)  # noqa: B023
            for seed in (0, 1)
        )
        again = of(found, lambda row: row["experiment"] == name)  # noqa: B023
        for column in set(expected[0]) - {"experiment", "seed", "step"}:
            a, b, c = (np.array([r[column] for r in rows]) for rows in (one, other, again))
            if np.isfinite(a).any():
                apart = np.abs(c - np.concatenate([a, b])).max()
                assert apart <= np.abs(a - b).max(), (name, column)


@pytest.mark.parametrize("name", slow_unless(FIGURES, FAST))
def test_the_command_of_a_picture_finds_its_numbers(name, monkeypatch, tmp_path):
    about = header(IMAGES / f"{name}.csv")
    given = shlex.split(about["command"])
    assert given[:5] == ["python", "-m", "validation", "figure", name]
    monkeypatch.setattr(sheets, "picture", lambda figure, kind: b"")  # the numbers are compared
    assert main([*given[3:], "--output", str(tmp_path)]) == 0
    assert_same(sheets.read(tmp_path / f"{name}.csv"), committed(name), TOLERANCE[name])


@pytest.mark.parametrize("error", [3e-6, -3e-6])
def test_a_number_that_is_off_is_seen(error):
    rows = committed("exact")
    wrong = [dict(row) for row in rows]
    size = max(abs(row["y"]) for row in rows)
    wrong[len(wrong) // 2]["y"] += error * size
    with pytest.raises(AssertionError, match="y"):
        assert_same_numbers(wrong, rows, TOLERANCE["exact"])


def moved(rows, by, where):
    return [{**row, "accuracy": row["accuracy"] + by} if where(row) else row for row in rows]


def test_runs_that_amplify_rounding_are_held_to_their_seeds():
    rows = committed("4")
    late = {"experiment": CHAOTIC[0], "seed": 0, "step": 400}
    here = lambda row: late.items() <= row.items()  # noqa: E731
    assert_same(moved(rows, 0.07, here), rows, TOLERANCE["4"])


@pytest.mark.parametrize(
    ("by", "where"),
    [
        (0.1, lambda row: row["experiment"] == CHAOTIC[0] and row["step"] == 400),
        (2e-4, lambda row: row["experiment"] == CHAOTIC[0] and row["step"] == LAST_ALIKE),
        (0.06, lambda row: row["experiment"] == "K = 5 fixed" and row["step"] == 400),
    ],
)
def test_a_run_that_is_off_is_seen(by, where):
    rows = committed("4")
    assert any(map(where, rows))
    with pytest.raises(AssertionError):
        assert_same(moved(rows, by, where), rows, TOLERANCE["4"])


@pytest.mark.parametrize(("column", "by"), [("recall_W_K1_64", 6 / 30), ("recall_W_K2", 2 / 30)])
def test_a_recall_that_is_off_is_seen(column, by):
    rows = committed("3")
    wrong = [dict(row) for row in rows]
    wrong[300][column] -= by
    with pytest.raises(AssertionError, match=column):
        assert_same(wrong, rows, TOLERANCE["3"])


@pytest.mark.parametrize("name", FIGURES)
def test_a_caption_is_that_of_the_numbers(name):
    figure = FIGURES[name].draw(committed(name))
    assert figure.get_label() == (IMAGES / f"{name}.txt").read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("name", slow_unless(FIGURES, ("exact", "capacity", "depth")))
def test_a_page_can_print_it(name, columns):
    """A column or two wide, nothing cut off, no text below 7 points, axes of curves labelled."""
    figure = FIGURES[name].draw(committed(name), columns=columns)
    width, height = figure.get_size_inches()
    assert width == sheets.COLUMNS[columns]
    assert height <= 9  # of a page
    sizes = {text.get_fontsize() for text in figure.findobj(Text) if text.get_text()}
    assert sizes <= {sheets.TEXT, sheets.TITLE}
    assert min(sizes) >= 7
    figure.draw_without_rendering()
    drawn_in = figure.get_tightbbox()
    assert min(drawn_in.x0, drawn_in.y0) >= -0.01
    assert drawn_in.x1 <= width + 0.01
    assert drawn_in.y1 <= height + 0.01
    for axes in figure.axes:
        if axes.lines and not axes.images:
            assert axes.get_xlabel()


@pytest.mark.parametrize("name", FIGURES)
def test_a_panel_is_drawn_into_axes_of_yours(name):
    # one panel of figure 4 is of experiments that only the record at the paper's sizes has
    rows = sheets.read(RECORDS / "figure-4.csv") if name == "4" else committed(name)
    panels = list(FIGURES[name].PANELS.values())
    for panel in {panels[0], panels[-1]}:
        before, axes = Figure().subplots(1, 2)
        panel(rows, axes)
        assert axes.images or axes.lines or axes.collections
        assert not before.has_data()


def test_every_figure_says_how_long_it_takes():
    assert SECONDS.keys() == FIGURES.keys()
    assert max(SECONDS.values()) < 100  # quick, in the help of the command
    assert {name for name, seconds in SECONDS.items() if seconds > 60} == set(WHY_LONG)

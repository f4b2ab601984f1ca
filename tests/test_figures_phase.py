"""The phase figure at a tiny scale: the CSV holds all that is drawn, and its numbers are right."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
from tests.test_figures import context, images, png, read
from validation.figures import phase
from validation.width import LEVEL, Head

TINY = {
    "lengths": (12, 64),
    "tokens": (8, 16),
    "widths": (64, 10**6),
    "leads": (10.0, 1.0),
    "draws": 3,
    "sequences": 40,
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    out = tmp_path_factory.mktemp("phase")
    files = phase.make(out, context(5), **TINY)
    rows = read(out / "phase.csv")
    return files, rows, phase.draw(rows)


def test_the_csv_holds_all_that_is_drawn(drawn):
    files, rows, figure = drawn
    assert [path.name for path in files] == ["phase.png", "phase.csv"]
    assert png(figure) == files[0].read_bytes()
    (image,) = images(figure)
    values = [row["value"] for row in rows if row["panel"] == "accuracy"]
    np.testing.assert_array_equal(image.ravel(), values)
    for axes, panel in zip(figure.axes[1:], "TN", strict=True):
        shown = np.concatenate([line.get_ydata() for line in axes.lines])
        expected = [
            row["d"]
            for lead in dict.fromkeys(row["m2"] for row in rows if row["panel"] == panel)
            for drawn in (False, True)
            for row in rows
            if (row["panel"], row["m2"], bool(row["draws"])) == (panel, lead, drawn)
        ]
        np.testing.assert_array_equal(shown, expected)


def test_the_same_seed_gives_the_same_numbers_in_any_order_of_threads(drawn, tmp_path):
    files, _, _ = drawn
    again, other = (phase.make(tmp_path / str(s), context(s), **TINY) for s in (5, 6))
    assert again[1].read_bytes() == files[1].read_bytes() != other[1].read_bytes()


def test_the_theorem_holds_where_the_width_is_large_only(drawn):
    _, rows, _ = drawn
    accuracy = {(row["T"], row["d"]): row["value"] for row in rows if row["panel"] == "accuracy"}
    # at T = 64, d = 64 one position in ten attends to the one before: far below, on any seed
    assert accuracy[64, 10**6] > 0.9
    assert accuracy[64, 64] < 0.6


def test_predicted_widths_are_where_the_level_is_reached():
    head = Head(am.InductionTask(16, 64), np.random.default_rng(0))
    width = head.width()
    assert abs(head.predicted(width) - LEVEL) < 0.01
    assert head.predicted(width / 3) < LEVEL - 0.05
    assert head.predicted(width * 3) > LEVEL + 0.02

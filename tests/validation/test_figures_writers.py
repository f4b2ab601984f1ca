"""The figure on writers at a tiny scale: the CSV holds what is drawn; its numbers are right."""

from __future__ import annotations

import numpy as np
import pytest

from assocmem.capacity import polar_recall
from tests.rounding import PRODUCTS
from tests.validation.test_figures import made, same_rows
from validation.figures import writers
from validation.figures.sheets import numbers, read
from validation.runner.cases import Context
from validation.writers.steps import zipf

TINY = {"widths": (8, 16), "draws": 6}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    out = tmp_path_factory.mktemp("figures") / "new"
    files, rows, figure = made("writers", writers, out, Context(np.random.default_rng(3)), **TINY)
    return files, rows, figure, read(out / "writers.csv")


def test_the_files_hold_all_that_is_drawn(drawn):
    files, rows, _, found = drawn
    assert {path.suffix for path in files} >= {".png", ".csv"}
    assert same_rows(found, rows), "the picture is not that of the rows"


def test_the_same_seed_gives_the_same_numbers(drawn):
    files, *_ = drawn
    (csv,) = (path for path in files if path.suffix == ".csv")
    again, other = (
        numbers(writers.data(Context(np.random.default_rng(seed)), **TINY), {}) for seed in (3, 4)
    )
    assert again == csv.read_text(encoding="utf-8") != other


def test_laws_and_dots_are_where_they_belong(drawn):
    """The law of Muon is the library's, and no dot is far from a line (rounding; 10 errors)."""
    *_, rows = drawn
    for row in rows:
        if (row["panel"], row["writer"]) == ("recalled", "Muon"):
            d = int(row["x"])
            expected = polar_recall(zipf(writers.number(d), 1.5), d).sum()
            assert row["predicted"] == pytest.approx(expected, rel=PRODUCTS)
        if np.isfinite(row["predicted"]):
            assert row["wide_low"] <= row["predicted"] * 1.2
            assert row["predicted"] <= row["wide_high"] * 1.2


def test_lines_and_dots_are_those_of_the_rows(drawn):
    *_, figure, rows = drawn
    for axes, panel in zip(figure.axes, ("recalled", "score"), strict=True):
        heights = {tuple(np.asarray(line.get_ydata(), float)) for line in axes.lines}
        for name in writers.WRITERS:
            chosen = [r for r in rows if (r["panel"], r["writer"]) == (panel, name)]
            assert tuple(r["measured"] for r in chosen) in heights

"""The figure on writers at a tiny scale: the CSV holds what is drawn; its numbers are right."""

from __future__ import annotations

import io

import numpy as np
import pytest

from assocmem.capacity import polar_recall
from tests.rounding import PRODUCTS
from validation.figures import make, sheets, writers
from validation.figures.sheets import DPI, numbers, read
from validation.runner.cases import Context
from validation.writers.steps import zipf

TINY = {"widths": (8, 16), "draws": 6}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("figures") / "new"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheets, "KINDS", {"png": {}})
        files = make("writers", out, Context(np.random.default_rng(3)), **TINY)
    return files, read(out / "writers.csv")


def test_the_files_hold_all_that_is_drawn(made):
    files, rows = made
    assert {path.suffix for path in files} >= {".png", ".csv"}
    picture = io.BytesIO()
    writers.draw(rows).savefig(picture, format="png", dpi=DPI)
    same = picture.getvalue() == next(p for p in files if p.suffix == ".png").read_bytes()
    assert same, "the picture is not that of the rows"


def test_the_same_seed_gives_the_same_numbers(made):
    files, _ = made
    (csv,) = (path for path in files if path.suffix == ".csv")
    again, other = (
        numbers(writers.data(Context(np.random.default_rng(seed)), **TINY), {}) for seed in (3, 4)
    )
    assert again == csv.read_text(encoding="utf-8") != other


def test_laws_and_dots_are_where_they_belong(made):
    """The law of Muon is the library's, and no dot is far from a line (rounding; 10 errors)."""
    _, rows = made
    for row in rows:
        if (row["panel"], row["writer"]) == ("recalled", "Muon"):
            d = int(row["x"])
            expected = polar_recall(zipf(writers.number(d), 1.5), d).sum()
            assert row["predicted"] == pytest.approx(expected, rel=PRODUCTS)
        if np.isfinite(row["predicted"]):
            assert row["wide_low"] <= row["predicted"] * 1.2
            assert row["predicted"] <= row["wide_high"] * 1.2


def test_lines_and_dots_are_those_of_the_rows(made):
    _, rows = made
    for axes, panel in zip(writers.draw(rows).axes, ("recalled", "score"), strict=True):
        drawn = {tuple(np.asarray(line.get_ydata(), float)) for line in axes.lines}
        for name in writers.WRITERS:
            chosen = [r for r in rows if (r["panel"], r["writer"]) == (panel, name)]
            assert tuple(r["measured"] for r in chosen) in drawn

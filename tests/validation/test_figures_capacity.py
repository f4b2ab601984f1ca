"""The capacity figure at a tiny scale: the CSV holds all that is drawn; its numbers are right."""

from __future__ import annotations

import io

import numpy as np
import pytest

from assocmem import capacity as library
from tests.rounding import PRODUCTS
from tests.validation.test_figures_agreement import one_wrong_series_fails
from validation.figures import capacity, make
from validation.figures.sheets import DPI, numbers, read
from validation.runner.cases import Context

pytestmark = pytest.mark.slow

TINY = {
    "widths": (16, 24),
    "recall_widths": (8, 12),
    "zipf_widths": (16, 2000),
    "rule_widths": (4, 6),
    "memories": 10,
}


def context(seed):
    return Context(np.random.default_rng(seed))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Its files, its rows as read from the CSV, the picture drawn from those."""
    out = tmp_path_factory.mktemp("figures") / "new"
    files = make("capacity", out, context(11), **TINY)
    rows = read(out / "capacity.csv")
    return files, rows, capacity.draw(rows)


def test_the_files_are_whole_and_the_csv_holds_all_that_is_drawn(drawn):
    files, _, figure = drawn
    assert [path.name for path in files] == [
        f"capacity.{kind}" for kind in ("png", "pdf", "svg", "csv", "txt")
    ]
    assert sorted(files) == sorted(files[0].parent.iterdir())
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    assert buffer.getvalue() == files[0].read_bytes()


def test_the_same_seed_gives_the_same_numbers_in_any_order_of_threads():
    small = TINY | {"memories": 2}
    found = [numbers(capacity.data(context(seed), **small), {}) for seed in (11, 11, 12)]
    assert found[0] == found[1] != found[2]


def test_points_and_bars_are_those_of_the_rows(drawn):
    _, rows, figure = drawn
    for axes, panel in zip(figure.axes, ("capacity", "recall", "zipf", "rules"), strict=True):
        measured = [r for r in rows if (r["panel"], r["kind"]) == (panel, "measured")]
        assert measured
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        for series in {r["series"] for r in measured}:
            assert any(label.startswith(series) for label in labels)
        heights = {y for line in axes.lines for y in line.get_ydata()}
        assert {r["value"] for r in rows if r["panel"] == panel} <= heights
        bars = {
            tuple(segment[:, 1])
            for collection in axes.collections
            if hasattr(collection, "get_segments")  # not a band
            for segment in collection.get_segments()
        }
        assert bars == {(r["low"], r["high"]) for r in measured}


def test_predicted_lines_are_the_librarys(drawn):
    _, rows, _ = drawn
    for row in rows:
        if row["kind"] == "theory" and row["panel"] == "capacity":
            classes = None if row["series"] == "one to one" else capacity.CLASSES
            assert row["value"] == library.capacity(int(row["x"]), classes=classes)
        if row["kind"] == "theory" and row["panel"] == "recall":
            d = int(row["series"].removeprefix("d = "))
            expected = library.recall_probability(row["x"] * library.capacity(d), d)
            assert row["value"] == pytest.approx(expected, rel=PRODUCTS)
            assert row["high"] - row["low"] == pytest.approx(1 / d)  # claim C7


def test_a_measured_point_has_the_prediction_of_its_own_size(drawn):
    _, rows, _ = drawn
    for row in rows:
        if row["kind"] != "measured":
            continue
        predicted = row["predicted_low"], row["predicted_high"]
        if row["series"] == "cross-entropy":
            assert np.isnan(predicted).all()
        elif row["panel"] == "recall":
            d = int(row["series"].removeprefix("d = "))
            n = round(row["x"] * library.capacity(d))
            recall = library.recall_probability(n, d)
            assert predicted == pytest.approx((recall - 1 / (2 * d), recall + 1 / (2 * d)))
        elif row["panel"] == "capacity":
            classes = None if row["series"] == "one to one" else capacity.CLASSES
            recalls = [library.recall_probability(n, row["x"], classes=classes) for n in predicted]
            shift = 1 / (2 * row["x"])
            assert recalls == pytest.approx([1 / 2 + shift, 1 / 2 - shift])
        else:
            (law,) = (
                other["value"]
                for other in rows
                if other["kind"] in ("theory", "exact law")
                and all(other[name] == row[name] for name in ("panel", "series", "x"))
            )
            assert predicted == pytest.approx((law, law), rel=PRODUCTS)


def test_a_factor_two_in_one_curve_is_seen(drawn, tmp_path):
    """Each of the points is known to 10 % or better, and an interval is 7 standard errors wide."""
    _, rows, _ = drawn
    (counted,) = capacity.agreements(rows)
    assert (counted.total, counted.holds) == (4 + 16 + 2 + 6, True)
    changes = lambda x: 2 * x, lambda x: x / 2
    found = one_wrong_series_fails("capacity", rows, ("panel", "series"), changes, tmp_path)
    assert len(found) == 2 + 2 + 2 + 3


def test_measured_capacity_is_near_the_predicted_one():
    """400 memories of 30 pairs: the standard error of n* is about 2 %, six of them 12 %."""
    rng = np.random.default_rng()
    guess = library.capacity(16)
    sizes = capacity.around(guess)
    found, error = capacity.at_half(
        sizes, [capacity.drawn_recall(int(n), 16, 400, rng, rule="outer products") for n in sizes]
    )
    assert 0 < error < 0.04 * guess
    assert abs(found - guess) < 0.09 * guess + 6 * error  # the Gaussian approximation: 1/(2d)


def test_edges_of_cross_entropy_are_recalled_by_half():
    seed = int(np.random.default_rng().integers(2**32))
    n = capacity.edge(6, np.random.default_rng(seed))
    assert library.capacity(6) - 1 <= n <= 4 * library.capacity(6), f"{seed=}"

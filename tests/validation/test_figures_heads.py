"""The figure of heads: the CSV holds all that is drawn, and its numbers are the detectors'."""

from __future__ import annotations

import numpy as np
import pytest

from assocmem import heads
from tests.rounding import SOLVED
from validation.figures import heads as figure
from validation.figures import make
from validation.figures.sheets import read, table
from validation.heads import two_heads
from validation.runner.cases import Context


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Its files, its rows as read from the CSV, the picture drawn from those."""
    out = tmp_path_factory.mktemp("figures") / "new"
    files = make("heads", out, Context(np.random.default_rng(11)), sequences=40)
    rows = read(out / "heads.csv")
    return files, rows, figure.draw(rows)


def test_it_is_written(drawn):
    assert [path.name for path in drawn[0]] == [
        f"heads.{kind}" for kind in ("png", "pdf", "svg", "csv", "txt")
    ]
    assert drawn[0][0].read_bytes().startswith(b"\x89PNG")


def test_right_answers_are_framed_and_stand_out(drawn):
    _, rows, picture = drawn
    model = heads.read(two_heads.FILE, layout=two_heads.LAYOUT, n_heads=2)
    first, second = heads.find(model, level=1e-6).circuits[0]
    recalls = {
        "previous token": heads.previous_token(model, first).recall,
        "induction": heads.induction(model, first, second).recall,
        "copying": heads.copying(model, second).recall,
    }
    for axes, (name, recall) in zip(picture.axes, recalls.items(), strict=False):
        scores = table(rows, name)
        framed = [
            (round(p.get_y() + p.get_height() / 2), round(p.get_x() + p.get_width() / 2))
            for p in axes.patches
        ]
        assert axes.get_title() == name
        assert len(framed) == len(scores)
        best = [scores[row, column] == np.nanmax(scores[row]) for row, column in framed]
        assert np.mean(best) == recall
        np.testing.assert_allclose(np.nanmean(scores, axis=1), 0, atol=SOLVED)


def test_attention_on_data_follows_the_margin_of_the_weights(drawn):
    """Positions that the weights miss are not attended, and those attended most have margin."""
    _, rows, picture = drawn
    margin, attention = table(rows, figure.DATA).T
    points = picture.axes[3].collections[0].get_offsets()
    np.testing.assert_allclose(points, np.column_stack([margin, attention]))
    assert attention[margin <= 0].max() < 0.2 < attention[margin > 1].min()

"""Figures at a tiny scale: the CSV holds all that is drawn, and its numbers are right."""

from __future__ import annotations

import io
from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import assocmem as am
from tests.rounding import OPERATION, PRODUCTS
from tests.validation.test_figures_agreement import one_wrong_series_fails
from tests.validation.test_figures_committed import committed, slow_unless
from validation.figures import (
    FIGURES,
    conditions,
    exact,
    induction_head,
    make,
    margins,
    sheets,
    steps_map,
    width,
)
from validation.figures.sheets import read
from validation.runner.cases import Context

TINY = {
    "conditions": (conditions, {}),
    "induction-head": (induction_head, {"task": am.InductionTask(8, 16)}),
    "map": (steps_map, {"sizes": (8, 16)}),
    "width": (
        width,
        {"task": am.InductionTask(6, 12), "widths": (32, 64), "draws": 2, "sequences": 200},
    ),
    "margins": (
        margins,
        {
            "sizes": [(8, 16, 1), (16, 20, 1)],
            "second": [2.0, 10.0],
            "third": [5.0, 20.0, 50.0],
            "first": [0.1, 1.0],
            "sequences": 64,
        },
    ),
}


def context(seed):
    return Context(np.random.default_rng(seed))


def png(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=sheets.DPI)
    return buffer.getvalue()


def images(figure):
    """The arrays of all images but the colour bars, in the order they were drawn."""
    return [
        np.ma.filled(image.get_array(), np.nan)
        for axes in figure.axes
        if axes.get_label() != "<colorbar>"
        for image in axes.images
    ]


def same_rows(rows, others):
    """Numbers and texts are the same, and none is missing."""

    def same(a, b):
        return a == b or (a != a and b != b)  # nor is either a number

    return len(rows) == len(others) and all(
        row.keys() == other.keys() and all(same(row[key], other[key]) for key in row)
        for row, other in zip(rows, others, strict=True)
    )


def made(name, module, out, given, **sizes):
    """The files of a figure, the rows that it is drawn from, and the picture."""
    draw, kept = module.draw, []

    def kept_draw(rows, **options):
        kept.extend([rows, draw(rows, **options)])
        return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheets, "KINDS", {"png": {}})  # drawing takes most of the time
        patch.setattr(module, "draw", kept_draw)
        files = make(name, out, given, **sizes)
    return files, *kept


class Drawn(dict):
    """Each figure once, where it is asked for: its files, its rows from the CSV, the picture."""

    def __init__(self, out: Path) -> None:
        super().__init__()
        self.out = out

    def __missing__(self, name):
        module, sizes = TINY[name]
        files, rows, figure = made(name, module, self.out, context(11), **sizes)
        found = read(self.out / f"{name}.csv")
        assert same_rows(found, rows), "the picture is of other rows than those of the CSV"
        self[name] = files, found, figure
        assert plt.get_fignums() == []
        return self[name]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheets, "DPI", 50)
        yield Drawn(tmp_path_factory.mktemp("figures") / "new")


def test_every_figure_is_registered_and_tested():
    assert {name: module for name, (module, _) in TINY.items()}.items() <= FIGURES.items()
    elsewhere = "".join(path.read_text() for path in Path(__file__).parent.glob("test_figures_*"))
    for name, module in FIGURES.items():
        assert name in TINY or module.__name__.rpartition(".")[2] in elsewhere


@pytest.mark.parametrize("name", TINY)
def test_the_files_are_whole_and_the_csv_holds_all_that_is_drawn(drawn, name):
    files, rows, _ = drawn[name]
    expected = {f"{name}.{kind}" for kind in ("png", "csv", "txt")}
    expected |= {"map.md"} if name == "map" else set()
    assert {path.name for path in files} == expected
    assert not list(files[0].parent.glob("*.partial"))
    assert rows
    assert files[0].read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "other",
    [[{"x": 1.0, "y": "1"}], [{"x": 1, "y": 1.0}], [{"x": 2, "y": "1"}], [{"x": 1}], []],
)
def test_rows_that_are_others_are_seen(other):
    rows = [{"x": 1, "y": "1"}]
    assert same_rows(rows, other) == (other == rows)
    assert same_rows([{"x": np.nan}], [{"x": float("nan")}])


@pytest.mark.parametrize("name", slow_unless(TINY, ("margins",)))  # which has images and curves
def test_the_same_rows_make_the_same_picture(drawn, name):
    files, rows, _ = drawn[name]
    assert png(TINY[name][0].draw(rows)) == files[0].read_bytes()


@pytest.mark.parametrize(("kind", "start"), [("pdf", b"%PDF"), ("svg", b"<?xml")])
@pytest.mark.parametrize("name", slow_unless(TINY, ("margins",)))
def test_a_figure_can_be_written_as_vectors(drawn, name, kind, start):
    assert sheets.picture(drawn[name][2], kind).startswith(start)


def test_a_sheet_says_how_it_was_made(tmp_path):
    figure, rows = sheets.canvas(2, 1), [{"x": 1, "y": "a"}]
    about = {"seed": "3", "command": "draw"}
    files = sheets.publish(tmp_path, "one", rows, figure, about=about)
    again = sheets.publish(tmp_path / "again", "one", rows, sheets.canvas(2, 1), about=about)
    kinds = ("png", "pdf", "svg", "csv", "txt")
    assert [path.name for path in files] == [f"one.{kind}" for kind in kinds]
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in files]
    lines = (tmp_path / "one.csv").read_text().splitlines()
    assert lines[:3] == [f"# version: {am.__version__}", "# seed: 3", "# command: draw"]
    assert read(tmp_path / "one.csv") == rows


@pytest.mark.parametrize("name", ["width", "margins"])
def test_the_same_seed_gives_the_same_numbers_in_any_order_of_threads(drawn, name):
    files, _, _ = drawn[name]
    module, sizes = TINY[name]
    again, other = (sheets.numbers(module.data(context(s), **sizes), {}) for s in (11, 12))
    (csv,) = (path for path in files if path.suffix == ".csv")
    assert again == csv.read_text(encoding="utf-8") != other


def test_nothing_is_written_when_drawing_fails(tmp_path, monkeypatch):
    figure = sheets.canvas(1, 1)
    monkeypatch.setattr(figure, "savefig", lambda *args, **keywords: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sheets.publish(tmp_path / "out", "stem", [{"x": 1}], figure)
    assert not (tmp_path / "out").exists()


# --- exact, conditions

MET = {
    "exact": {"L1": 24, "L2": 21, "S1": 12, "S2": 6, "S3a": 10, "B1": 8, "B2": 1},
    "conditions": {"T-S1": 8, "T-S2": 6, "T-S3": 9, "IH": 15, "P1": 8, "WR1": 24},
}


@pytest.mark.parametrize("name", MET)
def test_what_the_reference_measures_is_on_the_lines(name):
    """To rounding, where a line has a point at the same place, in what the command has found."""
    rows = committed(name)
    met = dict.fromkeys(MET[name], 0)
    for panel in met:
        found = [row for row in rows if row["panel"] == panel]
        line = {(r["series"], r["x"]): r["y"] for r in found if r["kind"] == exact.CLOSED}
        size = max(map(abs, line.values()))
        for row in found:
            place = row["series"], row["x"]
            if row["kind"] == exact.MEASURED and place in line:
                assert abs(row["y"] - line[place]) <= 1e-9 * size
                met[panel] += 1
    assert met == MET[name]


def test_of_two_sides_that_are_equal_the_points_are_on_the_diagonal(drawn):
    _, rows, _ = drawn["conditions"]
    for panel, series, rounding in (("AM1", "orthonormal", 1e-12), ("B1-any", "all pairs", 1e-7)):
        found = [r for r in rows if (r["panel"], r["series"]) == (panel, series)]
        assert len(found) > 30
        assert all(abs(r["y"] - r["x"]) <= rounding for r in found)


def test_rows_of_triggers_approach_the_squares_of_their_frequencies(drawn):
    """Off by a share in proportion to the frequencies."""
    rows = [
        r for r in drawn["conditions"][1] if r["panel"] == "B2-rows" and r["kind"] == "measured"
    ]
    off = np.array([1 - r["y"] / r["x"] for r in rows]).reshape(3, 2) / [[3e-3], [1e-3], [1e-4]]
    np.testing.assert_allclose(off[1], off[2], rtol=0.1)
    np.testing.assert_allclose(off[0], off[2], rtol=0.3)


# --- induction-head


def test_attention_and_memories_are_those_of_the_rows(drawn):
    _, rows, figure = drawn["induction-head"]
    maps = [f"layer {layer} after {stage} steps" for layer in (1, 2) for stage in range(4)]
    panels = [sheets.table(rows, panel) for panel in (*maps, *sheets.MATRICES)]
    shown = images(figure)
    assert len(shown) == len(panels) == 11
    for image, panel in zip(shown, panels, strict=True):
        np.testing.assert_array_equal(image, panel)


def test_the_three_steps_move_the_attention_to_where_it_belongs(drawn):
    _, rows, _ = drawn["induction-head"]
    word = sheets.labels(rows, "layer 1 after 0 steps", "column")
    first, last = word.index(word[-1]), len(word) - 1
    causal_mean = np.tri(16) / np.arange(1, 17)[:, None]
    for stage in range(3):  # layer 1 waits for the third step
        before = sheets.table(rows, f"layer 1 after {stage} steps")
        np.testing.assert_allclose(before, causal_mean, rtol=OPERATION)
    assert sheets.table(rows, "layer 1 after 3 steps")[first + 1].argmax() == first
    assert sheets.table(rows, "layer 2 after 3 steps")[last].argmax() == first + 1
    assert sheets.table(rows, "layer 2 after 2 steps")[last].argmax() != first + 1
    assert [sheets.table(rows, f"recall of {name}").item() for name in sheets.MATRICES] == [1] * 3


def test_a_task_where_a_step_fails_is_refused():
    task = am.InductionTask(8, 64, predict="all")  # the second step has a negative lead
    with pytest.raises(
        ValueError, match=r"task: expected one where all three .* W_K2 has strength"
    ):
        induction_head.measure(task, np.random.default_rng(), evaluate_on=10)


def test_a_large_vocabulary_is_numbered():
    rows = induction_head.measure(am.InductionTask(40, 16), np.random.default_rng(), evaluate_on=9)
    assert sheets.labels(rows, "W_K2", "row") == list(map(str, range(40)))


# --- map


def entry(rows, predict, triggers, n, length):
    key = (predict, triggers, n, length)
    (row,) = (r for r in rows if (r["predict"], r["triggers"], r["N"], r["T"]) == key)
    return row


def test_the_map_shows_the_numbers_of_the_rows(drawn):
    _, rows, figure = drawn["map"]
    shown = images(figure)
    assert len(shown) == 4 * len(steps_map.KINDS)
    names = ("lead_1_scaled", "lead_2_scaled", "recall_3", "recall_3_inner")
    for image, (name, kind) in zip(
        shown, ((name, kind) for name in names for kind in steps_map.KINDS), strict=True
    ):
        for (i, n), (j, length) in product(enumerate((8, 16)), repeat=2):
            if kind[1] == 8 and n == 8:  # no content left
                assert np.isnan(image[i, j])
            else:
                np.testing.assert_equal(image[i, j], entry(rows, *kind, n, length)[name])


def test_the_map_agrees_with_a_run_of_the_three_steps(drawn):
    _, rows, _ = drawn["map"]
    for n, length, triggers, predict in ((8, 16, 1, "content"), (16, 8, "random", "all")):
        run = am.top_down(
            am.InductionTask(n, length, triggers, predict), margins=(1, 10, 1), evaluate_on=None
        )
        row = entry(rows, predict, triggers, n, length)
        assert row["recall_3"] == run.recall["W_K1"]
        np.testing.assert_allclose(
            [row["lead_1"], row["lead_2"]], [step.strength for step in run.steps[:2]], rtol=PRODUCTS
        )


def test_a_step_that_fails_ends_the_row():
    row = entry(steps_map.measure([8, 64], lead=10.0), "all", 1, 8, 64)
    assert row["lead_2"] < 0
    assert np.isnan(row["recall_3"])
    assert steps_map._verdict(row) == "S2"


def test_rows_that_fail_are_counted_three_ways():
    table = np.diag(np.ones(5), k=-1)  # a perfect previous-token head, T = 6
    assert set(steps_map._third_recall(table).values()) == {1.0}
    table[1, 0], table[1, 1] = 0.0, 0.5  # row 2 fails by 0.5; rows 3, 4, 5 lead by 1
    counted = steps_map._third_recall(table)
    assert counted == {
        "recall_3": 3 / 4, "recall_3_inner": 1.0, "recall_3_weighted": 3 / 3.5
    }  # fmt: skip
    table[2, 1] = 0.0  # a tie is an error
    assert steps_map._third_recall(table)["recall_3_inner"] == 1 / 2


def test_the_table_has_a_line_per_kind_and_size(drawn):
    files, rows, _ = drawn["map"]
    text = files[-1].read_text()
    lines = text.splitlines()
    table = [line for line in lines if line.startswith("| ")][2:]
    assert len(table) == len({(row["predict"], row["triggers"], row["N"]) for row in rows})
    assert "| content | 1 | 16 | .666 (1, " in text


# --- width


def of_run(rows, quantity, run):
    key = (quantity, *run)
    return [row for row in rows if (row["quantity"], row["gradient"], row["readout"]) == key]


def test_width_curves_show_means_and_intervals(drawn):
    _, rows, figure = drawn["width"]
    predicted = (width.PREDICTED, "attention")
    for axes, quantity in zip(figure.axes, [*sheets.MATRICES, "accuracy"], strict=True):
        shown = [of_run(rows, quantity, run) for run in width.RUNS]
        laws = [of_run(rows, quantity, predicted)] if quantity != "accuracy" else []
        extra = {"W_K1": width.HEAD, "accuracy": width.LOOKS}.get(quantity)
        if extra:
            shown.append(of_run(rows, extra, width.CLOSED))
            laws.append(of_run(rows, extra, predicted))
        heights = {tuple(line.get_ydata()) for line in axes.lines}
        bars = [
            segment[:, 1].tolist()
            for collection in axes.collections
            if hasattr(collection, "get_segments")  # not a band
            for segment in collection.get_segments()
        ]
        for expected in shown:  # finite widths, then infinite
            assert tuple(row["mean"] for row in expected[:-1]) in heights
            assert (expected[-1]["mean"],) in heights
            assert all([row["low"], row["high"]] in bars for row in expected)
            assert all(0 <= row["low"] <= row["mean"] <= row["high"] <= 1 for row in expected)
        assert len(bars) == sum(map(len, shown))
        for law in laws:
            assert tuple(row["mean"] for row in law) in heights


def test_every_closed_form_at_finite_width_is_predicted(drawn):
    _, rows, _ = drawn["width"]
    for quantity in (*sheets.MATRICES, width.HEAD):
        law = {row["d"]: row for row in of_run(rows, quantity, (width.PREDICTED, "attention"))}
        found = of_run(rows, quantity, width.CLOSED)
        assert [row["d"] for row in found] == [*TINY["width"][1]["widths"], 0]
        for row in found[:-1]:
            for end in width.INTERVALS:
                assert row[f"predicted_{end}"] == law[row["d"]][end]
        assert np.isnan(found[-1]["predicted_low"])
    (counted,) = width.agreements(rows)
    assert (counted.total, counted.holds) == (8, True)


def test_one_memory_predicted_to_recall_nothing_is_seen(drawn, tmp_path):
    """One of fifty cues that is recalled is enough; most are at d = 64."""
    _, rows, _ = drawn["width"]
    zero = (lambda recall: 0.0,)
    found = one_wrong_series_fails("width", rows, ("quantity", "gradient"), zero, tmp_path)
    assert found == [(name, "closed-form") for name in (*sheets.MATRICES, width.HEAD)]


@pytest.mark.slow
@pytest.mark.parametrize("d", [128, 256])
def test_where_layer_2_looks_is_as_predicted_within_15_percent_of_the_width(d):
    """2000 draws of one sequence, and 200 of each of 15: six standard errors of both are 0.07."""
    rng = np.random.default_rng()
    forms = width.ClosedForm(am.InductionTask(32, 32), rng)
    low, high = (forms.looks_law(factor * d, 200, rng) for factor in (1, width.OFF))
    measured = forms.hits(width.LOOKS, d, 2000, rng).value
    assert low - 0.07 < measured < high + 0.07


def test_cues_that_are_recalled_are_those_of_the_library():
    task = am.InductionTask(16, 24, 2)
    forms = width.ClosedForm(task, np.random.default_rng(0))
    run = am.top_down(task, margins=width.MARGINS, evaluate_on=None)
    for name in sheets.MATRICES:
        memory = run.memories[name]
        probe = am.probe(name, task, forms.limit)
        scores = width.asked(memory, probe)
        assert forms.recalled(name, scores[None]).mean() == probe.recall(memory)


def test_closed_forms_at_infinite_width_are_recalled(drawn):
    _, rows, _ = drawn["width"]
    found = {
        row["quantity"]: row["mean"]
        for row in rows
        if row["d"] == 0 and row["gradient"] == "closed-form"
    }
    run = am.top_down(TINY["width"][1]["task"], evaluate_on=None)
    recalled = [name for name in sheets.MATRICES if run.recall[name] == 1]
    assert recalled
    assert all(found[name] == 1 for name in recalled)


def test_intervals_are_the_textbook_ones():
    from scipy import stats

    values = np.random.default_rng().uniform(0.4, 0.6, size=9)
    expected = stats.t.interval(
        0.95, 8, loc=values.mean(), scale=values.std(ddof=1) / np.sqrt(len(values))
    )
    np.testing.assert_allclose(width.interval(values, single_cue=False), expected, rtol=PRODUCTS)
    exact = am.Rate(4, 5).interval(0.95)
    assert width.interval(np.array([1.0, 1, 0, 1, 1]), single_cue=True) == exact


def test_a_run_that_stops_early_counts_as_no_recall():
    run = am.top_down(am.InductionTask(8, 64, predict="all"), rng=0, evaluate_on=100)
    assert run.failed_step == 2
    assert width._outcome(run)[:3] == [1.0, 0.0, 0.0]


# --- margins


def test_margin_maps_and_curves_show_the_numbers_of_the_rows(drawn):
    _, rows, figure = drawn["margins"]
    sizes, second, third = ((TINY["margins"][1][name]) for name in ("sizes", "second", "third"))
    panels = [(kind, size) for kind in ("accuracy", "accuracy_at_start") for size in sizes]
    by_title = {}
    for axes in figure.axes:
        for image in axes.images:
            by_title[axes.get_title()] = image.get_array()
    assert len(by_title) == len(panels)
    for kind, size in panels:
        where = "trigger not first" if kind == "accuracy" else "trigger first"
        image = by_title[f"{size},\n{where}"]
        for row in rows:
            if row["panel"] == "m2, m3" and (row["N"], row["T"], row["K"]) == size:
                assert image[third.index(row["m3"]), second.index(row["m2"])] == row[kind]
    curves = [line for axes in figure.axes for line in axes.lines if len(axes.images) == 0]
    expected = [
        [row[kind] for row in rows if row["panel"] == "m1" and row["gradient"] == gradient]
        for gradient in ("closed-form", "population")
        for kind in ("accuracy", "accuracy_at_start")
    ]
    assert [line.get_ydata().tolist() for line in curves] == expected


def test_scaled_memories_are_those_of_a_run_at_these_margins():
    size, chosen = (8, 16, 1), (0.3, 7.0, 4.0)
    task = am.InductionTask(*size)
    batches = margins._held_out(task, np.random.default_rng(), 200)
    row = margins._ClosedForm(size, [chosen[1]], batches).row("m1", chosen)
    run = am.top_down(task, margins=chosen, evaluate_on=None)
    first, at_start = (am.evaluate(run.model(), batch) for batch in batches)
    late = first.where(first.trigger_position > 0)
    assert row["recall_W_K1"] == run.recall["W_K1"]
    np.testing.assert_allclose(
        [row["attention"], row["attention_at_start"]],
        [late.attention, at_start.attention],
        rtol=PRODUCTS,
    )
    assert row["accuracy"] == late.accuracy.value
    assert row["accuracy_at_start"] == at_start.accuracy.value


@pytest.mark.parametrize("triggers", [2, "random"])
def test_rolled_sequences_start_with_their_trigger(triggers):
    task = am.InductionTask(9, 7, triggers, predict="all")
    batch, rolled = margins._held_out(task, np.random.default_rng(), 500)
    assert (rolled.tokens[:, 0] == rolled.tokens[:, -1]).all()
    assert (task.outputs[rolled.targets[:, -1]] == rolled.tokens[:, 1]).all()
    body, moved = (np.sort(b.tokens[:, :-1], axis=1) for b in (batch, rolled))
    assert (body == moved).all()
    assert (batch.tokens[:, -1] == rolled.tokens[:, -1]).all()


@pytest.mark.parametrize(("size", "step"), [((8, 4, 1), "step 2"), ((8, 5, 1), "step 3 at m2 = 1")])
def test_a_step_without_lead_is_refused(size, step):
    batches = margins._held_out(am.InductionTask(*size), np.random.default_rng(), 10)
    with pytest.raises(ValueError, match=rf"sizes: .* where that of {step} is -.* map"):
        margins._ClosedForm(size, [1.0], batches)

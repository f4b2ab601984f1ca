"""Plots draw what they are given on the axes they are given, and nothing else happens."""

from __future__ import annotations

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from assocmem import AssociativeMemory, heads, plots
from tests.rounding import SOLVED

TABLE = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])

PLANTED = heads.specimen(n_tokens=4, length=4, width=32, n_heads=2, rng=0)
FINDINGS = heads.find(PLANTED.heads)

CALLS = {
    "head_table": lambda **ax: plots.head_table(FINDINGS.detections[0], **ax),
    "head_map": lambda **ax: plots.head_map(FINDINGS, "copying", **ax),
    "attention_map": lambda **ax: plots.attention_map(TABLE[:, :2], tokens=["a", "b"], **ax),
    "memory": lambda **ax: plots.memory(TABLE, rows=["x", "y"], marked=[(0, 1)], **ax),
    "recall_curve": lambda **ax: plots.recall_curve([1, 2], [0.5, 1], [0.4, 1], [0.6, 1], **ax),
    "phase_map": lambda **ax: plots.phase_map(TABLE, rows=[1, 2], columns=[8, 16, 32], **ax),
    "trajectory": lambda **ax: plots.trajectory(["start", "end"], {"loss": [1, 0]}, **ax)[0],
}


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(autouse=True)
def nothing_global(monkeypatch):
    """No plot shows or saves, none leaves a figure open behind the test's back."""

    def refuse(*args, **keywords):
        raise AssertionError("a plot must not show or save")

    monkeypatch.setattr(plt, "show", refuse)
    monkeypatch.setattr(Figure, "show", refuse)
    monkeypatch.setattr(Figure, "savefig", refuse)
    assert plt.get_fignums() == []
    yield
    plt.close("all")


def frames(axes):
    """The cells (row, column) that are outlined."""
    return sorted(
        (round(p.get_y() + p.get_height() / 2), round(p.get_x() + p.get_width() / 2))
        for p in axes.patches
    )


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_artist_is_on_the_axes_given_and_nothing_global_changes(call, ax):
    assert call(ax=ax).axes is ax
    assert plt.get_fignums() == []


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_without_axes_the_current_ones_are_used(call):
    _, (_, current) = plt.subplots(1, 2)
    assert call().axes is current
    assert len(plt.get_fignums()) == 1


def test_matplotlib_is_loaded_by_the_first_call_only():
    program = (
        "import sys; from assocmem import plots; assert 'matplotlib' not in sys.modules; "
        "from matplotlib.figure import Figure; plots.memory([[1]], ax=Figure().subplots()); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


# --- attention_map


def test_attention_is_drawn_as_it_is_with_queries_down(ax):
    weights = np.tri(3) / np.arange(1, 4)[:, None]
    image = plots.attention_map(weights, tokens=["a", "b", "c"], marked=[(2, 1)], ax=ax)
    np.testing.assert_array_equal(image.get_array(), weights)
    assert image.get_clim() == (0, 1)
    assert ax.get_ylim() == (2.5, -0.5)  # the first query on top
    assert ticks(ax.xaxis) == ticks(ax.yaxis) == ["a", "b", "c"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("key", "query")
    assert frames(ax) == [(2, 1)]


def test_attention_of_a_batch_or_with_missing_tokens_is_refused(ax):
    with pytest.raises(ValueError, match=r"weights: expected a non-empty 2-d array; got shape"):
        plots.attention_map(np.ones((2, 3, 3)), ax=ax)
    with pytest.raises(ValueError, match=r"tokens: expected 3 labels .* got 2"):
        plots.attention_map(np.eye(3), tokens=["a", "b"], ax=ax)


# --- memory


def test_a_memory_is_drawn_by_its_scores_with_white_at_zero(ax):
    rng = np.random.default_rng()
    keys, values, table = (rng.normal(size=size) for size in ((4, 5), (3, 6), (3, 4)))
    W = AssociativeMemory(keys=keys, values=values, coefficients=table)
    image = plots.memory(W, rows=list("abc"), columns=list("defg"), ax=ax)
    np.testing.assert_array_equal(image.get_array(), W.scores())
    low, high = image.get_clim()
    assert low == -high == -abs(W.scores()).max()
    assert min(image.cmap(image.norm(0.0))[:3]) > 0.9
    assert (ticks(ax.yaxis), ticks(ax.xaxis)) == (list("abc"), list("defg"))


def test_opposite_scores_get_different_colours(ax):
    image = plots.memory([[2.0, -2.0]], ax=ax)
    assert image.cmap(image.norm(2.0)) != image.cmap(image.norm(-2.0))


def test_labels_of_a_memory_must_fit(ax):
    with pytest.raises(ValueError, match=r"rows and columns: expected 3 labels .* got 2"):
        plots.memory(TABLE, columns=["a", "b"], ax=ax)


# --- recall_curve


def test_a_curve_has_its_points_its_error_bars_and_a_band(ax):
    x, mean, low, high = [1, 2, 4], [0.2, 0.5, 0.9], [0.1, 0.4, 0.9], [0.4, 0.7, 0.9]
    curve = plots.recall_curve(x, mean, low, high, label="W_O2", color="k", ax=ax)
    np.testing.assert_array_equal(curve.get_xydata(), np.transpose([x, mean]))
    _, bars = ax.collections
    ends = [[[a, b], [a, c]] for a, b, c in zip(x, low, high, strict=True)]
    np.testing.assert_array_equal(bars.get_segments(), ends)
    assert curve.get_label() == "W_O2"
    assert {to_rgb(curve.get_color()), tuple(bars.get_color()[0][:3])} == {(0, 0, 0)}


def test_the_band_can_be_left_out(ax):
    plots.recall_curve([1], [0.5], [0.4], [0.6], band=False, ax=ax)
    assert len(ax.collections) == 1


def test_a_curve_needs_an_interval_for_every_point(ax):
    with pytest.raises(ValueError, match=r"x, mean, low, high: expected one shape .* \(1,\)"):
        plots.recall_curve([1, 2], [0.5, 1], [0.4], [0.6, 1], ax=ax)


# --- phase_map


def test_failed_cells_are_framed_and_missing_ones_are_grey(ax):
    values = np.array([[1.0, 0.25], [np.nan, 0.75]])
    image = plots.phase_map(
        values, rows=[8, 16], columns=[1, 2], failed=values < 0.5, text="{:.2f}".format, ax=ax
    )
    np.testing.assert_array_equal(image.get_array().filled(np.nan), values)
    assert frames(ax) == [(0, 1)]
    said = {(t.get_position()[1], t.get_position()[0]): t.get_text() for t in ax.texts}
    assert said == {(0, 0): "1.00", (0, 1): "0.25", (1, 1): "0.75"}
    assert ax.get_ylim() == (-0.5, 1.5)  # the first row at the bottom
    assert (ticks(ax.yaxis), ticks(ax.xaxis)) == (["8", "16"], ["1", "2"])
    assert ax.get_facecolor()[:3] == to_rgb(plots.NO_VALUE)
    assert image.cmap(np.ma.masked)[-1] == 0  # the missing cell lets it through


def test_text_stands_out_from_its_cell(ax):
    plots.phase_map([[0.0, 1.0]], rows=[1], columns=[1, 2], text=str, cmap="gray", ax=ax)
    assert [text.get_color() for text in ax.texts] == ["white", "black"]


def test_verdicts_and_labels_must_fit_the_grid(ax):
    with pytest.raises(ValueError, match=r"failed: expected shape \(2, 3\), .*; got \(3,\)"):
        plots.phase_map(TABLE, rows=[1, 2], columns=[1, 2, 3], failed=[True] * 3, ax=ax)
    with pytest.raises(ValueError, match=r"rows and columns: expected 2 labels .* got 3"):
        plots.phase_map(TABLE, rows=[1, 2, 3], columns=[1, 2, 3], ax=ax)


# --- trajectory


def test_a_trajectory_has_a_line_per_name(ax):
    series = {"attention": [0.1, 0.2, 1.0], "accuracy": [0.0, 0.1, 0.9]}
    lines = plots.trajectory(["start", "W_O2", "W_K2"], series, ax=ax)
    assert {line.get_label(): line.get_ydata().tolist() for line in lines} == series
    assert len({line.get_color() for line in lines}) == 2
    assert ticks(ax.xaxis) == ["start", "W_O2", "W_K2"]


def test_a_trajectory_needs_a_number_per_stage(ax):
    with pytest.raises(ValueError, match=r"series: .* each of the 2 stages; got 1 for 'loss'"):
        plots.trajectory(["start", "end"], {"loss": [1.0]}, ax=ax)


# --- heads


def test_a_head_is_drawn_by_what_its_detector_asks(ax):
    specimen = heads.specimen(n_tokens=6, length=5, width=64, n_heads=2, rng=0)
    first, _ = specimen.circuit
    found = heads.previous_token(specimen.heads, first)
    image = plots.head_table(found, rows="bcde", ax=ax)
    drawn = image.get_array()
    allowed = np.tri(5, dtype=bool)[1:]
    assert np.array_equal(~drawn.mask, allowed)
    np.testing.assert_allclose(drawn.mean(axis=1), 0, atol=SOLVED)
    assert (drawn.argmax(axis=1) == np.arange(4)).all()
    assert frames(ax) == [(t, t) for t in range(4)]
    with pytest.raises(ValueError, match="expected 4 labels"):
        plots.head_table(found, rows="abc", ax=ax)
    with pytest.raises(TypeError, match="found: expected a Detection"):
        plots.head_table(np.eye(3), ax=ax)


@pytest.mark.parametrize("kind", ["previous token", "copying", "induction"])
def test_a_map_of_heads_frames_what_is_found(kind, ax):
    specimen = heads.specimen(n_tokens=8, length=8, width=96, n_layers=3, n_heads=3, rng=1)
    findings = heads.find(specimen.heads)
    image = plots.head_map(findings, kind, ax=ax)
    wanted = [places for each, places in specimen.wanted if each == kind]
    assert len(ax.patches) == len(wanted) == 1
    ((row, column),) = frames(ax)
    names = [f"{layer}.{index}" for layer, index in wanted[0]]
    shown = [ticks(ax.yaxis)[row], ticks(ax.xaxis)[column]]
    assert shown == (names if kind == "induction" else names[0].split("."))
    z = image.get_array()
    assert np.unravel_index(z.argmax(), z.shape) == (row, column)
    with pytest.raises(ValueError, match="kind: expected one of 'copying'"):
        plots.head_map(findings, "previous", ax=ax)


# What the pictures say at the edges of what they are given


@settings(max_examples=20)
@given(st.integers(1, 60), st.integers(1, 4))
def test_every_series_is_drawn_and_no_two_alike(n_series, n_stages):
    axes = Figure().subplots()
    series = {f"series {i}": np.arange(n_stages) / (i + 1) for i in range(n_series)}
    lines = plots.trajectory([str(i) for i in range(n_stages)], series, ax=axes)
    assert [line.get_label() for line in lines] == list(series)
    for line, values in zip(lines, series.values(), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), values)
    styles = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in lines}
    assert len(styles) == n_series


def colours(image):
    return image.to_rgba(image.get_array()).reshape(-1, 4)


@settings(max_examples=30)
@given(
    st.sampled_from([0.0, 1e-300, 1e-9, 1.0, 1e9, 1e300]),
    st.integers(1, 4),
    st.sampled_from([None, np.nan, np.inf, -np.inf]),
)
def test_zero_is_the_middle_colour_whatever_else_there_is(size, n, odd):
    table = np.zeros((n, 3))
    table[0, :2] = size, -size
    shown = table.copy()
    if odd is not None:
        table[-1, 2] = odd
    image = plots.memory(table, ax=Figure().subplots())
    middle = image.cmap(0.5)
    drawn = colours(image).reshape(n, 3, 4)
    for cell in np.argwhere((shown == 0) & np.isfinite(table)):
        assert drawn[tuple(cell)].tolist() == pytest.approx(middle, abs=0.01)
    if size:
        assert np.abs(drawn[0, 0] - drawn[0, 1]).max() > 0.2
    if odd is not None:  # no colour of the scale: what is behind shows
        assert drawn[-1, 2, 3] == 0


def test_a_memory_of_zeros_is_neither_positive_nor_negative():
    image = plots.memory(
        0 * AssociativeMemory(keys=np.eye(3), values=np.eye(3)), ax=Figure().subplots()
    )
    low, high = image.get_clim()
    assert low == -high < 0


@given(st.sampled_from([0.0, 0.5, 1.0, -3.0, 1e6]), st.booleans())
def test_a_phase_map_of_one_value_takes_no_side(value, hole):
    table = np.full((2, 3), value)
    if hole:
        table[0, 0] = np.nan
    image = plots.phase_map(table, rows="ab", columns="xyz", ax=Figure().subplots())
    assert np.ptp(colours(image)[1:], axis=0).max() == 0
    assert colours(image)[-1].tolist() == pytest.approx(image.cmap(0.5), abs=0.01)
    fixed = plots.phase_map(
        table, rows="ab", columns="xyz", vmin=0, vmax=1e7, ax=Figure().subplots()
    )
    assert fixed.get_clim() == (0, 1e7)


labels = st.lists(
    st.text(st.sampled_from("$_^\\{}%&#~ab1 "), max_size=8), min_size=2, max_size=2, unique=True
)


@settings(max_examples=15)
@given(labels)
@example(["$5 to $10", "$"])
@example(["$$", "a$b$c"])
@example(["$\\frac$", "$x_$"])
def test_labels_with_dollars_are_drawn(labels):
    """Of tokens as they are; a name may hold a formula, and is as it is where it holds none."""
    image, figure = np.eye(2), Figure()
    draws = (
        lambda ax: plots.attention_map(image, tokens=labels, ax=ax),
        lambda ax: plots.memory(image, rows=labels, columns=labels, ax=ax),
        lambda ax: plots.phase_map(image, rows=labels, columns=labels, ax=ax),
        lambda ax: plots.trajectory(labels, {label: [0, 1] for label in labels}, ax=ax),
        lambda ax: plots.recall_curve([1], [1], [1], [1], label=labels[0], ax=ax),
        lambda ax: plots.learning_curve([1], [[1]], label=labels[1], ax=ax),
    )
    for draw, axes in zip(draws, figure.subplots(2, 3).flat, strict=True):
        draw(axes)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    for text in figure.findobj(Text):  # what no formula is raises when its size is asked
        text.get_window_extent(RendererAgg(1, 1, dpi=72))
    figure = Figure()
    shown = plots.memory(image, rows=labels, ax=figure.subplots()).axes.get_yticklabels()
    for label, text in zip(labels, shown, strict=True):
        assert text._preprocess_math(text.get_text()) == (label, False)


def test_names_may_hold_formulas():
    axes = Figure().subplots()
    (line,) = plots.trajectory(["start", "$W_O^2$"], {"recall of $W_O^2$": [0, 1]}, ax=axes)
    assert line.get_label() == "recall of $W_O^2$"
    assert ticks(axes.xaxis) == ["start", "$W_O^2$"]


def test_marked_cells_may_be_a_set():
    axes = Figure().subplots()
    plots.memory(np.eye(3), marked={(0, 1), (2, 2)}, ax=axes)
    assert frames(axes) == [(0, 1), (2, 2)]

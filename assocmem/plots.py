"""Pictures of memories and attention: each draws what it is given on ``ax`` and returns the artist.

Nothing is computed, shown or saved here, and matplotlib is loaded by the first call only. Colours
are safe for colour-blind readers: single-hue or diverging maps, and the Okabe-Ito palette.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import (
    checked_array,
    checked_flag,
    checked_integers,
    checked_kind,
    checked_mapping,
    checked_option,
    checked_sequence,
    required,
)
from assocmem.memory import AssociativeMemory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage
    from matplotlib.lines import Line2D

    from assocmem.heads import Detection, Findings

__all__ = [
    "attention_map",
    "head_map",
    "head_table",
    "learning_curve",
    "memory",
    "phase_map",
    "recall_curve",
    "trajectory",
]

Cells = Iterable[tuple[int, int]]

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # Okabe-Ito
GREY, NO_VALUE = "#6b6b6b", "#d9d9d9"
COLOURS, DASHES = (BLUE, ORANGE, GREEN, GREY), ("-", "--", ":", "-.")


def attention_map(
    weights: ArrayLike,
    *,
    tokens: Sequence[str] | None = None,
    marked: Cells = (),
    ax: Axes | None = None,
) -> AxesImage:
    """Draw the attention of one head on one sequence: query positions down, key positions across.

    The colour scale is that of the square root, from 0 to 1, so that uniform attention stays
    visible.

    Parameters
    ----------
    weights : array_like, shape (T, T)
        Each row sums to 1.
    tokens : sequence of str, optional
        Labels of both axes.
    marked : sequence of (query, key)
        Cells to outline, counted from 0.
    ax : matplotlib Axes, optional
        Where to draw; the current axes when left out.

    Returns
    -------
    AxesImage
        The artist.

    Raises
    ------
    ValueError
        For weights that are not a 2-d array, or another number of tokens.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> image = attention_map([[1, 0], [0.5, 0.5]], tokens=["a", "b"], ax=Figure().subplots())
    >>> image.get_array().tolist(), image.axes.get_xlabel()
    ([[1.0, 0.0], [0.5, 0.5]], 'key')
    """
    norm = required("matplotlib.colors", "plots").PowerNorm(0.5, 0, 1)

    table = _table("weights", weights)
    axes = _axes(ax)
    image = axes.imshow(table, cmap="Blues", norm=norm, interpolation="none")
    _label(axes, table, "tokens", tokens, tokens)
    axes.set(xlabel="key", ylabel="query")
    _outline(axes, marked)
    return image


def memory(
    scores: AssociativeMemory | ArrayLike,
    *,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    marked: Cells = (),
    ax: Axes | None = None,
) -> AxesImage:
    """Draw the scores of a memory as an image, with colours centred on zero.

    Parameters
    ----------
    scores : AssociativeMemory or array_like, shape (m, n)
        A memory, whose `scores()` are drawn, or any table, row = value, column = key; grey where it
        is not finite.
    rows, columns : sequence of str, optional
        Labels of the values and of the keys.
    marked : sequence of (row, column)
        Cells to outline, counted from 0.
    ax : matplotlib Axes, optional
        Where to draw; the current axes when left out.

    Returns
    -------
    AxesImage
        The artist.

    Raises
    ------
    ValueError
        For a table that is not 2-d, or another number of labels.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from assocmem import AssociativeMemory
    >>> W = AssociativeMemory(keys=np.eye(2), values=np.eye(2), coefficients=[[3, 0], [0, -1]])
    >>> image = memory(W, columns=["a", "b"], ax=Figure().subplots())
    >>> image.get_array().tolist(), image.get_clim()
    ([[3.0, 0.0], [0.0, -1.0]], (-3.0, 3.0))
    """
    given = scores.scores() if isinstance(scores, AssociativeMemory) else scores
    image = _signed(_table("scores", given), _axes(ax))
    _label(image.axes, image.get_array(), "rows and columns", rows, columns)
    _outline(image.axes, marked)
    return image


def recall_curve(
    x: ArrayLike,
    mean: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    band: bool = True,
    ax: Axes | None = None,
    **line: Any,
) -> Line2D:
    """Draw a rate against a size, with error bars from `low` to `high`.

    Parameters
    ----------
    x : array_like, shape (n,)
        The sizes.
    mean : array_like, shape (n,)
        The rates.
    low, high : array_like, shape (n,)
        The ends of the error bars.
    band : bool
        Whether the area between the bars is shaded too.
    ax : matplotlib Axes, optional
        Where to draw; the current axes when left out.
    **line
        What the line takes: `label`, `color`, `marker`, ...

    Returns
    -------
    Line2D
        The rates.

    Raises
    ------
    ValueError
        For shapes that differ.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> curve = recall_curve([1, 2], [0.5, 0.9], [0.4, 0.8], [0.6, 1.0], label="W_O2", ax=ax)
    >>> curve.get_ydata().tolist(), len(ax.collections)
    ([0.5, 0.9], 2)
    """
    given = {"x": x, "mean": mean, "low": low, "high": high}
    arrays = [_floats(name, part) for name, part in given.items()]
    shapes = [array.shape for array in arrays]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise ValueError(
            f"x, mean, low, high: expected one shape (n,); got {', '.join(map(str, shapes))}. Give "
            f"an interval to every point."
        )
    x, mean, low, high = arrays
    axes = _axes(ax)
    (curve,) = axes.plot(x, mean, **{"marker": "o"} | _named(line))
    colour = curve.get_color()
    if checked_flag("band", band):
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.vlines(x, low, high, color=colour, linewidth=1.5)
    return curve


def learning_curve(
    steps: ArrayLike, runs: ArrayLike, *, ax: Axes | None = None, **line: Any
) -> Line2D:
    """Draw a quantity over training: the mean of the runs, and a band from lowest to highest.

    Parameters
    ----------
    steps : array_like, shape (n,)
        When it was measured.
    runs : array_like, shape (runs, n)
        One run a row.
    ax : matplotlib Axes, optional
        Where to draw; the current axes when left out.
    **line
        What the line takes: `label`, `color`, ...

    Returns
    -------
    Line2D
        The mean.

    Raises
    ------
    ValueError
        For runs of another length, or none.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> curve = learning_curve([0, 10], [[0.0, 0.8], [0.2, 1.0]], label="accuracy", ax=ax)
    >>> curve.get_ydata().tolist(), len(ax.collections)
    ([0.1, 0.9], 1)
    """
    at, table = _floats("steps", steps), _table("runs", runs)
    if at.shape != table.shape[1:]:
        raise ValueError(
            f"runs: expected shape (runs, {at.size}), a number per step; got {table.shape}. "
            f"Measure all runs at the same steps."
        )
    axes = _axes(ax)
    (curve,) = axes.plot(at, table.mean(axis=0), **_named(line))
    low, high = table.min(axis=0), table.max(axis=0)
    axes.fill_between(at, low, high, color=curve.get_color(), alpha=0.2, linewidth=0)
    return curve


def phase_map(
    values: ArrayLike,
    *,
    rows: Sequence[Any],
    columns: Sequence[Any],
    failed: ArrayLike | None = None,
    text: Callable[[float], str] | None = None,
    ax: Axes | None = None,
    **image: Any,
) -> AxesImage:
    """Draw a number on a grid of settings; a failed cell is framed, a missing one is grey.

    Parameters
    ----------
    values : array_like, shape (m, n)
        NaN where there is none.
    rows, columns : sequence
        The tick labels; the first row is at the bottom.
    failed : array_like of bool, shape (m, n), optional
        The cells to frame.
    text : callable, optional
        Turns a value into what its cell says.
    ax : matplotlib Axes, optional
        Where to draw; the current axes when left out.
    **image
        What the image takes: `cmap`, `norm`, ...

    Returns
    -------
    AxesImage
        The artist.

    Raises
    ------
    ValueError
        For values that are not a 2-d array, other numbers of labels, or a mask of another shape.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> grid = phase_map([[1.0, 0.5]], rows=[8], columns=[16, 32], ax=Figure().subplots(),
    ...                  failed=[[False, True]], text="{:.1f}".format)
    >>> [label.get_text() for label in grid.axes.texts], len(grid.axes.patches)
    (['1.0', '0.5'], 1)
    """
    table = _table("values", values)
    failures = np.zeros(table.shape, bool) if failed is None else checked_array("failed", failed)
    if failures.dtype != bool:
        raise TypeError(f"failed: expected booleans; got dtype {failures.dtype}.")
    if failures.shape != table.shape:
        raise ValueError(
            f"failed: expected shape {table.shape}, a verdict per cell; got {failures.shape}. "
            f"Leave it out when nothing can fail."
        )
    if not (text is None or callable(text)):
        raise TypeError(f"text: expected a function from a value to its text; got {text!r}.")
    axes = _axes(ax)
    axes.set_facecolor(NO_VALUE)
    seen = np.ma.masked_invalid(table)
    if {"norm", "vmin", "vmax"}.isdisjoint(image) and seen.count() and seen.min() == seen.max():
        image |= {"vmin": seen.min() - 0.5, "vmax": seen.max() + 0.5}  # one value: the middle
    drawn = axes.imshow(seen, origin="lower", aspect="auto", interpolation="none", **image)
    _label(axes, table, "rows and columns", rows, columns, shown=_as_name)
    for row, column in np.argwhere(np.isfinite(table)):
        value = table[row, column]
        if text:
            red, green, blue, _ = drawn.cmap(drawn.norm(value))
            colour = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.5 else "black"
            axes.text(
                column, row, text(value), ha="center", va="center", color=colour, fontsize="small"
            )
    _outline(axes, np.argwhere(failures), inset=0.08)
    return drawn


def trajectory(
    stages: Sequence[str], series: Mapping[str, Sequence[float]], *, ax: Axes | None = None
) -> list[Line2D]:
    """Draw how rates change from one stage of training to the next, one line per name.

    Parameters
    ----------
    stages : sequence of str
        The names of the stages, in their order.
    series : mapping of str to sequence of float
        A number per stage, by the name of the line.
    ax : matplotlib Axes, optional
        Where to draw; the current axes when left out.

    Returns
    -------
    list of Line2D
        One for each name.

    Raises
    ------
    ValueError
        For a series of another length.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> (line,) = trajectory(["start", "end"], {"accuracy": [0.1, 1.0]}, ax=Figure().subplots())
    >>> line.get_label(), line.get_ydata().tolist()
    ('accuracy', [0.1, 1.0])
    """
    axes = _axes(ax)
    lines: list[Line2D] = []
    named, stages = checked_mapping("series", series), _strings("stages", stages, _as_name)
    for i, (name, values) in enumerate(named.items()):
        values = _floats("series", values)
        if values.shape != (len(stages),):
            raise ValueError(
                f"series: expected a number for each of the {len(stages)} stages; got "
                f"{values.size} for {name!r}. Use NaN where there is none."
            )
        # every pair of a colour and a marker before one comes again, with another kind of line
        colour, marker, dashes = COLOURS[i % 4], "osD^"[(i + i // 4) % 4], DASHES[i // 16 % 4]
        (line,) = axes.plot(range(len(stages)), values, color=colour, marker=marker)
        line.set(linestyle=dashes, label=_as_name(str(name)))
        lines.append(line)
    axes.set_xticks(range(len(stages)), stages)
    axes.set_ylim(-0.03, 1.03)
    return lines


def head_table(
    found: Detection,
    *,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> AxesImage:
    """Draw the scores that a detector uses: cues down, answers across, the right ones framed.

    Each row is drawn minus the mean of its admissible answers, which no softmax sees; answers that
    are not admissible are grey.

    Parameters
    ----------
    found : Detection
        What was asked of the head.
    rows, columns : sequence of str, optional
        Labels of the cues and of the answers.
    ax : matplotlib Axes, optional
        Where to draw; the current axes when left out.

    Returns
    -------
    AxesImage
        The artist.

    Raises
    ------
    ValueError
        For another number of labels, or a table of more than 2^24 scores.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from assocmem import heads
    >>> model = heads.specimen(n_tokens=5, length=4, width=64, n_heads=2, rng=0)
    >>> first, _ = model.circuit
    >>> found = heads.previous_token(model.heads, first)
    >>> image = head_table(found, ax=Figure().subplots())
    >>> image.get_array().shape, len(image.axes.patches), image.axes.get_ylabel()
    ((3, 4), 3, 'cue')
    """

    from assocmem.heads import Detection

    checked_kind("found", found, Detection, "Take one from assocmem.heads.")
    table = found.table()
    table[np.isneginf(table)] = np.nan
    table -= np.nanmean(table, axis=1, keepdims=True)
    axes = _axes(ax)
    image = _signed(table, axes)
    _label(axes, table, "rows and columns", rows, columns)
    axes.set(xlabel="answer", ylabel="cue")
    _outline(axes, list(enumerate(found.targets.tolist())))
    return image


def head_map(findings: Findings, kind: str, *, ax: Axes | None = None) -> AxesImage:
    """Draw the z-scores of all heads of a model by one detector; heads that are found are framed.

    The colour is z, the text recall.

    Parameters
    ----------
    findings : Findings
        What `heads.find` returns.
    kind : {"previous token", "copying", "induction"}
        The first two: heads across and layers down. "induction": the earlier head down and the
        later one across.
    ax : matplotlib Axes, optional
        Where to draw; the current axes when left out.

    Returns
    -------
    AxesImage
        The artist.

    Raises
    ------
    ValueError
        For a kind of which the findings hold nothing.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from assocmem import heads
    >>> model = heads.specimen(n_tokens=8, length=8, width=64, n_heads=2, rng=0)
    >>> findings = heads.find(model.heads)
    >>> image = head_map(findings, "induction", ax=Figure().subplots())
    >>> image.get_array().shape, len(image.axes.patches)
    ((2, 2), 1)
    """
    from assocmem.heads import Findings

    checked_kind("findings", findings, Findings, "Call assocmem.heads.find.")
    kinds = {each.kind for each in findings.detections}
    checked_option("kind", kind, sorted(kinds), "The model was asked for no other.")
    each = [found for found in findings.detections if found.kind == kind]
    if kind == "induction":
        cells = [found.places for found in each]
        down, across = (sorted({cell[side] for cell in cells}) for side in (0, 1))
        labels = [[f"{layer}.{index}" for layer, index in names] for names in (down, across)]
        where = [(down.index(first), across.index(second)) for first, second in cells]
        sides = ("earlier head", "later head")
    else:
        where = [found.places[0] for found in each]
        labels = [
            [str(i) for i in range(1 + max(place[side] for place in where))] for side in (0, 1)
        ]
        sides = ("layer", "head")
    shape = (len(labels[0]), len(labels[1]))
    z, recall, failed = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, bool)
    for place, found in zip(where, each, strict=True):
        z[place], recall[place], failed[place] = found.z, found.recall, found in findings.found
    image = phase_map(
        z, rows=labels[0], columns=labels[1], failed=failed, ax=ax, cmap="Blues", vmin=0
    )
    for row, column in np.argwhere(np.isfinite(recall)):
        dark = z[row, column] > np.nanmax(z) / 2
        image.axes.text(
            column, row, f"{recall[row, column]:.2f}", ha="center", va="center",
            color="white" if dark else "black", fontsize="small",
        )  # fmt: skip
    image.axes.set(ylabel=sides[0], xlabel=sides[1])
    return image


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        kind = required("matplotlib.axes", "plots").Axes
        return checked_kind("ax", ax, kind, "Take those of a figure, or leave it out.")
    return required("matplotlib.pyplot", "plots").gca()


def _table(name: str, given: ArrayLike) -> Any:
    table = _floats(name, given)
    if table.ndim != 2 or table.size == 0:
        raise ValueError(
            f"{name}: expected a non-empty 2-d array; got shape {table.shape}. "
            f"Pick one sequence or one block."
        )
    return table


def _floats(name: str, given: ArrayLike) -> Any:
    """Numbers as floats; NaN where there is none."""
    array = checked_array(name, given)
    if array.dtype.kind in "biufO":
        with suppress(TypeError, ValueError):  # an object that is no number
            return array.astype(float)
    raise TypeError(f"{name}: expected real numbers; got dtype {array.dtype}. Convert with float.")


def _strings(name: str, labels: Any, shown: Callable[[str], str]) -> list[str]:
    if not isinstance(labels, str):  # of which each character is one
        labels = checked_sequence(name, labels, "labels")
    return [shown(str(label)) for label in labels]


def _signed(table: Any, axes: Axes) -> AxesImage:
    """The table in diverging colours with 0 in the middle, also where all of it is 0."""
    norm = required("matplotlib.colors", "plots").CenteredNorm
    largest = float(np.abs(table[np.isfinite(table)]).max(initial=0))
    axes.set_facecolor(NO_VALUE)
    style = {"cmap": "PuOr_r", "norm": norm(0, largest or 1), "interpolation": "none"}
    return axes.imshow(np.ma.masked_invalid(table), **style)


def _literal(label: str) -> str:
    """The label as it is: dollars are no formula."""
    return label.replace("$", r"\$")


def _as_name(label: str) -> str:
    """A label that may hold a formula between dollars, as it is if that is none."""
    if "$" in label:
        with suppress(ValueError):
            required("matplotlib.mathtext", "plots").MathTextParser("path").parse(label)
            return label
    return _literal(label)


def _named(line: dict[str, Any]) -> dict[str, Any]:
    if line.get("label") is None:  # no label, as to Matplotlib
        return line
    return line | {"label": _as_name(str(line["label"]))}


def _label(axes: Axes, table: Any, name: str, *sides: Any, shown: Any = _literal) -> None:
    """Put a label at every row and column; without labels the ticks stay numbers."""
    setters = axes.set_yticks, axes.set_xticks
    for labels, count, set_ticks in zip(sides, table.shape, setters, strict=True):
        if labels is None:
            continue
        labels = _strings(name, labels, shown)
        if len(labels) != count:
            raise ValueError(
                f"{name}: expected {count} labels for an array of shape {table.shape}; got "
                f"{len(labels)}. Leave them out to count from 0."
            )
        set_ticks(range(count), labels)


def _outline(axes: Axes, cells: Any, inset: float = 0) -> None:
    rectangle = required("matplotlib.patches", "plots").Rectangle

    side = 1 - 2 * inset
    expected = "cells (row, column), counted from 0"
    cells = list(cells) if isinstance(cells, Set) else checked_sequence("marked", cells, expected)
    found = checked_integers("marked", cells, expected) if cells else np.empty((0, 2))
    if found.shape != (len(found), 2):
        raise ValueError(f"marked: expected {expected}; got {cells!r}.")
    for row, column in found:
        corner = (column - 0.5 + inset, row - 0.5 + inset)
        axes.add_patch(rectangle(corner, side, side, fill=False, edgecolor=ORANGE, linewidth=1.8))

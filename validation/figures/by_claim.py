"""Pictures with a panel a claim: lines are predicted, points are measured without the lines."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from assocmem.plots import BLUE, GREEN, GREY, ORANGE
from validation.figures.sheets import Panel, Row, arranged, caption, fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLOSED, LIMIT = "closed form", "limit"
MEASURED, OTHERWISE = "measured", "measured otherwise"
KINDS: dict[str, dict[str, Any]] = {
    CLOSED: {"linewidth": 2, "linestyle": "-"},
    LIMIT: {"linewidth": 2, "linestyle": "--"},
    MEASURED: {"linestyle": "none", "marker": "o", "markersize": 6},
    OTHERWISE: {"linestyle": "none", "marker": "s", "markersize": 6, "markerfacecolor": "none"},
}
SHADES = (BLUE, ORANGE, GREEN, GREY)


class Axis(NamedTuple):
    """Title and labels of a panel, what else its axes are set to, where its legend is, and what
    the lines and the points are, in a sentence or two."""

    title: str
    across: str
    up: str
    settings: Mapping[str, Any] = {}
    legend: str = "best"
    says: str = "Lines: the closed form. Points: the reference transformer on all sequences."


def points(panel: str, series: str, kind: str, x: Any, y: Any, error: Any = 0) -> list[Row]:
    """A row for each point of a series, of one of the `KINDS`; the error is that of its bar."""
    x, y, error = np.broadcast_arrays(x, y, error)
    return [
        {"panel": panel, "series": series, "kind": kind, "x": float(a), "y": float(b), "error": c}
        for a, b, c in zip(x, y, map(float, error), strict=True)
    ]


def draw_claim(claim: str, axis: Axis, rows: list[Row], ax: Axes) -> None:
    """Lines and points of one claim, a colour for each series."""
    from matplotlib.ticker import NullLocator

    rows = [row for row in rows if row["panel"] == claim]
    for number, name in enumerate(dict.fromkeys(row["series"] for row in rows)):
        colour, label = SHADES[number % len(SHADES)], name
        for kind, style in KINDS.items():
            found = [row for row in rows if (row["series"], row["kind"]) == (name, kind)]
            if not found:
                continue
            x, y, error = (np.array([row[key] for row in found]) for key in ("x", "y", "error"))
            ax.plot(x, y, color=colour, label=label, **style)
            label, bar = "_nolegend_", error > 0
            ax.vlines(x[bar], (y - error)[bar], (y + error)[bar], color=colour)
    if min(row["y"] for row in rows) < 0 < max(row["y"] for row in rows):
        ax.axhline(0, color="0.6", linewidth=1, zorder=0)
    ax.set(title=axis.title, xlabel=axis.across, ylabel=axis.up, **axis.settings)
    if all(float(row["x"]).is_integer() for row in rows) and "xscale" not in axis.settings:
        ax.locator_params(axis="x", integer=True)
    if "xticks" in axis.settings:  # on an axis of less than a decade: plain numbers, no others
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_locator(NullLocator())
    if len({row["series"] for row in rows}) > 1:
        where: Any = axis.legend
        ax.legend(frameon=False, loc=where, labelspacing=0.2, handlelength=1.3)


def panels(axes: Mapping[str, Axis]) -> dict[str, Panel]:
    """What draws each claim."""
    return {claim: partial(draw_claim, claim, axis) for claim, axis in axes.items()}


def described(title: str, axes: Mapping[str, Axis]) -> str:
    """A caption: the title, then what each panel shows."""
    return " ".join([title, *(f"{claim}: {axis.says}" for claim, axis in axes.items())])


def drawn(rows: list[Row], panels: Mapping[str, Panel], columns: int, text: str) -> Figure:
    """These panels below each other in one column of a page, by threes in two."""
    across = {1: 1, 2: 3}[columns]
    height = {1: 0.5 * len(panels), 2: min(1.15, 0.385 * ceil(len(panels) / 3))}[columns]
    figure = arranged(rows, panels, columns, across=across, shape=height)
    caption(figure, text)
    return fitted(figure)

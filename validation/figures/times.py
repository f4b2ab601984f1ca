"""Figure times: when the memories form, predicted from leads alone and in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from assocmem.plots import BLUE, ORANGE
from validation.bigrams.b2_text import characters
from validation.bigrams.b3 import SETTINGS, measured, predicted
from validation.figures.sheets import SYMBOLS, Panel, Row, arranged, caption, fitted, under_way
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"W_O2": BLUE, "W_K2": ORANGE}
QUICK = ("1", "3", "21", "2 to 5")


def data(context: Context, *, names: Sequence[str] | None = None) -> list[Row]:
    """Predicted and measured times of every setting."""
    names = names or (tuple(SETTINGS) if context.full else QUICK)
    return measure(names, context.rng)


def measure(names: Sequence[str], rng: np.random.Generator) -> list[Row]:
    """A row for each setting and memory."""
    rows = []
    for name in under_way(names):
        task = characters(SETTINGS[name], loss="triggers")
        theory, training = predicted(task, rng), measured(task, rng)
        for matrix in COLOURS:
            pair = {"predicted": getattr(theory, matrix), "measured": getattr(training, matrix)}
            rows.append({"ranks": name, "matrix": matrix, **pair})
    return rows


def draw_times(rows: list[Row], ax: Axes) -> None:
    """Measured against predicted, a point a memory and setting."""
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    for matrix, colour in COLOURS.items():
        chosen = [row for row in rows if row["matrix"] == matrix]
        x, y = ([row[key] for row in chosen] for key in ("predicted", "measured"))
        ax.plot(x, y, "o", color=colour, markersize=8, label=SYMBOLS[matrix])
        for row in chosen:
            where = row["predicted"], row["measured"]
            right = matrix == "W_K2"  # of its point; that of W_O2 to the left
            ax.annotate(
                str(row["ranks"]),
                where,
                (4, -9) if right else (-4, 4),
                textcoords="offset points",
                ha="left" if right else "right",
            )
    ends = [min(row["predicted"] for row in rows), max(row["predicted"] for row in rows)]
    ax.plot(ends, ends, color="black", linewidth=1, label="equal")
    ax.set(xscale="log", yscale="log")
    ax.margins(x=0.16, y=0.1)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("predicted from the leads: $m/Λ_O$, $(2m/Λ_K)^{1/2}$")
    ax.set_ylabel("measured in training: learning rate × updates")
    ax.legend(frameon=False, loc="upper left")


PANELS: dict[str, Panel] = {"times": draw_times}


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """The one panel."""
    figure = arranged(rows, PANELS, columns, across=1, shape={1: 0.9, 2: 0.65}[columns])
    caption(
        figure,
        "Times at which the median margins reach 0.1, by the ranks of the triggers: measured in "
        "training from zero by plain gradient descent, and predicted by the leads of the exact "
        "gradients on $W_O^2$ and $W_K^2$. No constant is fitted.",
    )
    return fitted(figure)

"""Figure times: when the memories form, predicted from leads alone and in training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assocmem.plots import BLUE, ORANGE
from validation.bigrams.b2_text import characters
from validation.bigrams.b3 import SETTINGS, measured, predicted
from validation.figures.sheets import SYMBOLS, Row, canvas, caption, fitted, publish
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"W_O2": BLUE, "W_K2": ORANGE}
QUICK = ("1", "3", "21", "2 to 5")


def make(out: Path, context: Context, *, names: Sequence[str] | None = None) -> list[Path]:
    """Write predicted and measured times of every setting."""
    names = names or (tuple(SETTINGS) if context.full else QUICK)
    rows = measure(names, context.rng)
    return publish(out, "times", rows, draw(rows), about=context.about)


def measure(names: Sequence[str], rng: np.random.Generator) -> list[Row]:
    """A row for each setting and memory."""
    rows = []
    for name in names:
        task = characters(SETTINGS[name], loss="triggers")
        theory, training = predicted(task, rng), measured(task, rng)
        for matrix in COLOURS:
            pair = {"predicted": getattr(theory, matrix), "measured": getattr(training, matrix)}
            rows.append({"ranks": name, "matrix": matrix, **pair})
    return rows


def draw(rows: list[Row]) -> Figure:
    """Measured against predicted, a point a memory and setting."""
    figure = canvas(15, 8)
    axes = figure.subplots()
    for matrix, colour in COLOURS.items():
        chosen = [row for row in rows if row["matrix"] == matrix]
        x, y = ([row[key] for row in chosen] for key in ("predicted", "measured"))
        axes.plot(x, y, "o", color=colour, markersize=11, label=SYMBOLS[matrix])
        for row in chosen:
            where = row["predicted"], row["measured"]
            right = matrix == "W_K2"  # of its point; that of W_O2 to the left
            axes.annotate(
                str(row["ranks"]),
                where,
                (9 if right else -9, -5),
                textcoords="offset points",
                ha="left" if right else "right",
            )
    ends = [min(row["predicted"] for row in rows), max(row["predicted"] for row in rows)]
    axes.plot(ends, ends, color="black", linewidth=1, label="equal")
    axes.set(xscale="log", yscale="log")
    axes.margins(x=0.12)
    axes.set_xlabel("predicted from the leads: $m/Λ_O$, $(2m/Λ_K)^{1/2}$")
    axes.set_ylabel("measured in training: learning rate × updates")
    axes.legend(frameon=False, loc="upper left")
    caption(
        figure,
        "When a median margin reaches 0.1, by the ranks of the triggers: the leads of the exact "
        "gradients on W_O2 and W_K2 against training from zero by plain gradient descent. No "
        "constant is fitted.",
    )
    return fitted(figure)

"""Figure 3: the memories as they form, with all matrices trained, or some frozen at first."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assocmem import plots
from assocmem.plots import BLUE, GREEN, GREY, ORANGE
from validation.dynamics import experiments
from validation.dynamics.experiments import REFERENCE, Scale, curves_of
from validation.figures.sheets import SYMBOLS, Panel, Row, arranged, caption, fitted
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = (
    "all three",
    "W_O2 late",
    "W_K2 late",
    "W_K1 late",
    "W_K1, W_K2 late",
    "W_K2, W_O2 late",
    "W_K1, W_O2 late",
)
LINES = {
    "recall_W_O2": (f"recall of {SYMBOLS['W_O2']}", BLUE),
    "recall_W_K2": (f"recall of {SYMBOLS['W_K2']}", ORANGE),
    "recall_W_K1_64": (f"recall of {SYMBOLS['W_K1']}, first 64 positions", GREEN),
    "accuracy": ("in-context accuracy", "black"),
}


def data(
    context: Context,
    *,
    scale: Scale | None = None,
    length: int | None = None,
    width: int | None = None,
    text: str | None = None,
    seeds: int | None = None,
) -> list[Row]:
    """The curves of all schedules."""
    scale = experiments.sized(scale or context.profile, length=length, width=width, text=text)
    folder = context.runs("figure-3-runs")
    return measure(scale, context.rng, folder, seeds=seeds or (1 if context.full else 2))


def measure(
    scale: Scale, rng: np.random.Generator, folder: Path | None, *, seeds: int
) -> list[Row]:
    """Recall and accuracy of every schedule, seed and step."""
    found = experiments.histories(SHOWN, scale=scale, seeds=seeds, rng=rng, folder=folder)
    small = min(scale, experiments.SCALES["quick"], key=lambda sizes: sizes.length)
    small = experiments.sized(small, text=scale.text)
    found |= experiments.histories([REFERENCE], scale=small, seeds=seeds, rng=rng)
    return [
        {"frozen_until": scale.frozen, **row} for row in experiments.rows_of(found, list(LINES))
    ]


def draw_curves(name: str, rows: list[Row], ax: Axes) -> None:
    """The recalls of one schedule, and its accuracy."""
    frozen_until = rows[0]["frozen_until"]
    for column, (label, colour) in LINES.items():
        width = 3.2 if column == "accuracy" else 2.2
        steps, runs = curves_of(rows, name, column)
        plots.learning_curve(steps, runs, label=label, color=colour, linewidth=width, ax=ax)
    title = "All three train"
    if "late" in name:
        ax.axvline(frozen_until, color=GREY, linestyle=":", linewidth=2)
        names = [SYMBOLS[part] for part in name.removesuffix(" late").split(", ")]
        title = f"{' and '.join(names)}\nfrozen until {frozen_until}"
    elif name == REFERENCE:
        title = "Reference,\nall parameters train"
    ax.set(title=title, ylim=(-0.03, 1.03), xlabel="updates")


PANELS: dict[str, Panel] = {name: partial(draw_curves, name) for name in (*SHOWN, REFERENCE)}


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """One panel per schedule, and the reference in the last."""
    shape = {1: 2.4, 2: 0.7}[columns]
    figure = arranged(rows, PANELS, columns, across=2 * columns, shape=shape)
    for axes in figure.axes:
        first = axes.get_subplotspec().is_first_col()  # type: ignore[union-attr]
        axes.tick_params(labelleft=first)
        axes.set_ylabel("rate" if first else "")
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside lower center", ncols={1: 1, 2: 4}[columns], frameon=False
    )
    caption(
        figure,
        "The three memories form; freezing one delays those that the top-down steps write after "
        "it. Recall of each memory and in-context accuracy over training, with the matrices named "
        "above each panel frozen until the dotted line. Last panel: the independent reference "
        "transformer, trained by AdamW with its embeddings, with four heads per layer (the best is "
        "shown). Bands: smallest to largest of the runs.",
    )
    return fitted(figure)

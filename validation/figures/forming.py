"""Figure 3: the memories as they form, all at once or some of them late."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assocmem import plots
from assocmem.plots import BLUE, GREEN, GREY, ORANGE
from validation.dynamics import experiments
from validation.dynamics.experiments import REFERENCE, Scale, curves_of
from validation.figures.sheets import SYMBOLS, Row, canvas, caption, fitted, publish
from validation.runner.cases import Context

if TYPE_CHECKING:
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


def make(
    out: Path,
    context: Context,
    *,
    scale: Scale | None = None,
    length: int | None = None,
    width: int | None = None,
    seeds: int | None = None,
) -> list[Path]:
    """Write the curves of all schedules."""
    scale = experiments.sized(scale or experiments.SCALES[context.profile], length, width)
    folder = out / "figure-3-runs" if context.full else None
    rows = measure(scale, context.rng, folder, seeds=seeds or (1 if context.full else 2))
    return publish(out, "3", rows, draw(rows), about=context.about)


def measure(
    scale: Scale, rng: np.random.Generator, folder: Path | None, *, seeds: int
) -> list[Row]:
    """Recall and accuracy of every schedule, seed and step."""
    found = experiments.histories(SHOWN, scale=scale, seeds=seeds, rng=rng, folder=folder)
    small = min(scale, experiments.SCALES["quick"], key=lambda sizes: sizes.length)
    found |= experiments.histories([REFERENCE], scale=small, seeds=seeds, rng=rng)
    return [
        {"frozen_until": scale.frozen, **row} for row in experiments.rows_of(found, list(LINES))
    ]


def draw(rows: list[Row]) -> Figure:
    """One panel per schedule, and the reference in the last."""
    frozen_until = rows[0]["frozen_until"]
    figure = canvas(19, 10.4)
    panels = figure.subplots(2, 4, sharey=True)
    for name, axes in zip((*SHOWN, REFERENCE), panels.flat, strict=True):
        for column, (label, colour) in LINES.items():
            width = 3.2 if column == "accuracy" else 2.2
            steps, runs = curves_of(rows, name, column)
            plots.learning_curve(steps, runs, label=label, color=colour, linewidth=width, ax=axes)
        title = "All three train"
        if "late" in name:
            axes.axvline(frozen_until, color=GREY, linestyle=":", linewidth=2)
            names = [SYMBOLS[part] for part in name.removesuffix(" late").split(", ")]
            title = f"{' and '.join(names)} frozen until {frozen_until}"
        elif name == REFERENCE:
            title = "Reference: embeddings trained too,\nfour heads a layer (the best), AdamW"
        axes.set_title(title)
        axes.set(ylim=(-0.03, 1.03))
        axes.set_xlabel("updates")
    handles, names = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False)
    caption(figure, "Three memories form; freezing one holds up those below it")
    return fitted(figure)

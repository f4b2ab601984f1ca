"""Figure depth: one attention layer against two on in-context bigrams."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assocmem import plots
from assocmem.plots import BLUE, ORANGE
from validation.dynamics import experiments
from validation.dynamics.experiments import Scale, curves_of
from validation.figures.sheets import Row, canvas, caption, fitted, publish
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAYERS = {"all three": ("two layers", BLUE), "one layer": ("one layer", ORANGE)}
PANELS = {
    "accuracy": "In-context accuracy",
    "attention_induction": "Attention on tokens that followed\nthe trigger before",
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
    """Write the curves of both depths."""
    scale = experiments.sized(scale or experiments.SCALES[context.profile], length, width)
    folder = out / "figure-depth-runs" if context.full else None
    rows = measure(scale, context.rng, folder, seeds=seeds or (1 if context.full else 5))
    return publish(out, "depth", rows, draw(rows), about=context.about)


def measure(
    scale: Scale, rng: np.random.Generator, folder: Path | None, *, seeds: int
) -> list[Row]:
    """Accuracy and attention of every depth, seed and step."""
    found = experiments.histories(list(LAYERS), scale=scale, seeds=seeds, rng=rng, folder=folder)
    return experiments.rows_of(found, list(PANELS))


def draw(rows: list[Row]) -> Figure:
    """Two panels, one line per depth."""
    figure = canvas(15, 6.8)
    for axes, (column, title) in zip(
        figure.subplots(1, 2, sharey=True), PANELS.items(), strict=True
    ):
        for name, (label, colour) in LAYERS.items():
            steps, runs = curves_of(rows, name, column)
            plots.learning_curve(steps, runs, label=label, color=colour, linewidth=3, ax=axes)
        axes.set_title(title)
        axes.set(ylim=(-0.03, 1.03))
        axes.set_xlabel("updates")
    figure.axes[0].legend(frameon=False, loc="center right")
    caption(figure, "In-context bigrams need two layers")
    return fitted(figure)

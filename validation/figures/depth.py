"""One attention layer compared with two on in-context bigrams."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assocmem import plots
from assocmem.plots import BLUE, ORANGE
from validation.dynamics import experiments
from validation.dynamics.experiments import Scale, curves_of
from validation.figures.sheets import Panel, Row, arranged, caption, fitted
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LAYERS = {"all three": ("two layers", BLUE), "one layer": ("one layer", ORANGE)}
QUANTITIES = {
    "accuracy": "In-context accuracy",
    "attention_induction": "Attention on tokens that followed\nthe trigger before",
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
    """The curves of both depths."""
    scale = experiments.sized(scale or context.profile, length=length, width=width, text=text)
    folder = context.runs("figure-depth-runs")
    return measure(scale, context.rng, folder, seeds=seeds or (1 if context.full else 5))


def measure(
    scale: Scale, rng: np.random.Generator, folder: Path | None, *, seeds: int
) -> list[Row]:
    """Accuracy and attention of every depth, seed and step."""
    found = experiments.histories(list(LAYERS), scale=scale, seeds=seeds, rng=rng, folder=folder)
    return experiments.rows_of(found, list(QUANTITIES))


def draw_curves(column: str, rows: list[Row], ax: Axes) -> None:
    """One quantity over training, a line per depth."""
    for name, (label, colour) in LAYERS.items():
        steps, runs = curves_of(rows, name, column)
        plots.learning_curve(steps, runs, label=label, color=colour, linewidth=3, ax=ax)
    ax.set(title=QUANTITIES[column], ylim=(-0.03, 1.03), xlabel="updates", ylabel="rate")
    ax.legend(frameon=False, loc="center right")


PANELS: dict[str, Panel] = {column: partial(draw_curves, column) for column in QUANTITIES}


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """Accuracy and attention."""
    shape = {1: 1.4, 2: 0.45}[columns]
    figure = arranged(rows, PANELS, columns, across=columns, shape=shape)
    caption(
        figure,
        "In-context bigrams need two layers: with one, the accuracy and the attention on the token "
        "that followed the trigger before stay low. Lines: means of the runs; bands: smallest to "
        "largest.",
    )
    return fitted(figure)

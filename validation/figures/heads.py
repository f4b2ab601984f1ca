"""The three memories of a trained transformer, read from its weights, and its attention on data."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from assocmem import heads, plots
from assocmem.plots import BLUE, NO_VALUE
from validation.figures.sheets import (
    Panel,
    Row,
    arranged,
    caption,
    cells,
    fitted,
    labels,
    table,
)
from validation.heads import two_heads
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TABLES = ("previous token", "induction", "copying")
DATA = "attention on data"


def data(context: Context, *, sequences: int = 400) -> list[Row]:
    """The tables of the circuit that is found, and attention against margins."""
    return measure(sequences, context.rng)


def measure(sequences: int, rng: np.random.Generator) -> list[Row]:
    """Return the cells of each table, right answers in their order, and a row per position."""
    model = heads.read(two_heads.FILE, layout=two_heads.LAYOUT, n_heads=2)
    first, second = heads.find(model, level=1e-6).circuits[0]
    found = {
        "previous token": heads.previous_token(model, first),
        "induction": heads.induction(model, first, second),
        "copying": heads.copying(model, second),
    }
    rows = []
    for name, each in found.items():
        scores = each.table()
        scores[np.isneginf(scores)] = np.nan
        scores -= np.nanmean(scores, axis=1, keepdims=True)
        names = [f"{name} {place}" for place in each.among]
        rows += cells(name, scores, [str(i) for i in each.asked], names)
    _, maps = model.run(two_heads.TASK.sample(sequences, rng=rng).tokens)
    t = found["previous token"].asked
    attention = maps[first[0]][:, first[1], t, t - 1].mean(axis=0)
    pairs = np.column_stack([found["previous token"].margins, attention])
    return rows + cells(DATA, pairs, [str(i) for i in t], ["margin", "attention"])


def draw_table(name: str, rows: list[Row], ax: Axes) -> None:
    """The scores of a memory, the right answers framed."""
    scores = table(rows, name)
    asked = [int(label) for label in labels(rows, name, "row")]
    targets = [i - 1 for i in asked] if name == "previous token" else range(len(asked))
    ax.set_facecolor(NO_VALUE)
    plots.memory(scores, marked=list(enumerate(targets)), ax=ax)
    ax.set(title=name, xlabel="answer", ylabel="cue")


def draw_attention(rows: list[Row], ax: Axes) -> None:
    """Attention on the token before, over sequences, against the margin of the weights."""
    margin, attention = table(rows, DATA).T
    ax.scatter(margin, attention, color=BLUE, s=12)
    ax.axvline(0, color="0.6", linewidth=1)
    ax.set(title="each position", xlabel="margin, from weights", ylabel="attention before")


PANELS: dict[str, Panel] = {
    **{name: partial(draw_table, name) for name in TABLES},
    DATA: draw_attention,
}


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """Tables with the right answers framed; then a point per position."""
    shape = {1: 1.0, 2: 0.3}[columns]
    figure = arranged(rows, PANELS, columns, across=2 * columns, shape=shape)
    caption(
        figure,
        "The three memories of a trained transformer, read from its weights: scores of each cue "
        "minus their mean over the admissible answers, with the right answer framed. Last panel: "
        "mean attention on the previous token over sequences, against its margin in the weights.",
    )
    return fitted(figure)

"""The three memories of a trained transformer, read from its weights, and its attention on data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assocmem import heads, plots
from assocmem.plots import BLUE, NO_VALUE
from validation.figures.sheets import Row, canvas, caption, cells, fitted, labels, publish, table
from validation.heads import two_heads
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLES = ("previous token", "induction", "copying")
DATA = "attention on data"


def make(out: Path, context: Context, *, sequences: int = 400) -> list[Path]:
    """Write the tables of the circuit that is found, and attention against margins."""
    rows = measure(sequences, context.rng)
    return publish(out, "heads", rows, draw(rows), about=context.about)


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


def draw(rows: list[Row]) -> Figure:
    """Tables with the right answers framed; then a point per position."""
    figure = canvas(13, 3.6, room=1.1)
    *tables, right = figure.subplots(1, 4)
    for axes, name in zip(tables, TABLES, strict=True):
        scores = table(rows, name)
        asked = [int(label) for label in labels(rows, name, "row")]
        targets = [i - 1 for i in asked] if name == "previous token" else range(len(asked))
        axes.set_facecolor(NO_VALUE)
        plots.memory(scores, marked=list(enumerate(targets)), ax=axes)
        axes.set(title=name, xlabel="answer", ylabel="cue")
    margin, attention = table(rows, DATA).T
    right.scatter(margin, attention, color=BLUE, s=18)
    right.axvline(0, color="0.6", linewidth=1)
    right.set(
        title="each position", xlabel="margin, from weights", ylabel="attention on the one before"
    )
    caption(
        figure,
        "The three memories of a trained transformer, read from its weights: scores of each cue, "
        "less their mean over the admissible answers, the right answer framed. Right: attention on "
        "the token before, over sequences, against the margin that the weights give it.",
    )
    return fitted(figure)

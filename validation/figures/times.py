"""When the memories form: times predicted from leads alone, and measured in training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from assocmem.plots import BLUE, GREEN, ORANGE
from validation.bigrams.b2_text import LENGTH, characters
from validation.bigrams.b3 import (
    BATCH,
    SETTINGS,
    UPDATES,
    Loss,
    bigrams_first,
    learning_rate,
    measured,
    predicted,
)
from validation.figures.sheets import SYMBOLS, Panel, Row, arranged, caption, fitted, under_way
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = {"W_F": "$W_F$", **SYMBOLS}
COLOURS = {"W_F": GREEN, "W_O2": BLUE, "W_K2": ORANGE}
SIZES = {"length": LENGTH, "batch_size": BATCH}
MOST_NAMED, FAR = 5, 1.5  # of more settings only points that are off by this factor have a name
QUICK: dict[Loss, tuple[str, ...]] = {
    "triggers": ("1", "3", "21", "2 to 5"),
    "all": ("1", "2", "3"),
}


def data(context: Context, *, names: Mapping[Loss, Sequence[str]] | None = None) -> list[Row]:
    """Predicted and measured times of every setting; `names` says which, by loss."""
    every = {loss: tuple(chosen) for loss, chosen in SETTINGS.items()}
    chosen = names or (every if context.full else QUICK)
    asked = [(loss, name) for loss, some in chosen.items() for name in some]
    return [row for each in under_way(asked) for row in measure(*each, context.rng)]


def measure(loss: Loss, name: str, rng: np.random.Generator) -> Iterator[Row]:
    """A row for each memory."""
    task = characters(SETTINGS[loss][name], loss=loss)
    expected = predicted(task, rng)
    until, soon = UPDATES
    training = measured(task, rng, learning_rate(task, expected, until))
    about = {"loss": loss, "ranks": name}
    if loss == "all":
        before, after, _ = bigrams_first(task, rng, soon)
        yield {**about, "matrix": "W_F", "predicted": before, "measured": after}
    for matrix in ("W_O2", "W_K2"):
        pair = {"predicted": getattr(expected, matrix), "measured": getattr(training, matrix)}
        yield {**about, "matrix": matrix, **pair}


def draw_triggers(rows: list[Row], ax: Axes) -> None:
    """With loss on repeated triggers."""
    draw_times([row for row in rows if row["loss"] == "triggers"], ax)
    ax.set_title("loss on repeated triggers")


def draw_all(rows: list[Row], ax: Axes) -> None:
    """With loss on all tokens: the bigrams from zero, and what comes once they are known."""
    draw_times([row for row in rows if row["loss"] == "all"], ax)
    ax.set_title("loss on all tokens")


def draw_times(rows: list[Row], ax: Axes) -> None:
    """Measured against predicted, a point a memory and setting."""
    from matplotlib.ticker import LogLocator, NullFormatter

    crowded = len({row["ranks"] for row in rows}) > MOST_NAMED
    for matrix, colour in COLOURS.items():
        chosen = [row for row in rows if row["matrix"] == matrix]
        if not chosen:
            continue
        x, y = ([row[key] for row in chosen] for key in ("predicted", "measured"))
        ax.plot(x, y, "o", color=colour, markersize=8, label=LABELS[matrix])
        for row in chosen:
            where = row["predicted"], row["measured"]
            if crowded and 1 / FAR < where[1] / where[0] < FAR:
                continue
            right = matrix == "W_K2"  # of its point; the others to the left
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
    ax.margins(x=0.22, y=0.1)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("predicted from the leads: $m/Λ$, $(2m/Λ_K)^{1/2}$")
    ax.set_ylabel("measured in training: learning rate × updates")
    ax.legend(frameon=False, loc="upper left")


PANELS: dict[str, Panel] = {"triggers": draw_triggers, "all": draw_all}


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """A panel for each loss."""
    figure = arranged(rows, PANELS, columns, across=columns, shape={1: 1.7, 2: 0.5}[columns])
    caption(
        figure,
        "Times at which median margins reach their levels, by the ranks of the triggers: measured "
        "in training from zero by plain gradient descent, and predicted by the leads of the exact "
        "gradients. Left: $W_O^2$ and $W_K^2$ reach 0.1. Right: $W_F$ reaches 2e-5 when all "
        "matrices are trained; $W_O^2$ reaches 2e-5 and $W_K^2$ 3e-6 when $W_F$ holds the bigrams. "
        "No constant is fitted. Of more than five settings, ranks are written beside points that "
        "are off by a factor of 1.5 or more.",
    )
    return fitted(figure)

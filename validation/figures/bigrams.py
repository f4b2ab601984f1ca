"""Figure 4: global bigrams and the induction head in training, and what slows the head down."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assocmem import plots
from assocmem.plots import BLUE, GREEN, GREY, ORANGE
from validation.dynamics import experiments
from validation.dynamics.experiments import Scale, curves_of
from validation.figures.sheets import Panel, Row, arranged, caption, fitted
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRIGGERS = {
    "K = 1 fixed": GREEN,
    "K = 5 fixed": BLUE,
    "K = 20 fixed": "black",
    "K = 5 rare": GREY,
    "K = 5 random": ORANGE,
}
OUTPUTS = {"uniform outputs": BLUE, "bigram outputs": ORANGE}
MORE = {"K = 5, any output": ORANGE, "third alone": GREEN}  # at the paper's sizes
COLUMNS = ("accuracy", "accuracy_uniform", "accuracy_bigram", "bigram_kl", "bigram_kl_W_F")


def data(
    context: Context,
    *,
    scale: Scale | None = None,
    length: int | None = None,
    width: int | None = None,
    seeds: int | None = None,
) -> list[Row]:
    """Accuracy and divergence for every kind of trigger and output.

    At the paper's sizes also with its outputs, which may be triggers, and for one trigger alone.
    """
    scale = experiments.sized(scale or experiments.SCALES[context.profile], length, width)
    folder = context.runs("figure-4-runs")
    names = (*TRIGGERS, *OUTPUTS, *(MORE if context.full else ()))
    runs = seeds or (1 if context.full else 2)
    return measure(scale, context.rng, folder, seeds=runs, names=names)


def measure(
    scale: Scale,
    rng: np.random.Generator,
    folder: Path | None,
    *,
    seeds: int,
    names: Sequence[str] = (*TRIGGERS, *OUTPUTS),
) -> list[Row]:
    """The curves of every experiment and seed."""
    found = experiments.histories(names, scale=scale, seeds=seeds, rng=rng, folder=folder)
    third = ("accuracy_third",) if "third alone" in names else ()
    return experiments.rows_of(found, COLUMNS + third)


def draw_by_triggers(rows: list[Row], ax: Axes) -> None:
    """Accuracy with loss on all tokens, and how far the global bigrams are known."""
    for name, colour in TRIGGERS.items():
        steps, runs = curves_of(rows, name, "accuracy")
        plots.learning_curve(steps, runs, label=name, color=colour, linewidth=2.6, ax=ax)
        gap = curves_of(rows, name, "bigram_kl")[1]
        known = 1 - gap / gap[:, :1]  # of the divergence at the start, the share that is gone
        plots.learning_curve(steps, known, color=colour, linestyle="--", linewidth=1.4, ax=ax)
    ax.set(title="Loss on all tokens, by triggers", ylabel="accuracy in context")
    ax.set(ylim=(-0.03, 1.03), xlabel="updates")
    ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18))


def draw_by_outputs(rows: list[Row], ax: Axes) -> None:
    """Accuracy with loss on triggers, by what follows them in training and in the test."""
    for name, colour in OUTPUTS.items():
        for column, style in ("accuracy_uniform", "-"), ("accuracy_bigram", "--"):
            steps, runs = curves_of(rows, name, column)
            label = f"{name}, tested on {column.partition('_')[2]}"
            options = {"label": label, "color": colour, "linestyle": style, "linewidth": 2.6}
            plots.learning_curve(steps, runs, ax=ax, **options)
    ax.set(title="Loss on triggers, by outputs", ylabel="accuracy in context")
    ax.set(ylim=(-0.03, 1.03), xlabel="updates")
    ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18))


def draw_divergence(rows: list[Row], ax: Axes) -> None:
    """The divergence from the global bigrams off the triggers: of the model, and of W_F alone."""
    for name, colour in TRIGGERS.items():
        steps, runs = curves_of(rows, name, "bigram_kl")
        plots.learning_curve(steps, runs, label=name, color=colour, linewidth=2.6, ax=ax)
        alone = curves_of(rows, name, "bigram_kl_W_F")[1]
        plots.learning_curve(steps, alone, color=colour, linestyle=":", linewidth=1.8, ax=ax)
    ax.set(title="Global bigrams", ylabel=r"KL$(\pi_b \,\Vert\, \hat p)$, nats", xlabel="updates")
    ax.set_yscale("log")


def draw_more(rows: list[Row], ax: Axes) -> None:
    """What the paper's outputs change, and what the other four triggers do for the third."""
    for name, column, colour, style, label in (
        ("K = 5 fixed", "accuracy", BLUE, "-", "five, outputs never a trigger"),
        ("K = 5, any output", "accuracy", ORANGE, "-", "five, any output"),
        ("K = 5 fixed", "accuracy_third", BLUE, "--", "five, tested on the third"),
        ("third alone", "accuracy_third", GREEN, "--", "the third alone"),
    ):
        steps, runs = curves_of(rows, name, column)
        options = {"label": label, "color": colour, "linestyle": style, "linewidth": 2.6}
        plots.learning_curve(steps, runs, ax=ax, **options)
    ax.set(title="Which outputs; and one trigger alone", ylabel="accuracy in context")
    ax.set(ylim=(-0.03, 1.03), xlabel="updates")
    ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18))


PANELS: dict[str, Panel] = {
    "triggers": draw_by_triggers,
    "outputs": draw_by_outputs,
    "divergence": draw_divergence,
    "more": draw_more,
}


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """Accuracy by triggers; by outputs; the divergence; and what more the paper's sizes have."""
    panels, run = dict(PANELS), {row["experiment"] for row in rows}
    across, shape = {1: (1, 3.3), 2: (2, 1.0)}[columns]
    if not run.issuperset(MORE):
        del panels["more"]
        across, shape = {1: (1, 2.5), 2: (3, 0.5)}[columns]
    figure = arranged(rows, panels, columns, across=across, shape=shape)
    caption(
        figure,
        "Global bigrams are learned first; the triggers decide how fast the induction head "
        "follows. By triggers: in-context accuracy; dashed: share of the divergence from the "
        "global bigrams that is gone. By outputs: accuracy by the outputs used in training. Global "
        "bigrams: divergence from them at tokens that are not triggers; dotted: that of $W_F$ "
        "alone. Bands: smallest to largest of the runs.",
    )
    return fitted(figure)

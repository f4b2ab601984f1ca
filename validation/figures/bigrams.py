"""Figure 4: global bigrams against the induction head, and what slows the head down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assocmem import plots
from assocmem.plots import BLUE, GREEN, GREY, ORANGE
from validation.dynamics import experiments
from validation.dynamics.experiments import Scale, curves_of
from validation.figures.sheets import Row, canvas, publish
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRIGGERS = {
    "K = 1 fixed": GREEN,
    "K = 5 fixed": BLUE,
    "K = 20 fixed": "black",
    "K = 5 rare": GREY,
    "K = 5 random": ORANGE,
}
OUTPUTS = {"uniform outputs": BLUE, "bigram outputs": ORANGE}
COLUMNS = ("accuracy", "accuracy_uniform", "accuracy_bigram", "bigram_kl", "bigram_kl_W_F")


def make(out: Path, context: Context, *, scale: Scale | None = None) -> list[Path]:
    """Write accuracy and divergence for every kind of trigger and output."""
    scale = scale or experiments.SCALES[context.profile]
    folder = out / "figure-4-runs" if context.full else None
    rows = measure(scale, context.rng, folder, seeds=1 if context.full else 2)
    return publish(out, "4", rows, draw(rows))


def measure(
    scale: Scale, rng: np.random.Generator, folder: Path | None, *, seeds: int
) -> list[Row]:
    """The curves of every experiment and seed."""
    names = (*TRIGGERS, *OUTPUTS)
    found = experiments.histories(names, scale=scale, seeds=seeds, rng=rng, folder=folder)
    return experiments.rows_of(found, COLUMNS)


def draw(rows: list[Row]) -> Figure:
    """Accuracy by triggers; accuracy by outputs; the divergence from the global bigrams."""
    figure = canvas(20, 7.4)
    left, middle, right = figure.subplots(1, 3)
    for name, colour in TRIGGERS.items():
        for axes, column in (left, "accuracy"), (right, "bigram_kl"):
            steps, runs = curves_of(rows, name, column)
            plots.learning_curve(steps, runs, label=name, color=colour, linewidth=2.6, ax=axes)
        alone = curves_of(rows, name, "bigram_kl_W_F")[1]
        plots.learning_curve(steps, alone, color=colour, linestyle=":", linewidth=1.8, ax=right)
        known = 1 - runs / runs[:, :1]  # of the divergence at the start, the share that is gone
        plots.learning_curve(steps, known, color=colour, linestyle="--", linewidth=1.4, ax=left)
    for name, colour in OUTPUTS.items():
        for column, style in ("accuracy_uniform", "-"), ("accuracy_bigram", "--"):
            steps, runs = curves_of(rows, name, column)
            label = f"trained on {name}, tested on {column.partition('_')[2]}"
            options = {"label": label, "color": colour, "linestyle": style, "linewidth": 2.6}
            plots.learning_curve(steps, runs, ax=middle, **options)
    left.set_title(
        "In-context accuracy, by the triggers; loss on all tokens\n"
        "dashed: global bigrams known, share of the KL gone",
        fontsize=16,
    )
    middle.set_title("In-context accuracy, loss on triggers,\nby their outputs", fontsize=16)
    right.set_title(
        r"Global bigrams: KL$(\pi_b \,\Vert\, \hat p)$ off the triggers, in nats;"
        "\ndotted: by $W_F$ alone",
        fontsize=16,
    )
    for axes in (left, middle):
        axes.set(ylim=(-0.03, 1.03))
    right.set(yscale="log")
    for axes in (left, middle, right):
        axes.set_xlabel("updates", fontsize=14)
        axes.tick_params(labelsize=13)
    left.set(ylim=(-0.03, 1.27), yticks=[0, 0.2, 0.4, 0.6, 0.8, 1])
    left.legend(frameon=False, fontsize=13, loc="upper center", ncols=3, columnspacing=1)
    middle.legend(frameon=False, fontsize=13, loc="lower right")
    figure.suptitle(
        "Global bigrams come first; the triggers decide how fast the induction head follows",
        fontsize=21,
    )
    return figure

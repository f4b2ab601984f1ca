"""Figure 4: global bigrams against the induction head, and what slows the head down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assocmem import plots
from assocmem.plots import BLUE, GREEN, GREY, ORANGE
from validation.dynamics import experiments
from validation.dynamics.experiments import Scale, curves_of
from validation.figures.sheets import Row, canvas, caption, fitted, publish
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


def make(
    out: Path,
    context: Context,
    *,
    scale: Scale | None = None,
    length: int | None = None,
    width: int | None = None,
    seeds: int | None = None,
) -> list[Path]:
    """Write accuracy and divergence for every kind of trigger and output."""
    scale = experiments.sized(scale or experiments.SCALES[context.profile], length, width)
    folder = out / "figure-4-runs" if context.full else None
    rows = measure(scale, context.rng, folder, seeds=seeds or (1 if context.full else 2))
    return publish(out, "4", rows, draw(rows), about=context.about)


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
    left.set(title="loss on all tokens", ylabel="accuracy in context, by the triggers")
    middle.set(title="loss on triggers", ylabel="accuracy in context, by the outputs")
    right.set(title="global bigrams", ylabel=r"KL$(\pi_b \,\Vert\, \hat p)$, nats")
    for axes in (left, middle):
        axes.set(ylim=(-0.03, 1.03))
    right.set(yscale="log")
    for axes in (left, middle, right):
        axes.set_xlabel("updates")
    for axes in (left, middle):
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18))
    caption(
        figure,
        "Global bigrams come first; the triggers decide how fast the induction head follows. Left: "
        "accuracy in context; dashed: share of the divergence from the global bigrams that is "
        "gone. Middle: by the outputs that triggers have in training. Right: the divergence off "
        "the triggers; dotted: by W_F alone. Bands: smallest to largest over the runs.",
    )
    return fitted(figure)

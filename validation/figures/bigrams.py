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
RANDOM = {"K = 5 random": BLUE, "K = 3 random": ORANGE, "K = 1 random": GREEN}
EQUAL = "second and third", "five of that mass"  # in the default language
COLUMNS = ("accuracy", "accuracy_uniform", "accuracy_bigram", "bigram_kl", "bigram_kl_W_F")


def data(
    context: Context,
    *,
    scale: Scale | None = None,
    length: int | None = None,
    width: int | None = None,
    text: str | None = None,
    seeds: int | None = None,
) -> list[Row]:
    """Accuracy and divergence for every kind of trigger and output.

    At the paper's sizes also with its outputs, which may be triggers, and with one factor changed
    at a time: the other triggers, their number at equal mass, the number of random ones.
    """
    scale = experiments.sized(scale or context.profile, length=length, width=width, text=text)
    folder = context.runs("figure-4-runs")
    more = [] if not context.full else [name for needed in MORE.values() for name in needed]
    if scale.text is not None:
        more = [name for name in more if name not in EQUAL]
    names = tuple(dict.fromkeys((*TRIGGERS, *OUTPUTS, *more)))
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
    more = ("accuracy_third", "accuracy_five", "accuracy_random") if "third alone" in names else ()
    return experiments.rows_of(found, COLUMNS + more)


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
    curves = [
        (name, f"accuracy_{test}", colour, style, f"{name}, tested on {test}")
        for name, colour in OUTPUTS.items()
        for test, style in (("uniform", "-"), ("bigram", "--"))
    ]
    _by_test(rows, ax, "Loss on triggers, by outputs", *curves)


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
    _by_test(
        rows,
        ax,
        "Which outputs; and one trigger alone",
        ("K = 5 fixed", "accuracy", BLUE, "-", "five, outputs never a trigger"),
        ("K = 5, any output", "accuracy", ORANGE, "-", "five, any output"),
        ("K = 5 fixed", "accuracy_third", BLUE, "--", "five, tested on the third"),
        ("third alone", "accuracy_third", GREEN, "--", "the third alone"),
    )


def draw_at_equal_mass(rows: list[Row], ax: Axes) -> None:
    """How many triggers there are, at equal sums of their squared frequencies."""
    _by_test(
        rows,
        ax,
        r"How many, at equal $\sum f^2$, tested on the third",
        ("second and third", "accuracy_third", GREEN, "-", "two: ranks 2, 3"),
        ("five of that mass", "accuracy_third", BLUE, "-", "five: ranks 3, 4, 5, 6, 13"),
    )


def draw_random(rows: list[Row], ax: Axes) -> None:
    """How many triggers there are, where they are random."""
    curves = [(name, "accuracy_random", colour, "-", name) for name, colour in RANDOM.items()]
    _by_test(rows, ax, "Random triggers, tested on five random ones", *curves)


def _by_test(rows: list[Row], ax: Axes, title: str, *curves: tuple[str, ...]) -> None:
    """Accuracies: experiment, column, colour, style and label of each curve."""
    for name, column, colour, style, label in curves:
        steps, runs = curves_of(rows, name, column)
        options = {"label": label, "color": colour, "linestyle": style, "linewidth": 2.6}
        plots.learning_curve(steps, runs, ax=ax, **options)
    ax.set(title=title, ylabel="accuracy in context", ylim=(-0.03, 1.03), xlabel="updates")
    ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18))


PANELS: dict[str, Panel] = {
    "triggers": draw_by_triggers,
    "outputs": draw_by_outputs,
    "divergence": draw_divergence,
    "more": draw_more,
    "equal mass": draw_at_equal_mass,
    "random": draw_random,
}
MORE = {  # at the paper's sizes: panels, and the experiments that they need
    "more": ("K = 5, any output", "third alone"),
    "equal mass": EQUAL,
    "random": tuple(RANDOM),
}


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """Accuracy by triggers; by outputs; the divergence; and what more the paper's sizes have."""
    run = {row["experiment"] for row in rows}
    panels = {name: panel for name, panel in PANELS.items() if run.issuperset(MORE.get(name, ()))}
    few = len(panels) == len(PANELS) - len(MORE)
    across, shape = {1: (1, 2.5 if few else 5.0), 2: (3, 0.5) if few else (2, 1.4)}[columns]
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

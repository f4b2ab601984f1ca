"""What slows the induction head down: leads predicted by the theory, and accuracy in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from assocmem import plots
from assocmem._checks import Array
from assocmem.gradients import bigram_step, output_lead
from assocmem.plots import BLUE, GREEN, GREY, ORANGE
from validation.bigrams.b0 import occupied
from validation.bigrams.b2_text import RANKS, characters, repeats
from validation.dynamics import experiments
from validation.dynamics.experiments import Scale, curves_of
from validation.figures.sheets import Panel, Row, canvas, caption, fitted, under_way
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Loss and predictor of each column of the table.
SETTINGS = {
    "loss on repeated triggers": ("triggers", "uniform"),
    "loss on all, W_F = 0": ("all", "uniform"),
    "loss on all, bigrams known": ("all", "bigrams"),
}
TRAINED = {  # experiment: its test, colour, and what it is
    "K = 1 fixed": ("accuracy", GREEN, "most frequent alone"),
    "K = 5 fixed": ("accuracy_third", BLUE, "five, third asked"),
    "third alone": ("accuracy_third", ORANGE, "third alone"),
    "K = 5 rare": ("accuracy", GREY, "ranks 11 to 15"),
}
COLOURS = {"1": GREEN, "1 to 5": BLUE, "3": ORANGE}
TIMES = (0, 100, 300, 1000, 1500, 2000, 3000, 5000, 8000, 12_000, 20_000, 50_000)  # of the flow
STEP = 5.0  # of W_F; stable below 4 / m_i for every token
COLUMNS = ("panel", "name", "experiment", "seed", "step", "x", "y", "error", "recall", "all")


def data(
    context: Context,
    *,
    scale: Scale | None = None,
    ranks: Sequence[str] = tuple(RANKS),
    times: Sequence[float] = TIMES,
    sets: int | None = None,
) -> list[Row]:
    """The table of leads, the lead while the bigrams are learned, and training curves."""
    scale = scale or experiments.SCALES["quick"]
    sets = sets or (64 if context.full else 8)
    rows = leads(context.rng, ranks, sets) + while_bigrams_are_learned(times)
    rows += training(scale, context.rng, seeds=5 if context.full else 2)
    return [{column: row.get(column, "") for column in COLUMNS} for row in rows]


def leads(rng: np.random.Generator, ranks: Sequence[str], sets: int) -> list[Row]:
    """The table: Σ f_q², the median lead over possible outputs, its error, recall, and over all."""
    rows = []
    for name in under_way(ranks):
        for setting, (loss, predictor) in SETTINGS.items():
            task = characters(RANKS[name], loss=loss)
            every = (loss, predictor) == ("all", "uniform")  # all tokens asked: 65 times the cost
            number = max(2, sets // 8 if every or task.n_triggers > 5 else sets)
            step = bigram_step(task, "W_O2", predictor=predictor, sets=number, rng=rng)
            f = task.language.unigram[task.trigger_tokens]
            rows.append(
                {
                    "panel": setting,
                    "name": name,
                    "x": float((f**2).sum()),
                    "y": step.lead,
                    "error": step.lead_error()[0],
                    "recall": float(np.mean(step.leads > 0)),
                    "all": float(np.median(step.leads)),
                }
            )
        m = task.n_tokens - task.n_triggers
        mass = repeats(task) * (m - 1) / m**2
        closed = output_lead(f, task.n_tokens, task.length)
        rows.append({"panel": "mass", "name": name, "x": rows[-1]["x"], "y": mass, "all": closed})
    return rows


def while_bigrams_are_learned(times: Sequence[float]) -> list[Row]:
    """The lead of W_O2 against the divergence from the bigrams, along the flow of W_F; exact."""
    rows = []
    for name in "1", "3":
        task = characters(RANKS[name])
        mass, law = occupied(task)
        off = np.setdiff1d(task.outputs, task.trigger_tokens)
        scores, done = np.zeros_like(law), 0.0
        for time in times:
            while done < time:
                scores += STEP * (mass * (law - softmax(scores)).T)
                done += STEP
            predicted = softmax(scores)
            gain = np.log(np.where(law > 0, law / predicted, 1))
            divergence = mass[off] @ (law * gain)[off].sum(axis=1) / mass[off].sum()
            lead = bigram_step(task, "W_O2", predictor=predicted).lead
            row = {"panel": "flow", "name": name, "step": time, "x": divergence}
            rows.append(row | {"y": lead})
    return rows


def softmax(scores: Array) -> Array:
    """The law of the output, row by current token, of scores output by token."""
    exponentials = np.exp(scores - scores.max(axis=0))
    return (exponentials / exponentials.sum(axis=0)).T


def training(scale: Scale, rng: np.random.Generator, *, seeds: int) -> list[Row]:
    """In-context accuracy of runs with loss on all tokens and W_F trained."""
    found = experiments.histories(list(TRAINED), scale=scale, seeds=seeds, rng=rng)
    rows = []
    for name, (column, _, label) in TRAINED.items():
        for row in experiments.rows_of({name: found[name]}, [column]):
            rows.append({"panel": "training", "name": label, **row, "y": row[column]})
    return rows


def draw_flow(rows: list[Row], ax: Axes) -> None:
    """The lead of W_O2 while W_F learns the bigrams."""
    for name in dict.fromkeys(str(row["name"]) for row in rows if row["panel"] == "flow"):
        flow = [row for row in rows if (row["panel"], str(row["name"])) == ("flow", name)]
        scale = abs(flow[0]["y"])
        ax.plot(
            [row["x"] for row in flow],
            [row["y"] / scale for row in flow],
            "o-",
            color=COLOURS[name],
            label={"1": "most frequent alone", "3": "third alone"}[name],
            linewidth=2.6,
        )
    ax.axhline(0, color="black", linewidth=1)
    ax.invert_xaxis()
    ax.set_title("Predicted: the bigrams make it positive")
    ax.set_xlabel("divergence from the bigrams, nats")
    ax.set_ylabel("lead of $W_O^2$, over its size at $W_F = 0$")
    ax.legend(frameon=False, loc="lower right")


def draw_training(rows: list[Row], ax: Axes) -> None:
    """In-context accuracy over training."""
    curves = [row | {"accuracy": row["y"]} for row in rows if row["panel"] == "training"]
    for name, (_, colour, label) in TRAINED.items():
        steps, runs = curves_of(curves, name, "accuracy")
        plots.learning_curve(steps, runs, label=label, color=colour, linewidth=2.6, ax=ax)
    ax.set(title="Measured: accuracy, loss on all tokens", xlabel="updates", ylabel="accuracy")
    ax.set(ylim=(-0.03, 1.7), yticks=[0, 0.2, 0.4, 0.6, 0.8, 1])
    ax.legend(frameon=False, loc="upper left")


def draw_leads(rows: list[Row], ax: Axes) -> None:
    """Leads with the bigrams known against Σ f², beside the mass of repeats."""
    known = [row for row in rows if row["panel"] == "loss on all, bigrams known"]
    mass = sorted((row for row in rows if row["panel"] == "mass"), key=lambda row: row["x"])
    ax.errorbar(
        [row["x"] for row in known],
        [row["y"] for row in known],
        yerr=[2 * row["error"] for row in known],
        fmt="o",
        color=BLUE,
        markersize=9,
        label="exact population gradient",
    )
    options: dict[str, Any] = {
        "linestyle": "none",
        "markersize": 13,
        "fillstyle": "none",
        "color": ORANGE,
    }
    x = [row["x"] for row in mass]
    label = "$(M-1)/M^2$ · mass of repeats"
    ax.plot(x, [row["y"] for row in mass], marker="s", label=label, **options)
    label = "independent tokens: claim B2"
    ax.plot(x, [row["all"] for row in mass], color=GREY, linewidth=2, label=label)
    last = max(row["x"] for row in known)
    for row in known:  # below their points, but the last one, which is close to another, above
        at = {"xytext": (-6, 6), "ha": "right"} if row["x"] == last else {"xytext": (7, -9)}
        ax.annotate(str(row["name"]), (row["x"], row["y"]), textcoords="offset points", **at)
    ax.set(xscale="log", yscale="log")
    ax.margins(x=0.16, y=0.12)
    ax.set_title("Predicted: lead of $W_O^2$ with the bigrams known,\nby the ranks of the triggers")
    ax.set_xlabel(r"$\sum_q f_q^2$")
    ax.set_ylabel("median lead of the gradient")
    ax.legend(frameon=False, loc="upper left")


PANELS: dict[str, Panel] = {"leads": draw_leads, "flow": draw_flow, "training": draw_training}


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """Predicted leads by triggers; below, the lead while W_F learns, and accuracy over training."""
    names = list(PANELS)
    places: Any = {1: [[name] for name in names], 2: [names[:1] * 2, names[1:]]}[columns]
    figure = canvas(columns, {1: 2.4, 2: 0.87}[columns])
    for name, axes in figure.subplot_mosaic(places).items():
        PANELS[name](rows, axes)
    caption(
        figure,
        "The induction head grows with the mass of repeated triggers, once the bigrams are known. "
        "First panel: the lead of the step on $W_O^2$ with the bigrams known, against the sum of "
        "squared frequencies of the triggers. Second panel: the lead turns positive as the bigrams "
        "are learned. Third panel: accuracy in training, with $W_F$ trained too.",
    )
    return fitted(figure)

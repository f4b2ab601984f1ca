"""For which margins the three steps make a head: accuracy at infinite width, by step size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

import assocmem as am
from assocmem import gradients, plots
from assocmem.plots import BLUE, ORANGE
from validation.figures.sheets import Panel, Row, canvas, caption, fitted, in_parallel
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZES = ((32, 32, 1), (64, 64, 1), (32, 64, 2))
SECOND = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
THIRD = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 200.0, 1000.0)
FIRST = (0.01, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0)
DEFAULT = (0.5, 10.0, 5.0)
ENOUGH = 0.999  # the accuracy below which a cell counts as failed


def data(
    context: Context,
    *,
    sizes: Sequence[tuple[int, int, int]] = SIZES,
    second: Sequence[float] = SECOND,
    third: Sequence[float] = THIRD,
    first: Sequence[float] = FIRST,
    sequences: int | None = None,
) -> list[Row]:
    """The accuracy over the margins of steps 2 and 3, and over that of step 1."""
    sequences = sequences or (20_000 if context.full else 1_500)
    rows: list[Row] = []
    for size in sizes:
        rows += measure(size, second, third, context.rng, sequences=sequences)
    rows += measure_first(sizes[0], first, context.rng, sequences=sequences)
    return rows + measure_sampled(sizes[0], first, context.rng, sequences=8 * sequences)


def measure(
    size: tuple[int, int, int],
    second: Sequence[float],
    third: Sequence[float],
    rng: np.random.Generator,
    *,
    sequences: int,
) -> list[Row]:
    """Return the panel "m2, m3": closed forms at infinite width, at the default m1."""
    head = _ClosedForm(size, second, _held_out(am.InductionTask(*size), rng, sequences))
    margins = [(DEFAULT[0], m2, m3) for m2, m3 in product(second, third)]
    return in_parallel(lambda m: head.row("m2, m3", m), margins)


def measure_first(
    size: tuple[int, int, int], first: Sequence[float], rng: np.random.Generator, *, sequences: int
) -> list[Row]:
    """Return the panel "m1": the same along m1, the other margins at their defaults."""
    head = _ClosedForm(size, DEFAULT[1:2], _held_out(am.InductionTask(*size), rng, sequences))
    return in_parallel(lambda m1: head.row("m1", (m1, *DEFAULT[1:])), first)


class _ClosedForm:
    """The three memories by the closed forms, of unit margin each, to be scaled at will."""

    def __init__(
        self,
        size: tuple[int, int, int],
        second: Sequence[float],
        batches: tuple[am.Batch, am.Batch],
    ) -> None:
        self.size, self.batches, self.task = size, batches, am.InductionTask(*size)
        self.embeddings = am.FrozenEmbeddings.orthonormal(self.task)
        first, second_step = gradients.first_step(self.task), gradients.second_step(self.task)
        self.W_O2 = self._unit("step 1", first)
        self.W_K2 = self._unit("step 2", second_step)
        self.W_K1 = {m2: self._third(m2) for m2 in second}
        self.probe = am.probe("W_K1", self.task, self.embeddings)

    def _third(self, m2: float) -> am.AssociativeMemory:
        return self._unit(f"step 3 at m2 = {m2:g}", gradients.third_step(self.task, m2))

    def _unit(self, step: str, table: am.BlockTable) -> am.AssociativeMemory:
        if not table.strength > 0:
            raise ValueError(
                f"sizes: expected tasks where every step has a positive strength; got "
                f"{self.task}, where that of {step} is {table.strength:.3g}. The map of the steps "
                f"shows where they work."
            )
        return table.memory(self.embeddings) / table.strength

    def row(self, panel: str, margins: tuple[float, ...]) -> Row:
        m1, m2, m3 = margins
        model = am.FrozenTransformer(
            self.embeddings, W_O2=m1 * self.W_O2, W_K2=m2 * self.W_K2, W_K1=m3 * self.W_K1[m2]
        )
        recall = self.probe.recall(self.W_K1[m2])
        return _row(panel, "closed-form", self.size, margins, recall, model, self.batches)


def measure_sampled(
    size: tuple[int, int, int], first: Sequence[float], rng: np.random.Generator, *, sequences: int
) -> list[Row]:
    """The panel "m1" for population gradients on `sequences` sequences a step, the same for all."""
    task, seed = am.InductionTask(*size), int(rng.integers(2**63))
    batches = _held_out(task, rng, sequences // 8)

    def evaluated(m1: float) -> Row:
        margins = (m1, *DEFAULT[1:])
        run = am.top_down(
            task,
            margins=margins,
            gradient="population",
            sequences=sequences,
            evaluate_on=None,
            rng=seed,
        )
        recall = run.recall.get("W_K1", 0.0)
        return _row("m1", "population", size, margins, recall, run.model(), batches)

    return in_parallel(evaluated, first)


def _held_out(
    task: am.InductionTask, rng: np.random.Generator, sequences: int
) -> tuple[am.Batch, am.Batch]:
    """Fresh sequences, and as many with the trigger first.

    All positions but trigger and output are i.i.d., so a sequence rolled until its trigger stands
    first has the law of the task given that place.
    """
    batch = task.sample(sequences, rng=rng)
    body, last = batch.tokens[:, :-1], batch.tokens[:, -1:]
    place = batch.trigger_position[:, None]
    rolled = np.take_along_axis(body, (np.arange(task.length - 1) + place) % (task.length - 1), 1)
    return batch, replace(
        batch, tokens=np.concatenate([rolled, last], axis=1), trigger_position=0 * place[:, 0]
    )


def _row(
    panel: str,
    gradient: str,
    size: tuple[int, int, int],
    margins: tuple[float, ...],
    recall: float,
    model: am.FrozenTransformer,
    batches: tuple[am.Batch, am.Batch],
) -> Row:
    everywhere, at_start = (am.evaluate(model, batch) for batch in batches)
    late = everywhere.where(everywhere.trigger_position > 0)
    row: Row = {"panel": panel, "gradient": gradient}
    row |= dict(zip(("N", "T", "K", "m1", "m2", "m3"), (*size, *margins), strict=True))
    row["recall_W_K1"] = recall
    for suffix, result in (("", late), ("_at_start", at_start)):
        row[f"accuracy{suffix}"] = result.accuracy.value
        row[f"attention{suffix}"] = result.attention
        row[f"attention_argmax{suffix}"] = result.attention_argmax.value
        row[f"sequences{suffix}"] = len(result.correct)
    return row


def sizes_of(rows: list[Row]) -> list[tuple[int, int, int]]:
    """The sizes (N, T, K) of the maps, in order."""
    return list(dict.fromkeys((row["N"], row["T"], row["K"]) for row in rows))


def draw_map(number: int, quantity: str, rows: list[Row], ax: Axes) -> None:
    """The accuracy over the margins of steps 2 and 3, at the size of this number."""
    from matplotlib.colors import Normalize

    size = sizes_of(rows)[number]
    of_size = [
        row for row in rows if row["panel"] == "m2, m3" and (row["N"], row["T"], row["K"]) == size
    ]
    second, third = (list(dict.fromkeys(row[m] for row in of_size)) for m in ("m2", "m3"))
    table = np.reshape([row[quantity] for row in of_size], (len(second), len(third))).T
    plots.phase_map(
        table,
        rows=[f"{m:g}" for m in third],
        columns=[f"{m:g}" for m in second],
        failed=table < ENOUGH,
        ax=ax,
        cmap="cividis",
        norm=Normalize(0, 1),
    )
    where = "trigger not first" if quantity == "accuracy" else "trigger first"
    ax.set_title(f"{size},\n{where}")
    ax.set_xticks(range(0, len(second), 2), [f"{m:g}" for m in second[::2]])
    ax.set(xlabel="margin of step 2, $m_2$", ylabel="margin of step 3, $m_3$")


def draw_first_margin(rows: list[Row], ax: Axes) -> None:
    """The accuracy along the margin of step 1, by both gradients."""
    rows = [row for row in rows if row["panel"] == "m1"]
    for (gradient, label), (quantity, place, line) in product(
        (("closed-form", "closed forms"), ("population", "sampled gradients")),
        (("accuracy", "not first", "-"), ("accuracy_at_start", "first", "--")),
    ):
        curve = [row for row in rows if row["gradient"] == gradient]
        ax.plot(
            [row["m1"] for row in curve],
            [row[quantity] for row in curve],
            label=f"{label}, trigger {place}",
            color=BLUE if gradient == "closed-form" else ORANGE,
            marker="o" if quantity == "accuracy" else "s",
            fillstyle="full" if quantity == "accuracy" else "none",
            linestyle=line,
        )
    size = tuple(rows[0][name] for name in ("N", "T", "K"))
    ax.set_title(
        f"{size}, along the margin of step 1:\n$m_2$ = {DEFAULT[1]:g}, $m_3$ = {DEFAULT[2]:g}"
    )
    ax.set(xscale="log", ylim=(-0.03, 1.03), xlabel="margin of step 1, $m_1$", ylabel="accuracy")
    ax.grid(alpha=0.3)


PANELS: dict[str, Panel] = {
    **{
        f"{quantity} {number}": partial(draw_map, number, quantity)
        for quantity, number in product(("accuracy", "accuracy_at_start"), range(len(SIZES)))
    },
    "over m1": draw_first_margin,
}


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """Two maps over (m2, m3) for each task, and below, curves over m1."""
    numbers = range(len(sizes_of(rows)))
    maps = [[f"{kind} {i}" for i in numbers] for kind in ("accuracy", "accuracy_at_start")]
    if columns == 1:
        maps = [list(pair) for pair in zip(*maps, strict=True)]
    names: list[Any] = [*maps, ["over m1"] * len(maps[0])]
    figure = canvas(columns, {1: 2.5, 2: 0.85}[columns])
    panels = figure.subplot_mosaic(names, height_ratios=[*[1] * len(maps), 0.7])
    for name, axes in panels.items():
        PANELS[name](rows, axes)
    grid = [panels[name] for line in maps for name in line]
    for axes in grid:
        where = axes.get_subplotspec()
        if where is not None and not where.is_first_col():
            axes.set_ylabel("")
    options: dict[str, Any] = {"location": "top"} if columns == 1 else {}
    figure.colorbar(grid[-1].images[0], ax=grid, pad=0.01, label="accuracy", **options)
    panels["over m1"].legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.35), ncols=columns, frameon=False
    )
    n, start = rows[0]["sequences"], rows[0]["sequences_at_start"]
    caption(
        figure,
        "Which margins of the steps make an induction head: accuracy at sizes (N, T, K), by closed "
        f"forms at infinite width, $m_1$ = {DEFAULT[0]:g}. Framed: accuracy below {ENOUGH}. It is "
        f"measured on {n:,} sequences ({start:,} that begin with the trigger).",
    )
    return fitted(figure)

"""Where the three steps work: lead and recall over (N, T, K), from the closed forms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import assocmem as am
from assocmem import gradients, plots
from validation.figures.sheets import Panel, Row, arranged, caption, fitted, rate, under_way
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZES = (8, 16, 32, 64, 128, 256)
KINDS: tuple[tuple[str, int | str], ...] = (
    *product(("content", "all"), (1, 2, 4, 8)),
    ("all", "random"),
)


def data(context: Context, *, sizes: Sequence[int] = SIZES) -> list[Row]:
    """Lead and recall of each step over (N, T, K), from the closed forms."""
    return measure(sizes, lead=10.0)


def measure(sizes: Sequence[int], *, lead: float) -> list[Row]:
    """Return one row per task: leads of the steps, and the recall of W_K1 counted three ways."""
    rows = []
    for (predict, triggers), n, length in under_way([*product(KINDS, sizes, sizes)]):
        if triggers != "random" and triggers > n - 2:  # type: ignore[operator]
            continue
        task = am.InductionTask(n, length, triggers, predict)  # type: ignore[arg-type]
        first, second = gradients.first_step(task), gradients.second_step(task)
        k = n if task.random_triggers else task.n_triggers
        row: Row = {"predict": predict, "triggers": triggers, "N": n, "T": length}
        row |= {"lead_1": float(first.lead), "lead_2": float(second.lead)}
        row["lead_1_scaled"] = row["lead_1"] * task.n_content * length
        row["lead_2_scaled"] = row["lead_2"] / row["lead_1"] * k * length**2
        row |= dict.fromkeys(("recall_3", "recall_3_inner", "recall_3_weighted"), np.nan)
        if row["lead_1"] > 0 and row["lead_2"] > 0:
            third = gradients.third_step(task, lead, second=second / second.lead)
            row |= _third_recall(third["positions", "positions"])
        rows.append(row)
    return rows


def _third_recall(table: NDArray[Any]) -> Row:
    """Recall over the rows t = 2..T-1, without the first and last of them, weighted by margin."""
    one_hot, heads = np.eye(len(table)), np.arange(1, len(table) - 1)
    memory = am.AssociativeMemory(keys=one_hot, values=one_hot, coefficients=table.T)
    among = np.tri(len(table), dtype=bool)[heads].T
    margins = memory.margin(heads - 1, among, keys=one_hot[heads])
    right = margins > 0
    return {
        "recall_3": float(right.mean()),
        "recall_3_inner": float(right[1:-1].mean()),
        "recall_3_weighted": float(abs(margins[right]).sum() / abs(margins).sum()),
    }


# What a row of the map shows: its title, what is enough, and the range of its colours.
QUANTITIES = {
    "lead_1_scaled": ("step 1, $W_O^2$:\nlead", "positive", 1.0),
    "lead_2_scaled": ("step 2, $W_K^2$:\nlead", "positive", 10.0),
    "recall_3": ("step 3, $W_K^1$:\nall rows", "one", 1.0),
    "recall_3_inner": ("step 3, $W_K^1$: rows\n3 to T$-$2", "one", 1.0),
}


def draw_map(quantity: str, kind: tuple[str, int | str], rows: list[Row], ax: Axes) -> None:
    """One quantity over N (up) and T (across), for one kind of task."""
    from matplotlib.colors import CenteredNorm, Normalize

    sizes = sorted({row["T"] for row in rows})
    _, enough, top = QUANTITIES[quantity]
    table = np.full((len(sizes), len(sizes)), np.nan)
    for row in rows:
        if (row["predict"], row["triggers"]) == kind:
            table[sizes.index(row["N"]), sizes.index(row["T"])] = row[quantity]
    signed = enough == "positive"
    plots.phase_map(
        table,
        rows=sizes,
        columns=sizes,
        failed=table <= 0 if signed else table < 1,
        ax=ax,
        cmap="PuOr_r" if signed else "cividis",
        norm=CenteredNorm(0, top) if signed else Normalize(0, top),
    )
    ax.set_xticks(range(0, len(sizes), 2), sizes[::2])
    ax.set_yticks(range(0, len(sizes), 2), sizes[::2])
    ax.set(xlabel="length T", ylabel="vocabulary N")


def name_of(kind: tuple[str, int | str]) -> str:
    """A kind of task in two short lines."""
    predict, triggers = kind
    return f"{'random' if triggers == 'random' else f'K = {triggers}'},\n{predict}"


PANELS: dict[str, Panel] = {
    f"{quantity}, {name_of(kind)}": partial(draw_map, quantity, kind)
    for quantity, kind in product(QUANTITIES, KINDS)
}


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """One column per kind of task, one row per quantity; the other way round at one column."""
    cells = list(product(QUANTITIES, KINDS))
    if columns == 1:
        cells = [(quantity, kind) for kind in KINDS for quantity in QUANTITIES]
    across, shape = {1: (len(QUANTITIES), 2.5), 2: (len(KINDS), 0.62)}[columns]
    panels = {f"{q}, {name_of(kind)}": partial(draw_map, q, kind) for q, kind in cells}
    figure = arranged(rows, panels, columns, across=across, shape=shape)
    starts = range(0, len(cells), across)
    grid = [figure.axes[start : start + across] for start in starts]
    for axes, (quantity, kind) in zip(figure.axes, cells, strict=True):
        axes.label_outer(remove_inner_ticks=False)
        title, where = QUANTITIES[quantity][0], axes.get_subplotspec()
        assert where is not None
        if columns == 2 and where.is_first_row():
            axes.set_title(name_of(kind))
        if columns == 2 and where.is_first_col():
            axes.set_ylabel(f"{title}\n\nvocabulary N")
        if columns == 1 and where.is_first_row():
            axes.set_title(title.replace(", ", ",\n", 1))
        if columns == 1 and where.is_first_col():
            axes.set_ylabel(f"{name_of(kind)}\nN")
    for line in grid if columns == 2 else zip(*grid, strict=True):
        options: dict[str, Any] = {"aspect": 12}
        if columns == 1:
            options = {"aspect": 8, "location": "bottom"}
        figure.colorbar(line[0].images[0], ax=list(line), pad=0.005, **options)
    caption(
        figure,
        "Where the three steps work, by kind of triggers and predicted classes (closed forms, "
        "infinite width). A framed cell fails; a grey one does not exist, or an earlier step fails "
        "there. Leads are in natural units: that of step 1 times C T, with C content tokens, and "
        "that of step 2 times K T² over the lead of step 1. Step 3, at a lead of 10 in step 2: "
        "recall of all rows, and of all but rows 2 and T - 1.",
    )
    return fitted(figure)


def texts(rows: list[Row]) -> dict[str, str]:
    """A further file: the map as a table."""
    return {"map.md": as_markdown(rows)}


def as_markdown(rows: list[Row]) -> str:
    """Return the map as one table: recall of step 3, or the step that stops the run."""
    sizes = sorted({row["T"] for row in rows})
    lines = [
        "Recall of W_K1 over rows 2..T-1 by the closed forms; in brackets without rows 2 and T-1,",
        "then weighted by margin, where they differ from 1. W_O2 and W_K2 are recalled wherever",
        "their leads are positive; `S1` or `S2` names the step whose lead is not.",
        "",
        "| predict | K | N | " + " | ".join(f"T={length}" for length in sizes) + " |",
        "| --- | --- | --- |" + " --- |" * len(sizes),
    ]
    cells: dict[tuple[str, Any, int], list[str]] = {}
    for row in rows:
        cells.setdefault((row["predict"], row["triggers"], row["N"]), []).append(_verdict(row))
    for key, verdicts in cells.items():
        lines.append("| " + " | ".join([*map(str, key), *verdicts]) + " |")
    return "\n".join(lines) + "\n"


def _verdict(row: Row) -> str:
    for step in (1, 2):
        if not row[f"lead_{step}"] > 0:
            return f"S{step}"
    recalls = [rate(row[f"recall_3{kind}"]) for kind in ("", "_inner", "_weighted")]
    return recalls[0] if row["recall_3"] == 1 else f"{recalls[0]} ({recalls[1]}, {recalls[2]})"

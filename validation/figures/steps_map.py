"""Where the three steps work: lead and recall over (N, T, K), from the closed forms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import assocmem as am
from assocmem import gradients, plots
from validation.figures.sheets import Row, canvas, caption, fitted, publish, rate
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (8, 16, 32, 64, 128, 256)
KINDS: tuple[tuple[str, int | str], ...] = (
    *product(("content", "all"), (1, 2, 4, 8)),
    ("all", "random"),
)


def make(out: Path, context: Context, *, sizes: Sequence[int] = SIZES) -> list[Path]:
    """Lead and recall of each step over (N, T, K), from the closed forms."""
    rows = measure(sizes, lead=10.0)
    return publish(out, "map", rows, draw(rows), {"map.md": as_markdown(rows)}, about=context.about)


def measure(sizes: Sequence[int], *, lead: float) -> list[Row]:
    """Return one row per task: leads of the steps, and the recall of W_K1 counted three ways."""
    rows = []
    for (predict, triggers), n, length in product(KINDS, sizes, sizes):
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


def draw(rows: list[Row]) -> Figure:
    """One column per kind of task, one row per quantity; N up, T across."""
    from matplotlib.colors import CenteredNorm, Normalize

    sizes = sorted({row["T"] for row in rows})
    figure = canvas(21, 11.5, room=1.1)
    grid = figure.subplots(4, len(KINDS), sharex=True, sharey=True)
    signed, from_0_to_1 = {"cmap": "PuOr_r"}, {"cmap": "cividis", "norm": Normalize(0, 1)}
    quantities: tuple[tuple[str, str, float, dict[str, Any]], ...] = (
        ("lead_1_scaled", "step 1, $W_O^2$:\nlead", 0, signed | {"norm": CenteredNorm(0, 1)}),
        ("lead_2_scaled", "step 2, $W_K^2$:\nlead", 0, signed | {"norm": CenteredNorm(0, 10)}),
        ("recall_3", "step 3, $W_K^1$:\nrecall, all rows", 1, from_0_to_1),
        ("recall_3_inner", "step 3, $W_K^1$: recall\nwithout rows 2, T$-$1", 1, from_0_to_1),
    )
    for down, (quantity, title, enough, colours) in enumerate(quantities):
        for across, (predict, triggers) in enumerate(KINDS):
            table = np.full((len(sizes), len(sizes)), np.nan)
            for row in rows:
                if (row["predict"], row["triggers"]) == (predict, triggers):
                    table[sizes.index(row["N"]), sizes.index(row["T"])] = row[quantity]
            failed = table <= 0 if enough == 0 else table < 1
            axes = grid[down, across]
            image = plots.phase_map(
                table,
                rows=sizes,
                columns=sizes,
                failed=failed,
                text=lambda value: "",
                ax=axes,
                **colours,
            )
            if down == 0:
                kind = "random" if triggers == "random" else f"K = {triggers}"
                axes.set_title(f"{kind},\n{predict}")
            axes.set_xticks(range(0, len(sizes), 2), sizes[::2])
            if down == len(quantities) - 1:
                axes.set_xlabel("length T")
        grid[down, 0].set_ylabel(f"{title}\n\nvocabulary N")
        figure.colorbar(image, ax=grid[down], pad=0.005, aspect=12)
    caption(
        figure,
        "Where the three steps work (closed forms, infinite width): a framed cell fails, "
        "a grey one does not exist or is not reached. Columns: triggers, predicted classes. "
        "Leads in natural units: step 1 times (content tokens) T, step 2 times K T² over the lead "
        "of step 1. Step 3 at a lead of 10 in step 2.",
    )
    return fitted(figure)


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

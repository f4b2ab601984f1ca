"""The figures: each measures rows of numbers, writes them as CSV, and draws from those rows alone."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import assocmem as am
from assocmem import gradients, plots
from assocmem.plots import GREEN, ORANGE
from validation.cases import Context

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = dict[str, Any]
Array = NDArray[Any]

MATRICES = ("W_O2", "W_K2", "W_K1")  # top-down: the order in which they are written
SYMBOLS = {"W_O2": "$W_O^2$", "W_K2": "$W_K^2$", "W_K1": "$W_K^1$"}
CONFIDENCE = 0.95


# 1. What one sequence sees before and after each step, and the memories that make it so.


def induction_head(
    out: Path, context: Context, *, task: am.InductionTask | None = None
) -> list[Path]:
    """Attention of both layers before and after each step, with the three memories."""
    task = task or am.InductionTask(n_tokens=20, length=28, n_triggers=2)
    rows = measure_induction_head(task, context.rng, evaluate_on=20_000 if context.full else 2_000)
    return _publish(out, "induction-head", rows, draw_induction_head(rows))


def measure_induction_head(
    task: am.InductionTask, rng: np.random.Generator, *, evaluate_on: int
) -> list[Row]:
    """Return the cells of all panels: one test sequence, rates over `evaluate_on` of them."""
    run = am.top_down(task, rng=rng, evaluate_on=1)
    if run.failure:
        raise ValueError(f"task: expected one where all three steps can be taken; {run.failure}.")
    names = (ascii_uppercase[: task.n_triggers] + ascii_lowercase)[: task.n_tokens]
    batch = task.sample(evaluate_on, rng=rng)
    trigger = np.argmax(batch.tokens == batch.tokens[:, -1:], axis=1)
    sequence = batch.tokens[np.argmin(abs(trigger - task.length // 3))]  # well inside
    word = [names[token] for token in sequence]

    rows: list[Row] = []
    for stage, name in enumerate(("start", *MATRICES)):
        model = run.model(stage)
        for layer, (weights,) in enumerate(model.attention(sequence[None]), start=1):
            rows += _cells(f"layer {layer} after {stage} steps", weights, word, word)
        result = am.evaluate(model, batch)
        rates = [[result.attention, result.accuracy.value]]
        rows += _cells(f"rates after {stage} steps", rates, [name], ["attention", "accuracy"])
    emb, n, positions = run.embeddings, task.n_tokens, [str(t + 1) for t in range(task.length)]
    for name, values, keys, row_names, column_names in (
        ("W_O2", emb.outputs, emb.values[:n], [names[k] for k in task.outputs], names),
        ("W_K2", emb.tokens, emb.remapped_tokens, names, names),
        ("W_K1", emb.positions, emb.positions, positions, positions),
    ):
        scores = run.memories[name].scores(keys=keys, values=values)
        rows += _cells(name, scores, row_names, column_names)
        rows += _cells(f"recall of {name}", [[run.recall[name]]], [name], ["recall"])
    return rows


def draw_induction_head(rows: list[Row]) -> Figure:
    """One column per stage, one row per layer; below, the memories and the rates."""
    figure = _figure(19, 15.4)
    grid = figure.subplots(3, 4, height_ratios=[1, 1, 0.95])
    word = _labels(rows, "layer 2 after 0 steps", "column")
    last, first = len(word) - 1, word.index(word[-1])
    output = first + 1
    steps = ["before training", *(f"after step {i + 1}, {SYMBOLS[MATRICES[i]]}" for i in range(3))]
    looks = {
        1: ((output, first), "first {0} seen from {1}"),
        2: ((last, output), "{1} seen from last {0}"),
    }
    for (layer, (cell, meaning)), stage in product(looks.items(), range(4)):
        axes = grid[layer - 1, stage]
        weights = _array(rows, f"layer {layer} after {stage} steps")
        image = plots.attention_map(weights, tokens=word, marked=[cell], ax=axes)
        seen = meaning.format(word[first], word[output])
        axes.set_title(f"Layer {layer} {steps[stage]}\n{seen}: {weights[cell]:.0%}", fontsize=14)
        axes.set(xlabel="key" if layer == 2 else "", ylabel="" if stage else "query")
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            _colour(labels, {first: ORANGE, output: GREEN, last: ORANGE})
    figure.colorbar(image, ax=grid[:2], shrink=0.5, pad=0.01, label="attention (root scale)")
    _draw_memories(figure, grid[2], rows)
    rates = np.concatenate([_array(rows, f"rates after {stage} steps") for stage in range(4)])
    plots.trajectory(
        ["start", *SYMBOLS.values()],
        {"attention on the output": rates[:, 0], "accuracy": rates[:, 1]},
        ax=grid[2, 3],
    )
    grid[2, 3].set_title("All test sequences,\nafter each step", fontsize=14)
    grid[2, 3].legend(loc="upper left", frameon=False, fontsize=12)
    figure.suptitle(
        f"Three gradient steps from zero: the last {word[last]} finds the token after the first "
        f"{word[first]}, which is {word[output]}",
        fontsize=21,
    )
    return figure


def _draw_memories(figure: Figure, grid: Any, rows: list[Row]) -> None:
    texts = {
        "W_O2": ("a token to its output", "token, $W_V^2 w_E$", "output, $w_U$"),
        "W_K2": ("a trigger to what follows it", r"key, $\Phi_1 w_E$", "query, $w_E$"),
        "W_K1": ("a position to the one before", "key, $p_s$", "query, $p_t$"),
    }
    for axes, (name, (what, across, down)) in zip(grid, texts.items(), strict=False):
        labels = [_labels(rows, name, axis) for axis in ("row", "column")]
        image = plots.memory(_array(rows, name), rows=labels[0], columns=labels[1], ax=axes)
        recall = _array(rows, f"recall of {name}").item()
        axes.set_title(f"{SYMBOLS[name]}: {what}\nrecall {recall:.0%}", fontsize=14)
        axes.set(xlabel=across, ylabel=down)
        if name == "W_K1":
            every = range(0, len(labels[0]), 3)
            for set_ticks in (axes.set_xticks, axes.set_yticks):
                set_ticks(every, labels[0][::3])
        figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)


# 2. Where the three steps work.

SIZES = (8, 16, 32, 64, 128, 256)
KINDS: tuple[tuple[str, int | str], ...] = (
    *product(("content", "all"), (1, 2, 4, 8)),
    ("all", "random"),
)


def steps_map(out: Path, context: Context, *, sizes: Sequence[int] = SIZES) -> list[Path]:
    """Lead and recall of each step over (N, T, K), from the closed forms."""
    rows = measure_map(sizes, lead=10.0)
    return _publish(out, "map", rows, draw_map(rows), {"map.md": map_as_markdown(rows)})


def measure_map(sizes: Sequence[int], *, lead: float) -> list[Row]:
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
            row |= _third_recall(third["p", "p"])
        rows.append(row)
    return rows


def _third_recall(table: Array) -> Row:
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


def draw_map(rows: list[Row]) -> Figure:
    """One column per kind of task, one row per quantity; N up, T across."""
    from matplotlib.colors import CenteredNorm, Normalize

    sizes = sorted({row["T"] for row in rows})
    figure = _figure(24, 12)
    grid = figure.subplots(4, len(KINDS), sharex=True, sharey=True)
    signed, rate = {"cmap": "PuOr_r"}, {"cmap": "cividis", "norm": Normalize(0, 1)}
    quantities: tuple[tuple[str, str, float, dict[str, Any]], ...] = (
        ("lead_1_scaled", "step 1, $W_O^2$:\nlead", 0, signed | {"norm": CenteredNorm(0, 1)}),
        ("lead_2_scaled", "step 2, $W_K^2$:\nlead", 0, signed | {"norm": CenteredNorm(0, 10)}),
        ("recall_3", "step 3, $W_K^1$:\nrecall, all rows", 1, rate),
        ("recall_3_inner", "step 3, $W_K^1$: recall\nwithout rows 2, T$-$1", 1, rate),
    )
    for down, (quantity, title, enough, colours) in enumerate(quantities):
        for across, (predict, triggers) in enumerate(KINDS):
            table = np.full((len(sizes), len(sizes)), np.nan)
            for row in rows:
                if (row["predict"], row["triggers"]) == (predict, triggers):
                    table[sizes.index(row["N"]), sizes.index(row["T"])] = row[quantity]
            failed = table <= 0 if enough == 0 else table < 1
            text = "{:.1f}" if enough == 0 else "{:.2f}"
            axes = grid[down, across]
            image = plots.phase_map(
                table, rows=sizes, columns=sizes, failed=failed, text=text, ax=axes, **colours
            )
            if down == 0:
                kind = "random triggers" if triggers == "random" else f"K = {triggers}"
                axes.set_title(f"{kind}\npredict {predict}", fontsize=13)
            if down == len(quantities) - 1:
                axes.set_xlabel("length T")
        grid[down, 0].set_ylabel(f"{title}\n\nvocabulary N", fontsize=13)
        figure.colorbar(image, ax=grid[down], pad=0.005, aspect=12)
    figure.suptitle(
        "Where the three steps work (closed forms, infinite width): a framed cell fails, "
        "a grey one does not exist or is not reached\n"
        "Leads in natural units: step 1 times (content tokens) T, step 2 times K T² over the lead "
        "of step 1. Step 3 at a lead of 10 in step 2.",
        fontsize=16,
    )
    return figure


def map_as_markdown(rows: list[Row]) -> str:
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
    if row["recall_3"] == 1:
        return "1"
    return f"{row['recall_3']:.3f} ({row['recall_3_inner']:.3f}, {row['recall_3_weighted']:.3f})"


# Rows, files and axes.


def _cells(panel: str, values: Any, rows: Sequence[str], columns: Sequence[str]) -> list[Row]:
    """Return one row of the CSV for each cell of a labelled table."""
    return [
        {"panel": panel, "i": i, "j": j, "row": row, "column": column, "value": float(values[i][j])}
        for (i, row), (j, column) in product(enumerate(rows), enumerate(columns))
    ]


def _array(rows: list[Row], panel: str) -> Array:
    cells = [row for row in rows if row["panel"] == panel]
    return np.reshape([cell["value"] for cell in cells], (cells[-1]["i"] + 1, cells[-1]["j"] + 1))


def _labels(rows: list[Row], panel: str, axis: str) -> list[str]:
    index = {"row": "i", "column": "j"}[axis]
    return list({row[index]: row[axis] for row in rows if row["panel"] == panel}.values())


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure  # not pyplot: nothing global is touched

    return Figure(figsize=(width, height), layout="constrained")


def _colour(labels: Sequence[Any], colours: Mapping[int, str]) -> None:
    for index, colour in colours.items():
        labels[index].set(color=colour, fontweight="bold")


def _publish(
    out: Path, stem: str, rows: list[Row], figure: Figure, texts: Mapping[str, str] | None = None
) -> list[Path]:
    """Write stem.png, stem.csv and further texts, each atomically; return their paths."""
    picture, table = io.BytesIO(), io.StringIO(newline="")
    figure.savefig(picture, format="png", dpi=120)
    writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files = {f"{stem}.png": picture.getvalue(), f"{stem}.csv": table.getvalue().encode()}
    files |= {name: text.encode() for name, text in (texts or {}).items()}
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        partial = out / f"{name}.partial"
        partial.write_bytes(content)
        os.replace(partial, out / name)
    return [out / name for name in files]


FIGURES: dict[str, Callable[[Path, Context], list[Path]]] = {
    "induction-head": induction_head,
    "map": steps_map,
}

"""What one sequence sees before and after each step, and the memories that make it so."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Any

import numpy as np

import assocmem as am
from assocmem import plots
from assocmem.plots import GREEN, ORANGE
from validation.figures.sheets import (
    MATRICES,
    SYMBOLS,
    Row,
    canvas,
    caption,
    cells,
    fitted,
    labels,
    publish,
    table,
)
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATES = ("attention on the output", "accuracy", "accuracy, trigger not first")


def make(
    out: Path,
    context: Context,
    *,
    task: am.InductionTask | None = None,
    tokens: int = 20,
    length: int = 28,
) -> list[Path]:
    """Write the attention of both layers before and after each step, and the three memories."""
    task = task or am.InductionTask(n_tokens=tokens, length=length, n_triggers=2)
    rows = measure(task, context.rng, evaluate_on=20_000 if context.full else 2_000)
    return publish(out, "induction-head", rows, draw(rows), about=context.about)


def measure(task: am.InductionTask, rng: np.random.Generator, *, evaluate_on: int) -> list[Row]:
    """Return the cells of all panels: one test sequence, rates over `evaluate_on` of them."""
    run = am.top_down(task, rng=rng, evaluate_on=None)
    if run.failure:
        raise ValueError(f"task: expected one where all three steps can be taken; {run.failure}.")
    letters = ascii_uppercase[: len(task.triggers)] + ascii_lowercase  # capital: a trigger
    names = list(letters if task.n_tokens <= len(letters) else map(str, range(task.n_tokens)))
    names = names[: task.n_tokens]
    batch = task.sample(evaluate_on, rng=rng)
    trigger = batch.trigger_position
    output = np.take_along_axis(batch.tokens, trigger[:, None] + 1, axis=1)
    outputs = (batch.tokens == output).sum(axis=1)
    # the trigger well inside, the output once if possible
    sequence = batch.tokens[np.argmin(abs(trigger - task.length // 3) + task.length * outputs)]
    word = [names[token] for token in sequence]

    rows: list[Row] = []
    for stage, name in enumerate(("start", *MATRICES)):
        model = run.model(stage)
        for layer, (weights,) in enumerate(model.attention(sequence[None]), start=1):
            rows += cells(f"layer {layer} after {stage} steps", weights, word, word)
        result = am.evaluate(model, batch)
        late = result.where(result.trigger_position > 0)
        rates = [[result.attention, result.accuracy.value, late.accuracy.value]]
        rows += cells(f"rates after {stage} steps", rates, [name], RATES)
    emb, n, positions = run.embeddings, task.n_tokens, [str(t + 1) for t in range(task.length)]
    for name, values, keys, row_names, column_names in (
        ("W_O2", emb.outputs, emb.values[:n], [names[k] for k in task.outputs], names),
        ("W_K2", emb.tokens, emb.remapped_tokens, names, names),
        ("W_K1", emb.positions, emb.positions, positions, positions),
    ):
        scores = run.memories[name].scores(keys=keys, values=values)
        rows += cells(name, scores, row_names, column_names)
        rows += cells(f"recall of {name}", [[run.recall[name]]], [name], ["recall"])
    return rows


def draw(rows: list[Row]) -> Figure:
    """One column per stage, one row per layer; below, the memories and the rates."""
    figure = canvas(19, 14.2, room=1.1)
    grid = figure.subplots(3, 4, height_ratios=[1, 1, 0.95])
    word = labels(rows, "layer 2 after 0 steps", "column")
    last, first = len(word) - 1, word.index(word[-1])
    output = first + 1
    steps = ["start", *(f"after step {i + 1}, {SYMBOLS[MATRICES[i]]}" for i in range(3))]
    for layer, stage in product((1, 2), range(4)):
        axes = grid[layer - 1, stage]
        weights = table(rows, f"layer {layer} after {stage} steps")
        cell = (output, first) if layer == 1 else (last, output)
        image = plots.attention_map(weights, tokens=word, marked=[cell], ax=axes)
        looks = ("last {1} at {0}", "{0} at first {1}")[layer % 2].format(word[output], word[last])
        axes.set_title(f"{steps[stage]}\n{looks}: {weights[cell]:.0%}")
        axes.set(xlabel="key", ylabel="" if stage else f"layer {layer}: query")
        special = {first: ORANGE, output: GREEN, last: ORANGE}
        for set_ticks in (axes.set_xticks, axes.set_yticks):
            _colour(set_ticks(list(special), [word[t] for t in special]), special.values())
    figure.colorbar(
        image, ax=grid[:2], shrink=0.5, pad=0.01, label="attention (square-root colour scale)"
    )
    _draw_memories(figure, grid[2], rows)
    rates = np.concatenate([table(rows, f"rates after {stage} steps") for stage in range(4)])
    series = dict(zip(RATES, rates.T, strict=True))
    plots.trajectory(["start", *SYMBOLS.values()], series, ax=grid[2, 3])
    grid[2, 3].set(title="all test sequences", xlabel="after the step on", ylabel="rate")
    grid[2, 3].legend(loc="upper center", bbox_to_anchor=(0.4, -0.4), frameon=False)
    caption(
        figure,
        f"Three gradient steps from zero: the last {word[last]} finds the token after the first "
        f"{word[first]}, which is {word[output]}. Above: attention on one sequence, layer 1 and 2, "
        f"with the cell of the induction head outlined. Below: the three memories, a token to its "
        f"output, a trigger to what follows it, a position to the one before; and rates over all "
        f"test sequences.",
    )
    return fitted(figure)


def _draw_memories(figure: Figure, grid: Any, rows: list[Row]) -> None:
    texts = {
        "W_O2": ("token, $W_V^2 w_E$", "output, $w_U$"),
        "W_K2": (r"key, $\Phi_1 w_E$", "query, $w_E$"),
        "W_K1": ("key, $p_s$", "query, $p_t$"),
    }
    for axes, (name, (across, down)) in zip(grid, texts.items(), strict=False):
        image = plots.memory(table(rows, name), ax=axes)
        for set_ticks, axis in ((axes.set_xticks, "column"), (axes.set_yticks, "row")):
            names = labels(rows, name, axis)
            set_ticks(range(0, len(names), 6), names[::6])
        axes.set_title(f"{SYMBOLS[name]}: recall {table(rows, f'recall of {name}').item():.0%}")
        axes.set(xlabel=across, ylabel=down)
        figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)


def _colour(ticks: Iterable[Any], colours: Iterable[str]) -> None:
    for tick, colour in zip(ticks, colours, strict=True):
        tick.label1.set(color=colour, fontweight="bold")

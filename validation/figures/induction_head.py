"""Attention on one sequence before and after each of the three steps, and the three memories."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import product
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Any

import numpy as np

import assocmem as am
from assocmem import plots
from assocmem.plots import GREEN, ORANGE
from validation.figures.sheets import (
    MATRICES,
    SYMBOLS,
    Panel,
    Row,
    arranged,
    caption,
    cells,
    fitted,
    labels,
    table,
)
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RATES = ("attention on the output", "accuracy", "accuracy, trigger not first")


def data(
    context: Context,
    *,
    task: am.InductionTask | None = None,
    tokens: int = 20,
    length: int = 28,
) -> list[Row]:
    """The attention of both layers before and after each step, and the three memories."""
    task = task or am.InductionTask(n_tokens=tokens, length=length, n_triggers=2)
    return measure(task, context.rng, evaluate_on=20_000 if context.full else 2_000)


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


def draw_attention(layer: int, stage: int, rows: list[Row], ax: Axes) -> None:
    """The attention of a layer after so many steps, the cell of the induction head outlined."""
    word = labels(rows, "layer 2 after 0 steps", "column")
    last, first = len(word) - 1, word.index(word[-1])
    output = first + 1
    weights = table(rows, f"layer {layer} after {stage} steps")
    cell = (output, first) if layer == 1 else (last, output)
    plots.attention_map(weights, tokens=word, marked=[cell], ax=ax)
    name = MATRICES[stage - 1]
    step = f"after step {stage}, {SYMBOLS[name]}" if stage else "start"
    looks = ("last {1} at {0}", "{0} at first {1}")[layer % 2].format(word[output], word[last])
    ax.set_title(f"{step}\n{looks}: {weights[cell]:.0%}")
    ax.set(xlabel="key", ylabel=f"layer {layer}: query")
    special = {first: ORANGE, output: GREEN, last: ORANGE}
    for set_ticks in (ax.set_xticks, ax.set_yticks):
        _colour(set_ticks(list(special), [word[t] for t in special]), special.values())


SIDES = {
    "W_O2": ("token, $W_V^2 w_E$", "output, $w_U$"),
    "W_K2": (r"key, $\Phi_1 w_E$", "query, $w_E$"),
    "W_K1": ("key, $p_s$", "query, $p_t$"),
}


def draw_memory(name: str, rows: list[Row], ax: Axes) -> None:
    """The scores of a memory, with a colour bar."""
    image = plots.memory(table(rows, name), ax=ax)
    for set_ticks, axis in ((ax.set_xticks, "column"), (ax.set_yticks, "row")):
        names = labels(rows, name, axis)
        set_ticks(range(0, len(names), 6), names[::6])
    recall = table(rows, f"recall of {name}").item()
    across, down = SIDES[name]
    ax.set(title=f"{SYMBOLS[name]}: recall {recall:.0%}", xlabel=across, ylabel=down)
    ax.figure.colorbar(image, ax=ax, shrink=0.8, pad=0.02)


def draw_rates(rows: list[Row], ax: Axes) -> None:
    """Attention and accuracy over all test sequences, by stage."""
    rates = np.concatenate([table(rows, f"rates after {stage} steps") for stage in range(4)])
    plots.trajectory(["start", *SYMBOLS.values()], dict(zip(RATES, rates.T, strict=True)), ax=ax)
    ax.set(title="all test sequences", xlabel="after the step on", ylabel="rate")
    ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.35), frameon=False)


PANELS: dict[str, Panel] = {
    **{
        f"layer {layer} after {stage} steps": partial(draw_attention, layer, stage)
        for layer, stage in product((1, 2), range(4))
    },
    **{name: partial(draw_memory, name) for name in SIDES},
    "rates": draw_rates,
}


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """One column per stage, one row per layer; below, the memories and the rates.

    One column of a page has room for the first and the last stage.
    """
    names, shape = list(PANELS), {1: 2.1, 2: 0.82}[columns]
    if columns == 1:
        names = [name for name in names if not name.endswith(("1 steps", "2 steps"))]
        names[1], names[2] = names[2], names[1]
    panels = {name: PANELS[name] for name in names}
    figure = arranged(rows, panels, columns, across=2 * columns, shape=shape)
    maps = figure.axes[: len(names) - 4]
    for axes in maps:
        where = axes.get_subplotspec()
        if columns == 2 and where is not None and not where.is_first_col():
            axes.set_ylabel("")
    figure.colorbar(
        maps[-1].images[0],
        ax=maps,
        label="attention (square-root colour scale)",
        **({"shrink": 0.5, "pad": 0.01} if columns == 2 else {"location": "top", "pad": 0.01}),
    )
    sequence = labels(rows, names[0], "column")
    word = sequence[-1]
    follower = sequence[sequence.index(word) + 1]
    caption(
        figure,
        f"After three gradient steps from zero, the last {word} attends to the token after the "
        f"first {word}, which is {follower}. Above: attention of layers 1 and 2 on one sequence, "
        f"with the cell of the induction head outlined. Below: the three memories, from a token to "
        f"its output, from a trigger to its remapped copy, and from a position to the previous "
        f"one; and rates over all test sequences.",
    )
    return fitted(figure)


def _colour(ticks: Iterable[Any], colours: Iterable[str]) -> None:
    for tick, colour in zip(ticks, colours, strict=True):
        tick.label1.set(color=colour, fontweight="bold")

"""Figure 2: attention of both layers of a trained model on a test sequence."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assocmem import plots
from assocmem.plots import GREEN, ORANGE
from validation.dynamics import experiments
from validation.dynamics.experiments import Scale
from validation.figures.sheets import (
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

SHOWN = 32  # positions


def data(
    context: Context,
    *,
    scale: Scale | None = None,
    length: int | None = None,
    width: int | None = None,
    text: str | None = None,
) -> list[Row]:
    """Both attention maps of one trained model; those of other positions are not shown."""
    scale = experiments.sized(scale or context.profile, length=length, width=width, text=text)
    return measure(scale, context.rng, context.runs("figure-2-runs"))


def measure(scale: Scale, rng: np.random.Generator, folder: Path | None) -> list[Row]:
    """Train, and look at the test sequence whose beginning the head answers best.

    How often it fails is counted over the beginnings of all 64 test sequences.
    """
    folder = scale.kept_in(folder)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        print(experiments.estimate(["all three"], scale, 1), flush=True)
    run = experiments.train("all three", scale, rng, folder, progress=folder is not None)
    task = experiments.EXPERIMENTS["all three"].trained_on(scale)
    batch, shown = task.sample(64, rng=rng), min(SHOWN, task.length)
    first, second = (layer[:, :shown, :shown] for layer in run.model().attention(batch.tokens))
    tokens, repeated = (
        batch.tokens[:, :shown],
        batch.is_repeated[:, :shown],
    )
    fails = np.array([failures(*each) for each in zip(second, tokens, repeated, strict=True)])
    kinds = np.array([len(set(row[mask])) for row, mask in zip(tokens, repeated, strict=True)])
    chosen = int(np.lexsort((kinds, -fails))[-1])  # fewest failures, then most triggers
    word = [task.language.names[token] for token in tokens[chosen]]
    rows = cells("layer 1", first[chosen], word, word) + cells(
        "layer 2", second[chosen], word, word
    )
    rows += cells("repeated", [repeated[chosen]], ["repeated"], word)
    counts = {"failed": fails.sum(), "asked": repeated.sum(), "failed here": fails[chosen]}
    rows += cells("failures", [list(counts.values())], ["all test sequences"], list(counts))
    final = run.history.at(run.step)
    names = ["accuracy", "attention_previous", "attention_induction"]
    return rows + cells("rates", [[final[name] for name in names]], ["all test sequences"], names)


def failures(weights: Any, tokens: Any, repeated: Any) -> int:
    """How many repeated triggers attend most to a token that did not follow one before.

    >>> weights = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0.1, 0.9, 0, 0]])
    >>> failures(weights, np.array([5, 6, 7, 5]), np.array([False, False, False, True]))
    0
    >>> failures(weights, np.array([6, 5, 7, 5]), np.array([False, False, False, True]))
    1
    """
    places = np.flatnonzero(repeated)
    looks = weights[places].argmax(axis=1)
    return int(np.sum((looks == 0) | (tokens[looks - 1] != tokens[places])))


def draw_layer(layer: int, rows: list[Row], ax: Axes) -> None:
    """The attention of a layer on the sequence, the cells of the induction head outlined."""
    word = labels(rows, "layer 1", "column")
    (repeated,) = np.nonzero(table(rows, "repeated")[0])
    _, previous, induction = table(rows, "rates")[0]
    failed, asked, _ = table(rows, "failures")[0].astype(int)
    found = {t: [s for s in range(1, t + 1) if word[s - 1] == word[t]] for t in repeated}
    sources = [(int(t), s) for t, each in found.items() for s in each]
    marked = {(s, s - 1) for _, s in sources} if layer == 1 else set(sources)
    plots.attention_map(table(rows, f"layer {layer}"), tokens=word, marked=marked, ax=ax)
    if layer == 1:
        ax.set_title(f"layer 1: attention on the\nprevious token, mean {previous:.0%}")
    else:
        ax.set_title(
            f"layer 2: attention on what followed\nthe trigger before, mean {induction:.0%}; "
            f"{failed} of {asked} fail"
        )
        for ticks, places, colour in (
            (ax.get_yticklabels(), list(found), ORANGE),
            (ax.get_xticklabels(), [s for _, s in sources], GREEN),
        ):
            for place in places:
                ticks[place].set(color=colour, fontweight="bold")
    ax.set(xlabel="key", ylabel="query")


PANELS: dict[str, Panel] = {f"layer {layer}": partial(draw_layer, layer) for layer in (1, 2)}


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """The maps of both layers."""
    shape = {1: 2.4, 2: 0.62}[columns]
    figure = arranged(rows, PANELS, columns, across=columns, shape=shape)
    accuracy = table(rows, "rates")[0][0]
    failed, asked, here = table(rows, "failures")[0].astype(int)
    repeated = int(table(rows, "repeated").sum())
    (image,) = figure.axes[0].images
    figure.colorbar(
        image,
        ax=figure.axes,
        label="attention (square-root scale)",
        **({"shrink": 0.6} if columns == 2 else {"location": "bottom", "shrink": 0.8, "pad": 0.01}),
    )
    caption(
        figure,
        f"Attention of a trained model with in-context accuracy {accuracy:.0%}, on a test sequence "
        f"where its induction head works: {here} of {repeated} repeated triggers (orange) attend "
        f"most to a wrong token; over all test sequences {failed} of {asked} do. Outlined: where "
        f"the head should attend; green: the token that followed a trigger before.",
    )
    return fitted(figure)

"""Figure 2: attention of both layers of a trained model on a test sequence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assocmem import plots
from assocmem.plots import GREEN, ORANGE
from validation.dynamics import experiments
from validation.dynamics.experiments import Scale
from validation.figures.sheets import Row, canvas, cells, labels, publish, table
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 32  # positions


def make(out: Path, context: Context, *, scale: Scale | None = None) -> list[Path]:
    """Write both attention maps of one trained model; those of other positions are not shown."""
    scale = scale or experiments.SCALES[context.profile]
    folder = out / "figure-2-runs" if context.full else None
    rows = measure(scale, context.rng, folder)
    return publish(out, "2", rows, draw(rows))


def measure(scale: Scale, rng: np.random.Generator, folder: Path | None) -> list[Row]:
    """Train, and look at the test sequence with the most repeated triggers in its beginning."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        print(experiments.estimate(["all three"], scale, 1), flush=True)
    run = experiments.train("all three", scale, rng, folder, progress=folder is not None)
    task = experiments.EXPERIMENTS["all three"].trained_on(scale)
    batch = task.sample(64, rng=rng)
    shown = min(SHOWN, task.length)
    distinct = [len(set(row[mask])) for row, mask in zip(*_beginnings(batch, shown), strict=True)]
    chosen = int(np.argmax(distinct))
    maps = run.model().attention(batch.tokens[[chosen]])
    word = [task.language.names[token] for token in batch.tokens[chosen, :shown]]
    rows: list[Row] = []
    for layer, (weights,) in enumerate(maps, start=1):  # causal: what is cut off is not seen
        rows += cells(f"layer {layer}", weights[:shown, :shown], word, word)
    rows += cells("repeated", [batch.is_repeated[chosen, :shown]], ["repeated"], word)
    final = run.history.at(run.step)
    names = ["accuracy", "attention_previous", "attention_induction"]
    return rows + cells("rates", [[final[name] for name in names]], ["all test sequences"], names)


def _beginnings(batch: Any, shown: int) -> tuple[Any, Any]:
    return batch.tokens[:, :shown], batch.is_repeated[:, :shown]


def draw(rows: list[Row]) -> Figure:
    """The two maps, the cells of the induction head outlined."""
    figure = canvas(19, 10.4)
    word = labels(rows, "layer 1", "column")
    (repeated,) = np.nonzero(table(rows, "repeated")[0])
    accuracy, previous, induction = table(rows, "rates")[0]
    found = {t: [s for s in range(1, t + 1) if word[s - 1] == word[t]] for t in repeated}
    marked: list[set[tuple[int, int]]] = [
        {(s, s - 1) for sources in found.values() for s in sources},
        {(int(t), s) for t, sources in found.items() for s in sources},
    ]
    titles = (
        f"Layer 1: the token after a trigger looks back at it\n"
        f"on the previous token, all positions: {previous:.0%}",
        f"Layer 2: a repeated trigger looks at what followed it\n"
        f"on tokens that follow an earlier occurrence: {induction:.0%}",
    )
    for layer, axes in enumerate(figure.subplots(1, 2), start=1):
        weights = table(rows, f"layer {layer}")
        image = plots.attention_map(weights, tokens=word, marked=marked[layer - 1], ax=axes)
        axes.set_title(titles[layer - 1], fontsize=16)
        axes.tick_params(labelsize=13)
        for ticks, colours in (
            (axes.get_yticklabels(), dict.fromkeys(repeated, ORANGE)),
            (axes.get_xticklabels(), {s: GREEN for sources in found.values() for s in sources}),
        ):
            if layer == 2:
                for position, colour in colours.items():
                    ticks[position].set(color=colour, fontweight="bold")
    figure.colorbar(image, ax=figure.axes, shrink=0.6, label="attention (square-root scale)")
    figure.suptitle(f"The induction head, trained: in-context accuracy {accuracy:.0%}", fontsize=21)
    return figure

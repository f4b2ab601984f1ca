"""Figure 2: attention of both layers of a trained model on a test sequence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assocmem import plots
from assocmem.plots import GREEN, ORANGE
from validation.dynamics import experiments
from validation.dynamics.experiments import Scale
from validation.figures.sheets import Row, canvas, caption, cells, fitted, labels, publish, table
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 32  # positions


def make(
    out: Path,
    context: Context,
    *,
    scale: Scale | None = None,
    length: int | None = None,
    width: int | None = None,
) -> list[Path]:
    """Write both attention maps of one trained model; those of other positions are not shown."""
    scale = experiments.sized(scale or experiments.SCALES[context.profile], length, width)
    folder = out / "figure-2-runs" if context.full else None
    rows = measure(scale, context.rng, folder)
    return publish(out, "2", rows, draw(rows), about=context.about)


def measure(scale: Scale, rng: np.random.Generator, folder: Path | None) -> list[Row]:
    """Train, and look at the test sequence whose beginning the head answers best.

    How often it fails is counted over the beginnings of all 64 test sequences.
    """
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


def draw(rows: list[Row]) -> Figure:
    """The two maps, the cells of the induction head outlined."""
    figure = canvas(19, 10.4)
    word = labels(rows, "layer 1", "column")
    (repeated,) = np.nonzero(table(rows, "repeated")[0])
    accuracy, previous, induction = table(rows, "rates")[0]
    failed, asked, here = table(rows, "failures")[0].astype(int)
    found = {t: [s for s in range(1, t + 1) if word[s - 1] == word[t]] for t in repeated}
    marked: list[set[tuple[int, int]]] = [
        {(s, s - 1) for sources in found.values() for s in sources},
        {(int(t), s) for t, sources in found.items() for s in sources},
    ]
    titles = (
        f"layer 1: attention on the\nprevious token, mean {previous:.0%}",
        f"layer 2: attention on what followed\nthe trigger before, mean {induction:.0%}; "
        f"{failed} of {asked} fail",
    )
    for layer, axes in enumerate(figure.subplots(1, 2), start=1):
        weights = table(rows, f"layer {layer}")
        image = plots.attention_map(weights, tokens=word, marked=marked[layer - 1], ax=axes)
        axes.set_title(titles[layer - 1])
        for ticks, colours in (
            (axes.get_yticklabels(), dict.fromkeys(repeated, ORANGE)),
            (axes.get_xticklabels(), {s: GREEN for sources in found.values() for s in sources}),
        ):
            if layer == 2:
                for position, colour in colours.items():
                    ticks[position].set(color=colour, fontweight="bold")
    figure.colorbar(image, ax=figure.axes, shrink=0.6, label="attention (square-root scale)")
    caption(
        figure,
        f"The induction head of a trained model, in-context accuracy {accuracy:.0%}, on a test "
        f"sequence where it works ({here} of {len(repeated)} repeated triggers, in orange, attend "
        f"most to a wrong token). Over all test sequences {failed} of {asked} do. Outlined: where "
        f"the head should look; green: what followed a trigger before.",
    )
    return fitted(figure)

"""Zipf items that one step of gradient descent, sign descent and Muon recalls, and how well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from assocmem.capacity import polar_factor, polar_recall, polar_scores, sampled_recall, sign_scores
from assocmem.plots import BLUE, GREY, ORANGE
from validation.figures.agreement import of_mean
from validation.figures.sheets import Panel, Row, arranged, caption, fitted, in_parallel
from validation.runner.cases import Context
from validation.writers.steps import gradient_at_zero, pairs, scores_of, zipf

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ALPHA = 1.5
WIDTHS = (16, 24, 32, 48, 64, 96, 128)
WRITERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gradient descent": np.asarray,
    "sign descent": np.sign,
    "Muon": polar_factor,
}
COLOURS = {"gradient descent": GREY, "sign descent": ORANGE, "Muon": BLUE}
ITEMS = 40  # of which gradient descent recalls any at these widths
BINS = 12  # of ranks, on a logarithmic axis


def data(
    context: Context, *, widths: Sequence[int] = WIDTHS, draws: int | None = None
) -> list[Row]:
    """The number of recalled items against the width, and right scores against the rank."""
    draws = draws or (60 if context.full else 15)
    return count_rows(widths, draws, context.rng) + score_rows(widths[-1], draws, context.rng)


def number(d: int) -> int:
    """How many items there are: 5 d^(1 + 1/(2a))."""
    return round(5 * d ** (1 + 1 / (2 * ALPHA)))


def count_rows(widths: Sequence[int], draws: int, rng: np.random.Generator) -> list[Row]:
    """One row per writer and width: items recalled, predicted and measured."""
    rows = []
    for d in widths:
        p = zipf(number(d), ALPHA)

        def recalled(rng: np.random.Generator, p: np.ndarray = p, d: int = d) -> list[int]:
            u, v = pairs(len(p), d, rng)
            M = gradient_at_zero(p, u, v)
            found = [scores_of(write(M), u, v).argmax(axis=0) for write in WRITERS.values()]
            return [int(np.sum(best == np.arange(len(p)))) for best in found]

        counts = np.array(in_parallel(recalled, rng.spawn(draws)), dtype=float)
        law = {
            "gradient descent": gradient_law(p, d, 10 * draws, rng),
            "Muon": float(polar_recall(p, d).sum()),
        }
        for name, measured in zip(WRITERS, counts.T, strict=True):
            rows.append(_row("recalled", name, d, law.get(name, np.nan), measured, draws))
    return rows


def gradient_law(p: np.ndarray, d: int, draws: int, rng: np.random.Generator) -> float:
    """Items that gradient descent recalls, by the exact law of C3, sampled for the first."""
    rates = [
        sampled_recall(len(p), d, weights=p, item=i, rule="gradient step", draws=draws, rng=rng)
        for i in range(ITEMS)
    ]
    return float(sum(rate.value for rate in rates))


def score_rows(d: int, draws: int, rng: np.random.Generator) -> list[Row]:
    """One row per writer and range of ranks: mean right score, predicted and measured."""
    n = number(d)
    p = zipf(n, ALPHA)
    edges = np.unique(np.geomspace(1, n + 1, BINS + 1).round().astype(int))
    law = {
        "gradient descent": p,
        "sign descent": sign_scores(p, d) / d,
        "Muon": polar_scores(p, d),
    }

    def means(rng: np.random.Generator) -> list[list[float]]:
        u, v = pairs(n, d, rng)
        M = v.T @ (p[:, None] * u)
        found = [((v @ write(M)) * u).sum(axis=1) for write in WRITERS.values()]
        found[1] /= d
        return [[s[a - 1 : b - 1].mean() for a, b in pairwise(edges)] for s in found]

    measured = np.array(in_parallel(means, rng.spawn(draws)))
    rows = []
    for i, name in enumerate(WRITERS):
        for j, (low, high) in enumerate(pairwise(edges)):
            rank = sqrt(low * (high - 1))
            predicted = float(law[name][low - 1 : high - 1].mean())
            rows.append(_row("score", name, rank, predicted, measured[:, i, j], draws))
    return rows


def _row(
    panel: str, writer: str, x: float, predicted: float, draws: np.ndarray, number: int
) -> Row:
    """Mean of the draws with its intervals."""
    mean, error = float(draws.mean()), float(draws.std(ddof=1) / sqrt(number))
    return {
        "panel": panel,
        "writer": writer,
        "x": float(x),
        "draws": number,
        "predicted": predicted,
        "predicted_low": predicted,
        "predicted_high": predicted,
        "measured": mean,
    } | of_mean(mean, error, number)


def draw_recalled(rows: list[Row], ax: Axes) -> None:
    """Items that one step of each writer recalls, against the width."""
    _all_series(ax, rows, "recalled")
    widths = np.array(sorted({row["x"] for row in rows if row["panel"] == "recalled"}))
    sign = next(r for r in rows if (r["panel"], r["writer"]) == ("recalled", "sign descent"))
    guide = sign["measured"] * (widths / widths[0]) ** (1 / (2 * ALPHA))
    ax.plot(widths, guide, color=ORANGE, linewidth=0.8, linestyle=":")
    ax.set(xlabel="width d", ylabel="items recalled", title="What one step stores")
    ax.set_xticks(widths, labels=[f"{d:.0f}" for d in widths], minor=False)
    ax.set_xticks([], minor=True)
    ax.legend(frameon=False)


def draw_scores(rows: list[Row], ax: Axes) -> None:
    """The score of the right answer against the rank of the item."""
    _all_series(ax, rows, "score")
    width = max(row["x"] for row in rows if row["panel"] == "recalled")
    title = f"Signal of an item, d = {width:.0f}"
    ax.set(xlabel="rank of the item", ylabel="right score", title=title, ylim=(1e-5, 2))


PANELS: dict[str, Panel] = {"recalled": draw_recalled, "score": draw_scores}


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """Items recalled against the width, right scores against the rank."""
    shape = {1: 1.5, 2: 0.43}[columns]
    figure = arranged(rows, PANELS, columns, across=columns, shape=shape)
    caption(
        figure,
        "What one step of each optimiser stores. Recalled items: number of Zipf items recalled, "
        "against the width; dots: draws, with 95 % intervals; lines: predictions; dotted: a power "
        "law as a guide. Signal: the score of the right answer, against the rank of the item.",
    )
    return fitted(figure)


def _all_series(ax: Axes, rows: list[Row], panel: str) -> None:
    for name, colour in COLOURS.items():
        _series(ax, [r for r in rows if (r["panel"], r["writer"]) == (panel, name)], colour)
    ax.set(xscale="log", yscale="log")
    ax.grid(alpha=0.3)


def _series(axes: Axes, rows: list[Row], colour: str) -> None:
    """Dots with their intervals of 95 %, and the law as a line, where there is one."""
    x, law, measured, low, high = (
        np.array([row[name] for row in rows])
        for name in ("x", "predicted", "measured", "low", "high")
    )
    axes.plot(x, law, color=colour, linewidth=1.2)
    axes.plot(x, measured, "o", color=colour, markersize=3.5, label=rows[0]["writer"])
    axes.vlines(x, np.maximum(low, 1e-6), high, color=colour, linewidth=0.9)

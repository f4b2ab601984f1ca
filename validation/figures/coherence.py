"""Coherence of random vectors compared with its law at any width, and how many vectors fit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import ceil, exp, isfinite, log, nan, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import assocmem as am
from assocmem.plots import BLUE, GREY, ORANGE
from assocmem.vectors.bartlett import bartlett
from assocmem.vectors.overlaps import coherence_band, coherence_quantile, how_many_fit, overlap_law
from validation.figures.agreement import Agreement, agreement, of_median, of_rate
from validation.figures.sheets import Panel, Row, arranged, caption, fitted, in_parallel
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTHS = (16, 128, 1024, 10**6)
LEVELS = (0.5, 0.3, 0.2)
LEVEL_WIDTHS = tuple(round(16 * 2 ** (k / 2)) for k in range(14))
COLOURS = (GREY, BLUE, ORANGE, "#7B4173")
SPREAD = (0.1, 0.5, 0.9)  # quantiles that are predicted and measured
DELTA = 0.05  # of the proven band
RARE = 1e-6  # of the number that fits safely


def data(
    context: Context,
    *,
    counts: Sequence[int] | None = None,
    widths: Sequence[int] = WIDTHS,
    levels: Sequence[float] = LEVELS,
    level_widths: Sequence[int] = LEVEL_WIDTHS,
    draws: int | None = None,
    most: int | None = None,
) -> list[Row]:
    """Coherence against the number of vectors, and the number that fits against the width."""
    draws = draws or (200 if context.full else 40)
    counts = counts or [2**k for k in range(3, 12 if context.full else 11)]
    most = most or (2000 if context.full else 300)
    return [
        *coherence_rows(counts, widths, draws, context.rng),
        *fit_rows(levels, level_widths, 5 * draws, most, context.rng),  # they spread more
    ]


def coherence_rows(
    counts: Sequence[int], widths: Sequence[int], draws: int, rng: np.random.Generator
) -> list[Row]:
    """One row per width d and number n: quantiles of the coherence, predicted and measured."""
    cells = list(product(widths, counts))

    def measured(job: tuple[tuple[int, int], np.random.Generator]) -> NDArray[Any]:
        (d, n), rng = job
        # Only inner products matter: from n dimensions on, a triangular factor has their law.
        return np.array(
            [
                am.coherence(bartlett(n, d, rng=rng) if d >= n else am.sphere(n, d, rng=rng))
                for _ in range(draws)
            ]
        )

    rows = []
    for (d, n), found in zip(
        cells, in_parallel(measured, zip(cells, rng.spawn(len(cells)), strict=True)), strict=True
    ):
        low, high = coherence_band(n, d, delta=DELTA)
        rows.append(
            _row(
                "coherence",
                d=d,
                n=n,
                draws=draws,
                predicted=[coherence_quantile(q, n, d) for q in SPREAD],
                measured=found,
                error=poisson_error(n, log(2)),
                band_low=low,
                band_high=high,
                plain=am.coherence_bound(n, d, delta=DELTA / 2),
                inside=int(np.sum((found >= low) & (found <= high))),
                limit=am.welch_bound(n, d),
            )
        )
    return rows


def poisson_error(n: int, s: float) -> float:
    """How far P(no pair of n vectors is close) is from exp(-s) at most, s the mean number (NO6)."""
    return (s - 1 + exp(-s)) * (8 * n - 14) / (n * (n - 1)) if n > 1 else 0.0


def fit_rows(
    levels: Sequence[float], widths: Sequence[int], draws: int, most: int, rng: np.random.Generator
) -> list[Row]:
    """One row per level and width: how many vectors fit before a pair exceeds the level.

    n or more vectors fit with probability near exp(-n(n-1)/2 p), which gives the quantiles.
    Measured where the predicted median is at most `most`, NaN elsewhere.
    """

    def off_half(n: int, s: float) -> float:  # beyond how far exp(-s) is from it on a lattice
        return poisson_error(n, s) - abs(exp(-s) - 1 / 2)

    rows = []
    for level, d in product(levels, widths):
        p = 2 * float(overlap_law(d).sf(level))
        predicted = [ceil((1 + sqrt(1 - 8 * log(1 - q) / p)) / 2) - 1 for q in SPREAD]
        median, found = predicted[1], [nan]
        if median <= most:
            found = in_parallel(first_misfit, [(d, level, r) for r in rng.spawn(draws)])
        rows.append(
            _row(
                "fit",
                d=d,
                level=level,
                draws=draws,
                predicted=predicted,
                measured=found,
                error=max(off_half(n, p * n * (n - 1) / 2) for n in (median, median + 1)),
                band_low=how_many_fit(d, level, delta=RARE, sharp=True),
                plain=how_many_fit(d, level, delta=RARE),
            )
        )
    return rows


def first_misfit(job: tuple[int, float, np.random.Generator]) -> float:
    """How many vectors are drawn before one has |cos| > level with an earlier one."""
    (d, level, rng), block = job, 64
    rows = np.empty((0, d))
    while True:
        before, rows = len(rows), np.concatenate([rows, am.sphere(block, d, rng=rng)])
        exceeds = np.tril(np.abs(rows[before:] @ rows.T) > level, k=before - 1).any(axis=1)
        if exceeds.any():
            return before + int(exceeds.argmax())


def agreements(rows: list[Row]) -> list[Agreement]:
    """Medians of both panels, each from draws of its own, and the draws in each proven band.

    Of a few vectors the proven error leaves no interval: such medians are not counted.
    """
    known = [row for row in rows if isfinite(row["wide_high"])]
    bands = [
        {"predicted_low": 1 - DELTA, "predicted_high": 1}
        | of_rate(am.Rate(int(row["inside"]), int(row["draws"])))
        for row in rows
        if row["panel"] == "coherence"
    ]
    shares = f"shares of draws in the proven {1 - DELTA:.0%} band"
    return [agreement("medians", known), agreement(shares, bands)]


def _row(panel: str, *, predicted: Any, measured: Any, error: float, **values: Any) -> Row:
    """One row with the columns of both panels, NaN where a column does not apply.

    Low and high are of the median, for any law that misses its Poisson limit by the proven error.
    """
    names = ("d", "n", "level", "draws", "band_low", "band_high", "plain", "inside", "limit")
    row: Row = {"panel": panel} | dict.fromkeys(names, nan) | values
    for kind, quantiles in (("predicted", predicted), ("measured", np.quantile(measured, SPREAD))):
        row |= {f"{kind}_{q}": float(v) for q, v in zip(SPREAD, quantiles, strict=True)}
    row |= dict.fromkeys(("predicted_low", "predicted_high"), row["predicted_0.5"])
    return row | {"error": error} | of_median(measured, error)


def draw_coherence(rows: list[Row], ax: Axes) -> None:
    """The coherence against the number of vectors."""
    _panel(ax, rows, "coherence", group="d", x="n")
    ax.set_title("Coherence of n random vectors")
    ax.set(xlabel="number of vectors n", ylabel="largest |cos| of all pairs")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.57), ncols=2, frameon=False)


def draw_fit(rows: list[Row], ax: Axes) -> None:
    """How many vectors are drawn before a pair is close, against the dimension."""
    _panel(ax, rows, "fit", group="level", x="d")
    ax.set(ylim=(0.8, 3e7), title="Vectors drawn before a |cos| exceeds ε")
    ax.set(xlabel="dimension d", ylabel="number of vectors that fit")
    ax.legend(loc="upper left")


PANELS: dict[str, Panel] = {"coherence": draw_coherence, "fit": draw_fit}


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """Coherence against n, and the number that fits against d."""
    figure = arranged(rows, PANELS, columns, across=columns, shape={1: 1.6, 2: 0.55}[columns])
    caption(
        figure,
        "Coherence of random vectors, and how many fit. Line and dark band: predicted median, and "
        f"{SPREAD[0]:.0%} to {SPREAD[2]:.0%} quantiles, by the Poisson law of the number of close "
        f"pairs. Dots: medians of {rows[0]['draws']} and {rows[-1]['draws']} draws; bars: their "
        "95% interval and the proved error of the Poisson law. Coherence, light band: proved to "
        "contain 95% of the draws; thin line: the plain bound in place of its upper end; dotted: "
        "Welch's bound for any vectors. Number that fits, dashed: vectors that fit with "
        f"probability $1 - 10^{{{round(np.log10(RARE))}}}$ by the sharp bound; thin line: by the "
        "plain bound. " + "; ".join(map(str, agreements(rows))) + ".",
    )
    return fitted(figure)


def _panel(axes: Axes, rows: list[Row], panel: str, *, group: str, x: str) -> None:
    rows = [row for row in rows if row["panel"] == panel]
    groups = list(dict.fromkeys(row[group] for row in rows))
    for value, colour in zip(groups, COLOURS[: len(groups)], strict=True):
        chosen = [row for row in rows if row[group] == value]
        at, limit, low, high, band_low, band_high, plain = (
            np.array([row[name] for row in chosen], dtype=float)
            for name in (x, "limit", "low", "high", "band_low", "band_high", "plain")
        )
        predicted, measured = (
            [np.array([row[f"{kind}_{q}"] for row in chosen]) for q in SPREAD]
            for kind in ("predicted", "measured")
        )
        name = f"ε = {value:g}" if group == "level" else "d = " + f"{value:,}".replace(",", " ")
        axes.plot(at, predicted[1], color=colour, linewidth=1.5)
        axes.fill_between(at, predicted[0], predicted[2], color=colour, alpha=0.3, linewidth=0)
        if panel == "coherence":
            axes.fill_between(at, band_low, band_high, color=colour, alpha=0.12, linewidth=0)
        else:
            axes.plot(at, band_low, color=colour, linestyle="--", linewidth=1)
        axes.plot(at, plain, color=colour, linewidth=0.7)
        above = limit > 0  # Welch's bound says nothing for n <= d
        axes.plot(at[above], limit[above], color=colour, linestyle=":", linewidth=1.5)
        seen, known = np.isfinite(measured[1]), np.isfinite(high)
        style: dict[str, Any] = {"color": colour, "linestyle": "none"}
        for quantile in measured[0], measured[2]:
            axes.plot(at[seen], quantile[seen], ".", markersize=4, **style)
        axes.plot(at[seen], measured[1][seen], "o", label=name, markersize=5, **style)
        axes.vlines(at[known], low[known], high[known], color=colour)
    axes.set(xscale="log", yscale="log")
    axes.grid(alpha=0.3)

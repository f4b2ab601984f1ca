"""How much a matrix stores: capacity by width, recall, weights of the pairs and learning rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import hypot, nan, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import integrate

import assocmem as am
from assocmem import capacity, plots
from assocmem.capacity import LinearRule
from assocmem.plots import BLUE, GREEN, GREY, ORANGE
from validation.capacity.c3 import recalled_items
from validation.capacity.c5 import largest
from validation.capacity.draws import Estimate, drawn_recall, law
from validation.figures.agreement import Agreement, agreement, exponent, of_mean
from validation.figures.sheets import Panel, Row, arranged, caption, fitted, in_parallel
from validation.memory.recall import half_recall
from validation.runner.cases import Context

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLASSES = 8
COLLAPSE = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4)
DRAWN = 1000  # the largest width at which Zipf-weighted memories are drawn
COLOURS = {
    "one to one": BLUE,
    f"{CLASSES} classes": ORANGE,
    "outer products": BLUE,
    "gradient step": GREY,
    "pseudo-inverse": GREEN,
    "cross-entropy": ORANGE,
}
INTERVALS = ("low", "high", "wide_low", "wide_high")
SHADES = (BLUE, ORANGE, GREEN, GREY)


def data(
    context: Context,
    *,
    widths: Sequence[int] = (16, 32, 64, 128, 256),
    recall_widths: Sequence[int] = (16, 48, 128),
    zipf_widths: Sequence[int] = (32, 128, 512, 10**4, 10**5, 10**6),
    rule_widths: Sequence[int] = (8, 12, 16, 24, 32),
    memories: int | None = None,
) -> list[Row]:
    """The four panels; `memories` is the number of draws behind a point."""
    memories = memories or (60 if context.full else 12)
    return measure(widths, recall_widths, zipf_widths, rule_widths, memories, context.rng)


# --- Numbers


def measure(
    widths: Sequence[int],
    recall_widths: Sequence[int],
    zipf_widths: Sequence[int],
    rule_widths: Sequence[int],
    memories: int,
    rng: np.random.Generator,
) -> list[Row]:
    """Return one row per point of a panel, predicted or measured."""
    return [
        *capacities(widths, memories, rng),
        *collapse(recall_widths, memories, rng),
        *zipf(zipf_widths, memories, rng),
        *rules(rule_widths, memories, rng),
    ]


def row(panel: str, series: str, kind: str, x: float, value: float, **more: float) -> Row:
    """One point with the columns of all kinds, NaN where a column does not apply."""
    names = ("error", *INTERVALS, "predicted_low", "predicted_high", "draws")
    place = {"panel": panel, "series": series, "kind": kind, "x": x, "value": float(value)}
    return place | dict.fromkeys(names, nan) | more


def measured(
    panel: str,
    series: str,
    x: float,
    found: Estimate,
    draws: int,
    *,
    predicted: tuple[float, float],
    law_error: float = 0,
) -> Row:
    """A point that is drawn, between what ends its prediction is, and how well that is known."""
    value, error = found
    low, high = predicted
    return row(
        panel,
        series,
        "measured",
        x,
        value,
        error=error,
        predicted_low=low,
        predicted_high=high,
        draws=draws,
        **of_mean(value, hypot(error, law_error), draws),
    )


def agreements(rows: list[Row]) -> list[Agreement]:
    """All drawn memories whose rule has a law: each point has draws of its own."""
    drawn = (row for row in rows if row["kind"] == "measured")
    return [agreement("points", [row for row in drawn if row["series"] != "cross-entropy"])]


def around(guess: float, step: int = 1) -> NDArray[np.float64]:
    """Two sizes around a guess, multiples of the step."""
    return step * np.array([np.floor(0.9 * guess / step), np.ceil(1.1 * guess / step)])


def at_half(sizes: NDArray[np.float64], points: Sequence[Estimate]) -> Estimate:
    """n at recall 1/2, interpolated between two sizes, and its standard error."""
    log_n, error = half_recall(sizes, *np.transpose(points))
    return float(np.exp(log_n)), float(np.exp(log_n) * error)


def known_capacity(d: int, classes: int | None) -> dict[str, float]:
    """n* by the Gaussian approximation, low and high where its recall errs by 1/(2d) (C7)."""
    shifts = {"value": 0.0, "low": 1 / (2 * d), "high": -1 / (2 * d)}
    return {
        name: capacity.capacity(d, classes=classes, recall=1 / 2 + shift)
        for name, shift in shifts.items()
    }


def known_recall(n: float, d: int) -> dict[str, float]:
    """Recall by the Gaussian approximation, low and high if it errs by 1/(2d) (C7)."""
    value, error = capacity.recall_probability(n, d), 1 / (2 * d)
    return {"value": value, "low": value - error, "high": value + error}


def capacities(widths: Sequence[int], memories: int, rng: np.random.Generator) -> Iterator[Row]:
    """n* against d, one to one and many to one."""
    grid = np.unique(np.geomspace(widths[0], widths[-1], 20).astype(int))
    for series, classes in (("one to one", None), (f"{CLASSES} classes", CLASSES)):
        for d in map(int, grid):
            yield row("capacity", series, "theory", d, **known_capacity(d, classes))
        for d in widths:
            known = known_capacity(d, classes)
            sizes, draws = around(known["value"], classes or 1), memories * max(1, 128 // d)
            drawn = [
                drawn_recall(int(n), d, draws, rng, m=classes or 0, rule="outer products")
                for n in sizes
            ]
            predicted = known["low"], known["high"]
            yield measured("capacity", series, d, at_half(sizes, drawn), draws, predicted=predicted)


def collapse(widths: Sequence[int], memories: int, rng: np.random.Generator) -> Iterator[Row]:
    """Recall against n / n*, one to one."""
    for d in widths:
        most = capacity.capacity(d)
        for factor in np.geomspace(COLLAPSE[0], COLLAPSE[-1], 40):
            yield row("recall", f"d = {d}", "theory", factor, **known_recall(factor * most, d))
        for factor in COLLAPSE:
            n = round(factor * most)
            draws = memories * max(1, 128 // d)  # small maps have few keys to ask
            found = drawn_recall(n, d, draws, rng, rule="outer products")
            known = known_recall(n, d)
            predicted = known["low"], known["high"]
            yield measured("recall", f"d = {d}", n / most, found, draws, predicted=predicted)


def zipf(widths: Sequence[int], memories: int, rng: np.random.Generator) -> Iterator[Row]:
    """How many of 5 d^(1/(2a)) Zipf-weighted items are recalled: limit, exact law, drawn."""
    reach, strata = 5, 40
    for alpha in (1.0, 1.5):
        series = f"weights $i^{{-{alpha:g}}}$"
        total = integrate.quad(lambda x: capacity.zipf_recall(x, alpha), 1e-9, reach)[0]  # noqa: B023
        for d in widths:
            scale = d ** (1 / (2 * alpha))
            n = round(reach * scale)
            yield row("zipf", series, "limit", d, total * scale)
            items = ((np.arange(strata) + rng.random(strata)) / strata * n).astype(int)
            draws = 40 * memories if d <= DRAWN else memories
            count, error = recalled_items(alpha, d, n, items, draws, rng)
            yield row("zipf", series, "exact law", d, count, draws=strata * draws)
            if d <= DRAWN:
                counts = [drawn_count(alpha, d, n, rng) for _ in range(4 * memories)]
                found = float(np.mean(counts)), float(np.std(counts, ddof=1) / sqrt(len(counts)))
                predicted = count, count
                yield measured(
                    "zipf", series, d, found, len(counts), predicted=predicted, law_error=error
                )


def drawn_count(alpha: float, d: int, n: int, rng: np.random.Generator) -> int:
    """How many items a memory that is drawn recalls."""
    weights = np.diag(np.arange(1.0, n + 1) ** -alpha)
    keys, values = am.gaussian(n, d, rng=rng), am.gaussian(n, d, rng=rng)
    memory = am.AssociativeMemory(keys=keys, values=values, coefficients=weights)
    return int(np.sum(memory.margin() > 0))


def rules(widths: Sequence[int], memories: int, rng: np.random.Generator) -> Iterator[Row]:
    """n* / d^2 by rule, and by the exact law where there is one."""
    names: tuple[LinearRule, ...] = ("outer products", "gradient step", "pseudo-inverse")
    for d in widths:
        most = capacity.capacity(d)
        for rule in names:
            sizes = around(most + (d if rule == "pseudo-inverse" else 0))
            half, law_error = at_half(
                sizes, [law(int(n), d, 2000 * memories, rng, rule=rule) for n in sizes]
            )
            yield row("rules", rule, "theory", d, half / d**2)
            draws = memories * max(1, 64 // d)
            found = at_half(sizes, [drawn_recall(int(n), d, draws, rng, rule=rule) for n in sizes])
            yield per_parameter(
                measured(
                    "rules", rule, d, found, draws, predicted=(half, half), law_error=law_error
                )
            )
        edges = in_parallel(lambda own: edge(d, own), rng.spawn(memories))  # noqa: B023
        error = float(np.std(edges, ddof=1)) / sqrt(memories)
        found = float(np.mean(edges)), error
        yield per_parameter(
            measured("rules", "cross-entropy", d, found, memories, predicted=(nan, nan))
        )


def per_parameter(pairs: Row) -> Row:
    """A point at width x in units of x^2."""
    names = ("value", "error", *INTERVALS, "predicted_low", "predicted_high")
    return pairs | {name: pairs[name] / pairs["x"] ** 2 for name in names}


def edge(d: int, rng: np.random.Generator) -> int:
    """The largest number of pairs of which the minimum of the cross-entropy recalls half.

    By claim C6 it lies between one and four times that of outer products.
    """
    fewest = int(capacity.capacity(d))
    most = 4 * fewest
    keys, values = am.gaussian(most, d, rng=rng), am.gaussian(most, d, rng=rng)

    def half(n: int) -> bool:
        return capacity.memorise(keys[:n], values[:n], rule="cross-entropy").recall() >= 0.5

    return largest(half, fewest, most)


# --- Picture


def of_panel(rows: list[Row], panel: str) -> list[Row]:
    """The rows of a panel."""
    return [r for r in rows if r["panel"] == panel]


def at_measured(axes: Axes, rows: list[Row]) -> None:
    """Ticks at the widths where memories were drawn."""
    ticks = sorted({r["x"] for r in rows if r["kind"] == "measured"})
    axes.set_xticks(ticks, [f"{d:g}" for d in ticks])
    axes.minorticks_off()


def draw_capacity(rows: list[Row], ax: Axes) -> None:
    """How many pairs a memory holds against the width, one to one and many to one."""
    rows = of_panel(rows, "capacity")
    series_of(ax, rows)
    guides(ax, rows)
    ax.set(xscale="log", yscale="log", xlabel="width d", ylabel="pairs $n^*$, half recalled")
    ax.set_title("Capacity: one to one $d^2 / 2\\ln n$,\nfew classes $m d / z_m^2$")
    ax.legend(loc="upper left", frameon=False, handlelength=1.5)
    ax.set_ylim(None, 10 * ax.get_ylim()[1])  # room for the legend
    at_measured(ax, rows)


def draw_recall(rows: list[Row], ax: Axes) -> None:
    """Recall against the number of pairs in units of the capacity."""
    series_of(ax, of_panel(rows, "recall"))
    ax.set(xscale="log", xlabel="pairs $n / n^*(d)$", ylabel="recall", ylim=(-0.03, 1.03))
    ax.set_xticks((0.25, 0.5, 1, 2, 4), ("1/4", "1/2", "1", "2", "4"))
    ax.minorticks_off()
    ax.set_title("Recall, one to one:\nsharper with width")
    ax.legend(frameon=False)


def draw_zipf(rows: list[Row], ax: Axes) -> None:
    """How many items of Zipf's law a memory recalls against the width."""
    series_of(ax, of_panel(rows, "zipf"))
    ax.set(xscale="log", yscale="log", xlabel="width d", ylabel="items recalled")
    ax.plot([], [], "o-", color=GREY, mfc="white", ms=10, label="exact law, sampled")
    ax.set_title("Zipf weights $i^{-\\alpha}$: $d^{1/2\\alpha}$ items,\nno logarithm")
    ax.legend(loc="upper left", frameon=False)


def draw_rules(rows: list[Row], ax: Axes) -> None:
    """Pairs per parameter, by the rule that writes the memory."""
    rows = of_panel(rows, "rules")
    series_of(ax, rows)
    ax.set(xlabel="width d", ylabel="pairs per parameter, $n^* / d^2$")
    ax.set_title("Rules, one to one,\nhalf recalled")
    ax.set_ylim(0, 1.6 * ax.get_ylim()[1])
    ax.legend(frameon=False, loc="upper right")
    at_measured(ax, rows)


PANELS: dict[str, Panel] = {
    "capacity": draw_capacity,
    "recall": draw_recall,
    "zipf": draw_zipf,
    "rules": draw_rules,
}


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """Four panels: lines are predicted, points measured."""
    shape = {1: 2.6, 2: 0.95}[columns]
    figure = arranged(rows, PANELS, columns, across=columns, shape=shape)
    for axes in figure.axes:
        axes.grid(alpha=0.3)
    found = "; ".join(map(str, agreements(rows)))
    caption(
        figure,
        "What a d × d matrix stores over Gaussian keys and values. Points: drawn memories. Lines: "
        "predictions; for capacity and recall with a band for an error of 1/(2d) in recall, for "
        "Zipf weights and rules from the sampled exact laws, whose error is included in the bars "
        "(95%). Dotted: limit d → ∞; $z_m$: median of the largest of m − 1 standard normals. The "
        f"exponents are fitted to the points. {found}.",
    )
    return fitted(figure)


def series_of(axes: Axes, rows: list[Row]) -> None:
    """Draw every series of a panel: its line, and its points with bars."""
    style: dict[str, Any]
    for index, series in enumerate(dict.fromkeys(r["series"] for r in rows)):
        colour = COLOURS.get(series, SHADES[index % len(SHADES)])
        for kind in ("limit", "theory", "exact law", "measured"):
            found = [r for r in rows if (r["series"], r["kind"]) == (series, kind)]
            if not found:
                continue
            x, value, low, high = (
                np.array([r[name] for r in found]) for name in ("x", "value", "low", "high")
            )
            if kind in ("limit", "theory"):
                dotted = ":" if kind == "limit" else "-"
                axes.plot(x, value, color=colour, linewidth=2, linestyle=dotted)
                axes.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)
                continue
            if kind == "exact law":
                style = {"color": colour, "markerfacecolor": "white", "markersize": 10}
                axes.plot(x, value, "o-", **style)
                continue
            style = {"color": colour, "linestyle": "none", "markersize": 7}
            label = series
            if found[0]["panel"] == "capacity":
                label += ", " + exponent(x, value, [r["error"] for r in found])
            elif all(np.isnan(r["predicted_low"]) for r in found):
                label += " (no predicted law)"
            plots.recall_curve(x, value, low, high, band=False, ax=axes, label=label, **style)


def guides(axes: Axes, rows: list[Row]) -> None:
    """Dotted lines of slope 2 and 1 that end where the predicted lines end."""
    for series, power in (("one to one", 2), (f"{CLASSES} classes", 1)):
        line = [r for r in rows if (r["series"], r["kind"]) == (series, "theory")]
        d, top = np.array([r["x"] for r in line]), line[-1]
        guide = top["value"] * (d / top["x"]) ** power
        axes.plot(d, guide, color=COLOURS[series], linestyle=":", label=f"slope {power}")

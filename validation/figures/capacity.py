"""How much a matrix remembers: capacity by width, by recall, by weights and by rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import integrate, stats

import assocmem as am
from assocmem import capacity, plots
from assocmem.capacity import LinearRule, Rule
from assocmem.plots import BLUE, GREEN, GREY, ORANGE
from validation.capacity import drawn_recall, largest, law, recalled_items
from validation.cases import Context
from validation.figures.sheets import Row, canvas, in_parallel, publish
from validation.memory import half_recall

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLASSES = 8
COLLAPSE = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4)
DRAWN = 1000  # the largest width at which Zipf-weighted memories are drawn
CONFIDENCE = 0.95
COLOURS = {
    "one to one": BLUE,
    f"{CLASSES} classes": ORANGE,
    "outer products": BLUE,
    "gradient step": GREY,
    "pseudo-inverse": GREEN,
    "cross-entropy": ORANGE,
}
SHADES = (BLUE, ORANGE, GREEN, GREY)


def make(
    out: Path,
    context: Context,
    *,
    widths: Sequence[int] = (16, 32, 64, 128, 256),
    recall_widths: Sequence[int] = (16, 48, 128),
    zipf_widths: Sequence[int] = (32, 128, 512, 10**4, 10**5, 10**6),
    rule_widths: Sequence[int] = (8, 12, 16, 24, 32),
    memories: int | None = None,
) -> list[Path]:
    """Write the four panels; `memories` is the number of draws behind a point."""
    memories = memories or (60 if context.full else 12)
    rows = measure(widths, recall_widths, zipf_widths, rule_widths, memories, context.rng)
    return publish(out, "capacity", rows, draw(rows))


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


def row(
    panel: str, series: str, kind: str, x: float, value: float, error: float = 0, draws: int = 0
) -> Row:
    """One point, measured with a confidence interval from `draws` (Student) or predicted."""
    reach = error * float(stats.t.isf((1 - CONFIDENCE) / 2, draws - 1)) if draws else 0.0
    return {
        "panel": panel,
        "series": series,
        "kind": kind,
        "x": x,
        "value": float(value),
        "low": float(value) - reach,
        "high": float(value) + reach,
        "draws": draws,
    }


def half_recalled(
    guess: float, d: int, memories: int, rng: np.random.Generator, *, m: int = 0, rule: Rule
) -> tuple[float, float]:
    """n at recall 1/2, interpolated between two sizes around a guess, and its standard error."""
    step = m or 1
    low, high = step * np.floor(0.8 * guess / step), step * np.ceil(1.25 * guess / step)
    points = [drawn_recall(int(n), d, memories, rng, m=m, rule=rule) for n in (low, high)]
    log_n, error = half_recall(np.array([low, high]), *np.transpose(points))
    return float(np.exp(log_n)), float(np.exp(log_n) * error)


def capacities(widths: Sequence[int], memories: int, rng: np.random.Generator) -> Iterator[Row]:
    """n* against d, one to one and many to one."""
    grid = np.unique(np.geomspace(widths[0], widths[-1], 20).astype(int))
    for series, classes in (("one to one", None), (f"{CLASSES} classes", CLASSES)):
        for d in map(int, grid):
            n = capacity.capacity(d, classes=classes)
            yield row("capacity", series, "theory", d, n)
        for d in widths:
            n = capacity.capacity(d, classes=classes)
            found = half_recalled(n, d, memories, rng, m=classes or 0, rule="outer products")
            yield row("capacity", series, "measured", d, *found, memories)


def collapse(widths: Sequence[int], memories: int, rng: np.random.Generator) -> Iterator[Row]:
    """Recall against n / n*, one to one."""
    for d in widths:
        most = capacity.capacity(d)
        for factor in np.geomspace(COLLAPSE[0], COLLAPSE[-1], 40):
            recall = capacity.recall_probability(factor * most, d)
            yield row("recall", f"d = {d}", "theory", factor, recall)
        for factor in COLLAPSE:
            n = round(factor * most)
            draws = memories * max(1, 128 // d)  # small maps have few keys to ask
            found = drawn_recall(n, d, draws, rng, rule="outer products")
            yield row("recall", f"d = {d}", "measured", n / most, *found, draws)


def zipf(widths: Sequence[int], memories: int, rng: np.random.Generator) -> Iterator[Row]:
    """How many of 5 d^(1/2a) Zipf-weighted items are recalled: limit, exact law, drawn."""
    reach, strata = 5, 40
    for alpha in (1.0, 1.5):
        series = f"weights $i^{{-{alpha:g}}}$"
        total = integrate.quad(lambda x: capacity.zipf_recall(x, alpha), 1e-9, reach)[0]  # noqa: B023
        for d in widths:
            scale = d ** (1 / (2 * alpha))
            n = round(reach * scale)
            yield row("zipf", series, "limit", d, total * scale)
            items = ((np.arange(strata) + rng.random(strata)) / strata * n).astype(int)
            draws = 10 * memories if d <= DRAWN else memories
            count, error = recalled_items(alpha, d, n, items, draws, rng)
            yield row("zipf", series, "exact law", d, count, error, strata * draws)
            if d <= DRAWN:
                counts = [drawn_count(alpha, d, n, rng) for _ in range(4 * memories)]
                error = float(np.std(counts, ddof=1) / np.sqrt(len(counts)))
                yield row("zipf", series, "measured", d, float(np.mean(counts)), error, len(counts))


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
            n = most + (d if rule == "pseudo-inverse" else 0)
            sizes = np.array([np.floor(0.8 * n), np.ceil(1.25 * n)])
            laws = [law(int(size), d, 2000 * memories, rng, rule=rule) for size in sizes]
            half = np.exp(half_recall(sizes, *np.transpose(laws))[0])
            yield row("rules", rule, "theory", d, half / d**2)
            draws = memories * max(1, 64 // d)
            found, error = half_recalled(n, d, draws, rng, rule=rule)
            yield row("rules", rule, "measured", d, found / d**2, error / d**2, draws)
        edges = in_parallel(lambda own: edge(d, own), rng.spawn(memories))  # noqa: B023
        error = float(np.std(edges, ddof=1)) / np.sqrt(memories)
        found = float(np.mean(edges))
        yield row("rules", "cross-entropy", "measured", d, found / d**2, error / d**2, memories)


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


def draw(rows: list[Row]) -> Figure:
    """Four panels: lines are predicted, points measured."""
    figure = canvas(15, 11.5)
    (first, second), (third, fourth) = figure.subplots(2, 2)
    for axes, panel in (
        (first, "capacity"),
        (second, "recall"),
        (third, "zipf"),
        (fourth, "rules"),
    ):
        series_of(axes, [r for r in rows if r["panel"] == panel])
    guides(first, rows)
    first.set(xscale="log", yscale="log", xlabel="width d", ylabel="pairs n*, half recalled")
    first.set_title("Capacity: one to one d² / 2 ln n, few classes m d / 2 ln m")
    second.set(xscale="log", xlabel="pairs n / n*(d)", ylabel="recall", ylim=(-0.03, 1.03))
    second.set_xticks((0.25, 0.5, 1, 2, 4), ("1/4", "1/2", "1", "2", "4"))
    second.set_title("Recall, one to one: sharper with width")
    third.set(xscale="log", yscale="log", xlabel="width d", ylabel="items recalled")
    third.set_title(r"Zipf weights $i^{-\alpha}$: $d^{1/2\alpha}$ items, no logarithm")
    fourth.set(xlabel="width d", ylabel="pairs per parameter, n* / d²", ylim=(0, None))
    fourth.set_title("Rules, one to one, half recalled")
    for axes in (first, second, third, fourth):
        axes.title.set_fontsize(16)
        axes.xaxis.label.set_fontsize(15)
        axes.yaxis.label.set_fontsize(15)
        axes.tick_params(labelsize=13)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=13)
    for axes, panel in ((first, "capacity"), (fourth, "rules")):
        ticks = sorted({r["x"] for r in rows if (r["panel"], r["kind"]) == (panel, "measured")})
        axes.set_xticks(ticks, [f"{d:g}" for d in ticks])
    first.minorticks_off()
    second.minorticks_off()
    figure.suptitle(
        "What a d × d matrix stores over Gaussian keys and values. Lines: predicted; points: "
        f"drawn memories with {CONFIDENCE:.0%} intervals.\nZipf: line and open points are the "
        "exact law, sampled, dotted its limit. Rules: exact laws, none for cross-entropy",
        fontsize=15,
    )
    return figure


def series_of(axes: Axes, rows: list[Row]) -> None:
    """Draw every series of a panel: its line, and its points with bars."""
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
                continue
            style: dict[str, Any] = {"linestyle": "none", "markersize": 7, "color": colour}
            if kind == "exact law":
                style |= {"linestyle": "-", "markerfacecolor": "white", "markersize": 10}
            else:
                style["label"] = series
            plots.recall_curve(x, value, low, high, band=False, ax=axes, **style)


def guides(axes: Axes, rows: list[Row]) -> None:
    """Dotted lines of slope 2 and 1 that end where the predicted lines end."""
    for series, power in (("one to one", 2), (f"{CLASSES} classes", 1)):
        line = [r for r in rows if (r["series"], r["kind"]) == (series, "theory")]
        d, top = np.array([r["x"] for r in line]), line[-1]
        guide = top["value"] * (d / top["x"]) ** power
        axes.plot(d, guide, color=COLOURS[series], linestyle=":", label=f"slope {power}")

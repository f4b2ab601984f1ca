"""Where the theorem holds at finite width: accuracy over (d, T), and the width it takes."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, hypot, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

import assocmem as am
from assocmem import plots
from assocmem.plots import BLUE, GREEN, ORANGE
from validation.figures.agreement import Agreement, agreement, exponent, of_mean
from validation.figures.sheets import Row, canvas, caption, fitted, in_parallel, publish
from validation.runner.cases import Context
from validation.width.head import LEVEL, HeadAtWidth, crossing, mean_recall
from validation.width.w7 import InductionHead
from validation.width.written import written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_TOKENS, LENGTH = 16, 64  # the other size where one varies
LENGTHS = (16, 24, 32, 48, 64, 96, 128)
TOKENS = (8, 16, 32, 64, 128)
WIDTHS = tuple(round(10 ** (k / 2)) for k in range(3, 15))
NEAR = np.geomspace(0.5, 8, 5)  # where to look for d_90, in units of d*
LEADS = {10.0: BLUE, 3.0: GREEN, 1.0: ORANGE}  # m2, the lead of step 2


def make(
    out: Path,
    context: Context,
    *,
    lengths: Sequence[int] = LENGTHS,
    tokens: Sequence[int] = TOKENS,
    widths: Sequence[int] = WIDTHS,
    leads: Sequence[float] = tuple(LEADS),
    draws: int | None = None,
    sequences: int = 100,
) -> list[Path]:
    """Accuracy over (d, T) from width-free draws, and d* against T and N, predicted and measured.

    Closed-form coefficients, K = 1, labels over content, Gaussian embeddings.
    """
    draws = draws or (20 if context.full else 4)
    rng = context.rng
    rows = accuracies(lengths, widths, rng, draws=draws, sequences=sequences)
    by_length = [(lead, N_TOKENS, length) for lead in leads for length in lengths]
    by_tokens = [(leads[0], n, LENGTH) for n in tokens]
    rows += critical_widths("T", by_length, rng, draws=20 * draws)
    rows += critical_widths("N", by_tokens, rng, draws=20 * draws)
    near = {row["T"]: row["predicted_low"] for row in rows if _is(row, "T", leads[0])}
    rows += head_widths(near, rng, draws=40 * draws)
    return publish(out, "phase", rows, draw(rows), about=context.about)


def accuracies(
    lengths: Sequence[int],
    widths: Sequence[int],
    rng: np.random.Generator,
    *,
    draws: int,
    sequences: int,
) -> list[Row]:
    """Return a row per length and width: mean accuracy over draws, trigger not first."""

    def of_length(job: tuple[int, np.random.Generator]) -> list[Row]:
        length, rng = job
        task = am.InductionTask(N_TOKENS, length)
        memories = am.top_down(task, evaluate_on=None).memories
        rows = []
        for width in widths:
            found = []
            for _ in range(draws):
                emb = am.FrozenEmbeddings.random(task, width=width, compressed=True, rng=rng)
                weights: dict[str, Any] = {
                    name: written(memory, name, emb) for name, memory in memories.items()
                }
                model = am.FrozenTransformer(emb, **weights)
                result = am.evaluate(model, task.sample(sequences, rng=rng))
                found.append(result.where(result.trigger_position > 0).accuracy.value)
            mean, error = float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(draws))
            place = _row("accuracy", 10.0, N_TOKENS, length, d=width, value=mean, draws=draws)
            rows.append(place | of_mean(mean, error, draws))
        return rows

    jobs = list(zip(lengths, rng.spawn(len(lengths)), strict=True))
    return [row for rows in in_parallel(of_length, jobs) for row in rows]


def critical_widths(
    panel: str, sizes: Sequence[tuple[float, int, int]], rng: np.random.Generator, *, draws: int
) -> list[Row]:
    """Return a row per (lead, N, T): d* by the exact law in ten times the draws, and measured.

    The interval of what is measured holds the error of both.
    """

    def of_size(job: tuple[tuple[float, int, int], np.random.Generator]) -> Row:
        (lead, n_tokens, length), rng = job
        head = HeadAtWidth(am.InductionTask(n_tokens, length), rng, lead=lead)
        widths = head.around()
        (predicted, law_error), (measured, error) = (
            crossing(widths, *mean_recall([recall(int(d), n, rng) for d in widths], len(head.rows)))
            for recall, n in ((head.law, 10 * draws), (head.measured, draws))
        )
        return _row(
            panel,
            lead,
            n_tokens,
            length,
            value=exp(measured),
            error=exp(measured) * error,
            draws=draws,
            predicted_low=exp(predicted),
            predicted_high=exp(predicted),
            **{
                end: exp(log_d)
                for end, log_d in of_mean(measured, hypot(law_error, error), draws).items()
            },
        )

    return in_parallel(of_size, list(zip(sizes, rng.spawn(len(sizes)), strict=True)))


def head_widths(near: dict[int, float], rng: np.random.Generator, *, draws: int) -> list[Row]:
    """Return a row per T: d_90 of both layers, by the normal law of W7, searched near d*."""

    def of_length(job: tuple[int, np.random.Generator]) -> Row:
        length, rng = job
        head = InductionHead(am.InductionTask(N_TOKENS, length), rng, places=6)
        widths = near[length] * NEAR
        found = np.maximum.accumulate([head.predicted(d, draws, rng).mean() for d in widths])
        probits = stats.norm.ppf(np.clip(found, 0.001, 0.999))
        log_d = np.interp(stats.norm.ppf(LEVEL), probits, np.log(widths), left=nan, right=nan)
        return _row("head", 10.0, N_TOKENS, length, predicted_low=exp(log_d))

    return in_parallel(of_length, list(zip(near, rng.spawn(len(near)), strict=True)))


def agreements(rows: list[Row]) -> list[Agreement]:
    """d* in all panels together: each point has draws of its own."""
    return [agreement("widths d*", [row for row in rows if row["panel"] in ("T", "N")])]


def _row(panel: str, lead: float, n_tokens: int, length: int, **values: float) -> Row:
    """One row with the columns of all panels, NaN where a column does not apply."""
    intervals = ("low", "high", "wide_low", "wide_high", "predicted_low", "predicted_high")
    names = ("d", "value", "error", *intervals, "draws")
    place = {"panel": panel, "m2": lead, "N": n_tokens, "T": length}
    return place | dict.fromkeys(names, nan) | values


def _is(row: Row, panel: str, lead: float) -> bool:
    return bool((row["panel"], row["m2"]) == (panel, lead))


def draw(rows: list[Row]) -> Figure:
    """A map of the accuracy with the predicted boundary; d* against T and against N."""
    figure = canvas(19, 9, room=1.1)
    phase, against_t, against_n = figure.subplots(1, 3, width_ratios=(1.5, 1, 1))
    _draw_map(rows, phase)
    for axes, panel, other in (
        (against_t, "T", f"N = {N_TOKENS}"),
        (against_n, "N", f"T = {LENGTH}"),
    ):
        _draw_widths(rows, panel, axes)
        axes.set_title(f"d*, layer 1 finds t - 1\nfor {LEVEL:.0%} of t; {other}")
    against_n.set_ylim(against_t.get_ylim())
    (draws,) = {row["draws"] for row in rows if _is(row, "T", rows[0]["m2"])}
    found = "; ".join(map(str, agreements(rows)))
    caption(
        figure,
        "Closed-form steps written with Gaussian embeddings, K = 1, labels over content; map: "
        f"{rows[0]['draws']} draws a cell. $d_{{90}}$: within 10 % from T = 48 on, 7 to 13 % too "
        "large below, not counted.\nRight: lines: exact law given the positions, sampled; points: "
        f"{draws} draws at two widths; bars (95%) hold the error of both; exponents of the last "
        f"three points\n{found}",
    )
    return fitted(figure)


def _draw_map(rows: list[Row], axes: Any) -> None:
    cells = [row for row in rows if row["panel"] == "accuracy"]
    lengths, widths = (list(dict.fromkeys(row[name] for row in cells)) for name in ("T", "d"))
    values = np.reshape([row["value"] for row in cells], (len(lengths), len(widths)))
    powers = [f"$10^{{{np.log10(d):.2g}}}$" for d in widths]
    image = plots.phase_map(
        values, rows=lengths, columns=powers, ax=axes, cmap="cividis", vmin=0, vmax=1
    )
    axes.set_xticks(range(1, len(widths), 2), powers[1::2])
    axes.figure.colorbar(image, ax=axes, location="top", shrink=0.8, label="accuracy")
    for panel, dashed, label in (
        ("head", "-", "both layers, 90 %: $d_{90}$, normal law"),
        ("T", "--", "layer 1 alone, 90 %: d*, exact law"),
    ):
        d = [row["predicted_low"] for row in rows if _is(row, panel, cells[0]["m2"])]
        x = np.interp(np.log(d), np.log(widths), np.arange(len(widths)), left=nan, right=nan)
        style: dict[str, Any] = {"color": ORANGE, "linewidth": 3, "linestyle": dashed}
        axes.plot(x, range(len(lengths)), label=label, **style)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), frameon=False)
    axes.set_xlabel("width d")
    axes.set_ylabel("length T")
    axes.set_title(f"trigger not first; N = {N_TOKENS}, $m_2$ = {cells[0]['m2']:g}")


def _draw_widths(rows: list[Row], panel: str, axes: Any) -> None:
    shown = [row for row in rows if row["panel"] == panel]
    for lead in dict.fromkeys(row["m2"] for row in shown):
        of_lead = [row for row in shown if row["m2"] == lead]
        size, predicted, d, error, low, high = (
            np.array([row[name] for row in of_lead])
            for name in (panel, "predicted_low", "value", "error", "low", "high")
        )
        colour = LEADS.get(lead, BLUE)
        label = f"$m_2$ = {lead:g}, {exponent(size[-3:], d[-3:], error[-3:])}"
        axes.plot(size, predicted, color=colour, label=label)
        style: dict[str, Any] = {"linestyle": "none", "band": False, "ax": axes, "markersize": 6}
        plots.recall_curve(size, d, low, high, color=colour, **style)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel({"T": "length T", "N": "number of tokens N"}[panel])
    axes.set_ylabel("width d*")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), frameon=False)

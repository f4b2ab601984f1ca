"""What a finite width costs: recall of each memory with Gaussian embeddings, and the accuracy.

Draws are width-free from d = n on; predicted is what closed-form coefficients lead to.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import nan, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import assocmem as am
from assocmem import plots
from assocmem.plots import BLUE, GREEN, GREY, ORANGE
from theory import recall_laws
from validation.cases import Context
from validation.figures.agreement import CONFIDENCE, Agreement, agreement, of_mean
from validation.figures.sheets import MATRICES, SYMBOLS, Row, canvas, in_parallel, publish
from validation.width import asked, in_context, written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS = (64, 128, 256, 512, 1024, 4096, 10**5, 10**8)
TASK = am.InductionTask(n_tokens=32, length=32, n_triggers=1)
MARGINS = (0.5, 10.0, 5.0)
# gradient and readout: label, colour, place beside the width
RUNS: dict[tuple[Any, Any], tuple[str, str, float]] = {
    ("closed-form", "attention"): ("closed form", GREY, 0),
    ("population", "attention"): ('sampled, readout "attention"', BLUE, 0.06),
    ("population", "residual"): ('sampled, readout "residual"', ORANGE, 0.12),
}
PREDICTED = "predicted"  # in place of a gradient: what closed-form coefficients lead to
CLOSED = ("closed-form", "attention")
HEAD = "head"  # recall of the first layer on a sequence, where streams are w_E + p


def make(
    out: Path,
    context: Context,
    *,
    task: am.InductionTask = TASK,
    widths: Sequence[int] = WIDTHS,
    draws: int | None = None,
    sequences: int | None = None,
) -> list[Path]:
    """Write recall and accuracy against the width; infinite width (d = 0 in the CSV) beside it."""
    draws = draws or (20 if context.full else 4)
    sequences = sequences or (36_000 if context.full else 3_000)
    rows = measure(task, widths, context.rng, draws=draws, sequences=sequences)
    rows += closed_form(task, widths, context.rng, draws=25 * draws)
    return publish(out, "width", rows, draw(rows))


def measure(
    task: am.InductionTask,
    widths: Sequence[int],
    rng: np.random.Generator,
    *,
    draws: int,
    sequences: int,
) -> list[Row]:
    """Return one row per width, kind of run and quantity: mean and interval over the draws.

    All runs of a draw see the same embeddings and the same sequences. A run that stops early counts
    with recall 0 of the memories it did not write.
    """

    def results(job: tuple[int, np.random.Generator]) -> dict[tuple[str, str], list[float]]:
        width, rng = job
        embeddings = (
            am.FrozenEmbeddings.random(task, width=width, compressed=True, rng=rng)
            if width
            else am.FrozenEmbeddings.orthonormal(task)
        )
        seed = int(rng.integers(2**63))
        return {
            (gradient, readout): _outcome(
                am.top_down(
                    task,
                    embeddings,
                    margins=MARGINS,
                    gradient=gradient,
                    readout=readout,
                    sequences=sequences if gradient == "population" else None,
                    evaluate_on=500,
                    rng=seed,
                )
            )
            for gradient, readout in RUNS
        }

    rows: list[Row] = []
    all_widths = [*widths, 0]
    jobs = [(width, job_rng) for width in all_widths for job_rng in rng.spawn(draws)]
    outcomes = in_parallel(results, jobs)
    for at, width in enumerate(all_widths):
        of_width = outcomes[at * draws : (at + 1) * draws]
        for run in RUNS:
            values = np.array([outcome[run] for outcome in of_width])
            for name, value in zip((*MATRICES, "accuracy"), values.T, strict=True):
                if run == CLOSED and name in MATRICES:
                    continue  # their recall has a law: see `closed_form`
                low, high = interval(value, single_cue=name == "W_K2" and len(task.triggers) == 1)
                found = {"mean": float(value.mean()), "low": low, "high": high}
                rows.append(_row(task, name, run, width, **found, draws=draws, sequences=sequences))
    return rows


def _row(
    task: am.InductionTask, quantity: str, run: tuple[str, str], d: int, **values: float
) -> Row:
    """One row with the columns of all kinds, NaN where a column does not apply."""
    names = ("mean", "low", "high", "draws", "sequences", "predicted_low", "predicted_high")
    row: Row = {"N": task.n_tokens, "T": task.length, "K": task.n_triggers, "quantity": quantity}
    gradient, readout = run
    return (
        row
        | {"gradient": gradient, "readout": readout, "d": d}
        | dict.fromkeys(names, nan)
        | values
    )


class ClosedForm:
    """The closed-form memories, whose coefficients no embedding changes, and what they are asked.

    "head" is W_K1 on one sequence of the task, where queries and keys are streams w_E + p.
    """

    def __init__(self, task: am.InductionTask, rng: np.random.Generator) -> None:
        self.task, self.limit = task, am.FrozenEmbeddings.orthonormal(task)
        self.memories = am.top_down(task, margins=MARGINS, evaluate_on=1).memories
        self.tokens = task.sample(1, rng=rng).tokens[0]

    def recalled(self, name: str, scores: NDArray[Any]) -> NDArray[np.bool_]:
        """Which cues of each draw are recalled: (draws, cues)."""
        probe = am.probe("W_K1" if name == HEAD else name, self.task, self.limit)
        return recall_laws.recalled(scores, probe.targets, probe.among)

    def law(self, name: str, d: int, draws: int, rng: np.random.Generator) -> NDArray[Any]:
        """Mean recall in each draw of the exact law."""
        C = self.memories["W_K1" if name == HEAD else name].coefficients
        if name in (HEAD, "W_K1"):
            tokens = self.tokens if name == HEAD else None
            scores = recall_laws.head_scores(C, d, tokens, draws=draws, rng=rng)[:, 1:-1]
        else:
            of = {"W_O2": recall_laws.output_scores, "W_K2": recall_laws.trigger_scores}[name]
            scores = of(self.task, C, d, draws=draws, rng=rng)
        recall: NDArray[Any] = self.recalled(name, scores).mean(axis=1)
        return recall

    def hits(self, name: str, d: int, draws: int, rng: np.random.Generator) -> am.Rate:
        """How often one cue is recalled, with embeddings of its own each time; d = 0: orthonormal.

        A single cue, so that the count is binomial.
        """
        found, emb = 0, self.limit
        for _ in range(draws):
            if d:
                emb = am.FrozenEmbeddings.random(self.task, width=d, compressed=True, rng=rng)
            if name == HEAD:
                scores = in_context(written(self.memories["W_K1"], "W_K1", emb), emb, self.tokens)
            else:
                memory = written(self.memories[name], name, emb)
                scores = asked(memory, am.probe(name, self.task, emb))
            found += int(rng.choice(self.recalled(name, scores[None])[0]))
        return am.Rate(found, draws)


def closed_form(
    task: am.InductionTask, widths: Sequence[int], rng: np.random.Generator, *, draws: int
) -> list[Row]:
    """Return the recall of the closed forms: measured, and predicted also between the widths.

    In place of the accuracy, which has no law, how often the first layer finds the position before.
    """
    forms = ClosedForm(task, rng)

    def of_width(job: tuple[tuple[str, int], np.random.Generator]) -> list[Row]:
        (name, d), rng = job
        rows, predicted = [], {}
        if d:
            recall = forms.law(name, d, 5 * draws, rng)
            mean, error = float(recall.mean()), float(recall.std(ddof=1) / sqrt(len(recall)))
            ends = of_mean(mean, error, len(recall))
            predicted = {f"predicted_{end}": value for end, value in ends.items()}
            run = PREDICTED, "attention"
            rows.append(_row(task, name, run, d, mean=mean, **ends, draws=len(recall)))
        if d in (*widths, 0):
            rate = forms.hits(name, d, draws, rng)
            low, high = rate.interval(CONFIDENCE)
            found = {"mean": rate.value, "low": low, "high": high, "draws": draws}
            rows.append(_row(task, name, CLOSED, d, **found, **predicted))
        return rows

    between = np.sqrt(np.multiply(widths[:-1], widths[1:])).astype(int).tolist()
    places = [*product((*MATRICES, HEAD), [*sorted({*widths, *between}), 0])]
    found = in_parallel(of_width, list(zip(places, rng.spawn(len(places)), strict=True)))
    return [row for rows in found for row in rows]


def agreements(rows: list[Row]) -> list[Agreement]:
    """The recall of all closed forms, each point from draws of its own."""
    closed = (row for row in rows if (row["gradient"], row["readout"]) == CLOSED and row["d"])
    points = [row for row in closed if row["quantity"] in (*MATRICES, HEAD)]
    return [agreement("closed-form points", points)]


def _outcome(run: am.TopDownRun) -> list[float]:
    if not run.steps:
        return [0.0] * 4
    late = run.evaluation.where(run.evaluation.trigger_position > 0)
    return [*(run.recall.get(name, 0.0) for name in MATRICES), late.accuracy.value]


def interval(values: NDArray[Any], *, single_cue: bool) -> tuple[float, float]:
    """Return the confidence interval of the mean over draws, within [0, 1].

    Clopper-Pearson where a draw has a single cue and so counts 0 or 1, Student's t elsewhere.

    >>> low, high = interval(np.ones(6), single_cue=True)
    >>> f"{low:.2f} {high:.2f}"
    '0.54 1.00'
    """
    from scipy import stats

    if single_cue:
        return am.Rate(int(values.sum()), len(values)).interval(CONFIDENCE)
    error = float(values.std(ddof=1)) / np.sqrt(len(values))
    reach = error * float(stats.t.isf((1 - CONFIDENCE) / 2, len(values) - 1))
    return max(0.0, float(values.mean()) - reach), min(1.0, float(values.mean()) + reach)


def draw(rows: list[Row]) -> Figure:
    """One panel per memory, one for the accuracy; a line per kind of run and one predicted."""
    figure = canvas(19, 6.6)
    panels = figure.subplots(1, 4, sharey=True)
    widths = list(dict.fromkeys(row["d"] for row in rows if row["gradient"] != PREDICTED))
    end = np.log10(max(widths)) + 1  # where infinity stands
    titles = [f"Recall of {SYMBOLS[name]}" for name in MATRICES]
    titles.append("Accuracy, trigger not first")
    for axes, title, quantity in zip(panels, titles, (*MATRICES, "accuracy"), strict=True):
        for run, (label, colour, offset) in RUNS.items():
            style: dict[str, Any] = {"color": colour, "label": label}
            if run == CLOSED and quantity in MATRICES:
                style["linestyle"] = "none"  # the line is the prediction
            _draw_run(rows, quantity, run, widths, offset, axes, style)
        d, mean, _, _ = _curve(rows, quantity, PREDICTED, "attention")
        label = "closed form, predicted"
        if quantity == "accuracy":
            d, mean, _, _ = _curve(rows, HEAD, PREDICTED, "attention")
            label = "layer 1 finds t - 1"
            style = {"color": GREEN, "label": label, "linestyle": "none"}
            _draw_run(rows, HEAD, CLOSED, widths, 0, axes, style)
            label += ", predicted"
        axes.plot(np.log10(d), mean, color=GREEN, linestyle="--", linewidth=2, label=label)
        decades = np.arange(2, int(np.log10(max(widths))) + 1, 2)
        axes.set_xticks([*decades, end], [*(f"$10^{k}$" for k in decades), "∞"])
        axes.axvline(end - 0.5, color=GREY, linestyle=":", linewidth=1)
        axes.set_title(title, fontsize=16)
        axes.set_xlabel("width d", fontsize=14)
        axes.set_ylim(-0.03, 1.03)
        axes.tick_params(labelsize=13)
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right", fontsize=11)
    for axes in panels[1:-1]:
        axes.get_legend().remove()
    size = ", ".join(str(rows[0][name]) for name in ("N", "T", "K"))
    draws, sequences = rows[0]["draws"], rows[0]["sequences"]
    (closed,) = {row["draws"] for row in rows if row["predicted_low"] == row["predicted_low"]}
    found = "; ".join(map(str, agreements(rows)))
    figure.suptitle(
        f"Gaussian embeddings, (N, T, K) = ({size}), margins {MARGINS}: {draws} draws, gradients "
        f"sampled on {sequences:,} sequences a step, Student's intervals ($W_K^2$, one cue a draw: "
        f"Clopper-Pearson)\nClosed form: one cue in each of {closed} draws, Clopper-Pearson; "
        f"predicted: exact laws, sampled. ∞: orthonormal atoms\n{found}",
        fontsize=14,
    )
    return figure


def _draw_run(
    rows: list[Row],
    quantity: str,
    run: tuple[str, str],
    widths: Sequence[int],
    offset: float,
    axes: Any,
    style: dict[str, Any],
) -> None:
    """Points with bars at all widths, apart at infinite width, which stands a decade further."""
    mean, low, high = _curve(rows, quantity, *run)[1:]
    end = np.log10(max(widths)) + 1
    x = np.array([np.log10(d) if d else end for d in widths]) + offset
    style = style | {"band": False, "ax": axes, "markersize": 5}
    for part, more in ((slice(None, -1), {}), (slice(-1, None), {"marker": "D", "label": None})):
        plots.recall_curve(x[part], mean[part], low[part], high[part], **style | more)


def _curve(rows: list[Row], quantity: str, gradient: str, readout: str) -> list[NDArray[Any]]:
    """Return d, mean, low and high of one curve."""
    wanted = (quantity, gradient, readout)
    found = [row for row in rows if (row["quantity"], row["gradient"], row["readout"]) == wanted]
    return [np.array([row[name] for row in found]) for name in ("d", "mean", "low", "high")]

"""The effect of a finite width: recall of each memory with Gaussian embeddings, and accuracy.

Draws are width-free from d = n on; predicted is what closed-form coefficients lead to.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from math import nan, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import assocmem as am
from assocmem import plots
from assocmem._statistics import standard_errors
from assocmem.plots import BLUE, GREEN, GREY, ORANGE
from assocmem.width import recall as recall_laws
from assocmem.width.attention import AttentionLaw
from validation.figures.agreement import CONFIDENCE, Agreement, agreement, of_mean, of_rate
from validation.figures.sheets import (
    MATRICES,
    SYMBOLS,
    Panel,
    Row,
    arranged,
    caption,
    fitted,
    in_parallel,
)
from validation.runner.cases import Context
from validation.width.w2 import asked, in_context
from validation.width.written import written

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTHS = (64, 128, 256, 512, 1024, 4096, 10**5, 10**8)
MARGINS = (0.5, 10.0, 5.0)
# gradient and readout: label, colour, place beside the width
RUNS: dict[tuple[Any, Any], tuple[str, str, float]] = {
    ("closed-form", "attention"): ("closed form", GREY, 0),
    ("population", "attention"): ('sampled, readout "attention"', BLUE, 0.06),
    ("population", "residual"): ('sampled, readout "residual"', ORANGE, 0.12),
}
PREDICTED = "predicted"  # in place of a gradient: what closed-form coefficients lead to
CLOSED = ("closed-form", "attention")
INTERVALS = ("low", "high", "wide_low", "wide_high")
HEAD = "head"  # recall of the first layer on a sequence, where streams are w_E + p
LOOKS = "looks"  # whether layer 2 attends most to the output
OFF = 1.15  # at T <= 32 the law of W7 asks for a width too large by 7 to 13 %


def data(
    context: Context,
    *,
    task: am.InductionTask | None = None,
    tokens: int = 32,
    length: int = 32,
    widths: Sequence[int] = WIDTHS,
    draws: int | None = None,
    sequences: int | None = None,
) -> list[Row]:
    """Recall and accuracy against the width; infinite width (d = 0 in the CSV) beside it."""
    task = task or am.InductionTask(n_tokens=tokens, length=length, n_triggers=1)
    draws = draws or (20 if context.full else 4)
    sequences = sequences or (36_000 if context.full else 3_000)
    rows = measure(task, widths, context.rng, draws=draws, sequences=sequences)
    return rows + closed_form(task, widths, context.rng, draws=25 * draws)


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
    predicted = [f"predicted_{end}" for end in INTERVALS]
    names = ("mean", *INTERVALS, "draws", "sequences", *predicted)
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
        self.memories = am.top_down(task, margins=MARGINS, evaluate_on=None).memories
        self.tokens = task.sample(1, rng=rng).tokens[0]
        late = task.sample(1000, rng=rng).tokens
        late = late[late[:, 0] != late[:, -1]]  # the trigger is not first
        self.late = late[np.argsort(np.argmax(late == late[:, -1:], axis=1))]
        some = self.late[len(late) // 30 :: len(late) // 15]  # triggers at all places
        self.attention = [AttentionLaw(task, self.memories, one) for one in some]

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

        A single cue, so that the count is binomial; for "looks" a single sequence.
        """
        found, emb = 0, self.limit
        for _ in range(draws):
            if d:
                emb = am.FrozenEmbeddings.random(self.task, width=d, compressed=True, rng=rng)
            if name == LOOKS:
                found += self.looks(emb, rng.choice(self.late))
                continue
            if name == HEAD:
                scores = in_context(written(self.memories["W_K1"], "W_K1", emb), emb, self.tokens)
            else:
                memory = written(self.memories[name], name, emb)
                scores = asked(memory, am.probe(name, self.task, emb))
            found += int(rng.choice(self.recalled(name, scores[None])[0]))
        return am.Rate(found, draws)

    def looks(self, emb: am.FrozenEmbeddings, tokens: NDArray[Any]) -> bool:
        """Whether layer 2 attends most to the output on one sequence."""
        weights: dict[str, Any] = {
            name: written(memory, name, emb) for name, memory in self.memories.items()
        }
        model = am.FrozenTransformer(emb, **weights)
        seen = model.attention(tokens[None], positions=[-1])[1][0, 0].argmax()
        return bool(seen == np.argmax(tokens == tokens[-1]) + 1)

    def looks_law(self, d: float, draws: int, rng: np.random.Generator) -> float:
        """How often it does by the normal law of W7."""
        return float(np.mean([law.attends(d, draws, rng=rng) for law in self.attention]))


def closed_form(
    task: am.InductionTask, widths: Sequence[int], rng: np.random.Generator, *, draws: int
) -> list[Row]:
    """Return the recall of the closed forms: measured, and predicted also between the widths.

    In place of the accuracy, which has no law, how often the first layer finds the position before
    and how often the second attends most to the output.
    """
    forms = ClosedForm(task, rng)

    def predicted(name: str, d: int, rng: np.random.Generator) -> Row:
        if name == LOOKS:  # approximate, and its band is of widths
            mean, wider = (forms.looks_law(factor * d, draws, rng) for factor in (1, OFF))
            return {"mean": mean, "low": mean, "high": max(mean, wider), "draws": draws}
        recall = forms.law(name, d, 5 * draws, rng)
        mean, error = float(recall.mean()), float(recall.std(ddof=1) / sqrt(len(recall)))
        return {"mean": mean, "draws": len(recall)} | of_mean(mean, error, len(recall))

    def of_width(job: tuple[tuple[str, int], np.random.Generator]) -> list[Row]:
        (name, d), rng = job
        law = predicted(name, d, rng) if d else {}
        rows = [_row(task, name, (PREDICTED, "attention"), d, **law)] if d else []
        if d in (*widths, 0):
            rate = forms.hits(name, d, draws, rng)
            found = {"mean": rate.value, "draws": draws} | of_rate(rate)
            counted = law if name != LOOKS else {}
            ends = {f"predicted_{end}": counted[end] for end in INTERVALS if counted}
            rows.append(_row(task, name, CLOSED, d, **found, **ends))
        return rows

    between = np.sqrt(np.multiply(widths[:-1], widths[1:])).astype(int).tolist()
    places = [*product((*MATRICES, HEAD, LOOKS), [*sorted({*widths, *between}), 0])]
    found = in_parallel(of_width, list(zip(places, rng.spawn(len(places)), strict=True)))
    return [row for rows in found for row in rows]


def agreements(rows: list[Row]) -> list[Agreement]:
    """The recall of all closed forms, each point from draws of its own."""
    closed = (row for row in rows if (row["gradient"], row["readout"]) == CLOSED and row["d"])
    points = [row for row in closed if row["quantity"] in (*MATRICES, HEAD)]
    return [agreement("closed-form recalls", points)]


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
    if single_cue:
        return am.Rate(int(values.sum()), len(values)).interval(CONFIDENCE)
    error = float(values.std(ddof=1)) / np.sqrt(len(values))
    reach = error * standard_errors(1 - CONFIDENCE, len(values) - 1)
    return max(0.0, float(values.mean()) - reach), min(1.0, float(values.mean()) + reach)


def draw_quantity(quantity: str, rows: list[Row], ax: Axes) -> None:
    """The recall of a memory, or the accuracy, against the width: sampled runs and closed forms."""
    widths = list(dict.fromkeys(row["d"] for row in rows if row["gradient"] != PREDICTED))
    for run, (label, colour, offset) in RUNS.items():
        style: dict[str, Any] = {"color": colour, "label": label}
        if run == CLOSED and quantity in MATRICES:
            style["linestyle"] = "none"  # the line is the prediction
        _draw_run(rows, quantity, run, widths, offset, ax, style)
        if quantity == "W_K2" and run != CLOSED:  # a cue a draw: bars as long as the axis
            for bars in ax.collections[-2:]:
                bars.set(linewidth=1, alpha=0.35)
    if quantity in MATRICES:
        _draw_law(rows, quantity, ax, color=GREY, label="closed form, predicted")
    asked = {"W_K1": (HEAD, "in context"), "accuracy": (LOOKS, "layer 2 looks at the output")}
    if quantity in asked:
        name, label = asked[quantity]
        style = {"color": GREEN, "label": f"closed form, {label}", "linestyle": "none"}
        _draw_run(rows, name, CLOSED, widths, 0, ax, style)
        _draw_law(rows, name, ax, color=GREEN, label=f"{label}, predicted")
    end = np.log10(max(widths)) + 1  # where infinity stands
    decades = np.arange(2, int(end), 2)
    ax.set_xticks([*decades, end], [*(f"$10^{k}$" for k in decades), "∞"])
    ax.axvline(end - 0.5, color=GREY, linestyle=":", linewidth=1)
    recall = quantity in MATRICES
    ax.set_title(f"Recall of {SYMBOLS[quantity]}" if recall else "Accuracy, trigger not first")
    ax.set(xlabel="width d", ylim=(-0.03, 1.03), ylabel="recall" if recall else "accuracy")
    ax.grid(alpha=0.3)


PANELS: dict[str, Panel] = {
    quantity: partial(draw_quantity, quantity) for quantity in (*MATRICES, "accuracy")
}


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """One panel per memory, one for the accuracy; a line per kind of run and one predicted."""
    figure = arranged(rows, PANELS, columns, across=columns, shape={1: 2.6, 2: 0.8}[columns])
    shown = {
        label: handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    ncols = {1: 1, 2: 3}[columns]
    figure.legend(
        shown.values(), shown.keys(), loc="outside lower center", ncols=ncols, frameon=False
    )
    size = ", ".join(str(rows[0][name]) for name in ("N", "T", "K"))
    draws, sequences = rows[0]["draws"], rows[0]["sequences"]
    (closed,) = {row["draws"] for row in rows if row["predicted_low"] == row["predicted_low"]}
    found = "; ".join(map(str, agreements(rows)))
    caption(
        figure,
        f"Recall and accuracy against the width, for Gaussian embeddings, (N, T, K) = ({size}) and "
        f"margins {MARGINS}; ∞: orthonormal atoms; bars: 95%. Sampled gradients: {draws} draws; "
        f"from d about 1e5 on they are limited by the {sequences:,} sequences of a step; "
        f"$W_K^2$ has one cue per draw (pale bars). Closed form: one cue in each of {closed} "
        f"draws. Predicted: sampled exact laws; for the attention of layer 2 the normal law, whose "
        f"band allows widths up to {OFF - 1:.0%} smaller and which is not counted. {found}.",
    )
    return fitted(figure)


def _draw_law(rows: list[Row], quantity: str, axes: Any, **style: Any) -> None:
    """The prediction, with its band where the law is approximate."""
    d, mean, low, high = _curve(rows, quantity, PREDICTED, "attention")
    axes.plot(np.log10(d), mean, linestyle="--", linewidth=2, **style)
    if quantity == LOOKS:
        axes.fill_between(np.log10(d), low, high, color=style["color"], alpha=0.25, linewidth=0)


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

"""What a finite width costs: recall of each memory with Gaussian embeddings, and the accuracy.

Draws are width-free from d = n on; predictions are the normal law with the exact moments of W2.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import assocmem as am
from assocmem import plots
from assocmem.plots import BLUE, GREEN, GREY, ORANGE
from theory import step_noise
from validation.cases import Context
from validation.figures.sheets import MATRICES, SYMBOLS, Row, canvas, in_parallel, publish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS = (64, 128, 256, 512, 1024, 4096, 10**5, 10**8)
TASK = am.InductionTask(n_tokens=32, length=32, n_triggers=1)
MARGINS = (0.5, 10.0, 5.0)
CONFIDENCE = 0.95
# gradient and readout: label, colour, place beside the width
RUNS: dict[tuple[Any, Any], tuple[str, str, float]] = {
    ("closed-form", "attention"): ("closed form", GREY, -0.06),
    ("population", "attention"): ('sampled, readout "attention"', BLUE, 0),
    ("population", "residual"): ('sampled, readout "residual"', ORANGE, 0.06),
}
PREDICTED = "predicted"  # in place of a gradient: what closed-form coefficients lead to


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
    rows += predict(task, widths, context.rng)
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

    size = {"N": task.n_tokens, "T": task.length, "K": task.n_triggers}
    rows: list[Row] = []
    all_widths = [*widths, 0]
    jobs = [(width, job_rng) for width in all_widths for job_rng in rng.spawn(draws)]
    outcomes = in_parallel(results, jobs)
    for at, width in enumerate(all_widths):
        of_width = outcomes[at * draws : (at + 1) * draws]
        for gradient, readout in RUNS:
            values = np.array([outcome[gradient, readout] for outcome in of_width])
            for name, value in zip((*MATRICES, "accuracy"), values.T, strict=True):
                low, high = interval(value, single_cue=name == "W_K2" and len(task.triggers) == 1)
                rows.append(
                    {
                        **size,
                        "quantity": name,
                        "gradient": gradient,
                        "readout": readout,
                        "d": width,
                        "mean": float(value.mean()),
                        "low": low,
                        "high": high,
                        "draws": draws,
                        "sequences": sequences,
                    }
                )
    return rows


def predict(
    task: am.InductionTask, widths: Sequence[int], rng: np.random.Generator, points: int = 33
) -> list[Row]:
    """Return a row per width and quantity: recall for jointly normal scores with exact moments.

    In place of the accuracy, which no moments tell: the fraction of positions where the first layer
    finds the one before, on a sequence of the task.
    """
    memories = am.top_down(task, margins=MARGINS, evaluate_on=1).memories
    limit = am.FrozenEmbeddings.orthonormal(task)
    moments: dict[str, Any] = step_noise.recall_moments(task, memories)
    asked = {
        name: (probe.targets, probe.among)
        for name in memories
        for probe in [am.probe(name, task, limit)]
    }
    heads = np.arange(1, task.length - 1)
    moments["head"] = step_noise.head_moments(
        task, memories["W_K1"].coefficients, task.sample(1, rng=rng).tokens[0], heads
    )
    asked["head"] = heads - 1, np.tri(task.length, dtype=bool)[heads].T
    rows: list[Row] = []
    for name, (targets, among) in asked.items():
        for d in np.geomspace(min(widths), max(widths), points):
            recall = step_noise.gaussian_recall(moments[name], d, targets, among, rng=rng).mean()
            rows.append(
                {"N": task.n_tokens, "T": task.length, "K": task.n_triggers, "quantity": name}
                | {"gradient": PREDICTED, "readout": "attention", "d": float(d)}
                | dict.fromkeys(("mean", "low", "high"), float(recall))
                | {"draws": 0, "sequences": 0}
            )
    return rows


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
        for (gradient, readout), (label, colour, offset) in RUNS.items():
            mean, low, high = _curve(rows, quantity, gradient, readout)[1:]
            x = np.array([np.log10(d) if d else end for d in widths]) + offset
            finite, limit = slice(None, -1), slice(-1, None)
            style: dict[str, Any] = {"color": colour, "band": False, "ax": axes, "markersize": 5}
            plots.recall_curve(
                x[finite], mean[finite], low[finite], high[finite], label=label, **style
            )
            plots.recall_curve(x[limit], mean[limit], low[limit], high[limit], marker="D", **style)
        shown = "head" if quantity == "accuracy" else quantity
        d, mean, _, _ = _curve(rows, shown, PREDICTED, "attention")
        label = (
            "first layer finds t - 1 (closed form,\npredicted)"
            if shown == "head"
            else ("closed form, predicted")
        )
        axes.plot(np.log10(d), mean, color=GREEN, linestyle="--", linewidth=2, label=label)
        decades = np.arange(2, int(np.log10(max(widths))) + 1, 2)
        axes.set_xticks([*decades, end], [*(f"$10^{k}$" for k in decades), "∞"])
        axes.axvline(end - 0.5, color=GREY, linestyle=":", linewidth=1)
        axes.set_title(title, fontsize=15)
        axes.set_xlabel("width d", fontsize=13)
        axes.set_ylim(-0.03, 1.03)
        axes.tick_params(labelsize=12)
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right", fontsize=11)
    for axes in panels[1:-1]:
        axes.get_legend().remove()
    size = ", ".join(str(rows[0][name]) for name in ("N", "T", "K"))
    draws, sequences = rows[0]["draws"], rows[0]["sequences"]
    figure.suptitle(
        f"Gaussian embeddings, (N, T, K) = ({size}): {draws} draws, gradients sampled on "
        f"{sequences:,} sequences a step; ∞: orthonormal atoms. Predicted: normal law, exact "
        "moments"
        f"\nBars: {CONFIDENCE:.0%} intervals over draws, Student's t (none where all draws agree), "
        f"Clopper-Pearson for $W_K^2$, which has one cue a draw; margins {MARGINS}",
        fontsize=14,
    )
    return figure


def _curve(rows: list[Row], quantity: str, gradient: str, readout: str) -> list[NDArray[Any]]:
    """Return d, mean, low and high of one curve."""
    wanted = (quantity, gradient, readout)
    found = [row for row in rows if (row["quantity"], row["gradient"], row["readout"]) == wanted]
    return [np.array([row[name] for row in found]) for name in ("d", "mean", "low", "high")]

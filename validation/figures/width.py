"""What a finite width costs: recall of each memory with Gaussian embeddings, and the accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import assocmem as am
from assocmem import plots
from assocmem.plots import BLUE, GREY, ORANGE
from validation.cases import Context
from validation.figures.sheets import MATRICES, SYMBOLS, Row, canvas, in_parallel, publish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS = (128, 256, 512, 1024, 2048)
TASK = am.InductionTask(n_tokens=32, length=32, n_triggers=1)
MARGINS = (0.5, 10.0, 5.0)
CONFIDENCE = 0.95
# gradient and readout: label, colour, place beside the width
RUNS: dict[tuple[Any, Any], tuple[str, str, float]] = {
    ("closed-form", "attention"): ("closed form", GREY, -0.06),
    ("population", "attention"): ('sampled, readout "attention"', BLUE, 0),
    ("population", "residual"): ('sampled, readout "residual"', ORANGE, 0.06),
}


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
    draws = draws or (20 if context.full else 6)
    sequences = sequences or (36_000 if context.full else 6_000)
    rows = measure(task, widths, context.rng, draws=draws, sequences=sequences)
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
            am.FrozenEmbeddings.random(task, width=width, rng=rng).compressed()
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
    """One panel per memory, one for the accuracy; a line per kind of run."""
    figure = canvas(19, 6.6)
    panels = figure.subplots(1, 4, sharey=True)
    widths = list(dict.fromkeys(row["d"] for row in rows))
    titles = [f"Recall of {SYMBOLS[name]}" for name in MATRICES]
    titles.append("Accuracy, trigger not first")
    for axes, title, quantity in zip(panels, titles, (*MATRICES, "accuracy"), strict=True):
        for (gradient, readout), (label, colour, offset) in RUNS.items():
            mean, low, high = (
                np.array(
                    [
                        row[part]
                        for row in rows
                        if (row["quantity"], row["gradient"], row["readout"])
                        == (quantity, gradient, readout)
                    ]
                )
                for part in ("mean", "low", "high")
            )
            x = np.arange(len(widths)) + offset
            finite, limit = slice(None, -1), slice(-1, None)
            style: dict[str, Any] = {"color": colour, "band": False, "ax": axes}
            plots.recall_curve(
                x[finite], mean[finite], low[finite], high[finite], label=label, **style
            )
            plots.recall_curve(x[limit], mean[limit], low[limit], high[limit], marker="D", **style)
        axes.set_xticks(range(len(widths)), [*map(str, widths[:-1]), "∞"])
        axes.axvline(len(widths) - 1.5, color=GREY, linestyle=":", linewidth=1)
        axes.set_title(title, fontsize=15)
        axes.set_xlabel("width d", fontsize=13)
        axes.set_ylim(-0.03, 1.03)
        axes.tick_params(labelsize=12)
        axes.grid(alpha=0.3)
    panels[0].legend(loc="lower right", fontsize=12)
    size = ", ".join(str(rows[0][name]) for name in ("N", "T", "K"))
    draws, sequences = rows[0]["draws"], rows[0]["sequences"]
    figure.suptitle(
        f"Gaussian embeddings, (N, T, K) = ({size}): {draws} draws, gradients sampled on "
        f"{sequences:,} sequences a step; ∞: orthonormal atoms\n"
        f"Bars: {CONFIDENCE:.0%} intervals over draws, Student's t (none where all draws agree), "
        f"Clopper-Pearson for $W_K^2$, which has one cue a draw; margins {MARGINS}",
        fontsize=14,
    )
    return figure

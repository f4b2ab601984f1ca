"""Check of B1: global before in-context, by the residual of the current token."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import assocmem as am
from assocmem.gradients import bigram_predictor, repeat_weight
from validation.bigrams.populations import independent, measured_output_step, occupancy
from validation.runner.cases import ROUNDING, Case, Context, agreement

SIZES = ((4, 1, 6), (5, 2, 4))


def check(context: Context) -> Iterator[Case]:
    for n, k, length in SIZES:
        frequencies = np.arange(1, n + 1) / (n * (n + 1) / 2)  # the triggers are the rarest
        task = am.BigramTask(independent(frequencies), length, triggers=range(k), loss="all")
        where = f"N={n} K={k} T={length}"
        for part, predictor in (("a", "bigrams"), ("b", "uniform")):
            table = measured_output_step(task, bigram_predictor(task, predictor))
            measured = np.diagonal(table)[k:] - table[:, k:]  # of output k over row j
            predicted = leads(task, knows_bigrams=predictor == "bigrams")
            others = ~np.eye(n, dtype=bool)[:, k:]
            yield agreement(
                f"leads over all rows, {predictor}, {where}",
                predicted[others],
                measured[others],
                ROUNDING,
            ).of(part)
            worst = np.where(others, measured, np.inf).min(axis=0)
            # at W_F = 0 the most frequent output alone is recalled
            recalled = 1.0 if predictor == "bigrams" else 1 / (n - k)
            share = np.mean(worst > 0)
            yield Case(f"outputs recalled, {predictor}, {where}", recalled, share, 0).of(part)


def leads(task: am.BigramTask, *, knows_bigrams: bool) -> np.ndarray:
    """G₁[k,k] - G₁[j,k] by the claim: row j, column the possible outputs k."""
    f, k, m = task.language.unigram, task.n_triggers, task.n_tokens - task.n_triggers
    repeats = repeat_weight(task.length, f[:k].sum()) * (f[:k] ** 2).sum()
    counts = occupancy(task)[k:]  # of the key, by the current token
    off, on = counts[:, k:].sum(axis=1), counts[:, :k].sum(axis=1)
    is_trigger = (np.arange(task.n_tokens) < k)[:, None]
    lead = np.where(is_trigger, (1 - 1 / m) * repeats / m, repeats / m) + 0 * off
    if not knows_bigrams:
        lead = lead + np.where(is_trigger, on / m, 0) - (f[:, None] - f[k:]) * off
    return lead

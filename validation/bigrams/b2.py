"""Check of B2: the lead of W_O2 is the mass of repeated triggers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

import assocmem as am
from assocmem.gradients import bigram_predictor, bigram_step, output_lead, repeat_weight
from validation.bigrams.populations import independent, measured_output_step
from validation.runner.cases import ROUNDING, Case, Context, agreement

Leads = np.ndarray
LOSSES: dict[str, Literal["all", "triggers"]] = {"a": "all", "b": "triggers"}


def check(context: Context) -> Iterator[Case]:
    frequencies = np.array([0.3, 0.05, 0.25, 0.15, 0.25])
    for k, length in ((1, 5), (2, 5), (3, 4)):
        for part, loss in LOSSES.items():
            task = am.BigramTask(independent(frequencies), length, triggers=range(k), loss=loss)
            measured = leads(measured_output_step(task, bigram_predictor(task, "bigrams")), k)
            predicted = np.full(5 - k, output_lead(frequencies[:k], 5, length, loss=loss))
            name = f"lead of every output, loss on {loss}, K={k} T={length}"
            yield agreement(name, predicted, measured, ROUNDING).of(part)
    f = am.Language.characters().unigram
    for ranks in ((0,), (20,), (1, 4)):
        task = am.BigramTask(independent(f), 32, triggers=ranks, loss="all")
        measured = bigram_step(task, "W_O2", predictor="bigrams").leads
        chosen = np.setdiff1d(np.arange(65), ranks)
        predicted = np.full(len(chosen), output_lead(f[list(ranks)], 65, 32))
        name = f"frequencies of characters, triggers {ranks}, T=32"
        yield agreement(name, predicted, measured[chosen], ROUNDING).of("a")
    yield from rare()
    yield from outputs_from_the_row(frequencies)


def rare() -> Iterator[Case]:
    """Loss on repeated triggers: neither number nor frequencies matter in the limit."""
    n, length, rate = 65, 32, 1e-6
    for triggers in ((1.0,), (1.0, 5.0)):
        k = len(triggers)
        f = np.full(n, (1 - rate * sum(triggers)) / (n - k))
        f[:k] = rate * np.array(triggers)
        task = am.BigramTask(independent(f), length, triggers=range(k))
        lead = np.median(bigram_step(task, "W_O2", predictor="bigrams").leads[k:])
        m, h = n - k, (1 / np.arange(1, length + 1)).sum()
        limit = (m - 1) / m**2 * 2 * (length + 1 - 2 * h) / ((length - 1) * (length - 2))
        # a share of O(T F) of the sequences holds a third trigger
        yield Case(
            f"rare triggers, K={k}: over the limit",
            1,
            lead / limit,
            length * f[:k].sum(),
            evidence="estimate",
        ).of("b")


def outputs_from_the_row(frequencies: Leads) -> Iterator[Case]:
    k, length = 2, 5
    language = independent(frequencies)
    task = am.BigramTask(language, length, triggers=range(k), trigger_outputs="bigram", loss="all")
    share = frequencies[:k].sum()
    p = frequencies[k:] / (1 - share)
    mass = repeat_weight(length, share) * (frequencies[:k] ** 2).sum()
    measured = leads(measured_output_step(task, bigram_predictor(task, "bigrams")), k)
    name = "outputs from the bigram row"
    yield agreement(name, p * (1 - p) * mass, measured, ROUNDING).of("c")
    uniform = output_lead(frequencies[:k], len(frequencies), length)
    name = "uniform outputs make the smallest lead larger"
    yield Case(name, 1, measured.min() < uniform, 0).of("c")


def leads(table: Leads, k: int) -> Leads:
    """Wanted coefficient minus its largest competitor, by output; the first k are triggers."""
    wrong = np.where(np.eye(len(table), dtype=bool), -np.inf, table).max(axis=0)
    return (np.diagonal(table) - wrong)[k:]

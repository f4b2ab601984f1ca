"""Check of B3: the leads of the first two steps say when the memories form in training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

import assocmem as am
from assocmem.gradients import bigram_step
from validation.bigrams.b2_text import characters
from validation.runner.cases import Case, Context

LEVEL = 0.1  # of the median margin, in score units
RATE, EVERY, MOST = 4.0, 2, 320  # learning rate, updates between looks, updates at most
BATCH = 256
SETTINGS = {  # ranks of the triggers
    "1": (1,),
    "3": (3,),
    "2": (2,),
    "5": (5,),
    "21": (21,),
    "1 to 5": range(1, 6),
    "2 to 5": range(2, 6),
    "11 to 15": range(11, 16),
    "21 to 25": range(21, 26),
    "1 to 20": range(1, 21),
}
FACTORS = {"W_O2": 2, "W_K2": 3}  # within which the times agree
SOONER = ("1 to 20",)  # where W_K1 does not wait for the median row of W_K2


class Times(NamedTuple):
    """When the median margins of W_O2 and W_K2 reach the level, in learning rate times updates,
    and the margin of W_K1 when both have."""

    W_O2: float
    W_K2: float
    third: float = np.nan


def check(context: Context) -> Iterator[Case]:
    names = tuple(SETTINGS) if context.full else ("3",)
    logs = []
    for name in names:
        task = characters(SETTINGS[name], loss="triggers")
        theory = predicted(task, context.rng)
        training = measured(task, context.rng)
        for matrix, factor in FACTORS.items():
            pair = getattr(theory, matrix), getattr(training, matrix)
            logs.append(np.log(pair))
            yield Case(
                f"log2 of the time of {matrix}, ranks {name}",
                np.log2(pair[0]),
                np.log2(pair[1]),
                np.log2(factor),
                evidence="range",
            ).of("a")
        there = name in SOONER
        case = f"W_K1 {'already' if there else 'not yet'} there, ranks {name}"
        agrees = training.third >= LEVEL if there else training.third < LEVEL
        yield Case(case, 1, agrees, 0, evidence="range").of("b")
    if context.full:
        correlation = np.corrcoef(np.transpose(logs))[0, 1]
        yield Case("correlation of the logarithms", 1, correlation, 0.15, evidence="range").of("a")
        error = np.median(np.abs(np.diff(logs, axis=1)))
        name = "median factor between the times"
        yield Case(name, 1, np.exp(error), 0.25, evidence="range").of("a")


def predicted(task: am.BigramTask, rng: np.random.Generator) -> Times:
    """m / Λ_O and √(2m / Λ_K), from the leads alone."""
    first = bigram_step(task, "W_O2", sets=8, rng=rng)
    second = bigram_step(task, "W_K2", sets=8, rng=rng)
    return Times(LEVEL / first.lead, (2 * LEVEL / second.lead) ** 0.5)


def measured(task: am.BigramTask, rng: np.random.Generator) -> Times:
    """The same of the trainer, from zero, by plain gradient descent at infinite width."""
    emb = am.FrozenEmbeddings.orthonormal(task)
    probes = {name: am.probe(name, task, emb) for name in ("W_O2", "W_K2", "W_K1")}
    weights: dict[str, np.ndarray] = {}
    reached: dict[str, float] = {}
    for updates in range(EVERY, MOST + 1, EVERY):
        run = am.training.train(
            task,
            emb,
            initial=weights or "zero",
            steps=EVERY,
            batch_size=BATCH,
            learning_rate=RATE,
            momentum=0,
            weight_decay=0,
            evaluate_every=EVERY,
            evaluate_on=8,
            readout="attention",
            rng=rng,
        )
        weights = dict(run.weights)
        margins = {name: np.median(each.margins(weights[name])) for name, each in probes.items()}
        for name in FACTORS:
            if margins[name] >= LEVEL:
                reached.setdefault(name, updates * RATE)
        if len(reached) == len(FACTORS):
            break
    times = [reached.get(name, np.nan) for name in FACTORS]
    return Times(times[0], times[1], float(margins["W_K1"]))

"""Draws of triggers and outputs over which the chains of a `BigramTask` are averaged.

Given the triggers and their outputs a sequence is a Markov chain, and a gradient an exact moment of
it. What is left is the mean over triggers and outputs: all of them where they are few; else sets of
draws. In a set the output of the trigger that is asked is enumerated, and those of the others are
spread by a random permutation (a Latin hypercube), so that with uniform outputs each trigger meets
each output equally often. Sets are independent, each unbiased, and their spread is the error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assocmem._checks import Array, Ints
from assocmem.tasks import BigramTask

EXACT_UP_TO = 5_000  # draws of triggers and outputs


@dataclass(frozen=True)
class Draws:
    """Triggers (C, K) and outputs (C, K) of C chains, their weights (C,), which sum to 1 in the
    mean for each trigger asked, and the place (C,) among its triggers of the one that is asked;
    None when every token is asked of every chain."""

    triggers: Ints
    outputs: Ints
    weights: Array
    asked: Ints | None

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, part: slice) -> Draws:
        asked = None if self.asked is None else self.asked[part]
        return Draws(self.triggers[part], self.outputs[part], self.weights[part], asked)

    @classmethod
    def joined(cls, sets: Sequence[Draws]) -> Draws:
        """Those of several sets, one after the other."""
        triggers, outputs, weights = (
            np.concatenate([getattr(each, name) for each in sets])
            for name in ("triggers", "outputs", "weights")
        )
        asked = [each.asked for each in sets if each.asked is not None]
        return cls(triggers, outputs, weights, np.concatenate(asked) if asked else None)

    def of_asked(self, table: Ints) -> Ints:
        """The entry of (C, K) that belongs to the asked trigger, (C,)."""
        assert self.asked is not None
        return table[np.arange(len(self)), self.asked]


def is_enumerated(task: BigramTask) -> bool:
    """Whether all triggers and outputs are few enough to be averaged over exactly."""
    k = task.n_triggers
    orders = math.perm(len(task.trigger_tokens), k) if task.random_triggers else 1
    return orders * task.n_tokens**k <= EXACT_UP_TO


def all_draws(task: BigramTask, *, every_token: bool) -> Draws:
    """All triggers and outputs with their probabilities."""
    triggers, outputs, odds = map(np.array, zip(*task._draws(), strict=True))
    if every_token:
        return Draws(triggers, outputs, odds, None)
    k = task.n_triggers
    asked = np.tile(np.arange(k), len(odds))
    return Draws(np.repeat(triggers, k, 0), np.repeat(outputs, k, 0), np.repeat(odds, k), asked)


def draw_set(task: BigramTask, *, every_token: bool, rng: np.random.Generator) -> Draws:
    """One set of draws; for each trigger all of its outputs where only triggers are asked."""
    k, n = task.n_triggers, task.n_tokens
    if every_token:
        triggers = spread_triggers(task, n, rng)
        outputs = spread_outputs(task.output_law(triggers), rng)
        return Draws(triggers, outputs, np.full(n, 1 / n), None)
    parts = []
    for place in range(k):
        triggers = spread_triggers(task, n, rng)
        law = task.output_law(triggers)
        if not task.random_triggers:  # as many chains as the trigger has outputs
            possible = np.flatnonzero(law[0, place])
            triggers, law = triggers[: len(possible)], law[: len(possible)]
        outputs, rows = spread_outputs(law, rng), np.arange(len(law))
        weights = np.full(len(law), 1 / len(law))
        if not task.random_triggers:
            outputs[:, place] = possible
            weights = law[rows, place, possible]
        parts.append((triggers, outputs, weights, np.full(len(law), place)))
    return Draws(*map(np.concatenate, zip(*parts, strict=True)))


def spread_triggers(task: BigramTask, size: int, rng: np.random.Generator) -> Ints:
    """The triggers (C, K) of C sequences, as the task draws them."""
    if task.random_triggers:
        return task._race(size, rng)
    return np.tile(task.trigger_tokens, (size, 1))


def spread_outputs(law: Array, rng: np.random.Generator) -> Ints:
    """Outputs (C, K) by the laws (C, K, N): for each trigger one from each of C equal strata."""
    size, k, n = law.shape
    strata = rng.permuted(np.tile(np.arange(size)[:, None], (1, k)), axis=0)
    levels = (strata + rng.random((size, k))) / size
    cdf = law.cumsum(axis=2)
    outputs = (cdf <= levels[:, :, None] * cdf[:, :, -1:]).sum(axis=2)
    return np.minimum(outputs, n - 1)

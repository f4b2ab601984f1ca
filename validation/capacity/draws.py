"""Checks of C1 to C7: moments, laws of recall and capacity, against memories that are drawn."""

from __future__ import annotations

from math import sqrt

import numpy as np

import assocmem as am
from assocmem import capacity
from assocmem.capacity import LinearRule, Rule

Estimate = tuple[float, float]  # a mean and its standard error


def drawn_recall(
    n: int, d: int, memories: int, rng: np.random.Generator, *, m: int = 0, rule: Rule
) -> Estimate:
    """Mean recall of independent memories of n Gaussian keys, m values (n if 0); and its error.

    At most 200 keys of each are asked: those of one memory are alike.
    """
    targets = np.arange(n) % (m or n)
    asked = slice(0, 200)

    def recall() -> float:
        keys, values = am.gaussian(n, d, rng=rng), am.gaussian(m or n, d, rng=rng)
        if rule == "outer products":  # the matrix is cheaper than the coefficients
            memory = am.AssociativeMemory(
                keys=np.eye(d), values=np.eye(d), coefficients=values[targets].T @ keys
            )
        else:
            memory = capacity.memorise(keys, values, targets, rule=rule)
        return memory.recall(targets[asked], keys=keys[asked], values=values)

    found = [recall() for _ in range(memories)]
    return float(np.mean(found)), float(np.std(found, ddof=1)) / sqrt(memories)


def law(
    n: int,
    d: int,
    draws: int,
    rng: np.random.Generator,
    *,
    classes: int | None = None,
    rule: LinearRule = "outer products",
) -> Estimate:
    """The exact probability of recall, sampled; and the error of that."""
    rate = capacity.sampled_recall(n, d, classes=classes, rule=rule, draws=draws, rng=rng)
    return rate.value, sqrt(max(rate.value * (1 - rate.value), 1 / draws) / draws)

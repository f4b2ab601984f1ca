"""Check of C4: outer products, least squares and a gradient step have the same leading capacity."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import assocmem as am
from assocmem import capacity
from assocmem.capacity import LinearRule
from validation.capacity.draws import drawn_recall, law
from validation.runner import tolerances
from validation.runner.cases import ROUNDING, Case, Context, agreement


def check(context: Context) -> Iterator[Case]:
    """C4: recall at capacity; and the pseudo-inverse of few keys, which loses nothing."""
    yield from at_capacity(context)
    yield as_stored(context).of("a")


def at_capacity(context: Context) -> Iterator[Case]:
    """C4: recall of three rules against their exact laws, at the capacity of outer products."""
    sizes = ((16, 100), (32, 60), (64, 50)) if context.full else ((16, 60), (32, 30))
    names: tuple[LinearRule, ...] = ("outer products", "gradient step", "pseudo-inverse")
    tests, draws = 2 * 3 * len(sizes), 40_000 if context.full else 20_000
    for d, memories in sizes:
        within = tolerances.standard_errors(tests, freedom=memories - 1)
        most = round(capacity.capacity(d))
        for n, rule in ((n, rule) for n in (most, most + d) for rule in names):
            predicted, law_error = law(n, d, draws, context.rng, rule=rule)
            measured, error = drawn_recall(n, d, memories, context.rng, rule=rule)
            tolerance = within * np.hypot(law_error, error)
            yield Case(
                f"{rule}: recall of {n} pairs, d = {d}",
                predicted,
                measured,
                tolerance,
                evidence="statistics",
            ).of("b" if rule == "gradient step" else "a")


def as_stored(context: Context) -> Case:
    """C4: the scores of the pseudo-inverse of independent keys are those of the values."""
    d, n = 32, 24
    keys, values = am.gaussian(n, d, rng=context.rng), am.gaussian(n, d, rng=context.rng)
    scores = capacity.memorise(keys, values, rule="pseudo-inverse").scores()
    rounding = ROUNDING * np.linalg.cond(keys)
    name = f"pseudo-inverse, n = {n} < d: values as stored"
    return agreement(name, values @ values.T, scores, rounding)

"""Check of C2: recall over Gaussian vectors has an exact law, for one or many keys per value."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from assocmem import capacity
from validation.capacity.draws import drawn_recall, law
from validation.memory.one_to_one import one_to_one
from validation.memory.recall import exponent, half_recall
from validation.runner import tolerances
from validation.runner.cases import Case, Context


def check(context: Context) -> Iterator[Case]:
    """C2: many to one, then one to one."""
    yield from many_to_one(context)
    yield from one_to_one(context)


def many_to_one(context: Context) -> Iterator[Case]:
    """C2: recall below and above capacity, and the exponent of capacity, for two kinds of maps."""
    widths = np.array((24, 48, 96, 192) if context.full else (24, 48, 96))
    memories, draws = (400, 100_000) if context.full else (40, 20_000)
    kinds: tuple[tuple[str, Callable[[int], int]], ...] = (
        ("16 classes", lambda d: 16),
        ("d classes", lambda d: d),
    )
    tests = len(kinds) * (2 * len(widths) + 1)
    within = tolerances.standard_errors(tests, freedom=memories - 1)
    for name, classes in kinds:
        points = []
        for d in map(int, widths):
            m = classes(d)
            most = capacity.capacity(d, classes=m) / m  # keys per class
            sizes = m * np.array([np.floor(0.85 * most), np.ceil(1.2 * most)]).astype(int)
            laws, means = [], []
            for n in sizes:
                laws.append(law(n, d, draws, context.rng, classes=m))
                means.append(drawn_recall(n, d, memories, context.rng, m=m, rule="outer products"))
                (predicted, law_error), (measured, error) = laws[-1], means[-1]
                yield Case(
                    f"recall of n = {n} keys, {m} classes, d = {d}",
                    predicted,
                    measured,
                    within * np.hypot(law_error, error),
                    evidence="statistics",
                ).of("c")
            points.append([half_recall(sizes, *np.transpose(side)) for side in (laws, means)])
        sides = np.array(points)  # (width, law or measured, ln n* or its error)
        (slope, slope_error), (found, error) = (
            exponent(widths, sides[:, side, 0], sides[:, side, 1]) for side in (0, 1)
        )
        case = f"exponent of n*, {name}, d = {widths[0]} to {widths[-1]} (± {error:.1g})"
        tolerance = within * np.hypot(slope_error, error)
        yield Case(case, slope, found, tolerance, evidence="statistics").of("d")

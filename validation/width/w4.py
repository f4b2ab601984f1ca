"""Check of W4: the width that the previous-token head needs grows steeply with T and falls with
N."""

from __future__ import annotations

from collections.abc import Iterator
from math import log

import numpy as np

import assocmem as am
from validation.runner import tolerances
from validation.runner.cases import Case, Context, between
from validation.width.head import NEAR, HeadAtWidth, crossing, mean_recall

SIZES = ((16, 64), (128, 64), (16, 96), (16, 128))  # N, T
OFF = log(1.05)  # what the normal law is off, and a probit line between two widths
BOUNDS = {"T": (5.0, 7.0), "N": (-0.5, 0.0)}  # of the local exponents


def check(context: Context) -> Iterator[Case]:
    """d* in draws against the normal law of exact moments, and the bounds of its exponents."""
    sizes = SIZES if context.full else SIZES[:3]
    draws, normals = (2000, 4000) if context.full else (300, 1000)
    pairs = [((16, 64), (128, 64)), ((16, 64), (16, 96)), ((16, 96), (16, 128))]
    pairs = [pair for pair in pairs if pair[1] in sizes]
    within = tolerances.standard_errors(len(sizes), freedom=draws - 1)
    found = {}
    for n, length in sizes:
        task = am.InductionTask(n, length)
        near = HeadAtWidth(task, context.rng, rows=8).width()  # to look around, no more
        head = HeadAtWidth(task, context.rng, rows=length)
        widths, rows = np.round(near * NEAR).astype(int), len(head.rows)
        recall = [head.measured(d, draws, context.rng) for d in widths]
        measured, error = crossing(widths, *mean_recall(recall, rows))
        rates = [head.normal_law(d, normals, context.rng) for d in widths]
        law, law_error = crossing(widths, *np.transpose(rates))
        found[n, length] = measured
        tolerance = OFF + within * np.hypot(error, law_error)
        name = f"ln d* in draws, by the normal law, N={n} T={length}"
        yield Case(name, law, measured, tolerance, evidence="range").of("a")
    for one, other in pairs:
        axis = 0 if one[1] == other[1] else 1
        slope = (found[other] - found[one]) / log(other[axis] / one[axis])
        low, high = BOUNDS["NT"[axis]]
        grows = f"{'NT'[axis]}={one[axis]} to {other[axis]}"
        name = f"exponent of d* between {low:g} and {high:g}, {grows}"
        yield between(name, low, high, slope, "range").of("cb"[axis])

"""Check of W4: the width that the previous-token head needs."""

from __future__ import annotations

from collections.abc import Iterator
from math import log

import numpy as np

import assocmem as am
from validation.runner import tolerances
from validation.runner.cases import Case, Context
from validation.width.head import NEAR, HeadAtWidth, crossing, mean_recall

# d* as stated, by (N, T), to 5 %: two digits, one sequence for all, and a probit line between two
# widths for the curve; a normal law for that of the scores.
HEAD_WIDTHS = {(16, 64): 5.1e3, (128, 64): 2.7e3, (16, 96): 6.2e4, (16, 128): 3.2e5}


STATED = log(1.05)


def check(context: Context) -> Iterator[Case]:
    """W4: d* as stated against draws and against the normal law, and its local exponents."""
    sizes = list(HEAD_WIDTHS) if context.full else list(HEAD_WIDTHS)[:3]
    draws, normals = (2000, 4000) if context.full else (300, 1000)
    by_law = sizes if context.full else sizes[:1]
    pairs = [((16, 64), (128, 64)), ((16, 64), (16, 96)), ((16, 96), (16, 128))]
    pairs = [pair for pair in pairs if pair[1] in sizes]
    tests = len(sizes) + len(by_law) + len(pairs)
    within = tolerances.standard_errors(tests, freedom=draws - 1)
    found = {}
    for size in sizes:
        stated, name = HEAD_WIDTHS[size], f"N = {size[0]}, T = {size[1]}"
        head = HeadAtWidth(am.InductionTask(*size), context.rng, rows=size[1])
        widths, rows = np.round(stated * NEAR).astype(int), len(head.rows)
        recall = [head.measured(d, draws, context.rng) for d in widths]
        found[size] = measured, error = crossing(widths, *mean_recall(recall, rows))
        yield Case(
            f"ln d*, {name}", log(stated), measured, STATED + within * error, evidence="statistics"
        )
        if size in by_law:
            rates = [head.normal_law(d, normals, context.rng) for d in widths]
            law, error = crossing(widths, *np.transpose(rates))
            yield Case(
                f"ln d* by the normal law, {name}",
                log(stated),
                law,
                STATED + within * error,
                evidence="statistics",
            )
    for one, other in pairs:
        axis = 0 if one[1] == other[1] else 1
        apart = log(other[axis] / one[axis])
        stated = log(HEAD_WIDTHS[other] / HEAD_WIDTHS[one]) / apart
        slope = (found[other][0] - found[one][0]) / apart
        error = np.hypot(found[one][1], found[other][1]) / apart
        name = f"{'NT'[axis]} = {one[axis]} to {other[axis]} (± {error:.1g})"
        yield Case(
            f"local exponent of d*, {name}",
            stated,
            slope,
            2 * STATED / apart + within * error,
            evidence="statistics",
        )

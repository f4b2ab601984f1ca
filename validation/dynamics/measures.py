"""Checks of the claims on training dynamics: runs of five seeds against what others gave.

Each claim is a list of quantities, one number a run. The prediction is the mean over the runs that
the record reports; five new runs may differ from it by what normal draws explain. An order is
claimed as a difference whose band leaves out zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from theory.dynamics.claims import MEASURED, RUNS
from validation.dynamics.experiments import SCALES, Curves, histories
from validation.runner.cases import FALSE_ALARM, Case, Check, Context

SEEDS = 5


RECORDED = 1000  # the seed of the runs of the record


Found = Mapping[str, list[Curves]]


Quantities = dict[str, NDArray[Any]]


def final(runs: list[Curves], column: str) -> NDArray[Any]:
    """The last value of each run."""
    return np.array([curves[column][-1] for curves in runs])


def first(runs: list[Curves], column: str, level: float, *, falls: bool = False) -> NDArray[Any]:
    """When each run crosses the level first, in updates, interpolated; its last if it never does.

    >>> curves = {"step": np.array([0, 10, 20]), "x": np.array([0.0, 0.2, 0.6])}
    >>> first([curves], "x", 0.4).tolist(), first([curves], "x", 0.7).tolist()
    ([15.0], [20.0])
    """
    times = []
    for curves in runs:
        step, value = curves["step"].astype(float), np.asarray(curves[column], dtype=float)
        beyond = value <= level if falls else value >= level
        if not beyond.any():
            times.append(step[-1])
            continue
        i = int(beyond.argmax())
        share = (level - value[i - 1]) / (value[i] - value[i - 1]) if i else 1.0
        times.append(step[max(i - 1, 0)] + share * (step[i] - step[max(i - 1, 0)]))
    return np.array(times)


def compared(id: str, quantities: Quantities) -> Iterator[Case]:
    """Means over the runs at hand against those of the record.

    The difference of two means of normal draws, of n and N = RUNS[id] runs, over its standard error
    by the record's standard deviation, follows Student's law with N - 1 degrees of freedom.
    """
    level = FALSE_ALARM / (2 * len(quantities))
    for name, draws in quantities.items():
        mean, deviation = MEASURED[id][name]
        error = deviation * np.sqrt(1 / len(draws) + 1 / RUNS[id])
        yield Case(
            name,
            mean,
            float(np.mean(draws)),
            stats.t.isf(level, RUNS[id] - 1) * error,
            evidence="statistics",
        )


def recorded(id: str, names: tuple[str, ...], measure: Callable[[Found], Quantities]) -> Check:
    """The check of one claim against its record; only the full profile trains."""

    def cases(context: Context) -> Iterator[Case]:
        if context.full:
            found = histories(names, scale=SCALES["quick"], seeds=SEEDS, rng=context.rng)
            yield from compared(id, measure(found))

    return cases

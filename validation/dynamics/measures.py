"""What the claims on training dynamics measure: numbers of single runs, and signs over pairs.

A claim is an order that fresh runs can refute: each of `validation.runner.cases.PAIRS` pairs of
runs, which share nothing but what the claim says, gives the sign of a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validation.dynamics.experiments import SCALES, Curves, histories
from validation.runner.cases import PAIRS, Case, Check, Context

Found = Mapping[str, list[Curves]]
Numbers = NDArray[np.float64]


def final(runs: list[Curves], column: str) -> Numbers:
    """The last value of each run."""
    return np.array([curves[column][-1] for curves in runs], dtype=float)


def first(runs: list[Curves], column: str, level: float, *, falls: bool = False) -> Numbers:
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


def by_group(numbers: Numbers) -> Numbers:
    """Means over as many groups of runs as there are pairs: less noise than single runs have.

    >>> by_group(np.arange(20.0)).tolist()
    [0.5, 2.5, 4.5, 6.5, 8.5, 10.5, 12.5, 14.5, 16.5, 18.5]
    """
    return numbers.reshape(PAIRS, -1).mean(axis=1)


def trained(
    names: Sequence[str],
    orders: Callable[[Found], Iterable[Case]],
    *,
    grouped: Mapping[str, int] | None = None,
) -> Check:
    """The check of a claim by fresh runs of these experiments; only the full profile trains.

    ``grouped`` says of how many runs a comparison takes the mean, where not of one.
    """
    runs = {name: PAIRS * (grouped or {}).get(name, 1) for name in names}

    def cases(context: Context) -> Iterator[Case]:
        if context.full:
            found: dict[str, list[Curves]] = {}
            for seeds in dict.fromkeys(runs.values()):
                alike = [name for name in names if runs[name] == seeds]
                found |= histories(alike, scale=SCALES["quick"], seeds=seeds, rng=context.rng)
            yield from orders(found)

    return cases


def summarised(runs: list[Curves], columns: Iterable[str]) -> dict[str, Any]:
    """Mean and standard deviation over the runs of the last value of each column."""
    return {
        column: (float(values.mean()), float(values.std(ddof=1)))
        for column in columns
        for values in [final(runs, column)]
    }

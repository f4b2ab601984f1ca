"""Whether what is measured agrees with what is predicted, point by point.

A row that is measured and predicted holds two intervals that contain the true value, ``low`` to
``high`` with probability 95 % or more, ``wide_low`` to ``wide_high`` with 1 - 1e-8; and what is
predicted, ``predicted_low`` to ``predicted_high``, which are equal where the prediction is exact,
and an interval of 95 % where it is sampled (then ``predicted_wide_low`` and ``predicted_wide_high``
are there too).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, inf, log10
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from assocmem import Rate
from assocmem._statistics import standard_errors
from validation.figures.sheets import Row
from validation.runner.cases import FALSE_ALARM

CONFIDENCE = 0.95
MOST = 100  # points at most of one verdict, which is wrong with probability FALSE_ALARM
LEVELS = {"": 1 - CONFIDENCE, "wide_": FALSE_ALARM / MOST}  # how often an interval misses


@dataclass(frozen=True)
class Agreement:
    """How many points are where they belong, and the verdict: all must be in the wide intervals.

    >>> found = Agreement("points", total=46, inside=44, inside_wide=46)
    >>> print(found)
    46 of 46 points inside their intervals at 1 - 1e-08 (44 at 95%)
    >>> found.holds, Agreement("points", total=46, inside=45, inside_wide=45).holds
    (True, False)
    """

    what: str
    total: int
    inside: int
    inside_wide: int

    @property
    def holds(self) -> bool:
        """Whether every point is inside; never where there is none, or more than MOST."""
        return 0 < self.total <= MOST and self.inside_wide == self.total

    def __str__(self) -> str:
        wide = f"{self.inside_wide} of {self.total} {self.what} inside their intervals"
        return f"{wide} at 1 - {LEVELS['wide_']:.0e} ({self.inside} at {CONFIDENCE:.0%})"


def agreement(what: str, rows: Iterable[Row]) -> Agreement:
    """Count the rows: those where the two intervals meet are inside, and none with a NaN."""
    points = list(rows)
    counts = [sum(_meets(row, level) for row in points) for level in LEVELS]
    return Agreement(what, len(points), *counts)


def _meets(row: Row, level: str) -> bool:
    ends = "low", "high"
    low, high = (row[level + end] for end in ends)
    least, most = (row.get(f"predicted_{level}{end}", row[f"predicted_{end}"]) for end in ends)
    return bool(low <= most and least <= high)


def of_mean(value: float, error: float, draws: int) -> dict[str, float]:
    """Both intervals of a mean over draws, by Student's law."""
    found: dict[str, float] = {}
    for level, miss in LEVELS.items():
        reach = error * standard_errors(miss, draws - 1)
        found |= {f"{level}low": value - reach, f"{level}high": value + reach}
    return found


def of_rate(rate: Rate) -> dict[str, float]:
    """Both intervals of a rate, Clopper's and Pearson's."""
    found: dict[str, float] = {}
    for level, miss in LEVELS.items():
        found[f"{level}low"], found[f"{level}high"] = rate.interval(1 - miss)
    return found


def of_median(draws: ArrayLike, error: float = 0) -> dict[str, float]:
    """Both intervals of a median by order statistics, exactly.

    Also of a number that exceeds a draw with probability 1/2 up to ``error``: from 0 to infinity
    where that leaves nothing to tell.

    >>> found = of_median(range(1, 41))
    >>> found["low"], found["high"], found["wide_low"], found["wide_high"]
    (14.0, 27.0, 3.0, 38.0)
    """
    ordered: Any = [0, *np.sort(np.asarray(draws, dtype=float)), inf]
    found: dict[str, float] = {}
    for level, miss in LEVELS.items():
        below = np.clip(0.5 - error, 0, 0.5)
        rank = int(stats.binom.ppf(miss / 2, len(ordered) - 2, below))
        found[f"{level}low"] = float(ordered[rank])
        found[f"{level}high"] = float(ordered[-1 - rank])
    return found


def exponent(x: ArrayLike, value: ArrayLike, error: ArrayLike) -> str:
    """The power of x that fits the values best, and its standard error, in words.

    Least squares of the logarithms, weighted by the relative errors.

    >>> exponent([1, 2, 4], [3, 12, 48], [0.03, 0.12, 0.48])
    'exponent 2.00 ± 0.01'
    """
    weights = np.asarray(value) / np.asarray(error)
    (power, _), covariance = np.polyfit(np.log(x), np.log(value), 1, w=weights, cov="unscaled")
    spread = float(np.sqrt(covariance[0, 0]))
    places = max(2, ceil(-log10(spread)))
    return f"exponent {power:.{places}f} ± {spread:.{places}f}"

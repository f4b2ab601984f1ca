"""Whether what is measured agrees with what is predicted: how many points, and how many at least.

A row that is measured and predicted holds an interval of each, ``low`` to ``high``, that contains
the true value with probability 95 % or more, and ``predicted_low`` to ``predicted_high``, which are
equal where the prediction is exact. The points of one `Agreement` are independent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from validation.cases import FALSE_ALARM
from validation.figures.sheets import Row

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Agreement:
    """A count of what is inside where it belongs with probability 95 %, and its verdict.

    >>> found = Agreement("points inside their 95% intervals", 44, 46)
    >>> print(found)
    44 of 46 points inside their 95% intervals (at least 34 expected at 1e-06)
    >>> found.holds, Agreement("points inside their 95% intervals", 30, 46).holds
    (True, False)
    """

    what: str
    inside: int
    total: int

    @property
    def least(self) -> int:
        """Fewer are inside with probability at most FALSE_ALARM, by the binomial law."""
        return self.total - int(stats.binom.isf(FALSE_ALARM, self.total, 1 - CONFIDENCE))

    @property
    def holds(self) -> bool:
        """Whether enough are inside; never where there are too few to tell."""
        return 0 < self.least <= self.inside

    def __str__(self) -> str:
        expected = f"at least {self.least} expected at {FALSE_ALARM:.0e}"
        return f"{self.inside} of {self.total} {self.what} ({expected})"


def agreement(what: str, rows: Iterable[Row]) -> Agreement:
    """Count the rows: those where the two intervals meet are inside, and none with a NaN."""
    points = list(rows)
    inside = sum(
        row["low"] <= row["predicted_high"] and row["predicted_low"] <= row["high"]
        for row in points
    )
    return Agreement(f"{what} inside their {CONFIDENCE:.0%} intervals", inside, len(points))


def of_mean(value: float, error: float, draws: int) -> dict[str, float]:
    """Low and high of a mean over draws, by Student's law."""
    reach = error * float(stats.t.isf((1 - CONFIDENCE) / 2, draws - 1))
    return {"low": value - reach, "high": value + reach}


def of_median(draws: ArrayLike, error: float = 0) -> dict[str, float]:
    """Low and high of a median by order statistics, exactly.

    Also of a number that exceeds a draw with probability 1/2 up to ``error``: from 0 to infinity
    where that leaves nothing to tell.

    >>> of_median(range(1, 41))
    {'low': 14.0, 'high': 27.0}
    """
    ordered: Any = [0, *np.sort(np.asarray(draws, dtype=float)), inf]
    rank = int(
        stats.binom.ppf((1 - CONFIDENCE) / 2, len(ordered) - 2, np.clip(0.5 - error, 0, 0.5))
    )
    return {"low": float(ordered[rank]), "high": float(ordered[-1 - rank])}

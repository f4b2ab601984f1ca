"""Tolerances of statistical cases, from the probability that a true claim fails by chance.

``tests`` is the number of such cases in one check: each gets its share of FALSE_ALARM.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from assocmem import _statistics
from validation.runner.cases import FALSE_ALARM, Case


def standard_errors(tests: int, freedom: float = np.inf) -> float:
    """How many standard errors a sample mean stays within, its error estimated from the sample.

    Quantile of Student's law at a tenth of the allowed probability: means of skewed draws reach
    their normal limit last in the tails. With skewness g, the tail of n draws at z is about
    exp(g z^3 / (3 sqrt(n))) times the normal one: what is skewed is to be drawn often.
    """
    return _statistics.standard_errors(FALSE_ALARM / (10 * tests), freedom)


def sample_mean(case: str, predicted: float, draws: ArrayLike, *, tests: int) -> Case:
    """The mean of independent draws against its prediction."""
    draws = np.asarray(draws, dtype=float)
    error = draws.std(ddof=1) / np.sqrt(draws.size)
    tolerance = standard_errors(tests, draws.size - 1) * error
    return Case(case, predicted, draws.mean(), tolerance, evidence="statistics")


def frequency(case: str, bound: float, hits: int, trials: int, *, tests: int) -> Case:
    """The frequency of an event against a bound on its probability, by the binomial law."""
    allowed = stats.binom.isf(FALSE_ALARM / tests, trials, bound)
    tolerance = allowed / trials - bound
    return Case(case, bound, hits / trials, tolerance, evidence="statistics")


def mean_square(case: str, predicted: float, normals: ArrayLike, *, tests: int) -> Case:
    """The mean square of independent N(0, predicted) draws, by the chi-squared law."""
    normals = np.asarray(normals, dtype=float)
    allowed = stats.chi2.isf(FALSE_ALARM / (2 * tests), normals.size) / normals.size
    tolerance = predicted * (allowed - 1)
    return Case(case, predicted, np.mean(normals**2), tolerance, evidence="statistics")


def law(case: str, draws: ArrayLike, cdf: Callable[[Any], Any], *, tests: int) -> Case:
    """Kolmogorov's distance of the empirical law from the predicted one: 0 in the limit."""
    distance = stats.kstest(draws, cdf).statistic
    tolerance = stats.kstwo.isf(FALSE_ALARM / tests, np.size(draws))
    return Case(case, 0.0, distance, tolerance, evidence="statistics")

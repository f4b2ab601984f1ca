"""Numbers that several rooms need, once each: the softmax, the strict maximum, rates, intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assocmem._checks import Array, at_least, checked_number, checked_probability


def softmax(scores: Array, axis: int = -1) -> Array:
    """Return exp(scores), normalised along the axis; -inf gives exactly 0.

    SymPy expressions (dtype object) stay symbolic:

    >>> import sympy
    >>> softmax(np.array([sympy.log(2), 0]))
    array([2/3, 1/3], dtype=object)
    """
    if scores.dtype == object:
        from sympy import exp

        exponentials = np.vectorize(exp, otypes=[object])(scores)  # symbols have no largest one
    else:
        exponentials = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


def margins(
    scores: Array, right: NDArray[np.int64], among: NDArray[np.bool_] | None = None
) -> Array:
    """Return the score at the index `right` minus the best of the others, along the last axis.

    It is positive where that score is the strict maximum, and 0 at a tie: recall, everywhere, means
    a positive margin. ``among``, broadcast to the scores, says who counts as an other; where nobody
    does, the margin is inf.

    >>> margins(np.array([[3.0, 1, 2], [2, 2, 0]]), np.array([0, 0]))
    array([1., 0.])
    """
    chosen = np.broadcast_to(right, scores.shape[:-1])[..., None]
    rivals = np.ones(scores.shape, dtype=bool)
    if among is not None:
        rivals &= among
    np.put_along_axis(rivals, chosen, False, axis=-1)
    margin: Array = np.take_along_axis(scores, chosen, axis=-1)[..., 0] - np.where(
        rivals, scores, -np.inf
    ).max(axis=-1)
    return margin


def standard_errors(miss: float, freedom: float) -> float:
    """Return how many standard errors a mean is off, either way, with probability ``miss``.

    The quantile of Student's law, as the error is estimated too.

    >>> print(f"{standard_errors(0.05, 9):.3f} {standard_errors(0.05, np.inf):.3f}")
    2.262 1.960
    """
    from scipy import stats

    return float(stats.t.isf(miss / 2, freedom))


@dataclass(frozen=True)
class Rate:
    """Successes among independent trials.

    Parameters
    ----------
    successes, trials : int
        How many of how many.

    Raises
    ------
    TypeError, ValueError
        For what are no integers, negative ones, and more successes than trials.

    Examples
    --------
    >>> Rate(98, 100)
    Rate(0.9800, 98/100)
    >>> low, high = Rate(98, 100).interval()
    >>> print(f"{low:.3f} {high:.3f}")
    0.930 0.998
    """

    successes: int
    trials: int

    def __post_init__(self) -> None:
        if at_least("successes", self.successes, 0) > at_least("trials", self.trials, 0):
            raise ValueError(
                f"successes: expected at most {self.trials}, the trials; got {self.successes}."
            )

    @property
    def value(self) -> float:
        """The observed rate; NaN without trials."""
        return self.successes / self.trials if self.trials else float("nan")

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the exact (Clopper-Pearson) confidence interval of the rate.

        Parameters
        ----------
        confidence : float
            The probability that the interval holds the rate, at least.

        Returns
        -------
        low : float
            The lower end, 0 without a success.
        high : float
            The upper end, 1 without a failure.

        Raises
        ------
        ValueError
            For a confidence outside (0, 1), and without trials.

        References
        ----------
        [CP1934].
        """
        from scipy.stats import binomtest

        confidence = checked_probability("confidence", confidence)
        at_least("trials", self.trials, 1)
        result = binomtest(self.successes, self.trials).proportion_ci(confidence, method="exact")
        return float(result.low), float(result.high)

    def __repr__(self) -> str:
        return f"Rate({self.value:.4f}, {self.successes}/{self.trials})"


@dataclass(frozen=True)
class Share:
    """Exact probability of an event: the total weight of the cases in which it happens.

    Parameters
    ----------
    value : float
        The probability.

    Examples
    --------
    >>> Share(0.98)
    Share(0.9800)
    """

    value: float

    def __post_init__(self) -> None:
        checked_number("value", self.value, "a probability", lambda p: -1e-9 < p < 1 + 1e-9)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Raise an error: an exact probability has no confidence interval.

        Parameters
        ----------
        confidence : float
            Not used, as there is no interval.

        Raises
        ------
        ValueError
            Always: only a `Rate` has an interval.
        """
        raise ValueError(
            "interval: expected a rate over equally weighted draws, independent or stratified; got "
            "a weighted share. Evaluate task.sample(...), whose sequences are drawn."
        )

    def __repr__(self) -> str:
        return f"Share({self.value:.4f})"

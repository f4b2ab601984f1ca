"""The previous-token head at finite width: how often it finds the position before, and where d* is.

Three numbers for the same recall: the normal law with exact moments, the exact law in draws, and
embeddings that are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

import assocmem as am
from assocmem.vectors.bartlett import bartlett
from assocmem.width import moments as step_noise
from assocmem.width import recall as recall_laws
from assocmem.width.wick import ScoreMoments

LEVEL = 0.9  # fraction of positions where the first layer finds the one before


NEAR = np.array([0.75, 1.33])  # two widths around a stated one, in multiples of it


PLAIN = 1000  # the largest width at which embeddings are drawn entry by entry


class HeadAtWidth:
    """The previous-token head on one sequence of a task, at some of its positions."""

    def __init__(
        self, task: am.InductionTask, rng: np.random.Generator, *, lead: float = 10, rows: int = 12
    ) -> None:
        self.task = task
        run = am.top_down(task, margins=(0.5, lead, 5), evaluate_on=None)
        self.memory = run.memories["W_K1"]
        self.tokens = task.sample(1, rng=rng).tokens[0]
        self.rows = np.unique(np.linspace(1, task.length - 2, rows).round().astype(int))
        self.among = np.tri(task.length, dtype=bool)[self.rows].T
        self.moments = step_noise.head_moments(
            task, self.memory.coefficients, self.tokens, self.rows
        )

    def predicted(self, d: float, draws: int = 1000) -> float:
        """Fraction of the rows recalled, for jointly normal scores with the exact moments.

        The normal draws are always the same, so that this is a smooth function of d.
        """
        recalled = step_noise.gaussian_recall(
            self.moments, d, self.rows - 1, self.among, rng=np.random.default_rng(0), draws=draws
        )
        return float(recalled.mean())

    def width(self, level: float = LEVEL) -> float:
        """d* of the prediction."""
        low, high = log(8), log(1e12)
        while high - low > 0.01:
            middle = (low + high) / 2
            low, high = (middle, high) if self.predicted(np.exp(middle)) < level else (low, middle)
        return float(np.exp((low + high) / 2))

    def around(self) -> NDArray[np.int64]:
        """Two widths around d*."""
        return np.round(self.width() * np.array([0.6, 1.6])).astype(int)

    def normal_law(self, d: float, draws: int, rng: np.random.Generator) -> tuple[float, float]:
        """The fraction predicted, and its standard error: normal draws of its own for each row."""
        mean, second = self.moments
        rates = np.concatenate(
            [
                step_noise.gaussian_recall(
                    ScoreMoments(mean[:, [k]], second[:, [k]]), d, self.rows[[k]] - 1,
                    self.among[:, [k]], rng=rng, draws=draws,
                )
                for k in range(len(self.rows))
            ]
        )  # fmt: skip
        return rates.mean(), sqrt(np.sum(rates * (1 - rates)) / draws) / len(rates)

    def law(self, d: int, draws: int, rng: np.random.Generator) -> np.ndarray:
        """The same fraction in each of the draws of the exact law, d >= T."""
        found = []
        for at in range(0, draws, 100):  # a hundred tables of scores at once
            scores = recall_laws.head_scores(
                self.memory.coefficients, d, self.tokens, draws=min(100, draws - at), rng=rng
            )
            right = recall_laws.recalled(scores[:, self.rows], self.rows - 1, self.among)
            found.append(right.mean(axis=1))
        return np.concatenate(found)

    def measured(self, d: int, draws: int, rng: np.random.Generator) -> np.ndarray:
        """The same fraction in each of the draws, which need the inputs only."""
        n_tokens, found = self.task.n_tokens, []
        draw = am.gaussian if d <= PLAIN else bartlett
        for _ in range(draws):
            inputs = draw(n_tokens + self.task.length, d, rng=rng)
            positions = inputs[n_tokens:]
            W = am.AssociativeMemory(
                keys=positions, values=positions, coefficients=self.memory.coefficients
            )
            x = inputs[self.tokens] + positions
            found.append(W.T.recall(self.rows - 1, self.among, keys=x[self.rows], values=x))
        return np.array(found)


def mean_recall(samples: Sequence[np.ndarray], rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error of each sample of recall over this many rows."""
    draws = len(samples[0])
    half = 0.5 / (draws * rows)  # a normal quantile needs a rate inside (0, 1)
    recall = np.clip([sample.mean() for sample in samples], half, 1 - half)
    return recall, np.array([sample.std(ddof=1) for sample in samples]) / sqrt(draws)


def crossing(
    widths: np.ndarray, recall: ArrayLike, error: ArrayLike = (0, 0)
) -> tuple[float, float]:
    """ln d where LEVEL is reached, and its standard error: between two widths around d*.

    The normal quantile of the recall is nearly linear in ln d, and equally so for what is predicted
    and what is measured at the same two widths.
    """
    a, b = stats.norm.ppf(recall)
    if not a < b:  # recall that does not grow with the width has no crossing: no case passes
        return np.nan, np.nan
    a_error, b_error = np.asarray(error) / stats.norm.pdf((a, b))
    low, high = np.log(widths)
    weight = (stats.norm.ppf(LEVEL) - a) / (b - a)
    weight_error = np.hypot((1 - weight) * a_error, weight * b_error) / (b - a)
    return low + weight * (high - low), weight_error * (high - low)

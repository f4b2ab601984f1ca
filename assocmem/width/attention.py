"""Where the second layer looks at finite width: normal noise, one layer after the other.

Layer 1: the scores of each row are jointly normal with the exact moments of W2, and independent of
those of other rows; the softmax is exact. Layer 2: its scores are those of the limit's table, read
through this attention, plus normal noise of the table with the covariance that it has to first
order in 1/d, where layer 1 attends as it does at the limit. For with Gram matrix 1 + Γ of the atoms
a score is

    y_T (1 + Γ) C (1 + Γ) y_s ≈ y_T C y_s + Σ Γ ∘ (y_T (C y_s)ᵀ + (y_T C) y_sᵀ) ,

and √d Γ = [[G, H], [Hᵀ, G + G']]: G is symmetric, of N(0, 1) entries above the diagonal and
N(0, 2) on it, G' is as G, H has N(0, 1) entries, and the three are independent.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from assocmem._checks import Array, Seed, generator
from assocmem._statistics import softmax
from assocmem.memory import AssociativeMemory
from assocmem.tasks import InductionTask
from assocmem.width.arguments import checked_draws, checked_memories, checked_width, numeric_task
from assocmem.width.moments import head_moments, streams


class AttentionLaw:
    """Law of the attention of the last position on one sequence, at finite width.

    Parameters
    ----------
    task : InductionTask
        The task, with numeric sizes.
    memories : mapping of str to AssociativeMemory
        ``W_O2``, ``W_K2`` and ``W_K1``, as `top_down` writes them.
    tokens : array_like of int, shape (T,)
        The sequence.

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit the task.

    References
    ----------
    Claim W7.
    """

    def __init__(
        self, task: InductionTask, memories: Mapping[str, AssociativeMemory], tokens: Array
    ) -> None:
        numeric_task(task)
        checked_memories(task, memories, whole=True)
        self.first = head_moments(
            task, memories["W_K1"].coefficients, tokens, np.arange(task.length)
        )
        self.causal = np.tri(task.length, dtype=bool)
        self.output = int(np.argmax(tokens == tokens[-1])) + 1
        X, C = streams(task, tokens), memories["W_K2"].coefficients
        n = X.shape[1]
        parts = slice(n), slice(n, 2 * n)
        self.in_context = [[X @ C[rows, keys] @ X.T for keys in parts] for rows in parts]
        limit = softmax(np.where(self.causal, self.first.mean(np.inf), -np.inf))
        self.second = table_noise(C, np.concatenate([X, limit @ X], axis=1))

    def attends(self, d: float, draws: int, *, rng: Seed = None) -> NDArray[np.bool_]:
        """Whether the position of the output gets most attention, in normal draws of all scores.

        Parameters
        ----------
        d : float
            The width.
        draws : int
            How many draws.
        rng : int, generator of NumPy or None
            Where they come from.

        Returns
        -------
        array of bool, shape (draws,)
            One verdict for each draw.
        """
        d, draws, rng = checked_width(d), checked_draws(draws, self.causal.size), generator(rng)
        length = len(self.causal)
        normals = rng.standard_normal((length, length, draws))
        first = self.first.mean(d)[:, :, None] + _root(self.first.covariance(d)) @ normals
        b = softmax(np.where(self.causal[:, :, None], first, -np.inf), axis=1).transpose(2, 0, 1)
        (direct, to_image), (from_image, between) = self.in_context
        by_image = to_image[-1] + b[:, -1] @ between
        scores = direct[-1] + b[:, -1] @ from_image + (b @ by_image[:, :, None])[:, :, 0]
        scores += rng.standard_normal((draws, length)) @ _root(self.second / d).T
        return np.asarray(scores.argmax(axis=1) == self.output)


def table_noise(C: Array, y: Array) -> Array:
    """d Cov of the scores of the last of the streams y (T, 2n) with all of them, as d grows."""
    plain, image = slice(len(C) // 2), slice(len(C) // 2, None)
    weights = y[-1][:, None] * (y @ C.T)[:, None, :] + (y[-1] @ C)[:, None] * y[:, None, :]
    on_both = weights[:, plain, plain] + weights[:, image, image]
    on_images = weights[:, image, image]
    across = weights[:, plain, image] + weights[:, image, plain].transpose(0, 2, 1)
    pairs = [(part, part + part.transpose(0, 2, 1)) for part in (on_both, on_images)]
    pairs.append((across, across))
    return np.sum([np.tensordot(a, b, ((1, 2), (1, 2))) for a, b in pairs], axis=0)


def _root(covariance: Array) -> Array:
    """A matrix R with R Rᵀ the covariance."""
    values, vectors = np.linalg.eigh(covariance)
    root: Array = vectors * np.sqrt(np.maximum(values, 0))[..., None, :]  # rounding may go below 0
    return root

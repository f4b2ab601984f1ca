"""The scores that the three memories are asked for, as terms whose moments are known exactly.

Coefficients are fixed (those of infinite width); the embeddings are Gaussian. Inputs are numbered
as `FrozenEmbeddings.inputs` stacks them: tokens, then positions. Rows are cues, columns answers, as
`assocmem.probe` asks for them; and, beyond the atoms, the first layer is asked in context, where
both the query and the keys are residual streams w_E(z_t) + p_t.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import (
    Array,
    Seed,
    checked_array,
    checked_kind,
    checked_targets,
    generator,
)
from assocmem._statistics import margins
from assocmem.memory import AssociativeMemory
from assocmem.tasks import InductionTask
from assocmem.width.arguments import (
    checked_coefficients,
    checked_draws,
    checked_memories,
    checked_one_sequence,
    checked_width,
    numeric_task,
)
from assocmem.width.wick import ScoreMoments, Segment, Term, term_moments


def recall_terms(name: str, task: InductionTask, coefficients: Array) -> list[Term]:
    """Terms of the scores that the probe of W_O2, W_K2 or W_K1 compares."""
    n_tokens, n = task.n_tokens, task.n_tokens + task.length
    inputs = np.eye(n)
    if name == "W_K1":
        positions = inputs[n_tokens:]
        return in_context_terms(task, coefficients, queries=positions[1:-1], keys=positions)
    plain, remapped = slice(n), slice(n, 2 * n)
    if name == "W_O2":
        cues, classes = inputs[task.contents], np.eye(task.n_outputs)
        outputs = Segment("", family="u")
        return [
            Term(cues, Segment(word), coefficients[:, part].T, outputs, classes)
            for word, part in (("Vv", plain), ("Vvf", remapped))
        ]
    cues, answers = inputs[task.triggers], inputs[:n_tokens]
    return [
        Term(cues, Segment(left), coefficients[rows, columns], Segment(right), answers)
        for left, rows in (("", plain), ("f", remapped))
        for right, columns in (("f", plain), ("Ff", remapped))
    ]


def in_context_terms(
    task: InductionTask, coefficients: Array, queries: Array, keys: Array
) -> list[Term]:
    """Terms of the first layer's scores, for queries and keys that are combinations of inputs."""
    n_tokens = task.n_tokens
    spread = np.zeros((n_tokens + task.length,) * 2)
    spread[n_tokens:, n_tokens:] = coefficients  # the memory holds positions only
    return [Term(queries, Segment(""), spread, Segment(""), keys)]


def streams(task: InductionTask, tokens: ArrayLike) -> Array:
    """x_t = w_E(z_t) + p_t of one sequence (T,), as combinations of the inputs: (T, N+T)."""
    n_tokens = task.n_tokens
    x = np.eye(task.length, n_tokens + task.length, k=n_tokens)
    x[np.arange(task.length), np.asarray(tokens)] = 1
    return x


def head_moments(
    task: InductionTask, coefficients: Array, tokens: ArrayLike, rows: NDArray[np.int64]
) -> ScoreMoments:
    """Exact moments of the scores of the first layer on one sequence.

    Both the query and the keys are residual streams w_E(z_t) + p_t; all columns s are asked.

    Parameters
    ----------
    task : InductionTask
        The task, with numeric sizes.
    coefficients : array, shape (T, T)
        Of W_K1 over positions, row = query.
    tokens : array_like of int, shape (T,)
        The sequence.
    rows : array_like of int
        The positions t that ask, counted from 0.

    Returns
    -------
    ScoreMoments
        Cues are the rows, answers all positions.

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit the task.

    References
    ----------
    Claim W2.
    """
    x = streams(numeric_task(task), checked_one_sequence(task, tokens))
    coefficients = checked_coefficients("W_K1", task, coefficients)
    rows = checked_array("rows", rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or not np.isin(rows, range(task.length)).all():
        raise ValueError(
            f"rows: expected positions from 0 to {task.length - 1}; got {rows!r}. They count "
            f"from 0."
        )
    return term_moments(in_context_terms(task, coefficients, x[rows], x))


def recall_moments(
    task: InductionTask, memories: Mapping[str, AssociativeMemory]
) -> dict[str, ScoreMoments]:
    """Exact moments of the scores that decide the recall of each memory, at every width.

    The coefficients are fixed and written with Gaussian embeddings.

    Parameters
    ----------
    task : InductionTask
        The task, with numeric sizes.
    memories : mapping of str to AssociativeMemory
        ``W_O2``, ``W_K2``, ``W_K1``, or some of them, as `top_down` writes them.

    Returns
    -------
    dict of str to ScoreMoments
        By name; cues and answers are those of `probe`.

    Raises
    ------
    TypeError, ValueError
        For what is no task or memory, and coefficients that do not fit the task.

    References
    ----------
    Claim W2.
    """
    return {
        name: term_moments(recall_terms(name, task, memory.coefficients))
        for name, memory in checked_memories(numeric_task(task), memories).items()
    }


def cantelli_failure(
    moments: ScoreMoments,
    d: float,
    targets: NDArray[np.int64],
    among: NDArray[np.bool_] | None = None,
) -> float:
    """Upper bound on the probability that a cue is not recalled, by Cantelli and a union bound.

    Parameters
    ----------
    moments : ScoreMoments
        Of the scores of all cues and answers.
    d : float
        The width.
    targets : array_like of int, shape (cues,)
        The right answer of each cue.
    among : array of bool, shape (answers, cues), optional
        The admissible answers, as in a `Probe`; all by default.

    Returns
    -------
    float
        A sum over the wrong answers of all cues, which may exceed 1.

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit each other, and a width below 1.

    References
    ----------
    Claim W3.
    """
    d, targets = _asked(moments, d, targets, among)
    mean, variance = moments.margins(d, targets)
    rivals = np.ones(mean.shape, bool) if among is None else among.T.copy()
    rivals[np.arange(len(mean)), targets] = False
    mean, variance = mean[rivals], variance[rivals]
    return float(np.where(mean > 0, variance / (variance + mean**2), 1.0).sum())


def gaussian_recall(
    moments: ScoreMoments,
    d: float,
    targets: NDArray[np.int64],
    among: NDArray[np.bool_] | None = None,
    *,
    rng: Seed = None,
    draws: int = 1000,
) -> Array:
    """Probability that each cue is recalled, with jointly normal scores.

    The mean and the covariance are the exact ones; the probability is a mean over normal draws.

    Parameters
    ----------
    moments, d, targets, among
        As in `cantelli_failure`.
    rng : int, generator of NumPy or None
        Where the draws come from.
    draws : int
        How many normal vectors are drawn for each cue.

    Returns
    -------
    array, shape (cues,)
        Between 0 and 1.

    Raises
    ------
    TypeError, ValueError
        As `cantelli_failure`.

    References
    ----------
    Claim W4.
    """
    d, targets = _asked(moments, d, targets, among)
    mean, covariance = moments.mean(d), moments.covariance(d)
    cues, answers = mean.shape
    rng, draws = generator(rng), checked_draws(draws, mean.size)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))[:, None, :]  # rounding may go below 0
    scores = mean[:, :, None] + root @ rng.standard_normal((answers, draws))
    right = np.broadcast_to(np.asarray(targets)[:, None], (cues, draws))
    others = None if among is None else among.T[:, None]
    probability: Array = (margins(scores.swapaxes(1, 2), right, others) > 0).mean(axis=1)
    return probability


def _asked(
    moments: ScoreMoments, d: float, targets: Any, among: Any
) -> tuple[float, NDArray[np.int64]]:
    """The width and the right answer of every cue, refused unless they fit the moments."""
    cues, answers = checked_kind("moments", moments, ScoreMoments).mean_powers.shape[1:]
    chosen = checked_targets(targets, answers, cues)
    if among is not None:
        mask = checked_array("among", among)
        fits = mask.dtype == bool and mask.shape == (answers, cues)
        if not fits or not mask[chosen, range(cues)].all():
            raise ValueError(
                f"among: expected a boolean mask of shape ({answers}, {cues}), a row per answer, "
                f"that admits the targets; got {mask.dtype} of shape {mask.shape}. Take that of a "
                f"Probe."
            )
    return checked_width(d), chosen

"""The exact law of the scores that the three memories are asked for, at any width, as draws.

Coefficients are fixed, embeddings are Gaussian. Whatever is random acts on few vectors at a time,
and is Gaussian given what those vectors are: no d x d matrix and no embedding is drawn. Indices as
in `assocmem.width.moments`; functions return scores as (draws, cues, answers), at least 3 wide.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import Array, Seed, checked_array, checked_rows, generator
from assocmem._statistics import margins
from assocmem.tasks import InductionTask
from assocmem.width.arguments import (
    checked_coefficients,
    checked_draws,
    integer_width,
    numeric_task,
)


def output_scores(
    task: InductionTask, coefficients: Array, d: int, *, draws: int, rng: Seed = None
) -> Array:
    """Draw the scores of W_O2 at the keys W_V² x of content tokens x, up to a positive factor.

    Given what the memory answers, the scores over the outputs U are known in law: UUᵀy is a chi
    along the answer y and normal across, up to a factor (claim C2).

    Parameters
    ----------
    task : InductionTask
        The task, with numeric sizes.
    coefficients : array, shape (M, 2(N+T))
        Of W_O2 over the atoms.
    d : int
        The width, at least 3.
    draws : int
        How many independent draws of the embeddings.
    rng : int, generator of NumPy or None
        Where they come from.

    Returns
    -------
    array, shape (draws, cues, answers)
        Cues are independent here, and only their own laws are those of the embeddings.

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit the task, and draws that do not fit into memory.
    """
    rng = generator(rng)
    answers = output_answers(task, coefficients, d, draws=draws, rng=rng)
    along = answers / np.linalg.norm(answers, axis=-1, keepdims=True)
    normals = rng.standard_normal(answers.shape)
    across = normals - (normals * along).sum(-1, keepdims=True) * along
    size = np.sqrt(rng.chisquare(d, (*answers.shape[:2], 1)))
    scores: Array = size * along + across
    return scores


def output_answers(
    task: InductionTask, coefficients: Array, d: int, *, draws: int, rng: Seed = None
) -> Array:
    """What W_O2 answers to each content token x, in terms of the outputs; cues are independent.

    V = W_V2 and F = Phi1 meet the other inputs a through e = V'V x and f = F'e alone: with Va by
    a'e, with VFa by a'f. So three coordinates do, along x and the new directions of e and f.
    """
    cues, n_inputs = numeric_task(task).contents, task.n_tokens + task.length
    coefficients, d = checked_coefficients("W_O2", task, coefficients), integer_width(d, 3)
    shape, rng = (checked_draws(draws, 3 * len(cues) * n_inputs), len(cues)), generator(rng)

    def chi(freedom: int) -> Array:
        return np.sqrt(rng.chisquare(freedom, shape) / d)

    x, zero = chi(d), np.zeros(shape)
    Vx = x * chi(d)
    e = np.stack([Vx**2 / x, Vx * chi(d - 1), zero], axis=-1)
    f = np.stack([*rng.standard_normal((2, *shape)) / np.sqrt(d), chi(d - 2)], axis=-1)
    f *= np.linalg.norm(e, axis=-1, keepdims=True)
    inputs = rng.standard_normal((*shape, n_inputs, 3)) / np.sqrt(d)
    inputs[:, np.arange(len(cues)), cues] = np.stack([x, zero, zero], axis=-1)
    overlaps = np.concatenate([(inputs @ v[..., None])[..., 0] for v in (e, f)], axis=-1)
    answers: Array = overlaps @ coefficients.T
    return answers


def trigger_scores(
    task: InductionTask, coefficients: Array, d: int, *, draws: int, rng: Seed = None
) -> Array:
    """Draw the scores of W_K2 for the triggers, among the images under Φ₁ of all tokens.

    Given the inputs X (by their Gram matrix) r = Fᵀq is Gaussian; given r, what the memory answers
    is b + F c with b = Xᵀy and c = Xᵀz known, and F is Gaussian across q; given F c as well, it is
    Gaussian across c.

    Parameters
    ----------
    task : InductionTask
        The task, with numeric sizes.
    coefficients : array, shape (2(N+T), 2(N+T))
        Of W_K2 over the atoms.
    d : int
        The width, at least N + T.
    draws, rng
        As in `output_scores`.

    Returns
    -------
    array, shape (draws, cues, answers)
        A row of answers for each trigger.

    Raises
    ------
    TypeError, ValueError
        As `output_scores`.
    """
    n = numeric_task(task).n_tokens + task.length
    coefficients, rng = checked_coefficients("W_K2", task, coefficients), generator(rng)
    d, draws = integer_width(d, n), checked_draws(draws, n * (n + task.n_tokens))
    gram = wishart(n, d, draws, rng)
    root, small = np.linalg.cholesky(gram), 1 / np.sqrt(d)

    def normals() -> Array:  # overlaps of the inputs with a Gaussian vector of mean square d
        return np.einsum("nij,nj->ni", root, rng.standard_normal((draws, n)))

    def dot(one: Array, other: Array) -> Array:
        return np.einsum("ni,ni->n", one, other)[:, None]

    found = []
    for q in task.triggers:
        size = np.sqrt(gram[:, q, [q]])
        images = small * size * normals()  # of all inputs, overlaps with q
        y, z = np.split(np.concatenate([gram[:, q], images], axis=1) @ coefficients, 2, axis=1)
        b, c = (np.einsum("nij,nj->ni", gram, v) for v in (y, z))  # overlaps of inputs with b, c
        c_size = np.sqrt(dot(z, c))
        z, c = (v / np.where(c_size > 0, c_size, 1) for v in (z, c))  # of unit size from here on
        b_across = np.sqrt(np.maximum(0, dot(y, b) - (b[:, [q]] / size) ** 2))
        normal = rng.standard_normal((draws, 1))  # Fc = |c|/sqrt(d) times it along b, across q
        rest = rng.chisquare(d - 2, (draws, 1))
        along_q = (b[:, [q]] + c_size * dot(images, z)) / size  # of the answer b + Fc
        across_q = np.hypot(b_across + small * c_size * normal, small * c_size * np.sqrt(rest))
        with_c = b_across * normal + small * c_size * (normal**2 + rest)
        g = normals()
        g -= dot(g, z) * c  # across c
        scores = images * along_q / size + small * (c * with_c + g * across_q)
        found.append(scores[:, : task.n_tokens])
    return np.stack(found, axis=1)


def head_scores(
    coefficients: Array,
    d: int,
    tokens: ArrayLike | None = None,
    *,
    draws: int,
    rng: Seed = None,
) -> Array:
    """Draw the scores of W_K1 on one sequence, or between the positions alone, for all rows.

    Streams w + p meet the memory by their overlaps with the positions: G for p, with a Wishart
    matrix G, and given G normals of covariance G/d for each token.

    Parameters
    ----------
    coefficients : array, shape (T, T)
        Of W_K1 over positions.
    d : int
        The width, at least T.
    tokens : array_like of int, shape (T,), optional
        The sequence; positions alone when left out.
    draws, rng
        As in `output_scores`.

    Returns
    -------
    array, shape (draws, T, T)
        Query before key.

    Raises
    ------
    TypeError, ValueError
        As `output_scores`.
    """
    coefficients, rng = checked_rows("coefficients", coefficients), generator(rng)
    length, width = coefficients.shape
    if width != length:
        raise ValueError(
            f"coefficients: expected a square of positions by positions; got {length} x {width}. "
            f"Take those of W_K1 that `top_down` writes."
        )
    d, draws = integer_width(d, length), checked_draws(draws, 3 * length**2)
    overlaps = gram = wishart(length, d, draws, rng)
    if tokens is not None:
        tokens = checked_array("tokens", tokens)
        if tokens.shape != (length,) or tokens.dtype.kind not in "iu" or tokens.min() < 0:
            raise ValueError(
                f"tokens: expected a sequence of {length} integers, at least 0; got shape "
                f"{tokens.shape} of {tokens.dtype}. Take a row of task.sample(...).tokens."
            )
        normals = rng.standard_normal((draws, int(np.max(tokens)) + 1, len(coefficients)))
        of_tokens = normals @ np.linalg.cholesky(gram).swapaxes(1, 2) / np.sqrt(d)
        overlaps = gram + of_tokens[:, np.asarray(tokens)]
    scores: Array = overlaps @ coefficients @ overlaps.swapaxes(1, 2)
    return scores


def wishart(n: int, d: int, draws: int, rng: np.random.Generator) -> Array:
    """Gram matrices of n <= d rows of independent N(0, 1/d) entries: (draws, n, n)."""
    from scipy import stats

    found = stats.wishart.rvs(d, np.eye(n) / d, size=draws, random_state=rng)
    return np.reshape(found, (draws, n, n))


def recalled(
    scores: Array, targets: NDArray[np.int64], among: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """Whether the target scores strictly highest, (draws, cues); ``among`` as in a `Probe`."""
    found: NDArray[np.bool_] = margins(scores, targets, None if among is None else among.T) > 0
    return found

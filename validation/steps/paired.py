"""What S3(b) drops, measured without noise from what it keeps: paired sums over one batch.

For every sequence, the integrand of the third step's gradient (position block, at W_O² = η₁ G₁ to
first order in η₁ and W_K² = λ Ĵ₂) is evaluated twice: with the attention that its tokens give, and
with the attention that S3(b) puts in its place. The mean of the second is the closed form; the mean
of the difference is the dropped part, and the difference is 0 unless tokens coincide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

import assocmem as am
from assocmem.gradients.previous_token import PreviousTokenSignal
from assocmem.gradients.roles import Readout, Roles

Array = NDArray[Any]


@dataclass(frozen=True)
class Dropped:
    """``exact`` and ``kept``: (T, T) means of the two integrands; ``relative``: Frobenius size of
    their difference over that of the closed form, rows t < T; ``sub_diagonal``: mean of the
    difference there, over that of the closed form, with its standard error."""

    exact: Array
    kept: Array
    relative: float
    sub_diagonal: float
    sub_diagonal_error: float


def dropped_part(task: am.InductionTask, *, lead: float, batch: am.Batch) -> Dropped:
    """Evaluate both integrands on the batch, in pieces."""
    length = task.length
    closed_form = am.gradients.third_step(task, lead)["p", "p"]
    sums, sub_diagonals = np.zeros((2, length, length)), []
    for _, piece in batch.split(max(1, 2**22 // length**2)):
        exact, kept = _integrands(task, lead, piece)
        sums += exact.sum(axis=0), kept.sum(axis=0)
        difference = np.diagonal(exact - kept, offset=-1, axis1=1, axis2=2)
        sub_diagonals.append(difference[:, :-1].mean(axis=1))
    exact, kept = sums / len(batch)
    rows = slice(None, -1)
    scale = np.diagonal(closed_form, offset=-1)[:-1].mean()
    sub_diagonal = np.concatenate(sub_diagonals) / scale
    return Dropped(
        exact=exact,
        kept=kept,
        relative=float(np.linalg.norm((exact - kept)[rows]) / np.linalg.norm(closed_form[rows])),
        sub_diagonal=float(sub_diagonal.mean()),
        sub_diagonal_error=float(sub_diagonal.std() / np.sqrt(len(batch))),
    )


def _integrands(task: am.InductionTask, lead: float, batch: am.Batch) -> tuple[Array, Array]:
    """The two integrands for each sequence, (B, T, T): exact, and with the attention of S3(b)."""
    first, second = am.gradients.first_step(task), am.gradients.second_step(task)
    second = second * (lead / second.lead)
    roles = Roles(task)
    mean_scores = PreviousTokenSignal(roles, Readout(roles, first), second).scores
    G, J = first.coefficients(), second.coefficients()

    tokens, labels, length = batch.tokens, batch.targets[:, -1], task.length
    tau = (tokens[:, :-1] == tokens[:, -1:]).argmax(axis=1)
    x = np.zeros((len(tokens), length, task.n_tokens + length))  # one-hot token and position
    np.put_along_axis(x, tokens[:, :, None], 1, axis=2)
    x[:, :, task.n_tokens :] = np.eye(length)
    mean = np.tri(length) / np.arange(1, length + 1)[:, None]
    x1 = np.concatenate([x, mean @ x], axis=2)  # coordinates over the atoms
    remapped = slice(x.shape[2], None)

    u = (x1 @ G[labels][:, :, None])[:, :, 0]
    copied = (x @ G[labels][:, remapped, None])[:, :, 0]  # w_U(y)ᵀ G₁ W_V² Φ₁ x_r
    looked_for = x1[:, -1] @ J  # score of every atom as a key
    scores = (x1 @ looked_for[:, :, None])[:, :, 0]
    key_score = (x @ looked_for[:, remapped, None])[:, :, 0]
    query_score = x @ (J[remapped] @ x1.transpose(0, 2, 1))  # (Φ₁ x_r)ᵀ Ĵ₂ x¹_s: (B, r, s)

    def integrand(a: Array, a_value: Array) -> Array:
        weight = a * (u - (a * u).sum(axis=1, keepdims=True))
        total = a_value[:, :, None] * copied[:, None] + weight[:, :, None] * key_score[:, None]
        total[:, -1] += (query_score @ weight[:, :, None])[:, :, 0]
        return mean * (total - (mean * total).sum(axis=2, keepdims=True))

    exact = softmax(scores, axis=1)
    frozen = softmax(mean_scores[tau], axis=1)
    fluctuation = scores - mean_scores[tau]
    first_order = frozen * (1 + fluctuation - (frozen * fluctuation).sum(axis=1, keepdims=True))
    return integrand(exact, exact), integrand(frozen, first_order)

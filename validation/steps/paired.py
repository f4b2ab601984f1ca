"""What S3b drops, measured without noise from what it keeps: paired sums over one batch.

For every sequence, the integrand of the third step's gradient (position block, at W_O² = η₁ G₁ to
first order in η₁ and W_K² = λ Ĵ₂) is evaluated twice: with the attention that its tokens give, and
with what S3b puts in its place, the attention to first order in the fluctuation of its scores.
The mean of the second is the closed form, the mean of the difference the dropped part. On a
population up to symmetry both are exact, at any number of tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

import assocmem as am
from assocmem.gradients.previous_token import PreviousTokenSignal
from assocmem.gradients.roles import FirstReadout, Roles


@dataclass(frozen=True)
class Dropped:
    """``exact``, ``kept`` and ``difference``: (T, T) means of the two integrands and of their
    difference; ``relative``: its Frobenius size over that of what is kept, rows t < T;
    ``sub_diagonal``: its mean there, over that of what is kept, with its standard error."""

    exact: np.ndarray
    kept: np.ndarray
    difference: np.ndarray
    relative: float
    sub_diagonal: float
    sub_diagonal_error: float


def dropped_part(task: am.InductionTask, *, lead: float, batch: am.Batch | am.Patterns) -> Dropped:
    """Evaluate both integrands on the sequences, in pieces, with their weights."""
    seen, names = (
        (batch, task) if isinstance(batch, am.Batch) else (batch.batch, batch.representatives)
    )
    integrands = _Integrands(task, names, lead)
    size = max(1, 2**22 // task.length**2)
    pieces = [(share * piece.weights[:, -1], piece) for share, piece in seen.split(size)]
    keys, queries = integrands.means_given_tau(pieces)
    exact, kept, difference = np.zeros((3, task.length, task.length))
    sub_diagonals = []
    for weight, piece in pieces:
        full, first_order = integrands(piece, keys, queries)
        exact += np.tensordot(weight, full, 1)
        kept += np.tensordot(weight, first_order, 1)
        difference += np.tensordot(weight, full - first_order, 1)
        lost = np.diagonal(full - first_order, offset=-1, axis1=1, axis2=2)
        sub_diagonals.append(lost[:, :-1].mean(axis=1))
    scale = np.diagonal(kept, offset=-1)[:-1].mean()
    sub_diagonal = np.concatenate(sub_diagonals) / scale
    return Dropped(
        exact=exact,
        kept=kept,
        difference=difference,
        relative=float(np.linalg.norm(difference[:-1]) / np.linalg.norm(kept[:-1])),
        sub_diagonal=float(seen.weights[:, -1] @ sub_diagonal),
        sub_diagonal_error=float(sub_diagonal.std() / np.sqrt(len(seen))),
    )


class _Integrands:
    """Both integrands of sequences whose tokens are those of ``names``, of the task's classes."""

    def __init__(self, task: am.InductionTask, names: am.InductionTask, lead: float) -> None:
        first, second = am.gradients.first_step(task), am.gradients.second_step(task)
        second = second * (lead / second.lead)
        roles = Roles(task)
        self.mean_scores = PreviousTokenSignal(roles, FirstReadout(roles, first), second).scores
        self.G, self.J = first.on(names).coefficients(), second.on(names).coefficients()
        self.names, self.length = names, task.length
        self.mean = np.tril(np.ones((task.length, task.length)))
        self.mean /= self.mean.sum(axis=1, keepdims=True)

    def means_given_tau(
        self, pieces: list[tuple[np.ndarray, am.Batch]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """E[x¹_Tᵀ Ĵ₂ Φ₁ x_r | τ] and E[(Φ₁ x_r)ᵀ Ĵ₂ x¹_s | τ], over the sequences at hand."""
        length = self.length
        total, keys = np.zeros(length - 2), np.zeros((length - 2, length))
        queries = np.zeros((length - 2, length, length))
        for weight, piece in pieces:
            tau, _, _, _, key, query = self._seen(piece)
            np.add.at(total, tau, weight)
            np.add.at(keys, tau, weight[:, None] * key)
            np.add.at(queries, tau, weight[:, None, None] * query)
        return keys / total[:, None], queries / total[:, None, None]

    def _seen(self, batch: am.Batch) -> tuple[np.ndarray, ...]:
        """Of each sequence: τ, what is read, copied, scored, and the scores of Φ₁ x_r as a key and
        as a query."""
        tokens, labels, length = batch.tokens, batch.targets[:, -1], self.length
        tau = am.InductionBatch.of(batch).trigger_position
        x = np.zeros((len(tokens), length, self.names.n_tokens + length))  # one-hot
        np.put_along_axis(x, tokens[:, :, None], 1, axis=2)
        x[:, :, self.names.n_tokens :] = np.eye(length)
        x1 = np.concatenate([x, self.mean @ x], axis=2)  # coordinates over the atoms
        remapped = slice(x.shape[2], None)
        read = (x1 @ self.G[labels][:, :, None])[:, :, 0]
        copied = (x @ self.G[labels][:, remapped, None])[:, :, 0]  # w_U(y)ᵀ G₁ W_V² Φ₁ x_r
        looked_for = x1[:, -1] @ self.J  # score of every atom as a key
        scores = (x1 @ looked_for[:, :, None])[:, :, 0]
        key = (x @ looked_for[:, remapped, None])[:, :, 0]
        query = x @ (self.J[remapped] @ x1.transpose(0, 2, 1))  # (B, r, s)
        return tau, read, copied, scores, key, query

    def __call__(
        self, batch: am.Batch, keys: np.ndarray, queries: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The two integrands (B, T, T); ``keys`` and ``queries`` are their means given τ."""
        tau, u, copied, scores, key, query = self._seen(batch)

        def through(
            value: np.ndarray, weight: np.ndarray, key: np.ndarray, query: np.ndarray
        ) -> np.ndarray:
            total = value[:, :, None] * copied[:, None] + weight[:, :, None] * key[:, None]
            total[:, -1] += (query @ weight[:, :, None])[:, :, 0]
            return total

        def centred(a: np.ndarray, f: np.ndarray) -> np.ndarray:
            return f - (a * f).sum(axis=1, keepdims=True)

        exact = softmax(scores, axis=1)
        a = softmax(self.mean_scores[tau], axis=1)
        moved = centred(a, scores - self.mean_scores[tau])
        read = centred(a, u)
        kept = through(a + a * moved, a * read, key, query)
        first_order = a * centred(a, moved * read)
        kept += through(0 * a, first_order, keys[tau], queries[tau])
        full = through(exact, exact * centred(exact, u), key, query)
        return self._through_softmax(full), self._through_softmax(kept)

    def _through_softmax(self, total: np.ndarray) -> np.ndarray:
        return self.mean * (total - (self.mean * total).sum(axis=2, keepdims=True))

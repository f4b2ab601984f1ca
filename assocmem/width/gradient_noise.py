"""Noise of the true gradients of steps 2 and 3, exactly, where they are linear in the first memory.

The gradient of step 1 is a memory with fixed coefficients C (S1), whatever the embeddings. To first
order in its step size the next gradients see it only through its scores over all atoms,

    S_kc = w_U(k)ᵀ G₁ W_V² atom_c = Σ ⟨w_U(k), w_U(k')⟩ C_k'a ⟨W_V² atom_a, W_V² atom_c⟩ ,

whose mean and covariance `assocmem.width.wick` knows at every width. While W_K1 and W_K2 are zero
attention is uniform, and p̂ = 1/M, so that by L3 the lifted gradients are fixed linear maps of S:

    W_K2:  E Σ_k (1{y=k} - 1/M) x¹_T ⊗ Cov_s(S_k x¹_s, x¹_s)
    W_K1:  E Σ_k (1{y=k} - 1/M) (1/T) Σ_t x_t ⊗ Cov_{s<=t}(S_k Φ₁ x_s, x_s)

with x, x¹ as combinations of the atoms and s uniform. A map is (entries of the gradient, entries of
S), each table read row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from assocmem._checks import Array, checked_number, checked_sequence
from assocmem.memory import AssociativeMemory
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.transformer import FrozenTransformer
from assocmem.tasks import InductionTask
from assocmem.width.arguments import numeric_task
from assocmem.width.wick import ScoreMoments, Segment, Term, term_moments


def first_score_moments(task: InductionTask, coefficients: Array) -> ScoreMoments:
    """Moments of S (M, 2(N+T)), all entries together: a single cue, whose answers they are."""
    n = task.n_tokens + task.length
    plain, remapped = np.eye(2 * n, n), np.eye(2 * n, n, k=-n)  # atoms as combinations of inputs
    classes, outputs = np.eye(task.n_outputs), Segment("", family="u")
    return term_moments(
        [
            Term(classes, outputs, coefficients[:, part], Segment(stored + read), atoms)
            for stored, part in (("V", slice(n)), ("FV", slice(n, 2 * n)))
            for read, atoms in (("v", plain), ("vf", remapped))
        ],
        joint=True,
    )


def second_step_map(task: InductionTask) -> Array:
    """S to the derivative at η₁ = 0 of -∇ on W_K2, at W_O2 = η₁ G₁, W_K1 = W_K2 = 0: (4n², 2nM)."""
    residual, x = _population(task)
    x1 = np.concatenate([x, _causal_mean(x)], axis=2)
    return _flat(_by_covariance(residual, x1[:, -1], x1))


def value_path_map(task: InductionTask) -> Array:
    """S to the same derivative of -∇ on W_K1, all of its blocks: (n², 2nM)."""
    residual, x = _population(task)
    through = sum(
        _by_covariance(residual / task.length, x[:, t], x[:, : t + 1]) for t in range(task.length)
    )
    return _flat(np.concatenate([np.zeros_like(through), through], axis=3))  # S of Φ₁ x only


def true_steps(
    task: InductionTask, sizes: Sequence[float]
) -> Callable[[FrozenEmbeddings], dict[str, Array]]:
    """Three true population gradient steps of fixed sizes, as a function of the embeddings.

    Step 3 moves the position block, as `top_down` does.

    Parameters
    ----------
    task : InductionTask
        The task, with numeric sizes; all its sequences are enumerated.
    sizes : sequence of three numbers
        The step sizes on W_O2, W_K2 and W_K1, such as those of a `TopDownRun`.

    Returns
    -------
    function of FrozenEmbeddings
        It returns, by name, the coefficients of the two memories that the embeddings enter, the
        scores of all three between their own atoms, and the logits of all sequences at the end.

    Raises
    ------
    TypeError, ValueError
        For a task that is none or cannot be enumerated, and other than three finite numbers.

    References
    ----------
    Claim W5.
    """
    batch, positions = numeric_task(task).enumerate(), slice(task.n_tokens, None)
    sizes = checked_sequence("sizes", sizes, "three step sizes")
    if len(sizes) != 3:
        raise ValueError(f"sizes: expected three step sizes; got {sizes!r}. Take those of a run.")
    sizes = [checked_number("sizes", size, "three finite numbers") for size in sizes]

    def quantities(emb: FrozenEmbeddings) -> dict[str, Array]:
        memories: dict[str, Any] = {}
        for name, size in zip(("W_O2", "W_K2", "W_K1"), sizes, strict=True):
            _, gradients = FrozenTransformer(emb, **memories).loss_and_memories(batch, (name,))
            memories[name] = -size * gradients[name]
        block = memories["W_K1"].coefficients[positions, positions]
        memories["W_K1"] = AssociativeMemory(
            keys=emb.positions, values=emb.positions, coefficients=block
        )
        model = FrozenTransformer(emb, **memories)
        return {
            "coefficients of W_K2": memories["W_K2"].coefficients,
            "coefficients of W_K1": block,
            **{f"scores of {name}": memory.scores() for name, memory in memories.items()},
            "logits": model.logits(batch.tokens, positions=[-1]),
        }

    return quantities


def _population(task: InductionTask) -> tuple[Array, Array]:
    """Return, for all sequences, p · (1{y=k} - 1/M) (B, M) and one-hot x_t (B, T, N+T)."""
    batch = task.enumerate()
    label = np.eye(task.n_outputs)[batch.targets[:, -1]]
    position = np.broadcast_to(np.eye(task.length), (len(batch), task.length, task.length))
    x = np.concatenate([np.eye(task.n_tokens)[batch.tokens], position], axis=2)
    return batch.weights[:, -1:] * (label - 1 / task.n_outputs), x


def _causal_mean(x: Array) -> Array:
    mean: Array = x.cumsum(axis=1) / np.arange(1, x.shape[1] + 1)[:, None]
    return mean


def _by_covariance(residual: Array, query: Array, keys: Array) -> Array:
    """Σ residual_k query_e Cov_s(key_s, key_s)_ca, s uniform: (e, c, k, a)."""
    centred = keys - keys.mean(axis=1, keepdims=True)
    covariance = centred.transpose(0, 2, 1) @ keys / keys.shape[1]
    table: Array = np.einsum("nk,ne,nca->ecka", residual, query, covariance, optimize=True)
    return table


def _flat(table: Array) -> Array:
    return table.reshape(table.shape[0] * table.shape[1], -1)

"""All sequences of small in-context bigram tasks, for the reference transformer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import assocmem as am
from assocmem._checks import Array
from validation import reference


def a_language(n: int, *, seed: int = 0) -> am.Language:
    """Rows that differ, all positive, and a unigram that is not their stationary law."""
    rng = np.random.default_rng(seed)
    return am.Language(unigram=rng.dirichlet(np.full(n, 5.0)), bigram=rng.dirichlet([2.0] * n, n))


def independent(frequencies: Sequence[float] | Array) -> am.Language:
    """The language whose next token is drawn from the unigram, whatever the current one is."""
    return am.Language(unigram=frequencies, bigram=np.tile(frequencies, (len(frequencies), 1)))


def merged(task: am.BigramTask) -> tuple[Array, Array, Array]:
    """Tokens, targets and weights of all sequences, one row for sequences that are the same."""
    batch = task.enumerate(max_bytes=2**34)
    words = np.concatenate([batch.tokens, batch.targets[:, -1:]], axis=1)
    each, where = np.unique(words, axis=0, return_inverse=True)
    weights = np.zeros((len(each), task.length))
    np.add.at(weights, where.ravel(), batch.weights)
    return each[:, :-1], each[:, 1:], weights


def parameters(task: am.BigramTask | am.InductionTask, **learned: Array) -> dict[str, Array]:
    """The reference's matrices at infinite width."""
    emb = am.FrozenEmbeddings.orthonormal(task)
    return reference.parameters(
        emb.tokens, emb.positions, emb.outputs, emb.Phi1, emb.W_V2, **learned
    )


def that_predicts(task: am.BigramTask, predictor: Array) -> tuple[Array, Array]:
    """W_F whose softmax is p̂, 1e-18 for 0, and its token block, output by token."""
    scores = np.log(np.maximum(predictor, 1e-18)).T
    emb = am.FrozenEmbeddings.orthonormal(task)
    return emb.outputs.T @ scores @ emb.tokens, scores


def measured_output_step(task: am.BigramTask, predictor: Array) -> Array:
    """-∇ on W_O2 over rows w_U and keys W_V² w_E, by the reference on all sequences."""
    W_F, _ = that_predicts(task, predictor)
    emb = am.FrozenEmbeddings.orthonormal(task)
    gradient = reference.gradients(
        parameters(task, W_F=W_F), *merged(task), wrt=["W_O2"], readout="residual"
    )["W_O2"]
    return -(emb.outputs @ gradient @ emb.values.T)[:, : task.n_tokens]


def kernels(task: am.BigramTask) -> list[tuple[float, Array]]:
    """The kernel of every choice of outputs of fixed triggers, and its probability."""
    found = []
    for triggers, outputs, chance in task._draws():
        kernel = task.language.bigram.copy()
        kernel[triggers] = np.eye(task.n_tokens)[outputs]
        found.append((chance, kernel))
    return found


def occupancy(task: am.BigramTask) -> Array:
    """(1/T) Σ_t (1/t) E[1{z_t = j} Σ_{s<=t} 1{z_s = i}], (i, j), by the joint recursion."""
    total: Array = np.zeros((task.n_tokens, task.n_tokens))
    for chance, kernel in kernels(task):
        law = task.language.unigram
        joint = np.diag(law)
        for t in range(1, task.length + 1):
            total += chance * joint / (t * task.length)
            law = law @ kernel
            joint = joint @ kernel + np.diag(law)
    return total

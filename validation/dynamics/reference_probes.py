"""The three memories and the attention of the induction head, read off the trained reference.

The frozen model has one head a layer, whose matrices W_K1, W_K2 and W_O2 are the memories. In the
trained one each head has a matrix of scores and one of values, and the memories are

    W_K1    scores of a head of layer 0 between positions                        p_t to p_{t-1}
    W_K2    scores of a head of layer 1 with what a head of layer 0 writes       w_E(q) to w_E(q)
    W_O2    what the heads of layer 1 write together, as the outputs read it     w_E(k) to w_U(k)

along the direct path: feed-forward layers are not followed, so with hidden neurons, which carry a
part of the associations, recall may stay below what the model does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import assocmem as am
from assocmem.tasks import BigramBatch
from validation.reference.training import Architecture, head_matrices, run


class Recall(NamedTuple):
    """Recall of the memories, by a strict maximum; H heads in each layer.

    W_K1 (H,): of the positions 1 .. T - 2, among those up to each. W_K2 (H, H): of the triggers,
    among all tokens; a row for each head of layer 1, a column for each of layer 0. W_O2: of all
    tokens but the triggers, among all outputs.
    """

    W_K1: np.ndarray
    W_K2: np.ndarray
    W_O2: float


class Attention(NamedTuple):
    """Mean attention of each head (H,).

    `previous`: of layer 0 on the position before, at the positions from 1 on. `output`: of layer 1
    at repeated triggers, on all tokens that come right after an earlier occurrence.
    """

    previous: np.ndarray
    output: np.ndarray


def recall(
    architecture: Architecture, params: dict[str, np.ndarray], triggers: np.ndarray
) -> Recall:
    """Read the memories off the heads of a model of two layers, for fixed triggers."""
    E, P, U = params["W_E"], params["W_P"], params["W_U"]
    if architecture.layer_norm:  # its centring and gain; the deviation changes no maximum
        U = (U * params["gain"]) @ (np.eye(architecture.width) - 1 / architecture.width)
    scores_0, values_0 = head_matrices(architecture, params, 0)
    scores_1, values_1 = head_matrices(architecture, params, 1)
    rows, others = np.arange(1, len(P) - 1), np.setdiff1d(np.arange(len(E)), triggers)
    past = np.tri(len(P), dtype=bool)[rows].T
    previous = am.Probe("W_K1", P[rows], P, rows - 1, past, by_query=True)
    induction = am.Probe("W_K2", E[triggers], E, triggers, None, by_query=True)
    output = am.Probe("W_O2", E[others], U, others, None, by_query=False)
    return Recall(
        np.array([previous.recall(scores) for scores in scores_0]),
        np.array([[induction.recall(s @ v) for v in values_0] for s in scores_1]),
        output.recall(values_1.sum(axis=0)),
    )


def attention(
    architecture: Architecture, params: dict[str, np.ndarray], batch: BigramBatch
) -> Attention:
    """Measure where the heads of a model of two layers look."""
    z, (first, second) = batch.tokens, run(architecture, params, batch.tokens)[1]
    after = np.zeros((*z.shape, z.shape[1]), dtype=bool)  # (B, query, key)
    after[:, :, 1:] = z[:, :, None] == z[:, None, :-1]
    on_output = (second * after[:, None]).sum(axis=-1)  # (B, H, T)
    return Attention(
        np.diagonal(first, offset=-1, axis1=2, axis2=3).mean(axis=(0, 2)),
        np.swapaxes(on_output, 1, 2)[batch.is_repeated].mean(axis=0),
    )


def accuracy(
    architecture: Architecture, params: dict[str, np.ndarray], batch: BigramBatch
) -> float:
    """How often the output is predicted at repeated triggers; a tie is an error."""
    logits = run(architecture, params, batch.tokens)[0][batch.is_repeated]
    right = np.take_along_axis(logits, batch.targets[batch.is_repeated][:, None], axis=1)
    return float(((logits >= right).sum(axis=1) == 1).mean())

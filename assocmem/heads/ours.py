"""A FrozenTransformer as a transformer with one head in each layer."""

from __future__ import annotations

from math import sqrt

import numpy as np

from assocmem._checks import Array, checked_flag, checked_kind
from assocmem.memory import AssociativeMemory
from assocmem.model import FrozenTransformer

MATRICES = ("W_K1", "W_K2", "W_O2", "W_F")


def head_weights(model: FrozenTransformer, *, wide: bool = True) -> dict[str, Array]:
    """Return the model's matrices as those of a transformer with one head of size d per layer.

    Names and sides are those of TransformerLens' bridge, `read`'s layout "transformer_bridge": what
    multiplies does so from the left. Queries are scale · √d · I, so that a library that divides
    scores by √d is right; keys are W_K; values Phi1 or W_V2; outputs I or W_O2. W_F goes into the
    unembedding, W_U (I + W_F).

    Parameters
    ----------
    model : FrozenTransformer
        It does not change.
    wide : bool
        Of a model with readout "attention" the unembedding must see what layer 2 writes alone: the
        stream has 2d coordinates, and layer 2 writes into the second half. Without it the
        unembedding sees the whole stream.

    Returns
    -------
    dict of str to array
        A state dict.

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.InductionTask(n_tokens=4, length=5)
    >>> model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
    >>> head_weights(model)["blocks.1.attn.k.weight"].shape
    (21, 42)
    """
    checked_kind("model", model, FrozenTransformer)
    emb, d, wide = model.embeddings, model.embeddings.width, checked_flag("wide", wide)
    identity = np.eye(d, dtype=emb.dtype)
    query = (model.scale * sqrt(d) * identity).astype(emb.dtype)
    W_K1, W_K2, W_O2, W_F = (matrix_of(model, name) for name in MATRICES)
    first = {"q": query, "k": W_K1, "v": emb.Phi1, "o": identity}
    second = {"q": query, "k": W_K2, "v": emb.W_V2, "o": W_O2}
    ends = {"embed": emb.tokens, "pos_embed": emb.positions}
    ends["unembed"] = emb.outputs + emb.outputs @ W_F
    if wide and model.readout == "attention":
        beyond = np.zeros((d, d), dtype=emb.dtype)
        ends = {name: np.pad(rows, ((0, 0), (0, d))) for name, rows in ends.items()}
        ends["unembed"] = np.roll(ends["unembed"], d, axis=1)
        for layer in (first, second):
            layer |= {name: np.hstack([layer[name], beyond]) for name in "qkv"}
        first["o"] = np.vstack([first["o"], beyond])
        second["o"] = np.vstack([beyond, second["o"]])
    weights = {f"{name}.weight": rows for name, rows in ends.items()}
    for l, layer in enumerate((first, second)):
        weights |= {f"blocks.{l}.attn.{name}.weight": part for name, part in layer.items()}
    return weights


def matrix_of(model: FrozenTransformer, name: str) -> Array:
    """A learned matrix in the model's dtype, zero where it has none."""
    weights, emb = model.weights.get(name), model.embeddings
    if weights is None:
        return np.zeros((emb.width, emb.width), dtype=emb.dtype)
    matrix = weights.matrix if isinstance(weights, AssociativeMemory) else weights
    return np.asarray(matrix).astype(emb.dtype)

"""L1, L2, L3: gradients of a linear memory, one with noisy inputs, and one attention layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import checked_array
from assocmem._statistics import softmax
from assocmem.memory import AssociativeMemory, _table
from assocmem.model.blocks import (
    TokenBlock,
)

Array = NDArray[Any]
Blocks = dict[tuple[str, str], "TokenBlock | Array"]


def linear(
    keys: ArrayLike, values: ArrayLike, joint: ArrayLike, *, matrix: ArrayLike | None = None
) -> AssociativeMemory:
    """L1. Gradient of the cross-entropy of logits values · W · key, at any W.

    ∇L(W) = Σ_k E_z[(p̂_W(k|z) - p(k|z)) w_U(k) w_E(z)ᵀ]

    >>> import numpy as np, assocmem as am
    >>> step = -am.gradients.linear(np.eye(2), np.eye(2), joint=[[0.4, 0.1], [0.1, 0.4]])
    >>> step.matrix.round(3)  # one step from zero stores the more likely label
    array([[ 0.15, -0.15],
           [-0.15,  0.15]])

    Parameters
    ----------
    keys (N, d), values (M, d)
        w_E and w_U.
    joint (M, N)
        p(k, z), sums to 1.
    matrix (d, d)
        W; default zero.

    Returns the gradient as a memory (a descent step subtracts it). Raises ValueError for shapes
    that do not fit or a joint that is not a distribution. Source: [BCBJB2023], Lemma 1.
    """
    keys, values, joint = (
        _table("keys", keys),
        _table("values", values),
        _distribution("joint", joint),
    )
    if joint.shape != (len(values), len(keys)):
        raise ValueError(
            f"joint: expected shape ({len(values)}, {len(keys)}), a row per value and a column per "
            f"key; got {joint.shape}."
        )
    scores = 0 * joint
    if matrix is not None:
        W = _table("matrix", matrix, keys.shape[1])
        if len(W) != values.shape[1]:
            raise ValueError(
                f"matrix: expected shape ({values.shape[1]}, {keys.shape[1]}), the width of the "
                f"values by that of the keys; got {W.shape}."
            )
        scores = values @ W @ keys.T
    predicted = softmax(scores, axis=0) * joint.sum(axis=0)
    return AssociativeMemory(keys=keys, values=values, coefficients=predicted - joint)


def noisy_linear(
    inputs: ArrayLike, values: ArrayLike, joint: ArrayLike, *, matrix: ArrayLike | None = None
) -> AssociativeMemory:
    """L2. The same gradient, read label by label: each stores the mean of its own inputs.

    ∇L(W) = Σ_k p(y=k) w_U(k) (μ̂_k - μ_k)ᵀ,  μ_k = E[x|y=k],  μ̂_k = E[p̂_W(k|x) x] / p(y=k)

    >>> import numpy as np, assocmem as am
    >>> x = np.array([[1.0, 0, 1], [0, 1, 1]])  # a token each, and a position that both share
    >>> step = -am.gradients.noisy_linear(x, np.eye(2), joint=np.eye(2) / 2)
    >>> step.matrix  # one step keeps the tokens and drops the position
    array([[ 0.25, -0.25,  0.  ],
           [-0.25,  0.25,  0.  ]])

    Parameters
    ----------
    inputs (S, d), values (M, d')
        All values of x, and w_U.
    joint (M, S)
        p(y=k, x), sums to 1; every label must occur.
    matrix (d', d)
        W; default zero.

    Returns the gradient as a memory with keys μ̂_k - μ_k and coefficients p(y=k). Raises ValueError
    as `linear`, and for a label of probability zero. Source: [BCBJB2023], Lemma 2.
    """
    gradient = linear(_table("inputs", inputs), values, joint, matrix=matrix)
    label = np.asarray(joint).sum(axis=1)
    if not np.all(label):
        raise ValueError(
            "joint: expected every label to occur; got a row of zeros. Leave its value out, or use "
            "`linear`, which needs no conditional mean."
        )
    means = gradient.coefficients @ gradient.keys / label[:, None]
    return AssociativeMemory(keys=means, values=gradient.values, coefficients=np.diag(label))


def attention(
    inputs: ArrayLike,
    targets: ArrayLike,
    outputs: ArrayLike,
    Phi2: ArrayLike,
    *,
    weights: ArrayLike | None = None,
) -> AssociativeMemory:
    """L3. Negative gradient on the key-query matrix of one attention layer, at W = 0.

    ξ = W_U Φ₂ Σ_t σ(x_Tᵀ W x_t) x_t, and with x̄ = (1/T) Σ_t x_t

    -∇L(0) = E Σ_k (1{y=k} - p̂(k|X)) (1/T) Σ_t (w_U(k)ᵀ Φ₂ x_t) x_T (x_t - x̄)ᵀ

    >>> import numpy as np, assocmem as am
    >>> X = np.eye(3)[[[0, 1, 2]]]  # one sequence of three tokens, the answer is the first
    >>> step = am.gradients.attention(X, [0], np.eye(3), np.eye(3))
    >>> step.matrix[2].round(3)  # the last token learns to attend to it
    array([ 0.222, -0.111, -0.111])

    Parameters
    ----------
    inputs (B, T, d), targets (B,)
        Sequences of vectors and their labels, rows of outputs.
    outputs (M, d'), Phi2 (d', d)
        w_U and the frozen value map Φ₂.
    weights (B,)
        Probabilities of the sequences; default 1/B.

    Returns a memory that pairs each query x_T with its key. Raises ValueError for shapes that do
    not fit. Source: [BCBJB2023], Lemma 3.
    """
    x, y = checked_array("inputs", inputs), checked_array("targets", targets)
    outputs, Phi2 = _table("outputs", outputs), _table("Phi2", Phi2)
    if x.ndim != 3 or y.shape != x.shape[:1]:
        raise ValueError(
            f"inputs, targets: expected shapes (B, T, d) and (B,); got {x.shape} and {y.shape}."
        )
    if 0 in x.shape:
        raise ValueError(f"inputs: expected at least one sequence; got shape {x.shape}.")
    size, length, width = x.shape
    x = _table("inputs", x.reshape(-1, width)).reshape(x.shape)
    if Phi2.shape != (outputs.shape[1], width):
        raise ValueError(
            f"Phi2: expected shape ({outputs.shape[1]}, {width}), the width of outputs by that of "
            f"inputs; got {Phi2.shape}."
        )
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= len(outputs):
        raise ValueError(
            f"targets: expected integers in 0..{len(outputs) - 1}, rows of outputs; got {y!r}."
        )
    if weights is None:
        weights = np.full(size, 1 / size)
    weights = checked_array("weights", weights)
    if weights.shape != (size,):
        raise ValueError(f"weights: expected shape ({size},); got {weights.shape}.")
    if 8 * size**2 > 2**30:
        raise ValueError(
            f"inputs: expected at most {2**13.5:.0f} sequences, as their pairs are a B x B table; "
            f"got {size}. Add the memories of smaller batches."
        )
    read = x @ (outputs @ Phi2).T  # w_U(k)ᵀ Φ₂ x_t: (B, T, M)
    residual = np.eye(len(outputs), dtype=int)[y] - softmax(read.mean(axis=1))
    worth = (read @ residual[:, :, None])[:, :, 0] / length  # of attending to t: (B, T)
    keys = (worth[:, :, None] * (x - x.mean(axis=1, keepdims=True))).sum(axis=1)
    probabilities = np.diag(_distribution("weights", weights))
    return AssociativeMemory(keys=keys, values=x[:, -1], coefficients=probabilities)


def _distribution(name: str, probabilities: ArrayLike) -> Array:
    """Return the array, refused unless it is a distribution (SymPy entries are not checked)."""
    array = checked_array(name, probabilities)
    if array.dtype == object:
        return array
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name}: expected probabilities; got dtype {array.dtype}.")
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(
            f"{name}: expected probabilities, finite and at least 0; got {array.min()} among them."
        )
    if abs(array.sum() - 1) > array.size * np.finfo(float).eps:
        raise ValueError(
            f"{name}: expected probabilities that sum to 1; got a sum of {array.sum()}. Divide by "
            "the sum."
        )
    return array

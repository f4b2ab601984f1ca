"""L1, L2, L3: one step on a linear memory, one with noisy inputs, and one attention layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import (
    Array,
    checked_array,
    checked_entries,
    checked_integers,
    checked_laws,
    checked_table,
    renamed,
)
from assocmem._statistics import softmax
from assocmem.memory import AssociativeMemory


def linear_step(
    keys: ArrayLike, values: ArrayLike, joint: ArrayLike, *, matrix: ArrayLike | None = None
) -> AssociativeMemory:
    r"""L1: return what one step writes into a linear memory with logits values · W · key.

    .. math::
        -\nabla L(W) = \sum_k E_z\big[(p(k|z) - \hat p_W(k|z))\, w_U(k) w_E(z)^\top\big],
        \quad L \text{ the cross-entropy}

    Parameters
    ----------
    keys : array_like, shape (N, d)
        The keys w_E.
    values : array_like, shape (M, d')
        The values w_U.
    joint : array_like, shape (M, N)
        The probabilities p(k, z), which sum to 1.
    matrix : array_like, shape (d', d), optional
        The point W; zero by default.

    Returns
    -------
    AssociativeMemory
        The descent direction -∇L(W), with the given keys and values.

    Raises
    ------
    ValueError
        For shapes that do not fit, or a joint that is not a distribution.

    References
    ----------
    [BCBJB2023], Lemma 1.

    Examples
    --------
    >>> import numpy as np, assocmem as am
    >>> step = am.gradients.linear_step(np.eye(2), np.eye(2), joint=[[0.4, 0.1], [0.1, 0.4]])
    >>> step.matrix.round(3)  # one step from zero stores the more likely label
    array([[ 0.15, -0.15],
           [-0.15,  0.15]])
    """
    keys, values, joint = (
        checked_table("keys", keys),
        checked_table("values", values),
        _distribution("joint", joint),
    )
    if joint.shape != (len(values), len(keys)):
        raise ValueError(
            f"joint: expected shape ({len(values)}, {len(keys)}), a row per value and a column per "
            f"key; got {joint.shape}."
        )
    scores = 0 * joint
    if matrix is not None:
        W = checked_table("matrix", matrix, keys.shape[1])
        if len(W) != values.shape[1]:
            raise ValueError(
                f"matrix: expected shape ({values.shape[1]}, {keys.shape[1]}), the width of the "
                f"values by that of the keys; got {W.shape}."
            )
        scores = values @ W @ keys.T
    predicted = softmax(scores, axis=0) * joint.sum(axis=0)
    return AssociativeMemory(keys=keys, values=values, coefficients=joint - predicted)


def noisy_linear_step(
    inputs: ArrayLike, values: ArrayLike, joint: ArrayLike, *, matrix: ArrayLike | None = None
) -> AssociativeMemory:
    r"""L2: return the same step for noisy inputs, where each label stores the mean of its inputs.

    .. math::
        -\nabla L(W) = \sum_k p(y=k)\, w_U(k) (\mu_k - \hat\mu_k)^\top, \quad \mu_k = E[x|y=k],
        \quad \hat\mu_k = E[\hat p_W(k|x) x] / p(y=k)

    Parameters
    ----------
    inputs : array_like, shape (S, d)
        All values of x.
    values : array_like, shape (M, d')
        The values w_U.
    joint : array_like, shape (M, S)
        The probabilities p(y=k, x), which sum to 1; every label must occur.
    matrix : array_like, shape (d', d), optional
        The point W; zero by default.

    Returns
    -------
    AssociativeMemory
        The descent direction -∇L(W), with keys :math:`\mu_k - \hat\mu_k` and coefficients p(y=k).

    Raises
    ------
    ValueError
        As `linear_step`, and for a label of probability zero.

    References
    ----------
    [BCBJB2023], Lemma 2.

    Examples
    --------
    >>> import numpy as np, assocmem as am
    >>> x = np.array([[1.0, 0, 1], [0, 1, 1]])  # a token each, and a position that both share
    >>> am.gradients.noisy_linear_step(x, np.eye(2), joint=np.eye(2) / 2).matrix
    array([[ 0.25, -0.25,  0.  ],
           [-0.25,  0.25,  0.  ]])

    One step keeps the tokens and drops the position.
    """
    step = linear_step(checked_table("inputs", inputs), values, joint, matrix=matrix)
    label = _distribution("joint", joint).sum(axis=1)
    if not np.all(label):
        raise ValueError(
            "joint: expected every label to occur; got a row of zeros. Leave its value out, or use "
            "`linear_step`, which needs no conditional mean."
        )
    means = step.coefficients @ step.keys / label[:, None]
    return AssociativeMemory(keys=means, values=step.values, coefficients=np.diag(label))


def attention_step(
    inputs: ArrayLike,
    targets: ArrayLike,
    outputs: ArrayLike,
    Phi2: ArrayLike,
    *,
    weights: ArrayLike | None = None,
) -> AssociativeMemory:
    r"""L3: return what one step from zero writes into the key-query matrix of an attention layer.

    The logits are :math:`\xi = W_U \Phi_2 \sum_t \sigma(x_T^\top W x_t) x_t`, and with the mean
    :math:`\bar x` of the :math:`x_t`

    .. math::
        -\nabla L(0) = E \sum_k (1\{y=k\} - \hat p(k|X)) \frac{1}{T}
        \sum_t (w_U(k)^\top \Phi_2 x_t)\, x_T (x_t - \bar x)^\top

    Parameters
    ----------
    inputs : array_like, shape (B, T, d)
        Sequences of vectors.
    targets : array_like of int, shape (B,)
        Their labels, rows of ``outputs``.
    outputs : array_like, shape (M, d')
        The output embeddings w_U.
    Phi2 : array_like, shape (d', d)
        The frozen value map Φ₂.
    weights : array_like, shape (B,), optional
        Probabilities of the sequences; 1/B each by default.

    Returns
    -------
    AssociativeMemory
        The descent direction -∇L(0), which pairs each query x_T with its key.

    Raises
    ------
    ValueError
        For shapes that do not fit, targets that are no rows of ``outputs``, weights that are not a
        distribution, or more sequences than a table of their pairs has room for.

    References
    ----------
    [BCBJB2023], Lemma 3.

    Examples
    --------
    >>> import numpy as np, assocmem as am
    >>> X = np.eye(3)[[[0, 1, 2]]]  # one sequence of three tokens, the answer is the first
    >>> step = am.gradients.attention_step(X, [0], np.eye(3), np.eye(3))
    >>> step.matrix[2].round(3)  # the last token learns to attend to it
    array([ 0.222, -0.111, -0.111])
    """
    x, y = checked_array("inputs", inputs), checked_integers("targets", targets)
    outputs, Phi2 = checked_table("outputs", outputs), checked_table("Phi2", Phi2)
    if x.ndim != 3 or y.shape != x.shape[:1]:
        raise ValueError(
            f"inputs, targets: expected shapes (B, T, d) and (B,); got {x.shape} and {y.shape}."
        )
    if 0 in x.shape:
        raise ValueError(f"inputs: expected at least one sequence; got shape {x.shape}.")
    size, length, width = x.shape
    x = checked_table("inputs", x.reshape(-1, width)).reshape(x.shape)
    if Phi2.shape != (outputs.shape[1], width):
        raise ValueError(
            f"Phi2: expected shape ({outputs.shape[1]}, {width}), the width of outputs by that of "
            f"inputs; got {Phi2.shape}."
        )
    if y.min() < 0 or y.max() >= len(outputs):
        raise ValueError(
            f"targets: expected integers in 0..{len(outputs) - 1}, rows of outputs; got {y!r}."
        )
    if weights is None:
        weights = np.full(size, 1 / size)
    weights = _distribution("weights", weights)
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
    probabilities = np.diag(weights)
    return AssociativeMemory(keys=keys, values=x[:, -1], coefficients=probabilities)


def linear(
    keys: ArrayLike, values: ArrayLike, joint: ArrayLike, *, matrix: ArrayLike | None = None
) -> AssociativeMemory:
    """Return the gradient +∇L(W) of L1; deprecated, see `linear_step`."""
    renamed("gradients.linear", "gradients.linear_step", "It returns -∇, the descent direction.")
    return -linear_step(keys, values, joint, matrix=matrix)


def noisy_linear(
    inputs: ArrayLike, values: ArrayLike, joint: ArrayLike, *, matrix: ArrayLike | None = None
) -> AssociativeMemory:
    """Return the gradient +∇L(W) of L2; deprecated, see `noisy_linear_step`."""
    renamed(
        "gradients.noisy_linear",
        "gradients.noisy_linear_step",
        "It returns -∇, the descent direction.",
    )
    step = noisy_linear_step(inputs, values, joint, matrix=matrix)
    return AssociativeMemory(keys=-step.keys, values=step.values, coefficients=step.coefficients)


def attention(
    inputs: ArrayLike,
    targets: ArrayLike,
    outputs: ArrayLike,
    Phi2: ArrayLike,
    *,
    weights: ArrayLike | None = None,
) -> AssociativeMemory:
    """Return the descent direction of L3; deprecated, see `attention_step`."""
    renamed("gradients.attention", "gradients.attention_step", "It returns the same.")
    return attention_step(inputs, targets, outputs, Phi2, weights=weights)


def _distribution(name: str, probabilities: ArrayLike) -> Array:
    """Return the array, refused unless it is a distribution (SymPy entries are not checked)."""
    array = checked_array(name, probabilities)
    if array.dtype == object:
        checked_entries(name, array)
        return array
    return checked_laws(name, np.ravel(probabilities)).reshape(array.shape)

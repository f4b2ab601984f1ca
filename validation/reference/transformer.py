"""A reference transformer: two layers of one head each, every matrix explicit, any of them trained.

It is written as a textbook would write it and differentiated by ``autograd``; it shares no code
with the library or with the theory, so agreement with them is evidence. Tokens are (B, T) ints,
activations (B, T, d), attention maps (B, T, T) with the query position first; indices count from 0.

    x_t  = w_E(z_t) + p_t
    x1_t = x_t + Phi1 sum_s softmax_{s<=t}(scale x_t' W_K1 x_s) x_s
    o_t  = sum_s softmax_{s<=t}(scale x1_t' W_K2 x1_s) W_V2 x1_s
    h_t  = x1_t + W_O2 o_t,  then  h_t + W_F h_t
    logits_t = W_U (h_t + W_F h_t)       readout "residual"
    logits_t = W_U W_O2 o_t              readout "attention", the theory's
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import autograd.numpy as np
from autograd import grad
from autograd.scipy.special import logsumexp

Array = Any  # an array, or autograd's box around one
Scalar = Any  # a float, or autograd's box around one
Parameters = Mapping[str, Array]
Objective = Callable[[Parameters], Scalar]
Readout = Literal["attention", "residual"]


def parameters(
    W_E: Array, W_P: Array, W_U: Array, Phi1: Array, W_V2: Array, **learned: Array
) -> dict[str, Array]:
    """Collect the matrices by name; W_K1, W_K2, W_O2 and W_F are zero unless given.

    >>> one_hot = np.eye(7)  # two tokens, three positions, two outputs
    >>> params = parameters(one_hot[:2], one_hot[2:5], one_hot[5:], np.eye(7), np.eye(7))
    >>> tokens, targets, weights = np.array([[0, 1, 0]]), np.array([[0, 0, 1]]), np.eye(3)[[2]]
    >>> round(float(np.exp(loss(params, tokens, targets, weights))), 12)  # two equal classes
    2.0

    Shapes: W_E (N, d), W_P (T, d), W_U (M, d), all others (d, d).
    """
    zeros = {name: np.zeros_like(Phi1) for name in ("W_K1", "W_K2", "W_O2", "W_F")}
    if unknown := learned.keys() - zeros.keys():
        raise ValueError(
            f"learned: expected some of {sorted(zeros)}; got {sorted(unknown)} as well. Leave "
            f"them out."
        )
    return {"W_E": W_E, "W_P": W_P, "W_U": W_U, "Phi1": Phi1, "W_V2": W_V2, **zeros, **learned}


def log_softmax(scores: Array) -> Array:
    """Logarithm of the softmax over the last axis, free of overflow."""
    return scores - logsumexp(scores, axis=-1, keepdims=True)


def linear(x: Array, W: Array) -> Array:
    """Apply a matrix at every position: W x_t. Unlike ``np.dot``, one product of two matrices."""
    return np.tensordot(x, W.T, 1)


def causal_attention(x: Array, W_K: Array, scale: float) -> Array:
    """Attention map (B, T, T): row t is softmax_{s<=t} of scale x_t' W_K x_s, exactly 0 beyond."""
    scores = scale * np.matmul(linear(x, W_K.T), np.swapaxes(x, 1, 2))
    future = np.triu(np.ones(scores.shape[1:], dtype=bool), k=1)
    return np.exp(log_softmax(np.where(future, -np.inf, scores)))


def layers(params: Parameters, tokens: Array, scale: float) -> tuple[Array, ...]:
    """Both attention maps, the stream x1 after the first layer, the second head's output o."""
    x = params["W_E"][tokens] + params["W_P"][: tokens.shape[1]]
    attention1 = causal_attention(x, params["W_K1"], scale)
    x1 = x + linear(np.matmul(attention1, x), params["Phi1"])
    attention2 = causal_attention(x1, params["W_K2"], scale)
    o = np.matmul(attention2, linear(x1, params["W_V2"]))
    return attention1, attention2, x1, o


def attention(params: Parameters, tokens: Array, *, scale: float = 1.0) -> tuple[Array, Array]:
    """The attention maps of the two layers, each (B, T, T), query position before key position."""
    attention1, attention2, _, _ = layers(params, tokens, scale)
    return attention1, attention2


def forward(
    params: Parameters,
    tokens: Array,
    *,
    scale: float = 1.0,
    readout: Readout = "attention",
) -> Array:
    """Logits (B, T, M) at every position."""
    _, _, x1, o = layers(params, tokens, scale)
    written = linear(o, params["W_O2"])
    if readout == "attention":
        return linear(written, params["W_U"])
    if readout == "residual":
        h = x1 + written
        return linear(h + linear(h, params["W_F"]), params["W_U"])
    raise ValueError(f'readout: expected "attention" or "residual"; got {readout!r}. Pick one.')


def loss(
    params: Parameters,
    tokens: Array,
    targets: Array,
    weights: Array,
    *,
    scale: float = 1.0,
    readout: Readout = "attention",
) -> Scalar:
    """Sum over sequences and positions of weight times cross-entropy; all three are (B, T).

    Targets are rows of W_U; where the weight is 0 any target will do, -1 for instance.
    """
    if not tokens.shape == targets.shape == weights.shape:
        shapes = f"{tokens.shape}, {targets.shape}, {weights.shape}"
        raise ValueError(
            f"tokens, targets, weights: expected one shape (B, T); got {shapes}. Give positions "
            f"without loss the weight 0."
        )
    logits = forward(params, tokens, scale=scale, readout=readout)
    return cross_entropy(logits, targets, weights)


def cross_entropy(logits: Array, targets: Array, weights: Array) -> Scalar:
    """Sum over sequences and positions of weight times -log softmax(logits) at the target."""
    log_p = log_softmax(logits)
    is_target = targets[..., None] == np.arange(log_p.shape[-1])
    if np.any(weights[~is_target.any(axis=-1)]):
        raise ValueError(
            f"targets: expected 0 to {log_p.shape[-1] - 1} wherever the weight is not 0; got "
            f"others. Count from 0, or set the weight to 0."
        )
    return -np.sum(weights[..., None] * is_target * log_p)


def slope_along(objective: Objective, direction: Parameters) -> Objective:
    """The derivative of the objective along a direction, again a function of the parameters."""

    def slope(params: Parameters) -> Scalar:
        def on_the_line(step: Scalar) -> Scalar:
            moved = {name: params[name] + step * change for name, change in direction.items()}
            return objective({**params, **moved})

        return grad(on_the_line)(0.0)

    return slope


def gradients(
    params: Parameters,
    tokens: Array,
    targets: Array,
    weights: Array,
    *,
    wrt: Sequence[str] = ("W_K1", "W_K2", "W_O2"),
    along: Sequence[Parameters] = (),
    scale: float = 1.0,
    readout: Readout = "attention",
) -> dict[str, Array]:
    """Gradient of the loss for the matrices named in ``wrt``, differentiated ``along`` directions.

    With directions D_1, ..., D_n this is the exact mixed derivative at zero step sizes

        d/de_1 ... d/de_n  grad_W L(params + e_1 D_1 + ... + e_n D_n),   W in ``wrt``,

    taken as the gradient of the n-fold slope, since partial derivatives commute. A direction is a
    dict of matrices, e.g. ``along=[{"W_O2": G1}, {"W_K2": J2}]``. The gradient points uphill: what
    gradient descent adds, such as G1 = -grad L, is its negative. A direction on which the loss does
    not depend (W_F under readout "attention") makes autograd warn.
    """

    def total(params: Parameters) -> Scalar:
        return loss(params, tokens, targets, weights, scale=scale, readout=readout)

    objective: Objective = total
    for direction in along:
        objective = slope_along(objective, direction)
    trained = {name: params[name] for name in wrt}
    return dict(grad(lambda trained: objective({**params, **trained}))(trained))

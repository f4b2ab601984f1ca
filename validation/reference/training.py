"""A fuller reference transformer, trained: embeddings, several heads, layer norm, feed-forward.

Every parameter is trained, by AdamW on fresh batches. Like `validation.reference`, which it builds
on, it is written as a textbook would write it, differentiated by ``autograd``, and shares no code
with the library. Activations are (B, T, d), attention maps (B, H, T, T), query before key; indices
count from 0. Layer by layer the stream x_t, at first w_E(z_t) + p_t, grows by

    sum_h W_O[h] sum_s softmax_{s<=t}(n_t' W_Q[h]' W_K[h] n_s / sqrt(d / H)) W_V[h] n_s

and then, where there are hidden neurons, by W_2 relu(W_1 n_t + b_1) + b_2; at the end the logits
are W_U n_t. Each time n = norm(x): layer norm with a trained gain and no bias, or x itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import autograd.numpy as np
from autograd import value_and_grad
from numpy.random import Generator

from validation.reference.transformer import (
    Array,
    Parameters,
    Scalar,
    cross_entropy,
    linear,
    log_softmax,
)

Example = tuple[Array, Array, Array]  # tokens, targets, weights, each (B, T)


class Architecture(NamedTuple):
    """The sizes of the model; without hidden neurons it has no feed-forward layers.

    >>> architecture = Architecture(n_tokens=5, length=8, width=16, n_heads=2)
    >>> params = initial(architecture, np.random.default_rng(0))
    >>> logits, maps = run(architecture, params, np.array([[0, 1, 4]]))
    >>> logits.shape, [attention.shape for attention in maps]
    ((1, 3, 5), [(1, 2, 3, 3), (1, 2, 3, 3)])
    """

    n_tokens: int
    length: int
    width: int
    n_layers: int = 2
    n_heads: int = 4
    hidden: int = 0
    layer_norm: bool = True


def initial(architecture: Architecture, rng: Generator) -> dict[str, Array]:
    """Normal entries of variance 1 / inputs, so embeddings of norm about 1; gains 1, biases 0.

    Shapes: W_E, W_U (N, d), W_P (T, d); in each layer l W_Q.l, W_K.l, W_V.l and W_O.l (d, d), whose
    rows, of W_O columns, are the heads' one after the other; W_1.l (m, d), W_2.l (d, m).
    """
    n, d, m = architecture.n_tokens, architecture.width, architecture.hidden
    if d % architecture.n_heads:
        raise ValueError(
            f"n_heads: expected a divisor of the width {d}; got {architecture.n_heads}. Change one."
        )
    shapes = {"W_E": (n, d), "W_P": (architecture.length, d), "W_U": (n, d)}
    biases: dict[str, int] = {}
    gains = ["gain"]
    for l in range(architecture.n_layers):
        shapes |= dict.fromkeys((f"W_Q.{l}", f"W_K.{l}", f"W_V.{l}", f"W_O.{l}"), (d, d))
        gains.append(f"gain_A.{l}")
        if m:
            shapes |= {f"W_1.{l}": (m, d), f"W_2.{l}": (d, m)}
            biases |= {f"b_1.{l}": m, f"b_2.{l}": d}
            gains.append(f"gain_F.{l}")
    params = {name: rng.standard_normal(s) / math.sqrt(s[1]) for name, s in shapes.items()}
    params |= {name: np.zeros(size) for name, size in biases.items()}
    return params | {name: np.ones(d) for name in gains if architecture.layer_norm}


def norm(x: Array, gain: Array | None) -> Array:
    """Layer norm over the last axis; nothing without a gain."""
    if gain is None:
        return x
    centred = x - np.mean(x, axis=-1, keepdims=True)
    return gain * centred / np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + 1e-5)


def attend(architecture: Architecture, params: Parameters, l: int, x: Array) -> tuple[Array, Array]:
    """What the heads of layer l add to the stream, and their attention maps."""
    size, length, d = x.shape
    n_heads, head = architecture.n_heads, d // architecture.n_heads
    n = norm(x, params.get(f"gain_A.{l}"))

    def split(name: str) -> Array:  # (B, H, T, d / H)
        projected = linear(n, params[f"{name}.{l}"])
        return np.swapaxes(np.reshape(projected, (size, length, n_heads, head)), 1, 2)

    scores = np.matmul(split("W_Q"), np.swapaxes(split("W_K"), 2, 3)) / math.sqrt(head)
    past = np.tri(length, dtype=bool)
    attention = np.exp(log_softmax(np.where(past, scores, -np.inf)))
    mixed = np.swapaxes(np.matmul(attention, split("W_V")), 1, 2)
    return linear(np.reshape(mixed, x.shape), params[f"W_O.{l}"]), attention


def feed_forward(architecture: Architecture, params: Parameters, l: int, x: Array) -> Array:
    """What the hidden neurons of layer l add to the stream."""
    if not architecture.hidden:
        return 0.0
    inputs = linear(norm(x, params.get(f"gain_F.{l}")), params[f"W_1.{l}"]) + params[f"b_1.{l}"]
    return linear(np.maximum(inputs, 0), params[f"W_2.{l}"]) + params[f"b_2.{l}"]


def read_out(params: Parameters, x: Array) -> Array:
    """Logits (..., N) of the stream at the end."""
    return linear(norm(x, params.get("gain")), params["W_U"])


def run(architecture: Architecture, params: Parameters, tokens: Array) -> tuple[Array, list[Array]]:
    """Logits (B, T, N) at every position, and the attention maps (B, H, T, T) of each layer."""
    one_hot = (tokens[..., None] == np.arange(architecture.n_tokens)).astype(float)
    x = linear(one_hot, params["W_E"].T) + params["W_P"][: tokens.shape[1]]
    maps = []
    for l in range(architecture.n_layers):
        written, attention = attend(architecture, params, l, x)
        x = x + written
        x = x + feed_forward(architecture, params, l, x)
        maps.append(attention)
    return read_out(params, x), maps


def head_matrices(architecture: Architecture, params: Parameters, l: int) -> tuple[Array, Array]:
    """Of each head of layer l the matrix of its scores, query' A key, and that of its values.

    Both are (H, d, d). The layer norm's centring and gain are part of them; what is left of it
    divides every vector by its standard deviation.
    """
    d, n_heads = architecture.width, architecture.n_heads
    inward = np.eye(d)
    if architecture.layer_norm:
        inward = params[f"gain_A.{l}"][:, None] * (inward - 1 / d)
    W_Q, W_K, W_V = (
        np.dot(params[f"{name}.{l}"], inward).reshape(n_heads, d // n_heads, d)
        for name in ("W_Q", "W_K", "W_V")
    )
    W_O = np.swapaxes(params[f"W_O.{l}"].reshape(d, n_heads, d // n_heads), 0, 1)
    return np.matmul(np.swapaxes(W_Q, 1, 2), W_K), np.matmul(W_O, W_V)


def train(
    architecture: Architecture,
    params: Parameters,
    batches: Iterable[Example],
    *,
    rate: float = 3e-3,
    betas: tuple[float, float] = (0.9, 0.98),
    decay: float = 1e-2,
) -> Iterator[tuple[dict[str, Array], float]]:
    """AdamW, a step for each batch: yields the parameters before the step and their loss on it.

    With the running means m and v of the gradient and its square, over those of the weights 1,

        w <- w - rate (m / (1 - beta1^n) / (sqrt(v / (1 - beta2^n)) + 1e-8) + decay w).
    """

    def objective(params: Parameters, tokens: Array, targets: Array, weights: Array) -> Scalar:
        return cross_entropy(run(architecture, params, tokens)[0], targets, weights)

    beta1, beta2 = betas
    params, m, v = dict(params), dict.fromkeys(params, 0.0), dict.fromkeys(params, 0.0)
    for n, batch in enumerate(batches, start=1):
        loss, gradient = value_and_grad(objective)(params, *batch)
        yield dict(params), float(loss)
        for name, g in gradient.items():
            m[name] = beta1 * m[name] + (1 - beta1) * g
            v[name] = beta2 * v[name] + (1 - beta2) * g**2
            mean, square = m[name] / (1 - beta1**n), v[name] / (1 - beta2**n)
            step = mean / (np.sqrt(square) + 1e-8) + decay * params[name]
            params[name] = params[name] - rate * step

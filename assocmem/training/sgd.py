"""One update of stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

Matrices = dict[str, NDArray[Any]]


def momentum_step(
    weights: Matrices,
    velocities: Matrices,
    gradients: Mapping[str, NDArray[Any]],
    *,
    learning_rate: float,
    momentum: float,
    weight_decay: float,
) -> tuple[Matrices, Matrices]:
    """Return weights and velocities after one update of the matrices that have a gradient.

        v ← μ v + (g + λ W)
        W ← W − η v

    >>> import numpy as np
    >>> W, v, g = {"W": np.array([[2.0]])}, {"W": np.array([[10.0]])}, {"W": np.array([[1.0]])}
    >>> W, v = momentum_step(W, v, g, learning_rate=0.5, momentum=0.9, weight_decay=0.25)
    >>> W["W"], v["W"]  # v = 0.9 · 10 + 1 + 0.25 · 2, W = 2 - 0.5 v
    (array([[-3.25]]), array([[10.5]]))

    Heavy-ball momentum without dampening, decay as an L2 term of the loss: torch.optim.SGD with the
    same μ = momentum, η = learning_rate, λ = weight_decay, when v starts at zero. The arguments are
    not changed.

    Source: [P1964], the heavy-ball method.
    """
    moved, now = dict(weights), dict(velocities)
    for name, gradient in gradients.items():
        now[name] = momentum * velocities[name] + (gradient + weight_decay * weights[name])
        moved[name] = weights[name] - learning_rate * now[name]
    return moved, now

"""One update of stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from numpy.typing import NDArray

from assocmem._checks import checked_mapping, checked_names, checked_number

Matrices = dict[str, NDArray[Any]]


def checked_rate(name: str, number: Any, below: float = inf) -> float:
    return checked_number(name, number, f"a number in [0, {below})", lambda rate: 0 <= rate < below)


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

    Raises TypeError or ValueError for rates out of range, gradients of matrices that are not there.

    Source: [P1964], the heavy-ball method.
    """
    for argument, given in ("weights", weights), ("velocities", velocities):
        checked_mapping(argument, given)
        checked_names("gradients", gradients, given, f"They are the names in {argument}.")
    learning_rate, weight_decay = (
        checked_rate("learning_rate", learning_rate),
        checked_rate("weight_decay", weight_decay),
    )
    momentum = checked_rate("momentum", momentum, below=1)
    moved, now = dict(weights), dict(velocities)
    for name, gradient in checked_mapping("gradients", gradients).items():
        now[name] = momentum * velocities[name] + (gradient + weight_decay * weights[name])
        moved[name] = weights[name] - learning_rate * now[name]
    return moved, now

"""Check of L2: with noisy inputs, one step keeps the token and drops the independent noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import assocmem as am
from validation.lemmas.linear import _gradient_of_linear
from validation.runner.cases import ROUNDING, Case, Context, agreement


def check(context: Context) -> Iterator[Case]:
    rng, (n, length) = context.rng, (6, 4)
    x, values = rng.normal(size=(9, 8)), rng.normal(size=(4, 8))
    joint, matrix = rng.dirichlet(np.ones(36)).reshape(4, 9), rng.normal(size=(8, 8))
    closed = -am.gradients.noisy_linear_step(x, values, joint, matrix=matrix).matrix
    measured = _gradient_of_linear(matrix, x, values, joint)
    yield agreement("gradient at a random W, largest difference", closed, measured, ROUNDING).of(
        "a"
    )
    atoms = np.eye(n + length)
    pairs = [(token, position) for token in range(n) for position in range(length)]
    x = np.array([atoms[token] + atoms[n + position] for token, position in pairs])
    joint = np.array([[token == k for token, _ in pairs] for k in range(n)]) / len(pairs)
    step = -_gradient_of_linear(np.zeros((n, n + length)), x, np.eye(n), joint)
    closed = am.gradients.noisy_linear_step(x, np.eye(n), joint).matrix
    yield agreement("one step on token + position, largest difference", closed, step, ROUNDING).of(
        "b"
    )
    yield Case("weight of w_U(k) w_E(k), (N-1)/N^2", (n - 1) / n**2, step[0, 0], ROUNDING).of("b")
    yield Case("weight of w_U(k) w_E(i), -1/N^2", -1 / n**2, step[0, 1], ROUNDING).of("b")
    yield Case("largest weight of a position", 0, np.abs(step[:, n:]).max(), ROUNDING).of("b")

"""Check of L1: the gradient of a linear memory is a memory; one step recalls the likeliest
label."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from autograd import grad
from scipy.special import softmax

import assocmem as am
from validation.lemmas.linear import _gradient_of_linear, _loss_of_linear
from validation.runner.cases import ROUNDING, Case, Context, agreement


def _second_derivative(matrix: np.ndarray, direction: np.ndarray, *data: np.ndarray) -> float:
    return float(grad(grad(lambda t: _loss_of_linear(matrix + t * direction, *data)))(0.0))


def check(context: Context) -> Iterator[Case]:
    rng, (n, m, d) = context.rng, (7, 5, 16)
    keys, values = am.gaussian(n, d, rng=rng), am.gaussian(m, d, rng=rng)
    joint = rng.dirichlet(np.ones(n * m)).reshape(m, n)
    matrix = rng.normal(size=(d, d))
    for name, w in (("at W = 0", 0 * matrix), ("at a random W", matrix)):
        closed = -am.gradients.linear_step(keys, values, joint, matrix=w).matrix
        measured = _gradient_of_linear(w, keys, values, joint)
        yield agreement(f"gradient {name}, largest difference", closed, measured, ROUNDING).of("a")
    direction, probabilities = rng.normal(size=(d, d)), joint.sum(axis=0)
    curvature = _second_derivative(matrix, direction, keys, values, joint)
    logits, along = values @ matrix @ keys.T, values @ direction @ keys.T
    predicted = softmax(logits, axis=0)
    variance = (predicted * along**2).sum(axis=0) - (predicted * along).sum(axis=0) ** 2
    convex = probabilities @ variance  # a mean of variances: never negative
    yield Case("second derivative along a line", convex, curvature, ROUNDING * convex).of("b")
    step = am.gradients.linear_step(np.eye(n), np.eye(m), joint)
    measured = -_gradient_of_linear(np.zeros((m, n)), np.eye(n), np.eye(m), joint)
    wanted = am.AssociativeMemory(keys=np.eye(n), values=np.eye(m), coefficients=measured)
    yield Case(
        "keys whose likeliest label one step recalls", 1, wanted.recall(joint.argmax(0)), 0
    ).of("c")
    likeliest = joint.argmax(0)[0]
    entry = step.coefficients[likeliest, 0]
    yield Case("coefficient of a likeliest pair", entry, measured[likeliest, 0], ROUNDING).of("c")

"""Check of WR1: over orthonormal atoms, the polar factor equalises all frequencies."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

import numpy as np

import assocmem as am
from assocmem.capacity import polar_factor
from assocmem.training import Muon, SignDescent
from validation.runner.cases import Case, Context, agreement


def check(context: Context) -> Iterator[Case]:
    """WR1: drawn orthonormal families, frequencies over ranges of 1 to 1000 and more."""
    rng, d = context.rng, 96 if context.full else 48
    # An SVD is off by about d eps in norm; singular vectors of values apart by p_min, by d eps / it
    rounding = 16 * d * sqrt(d) * np.finfo(float).eps
    for n, exponent in ((d // 2, 0.0), (d, 1.0), (d // 3, 2.0)):
        u, v = am.orthonormal(n, d, rng=rng), am.orthonormal(n, d, rng=rng)
        p = np.arange(1.0, n + 1) ** -exponent
        M = am.AssociativeMemory(keys=u, values=v, coefficients=np.diag(p)).matrix
        level = am.AssociativeMemory(keys=u, values=v).matrix
        case = f"polar factor of {n} items in {d} dimensions, a = {exponent:g}"
        yield agreement(case, level, polar_factor(M), rounding / p.min()).of("a")
        step, _ = Muon().direction(np.zeros((d, d)), M, {})
        name = "... and the first step of Muon"
        yield agreement(name, level, step, rounding / p.min()).of("a")
    A, B = am.orthonormal(d, d, rng=rng), am.orthonormal(d, d, rng=rng)
    G = rng.standard_normal((d, 2 * d))[:, :d] + d * np.eye(d)  # far from singular
    turned = A @ polar_factor(G) @ B
    name = "polar(A M B) = A polar(M) B"
    yield agreement(name, turned, polar_factor(A @ G @ B), 64 * rounding).of("b")
    one_hot = np.eye(d)
    order = rng.permutation(d)
    p = rng.random(d) + 1e-3
    M = am.AssociativeMemory(keys=one_hot, values=one_hot[order], coefficients=np.diag(p)).matrix
    step, _ = SignDescent().direction(np.zeros((d, d)), M, {})
    yield agreement("sign descent over one-hot atoms", one_hot[order].T, step, 0.0).of("c")
    theta = rng.uniform(0.01, np.pi / 4 - 0.01)
    plane = np.array([[np.cos(theta), np.sin(theta)], [-np.sin(theta), np.cos(theta)]])
    memory = am.AssociativeMemory(keys=plane, values=plane, coefficients=np.diag([1.0, 0.9]))
    scores = plane @ np.sign(memory.matrix) @ plane.T
    expected = [1 - np.sin(2 * theta), np.cos(2 * theta)]
    case = "sign descent over a turned basis: scores of the rarer key"
    yield agreement(case, expected, scores[[1, 0], [1, 1]], 64 * np.finfo(float).eps).of("c")

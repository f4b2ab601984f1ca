"""Check of NO3: More than d vectors have at least the coherence of Welch's bound, however
chosen."""

from __future__ import annotations

from collections.abc import Iterator
from math import asin, sqrt

import numpy as np

from assocmem import coherence, orthonormal, sphere, welch_bound
from validation.runner.cases import Case, Context

SHIFT = 0.05  # of the bound, by which each vector of a tight frame is moved


def frames(rng: np.random.Generator) -> list[tuple[str, int, np.ndarray]]:
    """Frames that attain the bound: a name, the dimension, and vectors that span so many."""
    golden = (1 + sqrt(5)) / 2
    icosahedron = [np.roll([0, 1, sign * golden], shift) for sign in (1, -1) for shift in range(3)]
    # All arrangements of (3, 3, -1, ..., -1): they sum to zero, so they span R^7.
    lines = [4.0 * np.isin(np.arange(8), (i, j)) - 1 for i in range(8) for j in range(i)]
    return [
        ("icosahedron", 3, np.array(icosahedron)),
        ("equiangular lines", 7, np.array(lines)),
        *(("simplex", d, np.eye(d + 1) - 1 / (d + 1)) for d in (2, 8, 64)),
        ("orthonormal", 64, orthonormal(64, 64, rng=rng)),
    ]


def check(context: Context) -> Iterator[Case]:
    """NO3: equiangular tight frames attain the bound, and frames close to them stay above it."""
    for name, d, vectors in frames(context.rng):
        n, rounding = len(vectors), 4 * vectors.shape[1] * np.finfo(float).eps
        case = f"{name}, n = {n}, d = {d}: attained"
        bound = welch_bound(n, d)
        scale = bound or 1  # orthonormal vectors have none
        yield Case(case, bound - rounding, coherence(vectors), 2 * rounding, scale=scale).of("b")
        # in coordinates of their span, moved a little: above the bound still, and not far
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        within = units @ np.linalg.svd(units, full_matrices=False).Vh[:d].T
        shift = SHIFT * scale
        moved = within + shift * sphere(n, d, rng=context.rng)
        # each turns by at most asin(shift), and the angle of two by twice that
        yield Case(
            f"{name}, n = {n}, d = {d}: each vector moved a little",
            bound,
            coherence(moved),
            2 * asin(shift) + rounding,
            evidence="bound",
        ).of("a")

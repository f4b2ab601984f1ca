"""Check of NO3: Welch: the coherence of more than d vectors has a lower bound, whatever the
vectors."""

from __future__ import annotations

from collections.abc import Iterator
from math import asin, sqrt

import numpy as np

from assocmem import coherence, orthonormal, sphere, welch_bound
from validation.runner.cases import Case, Context

SHIFT = 0.01  # how far vectors of a frame are moved, as a fraction of their norm


def check(context: Context) -> Iterator[Case]:
    """NO3: equiangular tight frames attain the bound, and frames close to them stay above it."""
    golden = (1 + sqrt(5)) / 2
    icosahedron = [np.roll([0, 1, sign * golden], shift) for sign in (1, -1) for shift in range(3)]
    # All arrangements of (3, 3, -1, ..., -1): they sum to zero, so they span R^7.
    lines = [4.0 * np.isin(np.arange(8), (i, j)) - 1 for i in range(8) for j in range(i)]
    frames: list[tuple[str, int, np.ndarray]] = [
        ("icosahedron", 3, np.array(icosahedron)),
        ("equiangular lines", 7, np.array(lines)),
        *(("simplex", d, np.eye(d + 1) - 1 / (d + 1)) for d in (2, 8, 64)),
        ("orthonormal", 64, orthonormal(64, 64, rng=context.rng)),
    ]
    for name, d, vectors in frames:
        n, rounding = len(vectors), 4 * vectors.shape[1] * np.finfo(float).eps
        case = f"{name}, n = {n}, d = {d}: attained"
        yield Case(case, welch_bound(n, d) - rounding, coherence(vectors), 2 * rounding, scale=1)
        # in coordinates of their span, moved a little: above the bound still, and not far
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        within = units @ np.linalg.svd(units, full_matrices=False).Vh[:d].T
        moved = within + SHIFT * sphere(n, d, rng=context.rng)
        # each turns by at most asin(SHIFT), and the angle of two by twice that
        yield Case(
            f"{name}, n = {n}, d = {d}: each vector moved by {SHIFT}",
            welch_bound(n, d),
            coherence(moved),
            2 * asin(SHIFT) + rounding,
            scale=1,
        )

"""Check of NO3: Welch: more than d vectors cannot all be nearly orthogonal."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assocmem import coherence, coherence_bound, orthonormal, sphere, welch_bound
from validation.runner.cases import FALSE_ALARM, Case, Context

Array = NDArray[Any]


def check(context: Context) -> Iterator[Case]:
    """NO3: no family beats the bound; equiangular tight frames attain it."""
    golden = (1 + sqrt(5)) / 2
    icosahedron = [np.roll([0, 1, sign * golden], shift) for sign in (1, -1) for shift in range(3)]
    # All arrangements of (3, 3, -1, ..., -1): they sum to zero, so they span R^7.
    lines = [4.0 * np.isin(np.arange(8), (i, j)) - 1 for i in range(8) for j in range(i)]
    frames: list[tuple[str, int, Array]] = [
        ("icosahedron", 3, np.array(icosahedron)),
        ("equiangular lines", 7, np.array(lines)),
        *(("simplex", d, np.eye(d + 1) - 1 / (d + 1)) for d in (2, 8, 64)),
        ("orthonormal", 64, orthonormal(64, 64, rng=context.rng)),
    ]
    for name, d, vectors in frames:
        n, rounding = len(vectors), 4 * vectors.shape[1] * np.finfo(float).eps
        case = f"{name}, n = {n}, d = {d}: attained"
        yield Case(case, welch_bound(n, d) - rounding, coherence(vectors), 2 * rounding)
    sizes = ((16, 8), (256, 64), (4096, 512)) if context.full else ((16, 8), (256, 64))
    for n, d in sizes:
        bound, delta = welch_bound(n, d), FALSE_ALARM / len(sizes)
        below = coherence_bound(n, d, delta=delta, sharp=True)  # NO2 (b)
        vectors = sphere(n, d, rng=context.rng)
        yield Case(
            f"sphere, n = {n}, d = {d}",
            bound,
            coherence(vectors),
            below - bound,
            evidence="statistics",
        )

"""Check of AM1: over orthonormal keys and values, the scores are the coefficients."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

import numpy as np

from assocmem import AssociativeMemory, FrozenEmbeddings, InductionTask, orthonormal
from validation.runner.cases import Case, Context, agreement


def check(context: Context) -> Iterator[Case]:
    """AM1: orthonormal keys and values give back the coefficients."""
    n, m, d = (100, 60, 256) if context.full else (30, 20, 64)
    C = context.rng.standard_normal((m, n))
    W = AssociativeMemory(
        keys=orthonormal(n, d, rng=context.rng),
        values=orthonormal(m, d, rng=context.rng),
        coefficients=C,
    )
    # Four products of inner length <= d, each off by d eps in norm, against the largest entry.
    rounding = 4 * d * sqrt(n * m) * np.finfo(float).eps
    yield agreement(f"orthonormal rows, d = {d}", C, W.scores(), rounding)
    read = AssociativeMemory.from_matrix(W.matrix, W.keys, W.values)
    yield agreement("... through the matrix and back", C, read.coefficients, 2 * rounding)

    emb = FrozenEmbeddings.orthonormal(InductionTask(n_tokens=n // 2, length=n // 2))
    C = context.rng.standard_normal((emb.n_outputs, len(emb.atoms)))
    W = AssociativeMemory(keys=emb.atoms, values=emb.outputs, coefficients=C)
    yield agreement("one-hot atoms and outputs: no rounding", C, W.scores(), 0.0)

    integers = context.rng.integers(-(2**40), 2**40, size=(m, n))
    W = AssociativeMemory(
        keys=np.eye(d, dtype=int)[:n], values=np.eye(d, dtype=int)[:m], coefficients=integers
    )
    largest = np.abs(W.scores() - integers).max()  # in integers
    yield Case("integers: largest difference", 0, largest, 0)

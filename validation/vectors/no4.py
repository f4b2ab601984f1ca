"""Check of NO4: what a Gaussian remapping does to norms and overlaps."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

import numpy as np
from scipy import stats

from assocmem import FrozenEmbeddings, InductionTask
from validation.runner import tolerances
from validation.runner.cases import FALSE_ALARM, Case, Context


def check(context: Context) -> Iterator[Case]:
    """NO4: norms and self-overlaps of orthonormal vectors under a Gaussian matrix."""
    widths = {64: 1000, 512: 12} if context.full else {64: 250, 256: 20}
    tests = 4 * len(widths)
    for d, draws in widths.items():
        task = InductionTask(n_tokens=d // 4, length=d // 4)
        squares, overlaps = [], []
        for _ in range(draws):
            emb = FrozenEmbeddings.random(task, width=d, family="orthonormal", rng=context.rng)
            images = np.concatenate([emb.remapped_tokens, emb.remapped_positions])
            squares.append(np.sum(images**2, axis=1))
            overlaps.append(np.sum(images * emb.inputs, axis=1))
        square, overlap = np.concatenate(squares), np.concatenate(overlaps)
        freedom = d * square.size  # the squared norms add up to chi-squared, over d
        allowed = stats.chi2.isf(FALSE_ALARM / (2 * tests), freedom) / freedom - 1
        name = f"d = {d}: mean square norm"
        yield Case(name, 1.0, square.mean(), allowed, evidence="statistics").of("a")
        name = f"d = {d}: mean square overlap"
        yield tolerances.mean_square(name, 1 / d, overlap, tests=tests).of("b")
        name = f"d = {d}: law of the square norm"
        yield tolerances.law(name, d * square, stats.chi2(d).cdf, tests=tests).of("a")
        name = f"d = {d}: law of the self-overlap"
        yield tolerances.law(name, sqrt(d) * overlap, stats.norm.cdf, tests=tests).of("b")

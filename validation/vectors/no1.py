"""Check of NO1: the mean square overlap of two random vectors is 1/d."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from assocmem.vectors.families import FAMILIES
from validation.runner import tolerances
from validation.runner.cases import Case, Context


def check(context: Context) -> Iterator[Case]:
    """NO1: E<u, v>^2 = 1/d for independent u and v."""
    widths = (8, 64, 256) if context.full else (8, 64)
    families = ("gaussian", "sphere", "rademacher")
    pairs, tests = 2**16, len(widths) * len(families)
    for d, family in product(widths, families):
        u, v = (FAMILIES[family](pairs, d, rng=context.rng) for _ in range(2))
        squared = np.einsum("ij,ij->i", u, v) ** 2
        yield tolerances.sample_mean(f"{family}, d = {d}", 1 / d, squared, tests=tests)

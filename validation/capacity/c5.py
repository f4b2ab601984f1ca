"""Check of C5: no rule recalls all of more than about 2 d^2 pairs: W has too few regions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import comb

import numpy as np
from scipy.optimize import linprog

import assocmem as am
from assocmem import capacity
from assocmem.capacity import Rule
from validation.runner.cases import ROUNDING, Case, Context


def largest(fits: Callable[[int], bool], low: int, high: int) -> int:
    """The largest number up to `high` that fits, by bisection; `low` is taken to fit."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def recalled_in_full(d: int, most: int, rng: np.random.Generator) -> tuple[int, int]:
    """How many of up to `most` drawn pairs cross-entropy and outer products recall in full."""
    keys, values = am.gaussian(most, d, rng=rng), am.gaussian(most, d, rng=rng)

    def recalls_all(n: int, rule: Rule) -> bool:
        return capacity.memorise(keys[:n], values[:n], rule=rule).recall() == 1

    found = largest(lambda n: recalls_all(n, "cross-entropy"), 1, most)
    outer = max(n for n in range(1, 4 * d) if n == 1 or recalls_all(n, "outer products"))
    return found, outer


def regions(planes: np.ndarray) -> int:
    """Into how many regions these hyperplanes through 0 cut their space: the signs that occur."""
    signs = (np.array([1, *rest]) for rest in product((-1, 1), repeat=len(planes) - 1))
    within = {"bounds": (None, None), "method": "highs"}
    found = (
        linprog(np.zeros(planes.shape[1]), -each[:, None] * planes, -np.ones(len(planes)), **within)
        for each in signs
    )
    return 2 * sum(each.status == 0 for each in found)  # with each region its opposite


def check(context: Context) -> Iterator[Case]:
    """C5: the number of regions, counted; and what cross-entropy recalls in full.

    That is between outer products and the counting bound, in the mean of several draws: in one,
    outer products may recall a single pair, as any matrix does.
    """
    for planes, dimensions in ((6, 2), (7, 3), (8, 4)):
        counted = regions(context.rng.standard_normal((planes, dimensions)))
        stated = 2 * sum(comb(planes - 1, i) for i in range(dimensions))
        name = f"regions between {planes} hyperplanes in {dimensions} dimensions"
        yield Case(name, stated, counted, ROUNDING * stated, evidence="enumeration")
    for d in (4, 8, 16) if context.full else (4, 8):
        bound = capacity.storage_bound(d, delta=1e-7)
        draws = [recalled_in_full(d, 2 * bound, context.rng) for _ in range(6)]
        found, outer = np.mean(draws, axis=0)
        case = f"recalled in full: between outer products and the bound, d = {d}"
        yield Case(case, bound, found, bound - outer, evidence="bound")

"""Checks of NO1 to NO7: overlaps of random vectors, one by one and all at once."""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from assocmem import coherence
from assocmem.vectors.families import FAMILIES


def pair_tail(family: str, d: int, t: float) -> float:
    """P(|cos| > t) for one pair."""
    if family == "rademacher":
        agreeing = np.floor(d * (1 + t) / 2)  # more than that many equal signs exceed t
        return float(2 * stats.binom.sf(agreeing, d, 0.5))
    return float(special.betaincc(0.5, (d - 1) / 2, t**2))


def coherences(family: str, n: int, d: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """The coherence of each of many draws."""
    return np.array([coherence(FAMILIES[family](n, d, rng=rng)) for _ in range(draws)])

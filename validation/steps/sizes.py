"""The conditions of claims T-S1, T-S2, T-m1 and T-S3 against the reference and the tables."""

from __future__ import annotations

import math
from fractions import Fraction

import assocmem as am
from assocmem.gradients import conditions


def moments(length: int) -> conditions.LengthMoments:
    return conditions.moments(Fraction(length), *conditions.harmonic_numbers(length))


def over_all(content: int, length: int, k: int) -> am.InductionTask:
    return am.InductionTask(content + k, length, k, "all")


def to_another_count(limit: float) -> float:
    """The relative change of a number that changes its whole part for certain.

    >>> to_another_count(4.5)
    0.1111111111111111
    """
    count = math.floor(limit)
    return max(limit - count, count + 1 - limit) / limit

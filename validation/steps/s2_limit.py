"""Check of S2-limit: the lead of step 2 grows like 2 ln T, in units of 1/(C K T^3)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

import assocmem as am
from validation.runner.cases import Case, Context


def check(context: Context) -> Iterator[Case]:
    lengths = (64, 256, 512, 1024) if context.full else (64, 256, 512)
    for length, (content, k) in itertools.product(lengths, ((30, 1), (30, 4), (10**9, 1))):
        task = am.InductionTask(content + k, length, k)
        first, second = am.gradients.first_step(task), am.gradients.second_step(task)
        measured = second.lead * k * length**2 / first.lead
        factor = 1 - content ** (-2.0 if k == 1 else -1.0)
        remainder = np.log(length) ** 3 / length**2
        name = f"K T^2 lead / u, T={length} K={k} C={content:g}"
        yield Case(name, factor * expansion(length), measured, factor * remainder, evidence="range")


def expansion(length: int) -> float:
    """Phi(T) up to the remainder."""
    x = np.log(length) + np.euler_gamma
    correction = -(x**2) / 2 + (9 + np.pi**2 / 6) * x - 12 - 7 * np.pi**2 / 12
    return float(2 * x - 4 - np.pi**2 / 6 + correction / length)

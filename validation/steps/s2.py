"""Check of S2: step 2 writes the induction head, a trigger attends to its own remapped copy."""

from __future__ import annotations

from collections.abc import Iterator
from math import fsum

import numpy as np

import assocmem as am
from validation.runner.cases import ROUNDING, Case, Context
from validation.steps.populations import _compare, _first, _step, _wanted, measured_gradient


def check(context: Context) -> Iterator[Case]:
    blocks = _compare(
        "w_E(q) to Phi1 w_E(q)",
        lambda task: _step(am.gradients.second_step(task)),
        lambda task: measured_gradient(task, "W_K2", [_first(task)]),
        lambda task, matrix: _wanted("W_K2", task, matrix),
    )
    yield from (case.of("a") for case in blocks)
    for n, length, k in ((4, 6, 1), (6, 5, 1), (6, 6, 2), (6, 5, 3)):
        task = am.InductionTask(n, length, k)
        matrix = measured_gradient(task, "W_K2", [_first(task)])
        probe = am.probe("W_K2", task, am.FrozenEmbeddings.orthonormal(task))
        lead, rounding = np.median(probe.margins(matrix)), ROUNDING * np.abs(matrix).max()
        name = f"lead by the formula in T, N={n} T={length} K={k}"
        yield Case(name, stated_lead(n - k, length, k), lead, rounding, evidence="enumeration").of(
            "b"
        )


def stated_lead(content: int, length: int, k: int) -> float:
    """The lead of J_2 that the claim states."""
    T, C = float(length), float(content)
    x, y = (fsum(s**-p for s in range(1, length + 1)) for p in (1, 2))
    polynomial = (
        T**6 * (4 * x - 2 * y - 8)
        - T**5 * (x**2 - 2 * x * y + 2 * x - 3 * y - 12)
        - T**4 * (x**3 + x**2 + 3 * x * y + 2 * x - y - 12)
        + T**3 * (x**3 - x**2 + x * y + 4 * x - 3 * y - 28)
        + T**2 * (3 * x**2 - 12 * x + y + 18)
        + 6 * T * (x - 2)
        + 4
    )
    phi = polynomial / (2 * T**3 * (T - 1) * (T - 2) ** 2)
    return (1 - C ** -(2.0 if k == 1 else 1.0)) * phi / (C * k * T**3)

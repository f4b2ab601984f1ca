"""Check of S3a: step 3 at small lead."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

import assocmem as am
from validation.runner.cases import ROUNDING, Case, Context, agreement
from validation.steps.populations import _compare, _first, measured_gradient


def check(context: Context) -> Iterator[Case]:
    first = cache(_first)  # of a population: both parts ask for it

    def block(task: am.InductionTask, matrix: np.ndarray) -> np.ndarray:
        positions = slice(task.n_tokens, task.n_tokens + task.length)
        return matrix[positions, positions]

    def second_direction(task: am.InductionTask) -> dict[str, np.ndarray]:
        return {"W_K2": measured_gradient(task, "W_K2", [first(task)])}

    def previous(task: am.InductionTask, table: np.ndarray) -> float:
        return float(table[1, 0])

    value = _compare(
        "A: p_2 to p_1",
        lambda task: am.gradients.third_step(task, 0)["positions", "positions"],
        lambda task: block(task, measured_gradient(task, "W_K1", [first(task)])),
        previous,
    )
    yield from (case.of("a") for case in value)
    for n, length, k in ((5, 6, 1), (6, 6, 2)):
        task = am.InductionTask(n, length, k)
        measured = block(task, measured_gradient(task, "W_K1", [first(task)]))
        name = f"A by the formula in T, N={n} T={length} K={k}"
        stated = stated_value(n - k, length)
        yield agreement(name, stated, measured, ROUNDING, evidence="enumeration").of("a")
    slope = _compare(
        "B: p_2 to p_1",
        lambda task: am.gradients.third_step_slope(task, second=am.gradients.second_step(task))[
            "positions", "positions"
        ],
        lambda task: block(
            task, measured_gradient(task, "W_K1", [first(task), second_direction(task)])
        ),
        previous,
    )
    yield from (case.of("b") for case in slope)


def stated_value(content: int, length: int) -> np.ndarray:
    """The value A that the claim states, for prediction over the content."""
    t = np.arange(1, length + 1)
    H = (length - (1 / t).sum() - 1 / length) / (length - 2)
    f = ((t >= 2) & (t < length)) * 1.0
    mean = np.cumsum(f) / t
    scale = (1 - 1 / content) * H / (content * length**2 * (length - 2))
    return np.asarray(scale * np.tril(f[None] - mean[:, None]) / t[:, None])

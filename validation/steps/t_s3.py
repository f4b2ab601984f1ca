"""Check of T-S3: at small lead step 3 writes all rows of the previous-token head but the second."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

import assocmem as am
from assocmem.gradients.slope import Slope, most_triggers
from assocmem.model.families import POSITIONS
from validation.runner.cases import ROUNDING, Case, Context
from validation.steps.populations import measured_gradient
from validation.steps.sizes import to_another_count

MANY = 10**15  # content tokens: what is of order 1/C is below the rounding


# T-S3
def check(context: Context) -> Iterator[Case]:
    for n, length, k, predicted in ((4, 5, 1, 1), (5, 5, 2, 1), (4, 6, 1, 3), (5, 6, 2, 3)):
        task = am.InductionTask(n, length, k)
        first = {"W_O2": measured_gradient(task, "W_O2")}
        both = [first, {"W_K2": measured_gradient(task, "W_K2", [first])}]
        positions = slice(n, n + length)
        value, slope = (
            measured_gradient(task, "W_K1", along)[positions, positions]
            for along in ([first], both)
        )
        name = f"reference: rows 2..T-1 recalled, N={n} T={length} K={k}"
        yield Case(name, predicted, recalled_rows(value, slope), 0).of("a")
    for n, length, k in ((32, 32, 1), (32, 64, 2), (8, 64, 1)):
        name = f"rows 2..T-1 recalled, N={n} T={length} K={k}"
        yield Case(name, length - 3, _rows(am.InductionTask(n, length, k)), 0).of("a")
    for k, row in ((1, 3), (4, 2)):  # K/N is below and above H (1 - 1/C) / (T - 2)
        task = am.InductionTask(64, 32, k, "all")
        name = f"prediction over all: the one row recalled, N=64 T=32 K={k}"
        yield Case(name, row, _the_row(task), 0).of("c")
    for length in (6, 7, 8, 10, 12, 16, 32):
        limit = most_triggers(length)
        most = math.floor(limit) if limit is not None else 0
        many = [_rows(am.InductionTask(MANY + k, length, k)) for k in (most, most + 1)]
        found = most if many[0] == length - 3 > many[1] else math.nan
        sees = None if limit is None else to_another_count(float(limit))
        yield Case(f"largest K, T={length}, C=1e15", most, found, 0, sees=sees).of("b")
        few = _rows(am.InductionTask(3 + min(most, 30), length, min(most, 30)))
        if length <= 12:
            yield Case(f"rows at C=3, K=K*, T={length}", length - 3, few, 0).of("a")
    for length, k in ((16, 1), (32, 1), (32, 8)):
        task = am.InductionTask(MANY + k, length, k)
        second = am.gradients.second_step(task)
        table = am.gradients.third_step_slope(task, second=second)[POSITIONS, POSITIONS]
        unit = am.gradients.first_step(task).lead ** 2 / (k * length**3)
        b, t = Slope(length, k), length // 2
        rounding = ROUNDING * np.abs(table[:-1]).max() / unit
        for column in (t - 1, 2):
            measured = table[t - 1, column - 1] / unit
            case = f"B[{t},{column}], T={length} K={k}"
            yield Case(case, float(b.coefficient(t, column)), measured, rounding).of("b")
        value = am.gradients.third_step(task, 0)[POSITIONS, POSITIONS]
        slope = table / second.lead
        threshold = (value[1, 1] - value[1, 0]) / (slope[1, 0] - slope[1, 1])
        tolerance = threshold * rounding / abs(table[1, 0] - table[1, 1]) * unit
        yield Case(f"lambda_2, T={length} K={k}", float(b.second_row), threshold, tolerance).of("b")


def _rows(task: am.InductionTask) -> int:
    second = am.gradients.second_step(task)
    return recalled_rows(
        am.gradients.third_step(task, 0, second=second)[POSITIONS, POSITIONS],
        am.gradients.third_step_slope(task, second=second)[POSITIONS, POSITIONS],
    )


def _the_row(task: am.InductionTask) -> float:
    """The row that A alone recalls, when it is one."""
    value = am.gradients.third_step(task, 0)[POSITIONS, POSITIONS]
    rows = [t + 1 for t in range(1, task.length - 1) if value[t, : t + 1].argmax() == t - 1]
    return float(rows[0]) if len(rows) == 1 else math.nan


def recalled_rows(value: np.ndarray, slope: np.ndarray) -> int:
    """How many rows t = 2 .. T-1 of A + λ B have their maximum at t - 1 as λ → 0.

    Entries of A that differ by no more than rounding are equal, and B decides between them.
    """
    count, rounding = 0, ROUNDING * np.abs(value).max()
    for t in range(1, len(value) - 1):
        lead = value[t, t - 1] - value[t, : t + 1]
        tied = np.abs(lead) <= rounding
        gain = slope[t, t - 1] - slope[t, : t + 1]
        others = np.arange(t + 1) != t - 1
        count += bool(np.all(np.where(tied, gain > 0, lead > 0)[others]))
    return count

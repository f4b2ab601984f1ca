"""CPU time and products by phase, and the rate of a large product to compare them with."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

Work = dict[str, tuple[float, float]]  # operations and bytes of each phase


def count(found: Work, phase: str, *products: tuple[int, int, int, int]) -> None:
    """Add products in float32 to a phase: how many, and their rows, inner size and columns."""
    operations, size = found[phase]
    for number, rows, inner, columns in products:
        operations += 2.0 * number * rows * inner * columns
        size += 4.0 * number * (rows * inner + inner * columns + rows * columns)
    found[phase] = operations, size


HEADS = f"{'phase':46s}{'ms':>8s}{'GFLOP':>8s}{'MB':>8s}{'share of rate':>15s}"


def line(phase: str, seconds: float, operations: float, moved: float, share: float) -> str:
    """A phase under these heads."""
    numbers = f"{seconds * 1e3:8.2f}{operations / 1e9:8.3f}{moved / 1e6:8.1f}{share:15.0%}"
    return f"{phase:46s}{numbers}"


class Clock:
    """CPU time of functions, without that of the timed functions that they call."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner: list[float] = []

    def timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            started = time.thread_time()
            self._inner.append(0.0)
            result = function(*arguments, **named)
            spent, inner = time.thread_time() - started, self._inner.pop()
            self.seconds[phase] = self.seconds.get(phase, 0.0) + spent - inner
            if self._inner:
                self._inner[-1] += spent
            return result

        return run


def product_rate(threads: int = 1) -> float:
    """Operations a second of a product of 4096 x 4096 matrices in float32."""
    from threadpoolctl import threadpool_limits

    ones = np.ones((4096, 4096), np.float32)
    with threadpool_limits(threads, user_api="blas"):
        started = time.perf_counter() if threads > 1 else time.thread_time()
        ones @ ones
        ended = time.perf_counter() if threads > 1 else time.thread_time()
    return 2 * 4096.0**3 / (ended - started)

"""What the width costs: a draw of embeddings and the three steps at d = n, 10^6 and 10^9.

Prints time and peak memory at each width, and their ratios to those at d = n; and, as the
alternative, time and memory of a direct draw at d = 1024, compressed.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable

import assocmem as am

TASK = am.InductionTask(n_tokens=64, length=64)
N = 2 * (TASK.n_tokens + TASK.length) + TASK.n_outputs
REPEATS = 9


def draw_and_steps(width: int) -> None:
    embeddings = am.FrozenEmbeddings.random(TASK, width=width, compressed=True, rng=0)
    am.top_down(TASK, embeddings, evaluate_on=200, rng=0)


def direct_draw(width: int) -> None:
    am.FrozenEmbeddings.random(TASK, width=width, rng=0).compressed()


def seconds(work: Callable[[int], None], width: int) -> float:
    started = time.perf_counter()
    work(width)
    return time.perf_counter() - started


def peak(work: Callable[[int], None], width: int) -> int:
    tracemalloc.start()
    work(width)
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return highest


def main() -> None:
    widths = (N, 10**6, 10**9)
    seconds(draw_and_steps, N)  # warm-up
    # interleaved: the machine's speed drifts
    times = [[seconds(draw_and_steps, d) for d in widths] for _ in range(REPEATS)]
    for k, d in enumerate(widths):
        ratio = statistics.median(row[k] / row[0] for row in times)
        memory = peak(draw_and_steps, d)
        print(
            f"draw and three steps, d = {d}: {statistics.median(row[k] for row in times):.3f} s, "
            f"{memory / 1e6:.1f} MB; ratio to d = n: {ratio:.2f} in time, "
            f"{memory / peak(draw_and_steps, N):.2f} in memory"
        )
    width = 1024
    print(
        f"direct draw alone, d = {width}: {seconds(direct_draw, width):.3f} s, "
        f"{peak(direct_draw, width) / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    main()

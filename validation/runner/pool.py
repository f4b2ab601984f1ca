"""Work that is shared among processes, of which each uses one BLAS thread."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

Part = TypeVar("Part")
Found = TypeVar("Found")


def shared(
    function: Callable[[Part], Found], parts: Sequence[Part], workers: int
) -> Iterator[Found]:
    """What the function finds for each part, in this order, as it comes."""
    if workers == 1 or len(parts) < 2:
        yield from map(function, parts)
        return
    with ProcessPoolExecutor(min(workers, len(parts)), initializer=_start) as pool:
        yield from pool.map(function, parts)


def _start() -> None:
    """Prepare a worker: one BLAS thread, and few rounds of the collector, as SymPy makes much that
    stays."""
    one_blas_thread()
    gc.set_threshold(200_000, 20, 20)


def one_blas_thread() -> None:
    """Have this process use one BLAS thread: there is one process per core.

    Threads of several processes wait for each other: here in more than twice the time.
    """
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
    os.environ.update(dict.fromkeys(names, "1"))  # for libraries that are loaded later
    threadpool_limits(1, user_api="blas")

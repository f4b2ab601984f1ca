"""One BLAS thread while anything computes whose bits must not depend on the number of threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_LOCK = threading.Lock()
_HELD: list[Any] = []  # the limit, once for each context that holds it


@cache
def _controller() -> Any:
    """Of all libraries of the process; finding them takes a millisecond."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS at one thread: how a product is shared out is part of its rounding.

    Contexts may overlap in any order, in any number of threads: the first sets the limit of the
    process, and the last one to leave restores what the first one found.

    >>> with one_blas_thread(), one_blas_thread():
    ...     pass
    """
    with _LOCK:
        _HELD.append(_HELD[0] if _HELD else _controller().limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _LOCK:
            limit = _HELD.pop()
            if not _HELD:
                limit.restore_original_limits()

"""One BLAS thread while anything computes whose bits must not depend on the number of threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Limit:
    """How many contexts hold the limit now, and what the last of them gives back."""

    def __init__(self) -> None:
        self.lock, self.holders = threading.Lock(), 0
        self.controller: Any = None
        self.limiter: Any = None


_LIMIT = _Limit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS at one thread: how a product is shared out is part of its rounding.

    Contexts may overlap in any order, in any number of threads: the first sets the limit of the
    process, and the last one to leave restores what the first one found.

    >>> with one_blas_thread(), one_blas_thread():
    ...     pass
    """
    from threadpoolctl import ThreadpoolController

    with _LIMIT.lock:
        if _LIMIT.holders == 0:
            if _LIMIT.controller is None:  # finding the libraries takes a millisecond
                _LIMIT.controller = ThreadpoolController()
            _LIMIT.limiter = _LIMIT.controller.limit(limits=1, user_api="blas")
        _LIMIT.holders += 1
    try:
        yield
    finally:
        with _LIMIT.lock:
            _LIMIT.holders -= 1
            if _LIMIT.holders == 0:
                _LIMIT.limiter.restore_original_limits()

"""Workers end with their sweep: one that is killed leaves no process behind that computes on."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from functools import cache

POLL = 0.5  # seconds


def end_with(sweep: int) -> None:
    """End this process when the sweep, the process of this number that made it, has gone.

    A pool's own workers wait for a killed sweep for ever: each holds the other end of the pipe that
    it reads. Processes that others made, on a cluster say, are left to those.
    """
    if sweep != os.getpid():
        _watch(sweep, os.getpid())


@cache
def _watch(sweep: int, worker: int) -> None:
    """Once in a worker; one that was forked inherits what the sweep has cached, not its number."""
    maker = multiprocessing.parent_process()
    if maker is None or maker.pid != sweep:
        return
    above = os.getppid()  # the sweep, or the server that forked for it

    def watch() -> None:
        # a forked sibling may hold the sentinel open, but not the place of a parent
        while maker.is_alive() and os.getppid() == above:
            time.sleep(POLL)
        os._exit(1)

    threading.Thread(target=watch, name="ends with the sweep", daemon=True).start()

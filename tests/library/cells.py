"""Functions whose cells a sweep runs, in any process."""

import time
from pathlib import Path

from assocmem.sweeps import run

TESTS = Path(__file__).parent
GRID = {"n": [3, 1, 4], "name": ["a", "b"]}


def draw(n, name, rng):
    """A number, a string, an array: all that a result may be."""
    return {"text": f"{name}{n}", "sum": rng.normal(size=n).sum(), "array": rng.normal(size=(2, n))}


def fail_at(n, bad, rng):
    if n in bad:
        raise ZeroDivisionError(f"no luck at {n}")
    return {"square": n * n}


def rows_of(function, grid, **options):
    return run(function, grid, **options).rows


def until(reached, process=None):
    """Wait for this, and for no longer than the process runs that is to bring it about."""
    deadline = time.monotonic() + 120
    while not reached():
        assert process is None or process.poll() is None, "the sweep ended"
        assert time.monotonic() < deadline, "the sweep hangs"
        time.sleep(0.01)

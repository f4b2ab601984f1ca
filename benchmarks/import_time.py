"""Time of ``import assocmem`` over time of ``import numpy``, each in a fresh process."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

ROUNDS = 21
MODULES = ("numpy", "assocmem")
# NumPy comes compiled; so must assocmem, or its compilation is what gets timed.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def import_seconds(module: str) -> float:
    """Seconds one import takes in a new interpreter, its own start not counted."""
    clock = "from time import perf_counter as now; start = now()"
    program = f"{clock}; import {module}; print(now() - start)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, check=True)
    return float(done.stdout)


def main() -> None:
    for module in MODULES:
        import_seconds(module)  # the first import compiles and reads from a cold disk
    # The modules take turns, so that a busy spell of the machine slows both.
    times = [[import_seconds(module) for module in MODULES] for _ in range(ROUNDS)]
    numpy, assocmem = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"import assocmem / import numpy = {assocmem / numpy:.2f} (median of {ROUNDS})")
    print(f"  numpy {numpy * 1e3:.0f} ms, assocmem {assocmem * 1e3:.0f} ms")


if __name__ == "__main__":
    main()

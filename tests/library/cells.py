"""Functions whose cells a sweep runs. The module loads little, as every process loads it anew."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
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


N_CELLS = 150


def note(n, folder, rng):
    """Leaves a file for each cell that ran, with the process; slow, while nobody is in a hurry.

    Slower from the fiftieth on, so that whoever ends the sweep before has seconds for it.
    """
    (Path(folder) / f"ran{n}").write_text(str(os.getpid()))
    if not (Path(folder) / "hurry").exists():
        time.sleep(0.005 if n < 50 else 0.1)
    return {"square": n * n}


def grid(folder):
    return {"n": list(range(N_CELLS)), "folder": [str(folder)]}


def wait_at_five(n, folder, rng):
    """Cell 5 waits for the file `go`. The log is appended to when a cell starts and ends."""
    folder = Path(folder)

    def log(name):
        file = os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{n}\n".encode())
        os.close(file)

    log("started")
    while n == 5 and not (folder / "go").exists():
        time.sleep(0.01)
    log("ended")
    return {"value": rng.normal()}


def pool(engine):
    if engine == "MPI":
        from mpi4py.futures import MPIPoolExecutor

        return MPIPoolExecutor()
    return ProcessPoolExecutor(2) if engine == "processes" else nullcontext()


def sweep_in_folder(folder, engine):
    (folder / "manager").write_text(str(os.getpid()))
    grid = {"n": list(range(10)), "folder": [str(folder)]}
    with pool(engine) as executor:
        return run(wait_at_five, grid, rng=0, executor=executor, output=folder / "sweep.jsonl")


def until(reached, process=None):
    """Wait for this, and for no longer than the process runs that is to bring it about."""
    deadline = time.monotonic() + 120
    while not reached():
        assert process is None or process.poll() is None, "the sweep ended"
        assert time.monotonic() < deadline, "the sweep hangs"
        time.sleep(0.01)

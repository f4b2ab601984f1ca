"""Sweeps: a function on every cell of a grid of parameters, by any executor, safe against a kill.

`run` takes any `concurrent.futures.Executor`: none (serial), a `ProcessPoolExecutor`, or that of a
cluster engine (`dask.distributed.Client.get_executor()`, `mpi4py.futures.MPIPoolExecutor`). Every
cell draws from a generator of its own, seeded by the sweep's seed and by the parameters of the
cell, so the table depends on neither the executor nor the order in which cells finish.

With ``output``, each result goes to disk as it comes, one line of JSON. A sweep that was killed and
is run again takes the finished cells from there. Cells that were in flight when a worker died wait
until all others are done, and then run alone. Ctrl-C or a full disk ends a sweep without beginning
the cells that wait.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import closing, suppress
from functools import partial
from itertools import chain, islice
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from assocmem._checks import Seed, checked_flag, generator, required
from assocmem.sweeps.digest import digest_of
from assocmem.sweeps.grid import Grid, cells_of, check_signature, keys_of
from assocmem.sweeps.log import Log
from assocmem.sweeps.table import SweepError, Table
from assocmem.sweeps.values import decoded, encoded, plain
from assocmem.sweeps.workers import end_with

__all__ = ["SweepError", "Table", "run"]


def run(
    function: Callable[..., Mapping[str, Any]],
    grid: Grid,
    *,
    executor: Executor | None = None,
    rng: Seed = None,
    output: str | Path | None = None,
    progress: bool = False,
) -> Table:
    """Call ``function(**cell, rng=generator)`` on every cell of the grid.

    Parameters
    ----------
    function : callable
        Returns a mapping from names to numbers, short strings, or arrays and lists of them. The
        strings "NaN", "Infinity" and "-Infinity" stand for these numbers. An executor of processes
        has to be able to pickle it: define it in a module.
    grid : mapping or sequence of mappings
        Values by name, for every combination (the last name runs fastest); or the cells themselves.
        Values are those of JSON: finite numbers, strings, None, lists.
    executor : concurrent.futures.Executor, optional
        Where the cells run; default here, one after the other. It is the caller's to shut down.
    rng : int, generator of NumPy or None
        Each cell has its own generator, from the seed and its parameters: adding cells to a grid
        does not change the others. None is a fresh seed, or the one in ``output``.
    output : str or Path, optional
        A file of JSON lines. Results are appended (and synced) as they come; finished cells that it
        holds already are not run again, failed ones are. One process at a time may write to it. It
        knows the function by its compiled code, defaults, and bound and enclosed values; an edit of
        what the function calls or imports goes unnoticed: begin a new file then.
    progress : bool
        Whether to show a tqdm bar.

    Returns
    -------
    Table
        A row for each cell, in the order of the grid.

    Raises
    ------
    SweepError
        At the end, when cells failed or a worker died; it has the parameters and traceback of
        each, and the table of the others.
    ValueError, TypeError
        For a grid that is empty, repeats a cell or holds a parameter named rng; for a function that
        does not take these parameters; for an ``output`` of another sweep, which is left as it is,
        or one with a function that holds objects which another run could not compare.
    BlockingIOError
        For an ``output`` that another process writes.

    Examples
    --------
    >>> import assocmem as am
    >>> def coherence(n, d, rng):
    ...     return {"coherence": am.coherence(am.sphere(n, d, rng=rng))}
    >>> table = run(coherence, {"n": [10, 100], "d": [64, 256]}, rng=0)
    >>> table
    Table(4 rows, columns=['n', 'd', 'coherence'])
    >>> table["d"]
    [64, 256, 64, 256]
    """
    cells = cells_of(grid)
    check_signature(function, cells[0])
    if executor is not None and not hasattr(executor, "submit"):
        raise TypeError(
            f"executor: expected a concurrent.futures.Executor; got {executor!r}. Make one, such "
            f"as ProcessPoolExecutor(4)."
        )
    keys, progress = keys_of(cells), checked_flag("progress", progress)
    seed = None if rng is None else _seed(rng)
    identity = {} if output is None else _identity(function)
    missing: dict[str, dict[str, str]] = {}
    with (
        Log(output, seed, identity, keys) as log,
        # closed, so that what ends the sweep here also cancels the cells that wait
        closing(_evaluated(function, _batches(keys, log), log, executor)) as tasks,
    ):
        for key, line in _with_bar(tasks, len(cells), len(log.results), progress):
            record = json.loads(line)
            if "not_run" not in record:
                log.append(line)
            if "result" in record:
                log.results[key] = decoded(record["result"])
            else:
                missing[key] = record
    by_key = dict(zip(keys, cells, strict=True))
    table = Table(tuple(by_key[key] | log.results[key] for key in keys if key in log.results))
    if missing:
        raise SweepError(
            table,
            *(
                [(by_key[key], missing[key][why]) for key in keys if why in missing.get(key, ())]
                for why in ("error", "lost", "not_run")
            ),
        )
    return table


# Running cells


def _batches(keys: list[str], log: Log) -> list[list[str]]:
    """Cells to run at the same time: first all that no worker died with.

    The others come one by one, so that each is alone when it kills its worker again; at the very
    end those that were alone before. The first of the cells in flight had run for longest and is
    suspected most: their order is reversed.
    """
    waiting = [key for key in keys if key not in log.results]
    suspects = [key for key in reversed(waiting) if key in log.in_flight]
    suspects.sort(key=lambda key: log.in_flight[key] == 1)
    return [[key for key in waiting if key not in log.in_flight], *([key] for key in suspects)]


def _evaluated(
    function: Callable[..., Any], batches: list[list[str]], log: Log, executor: Executor | None
) -> Generator[tuple[str, str]]:
    """Key and line of each cell, as they finish.

    A pool is handed one cell more than it has workers: it would run what it holds in its own queue
    after an end too.
    """
    if executor is None:
        for key in chain.from_iterable(batches):
            yield key, _evaluate(function, key, log.seed, os.getpid())
        return
    futures: dict[Future[str], str] = {}
    in_flight: set[Future[str]] = set()  # when the executor broke
    ended: SimpleQueue[Future[str]] = SimpleQueue()

    def end(future: Future[str]) -> None:
        """The executor calls this for one cell after the other: when it fails the first of those
        that it lost, the others still tell whether they were running."""
        lost = not future.cancelled() and isinstance(future.exception(), BrokenExecutor)
        if lost and not in_flight:
            in_flight.update([future, *(other for other in list(futures) if other.running())])
        ended.put(future)

    def submit(key: str) -> None:
        try:
            future = executor.submit(_evaluate, function, key, log.seed, os.getpid())
            futures[future] = key
            future.add_done_callback(end)
        except BrokenExecutor as error:  # before this cell
            future = Future()
            future.set_exception(error)
            futures[future] = key
            ended.put(future)

    workers = getattr(executor, "_max_workers", None)  # other engines keep their queue themselves
    try:
        for batch in batches:
            waiting = iter(batch)
            for key in islice(waiting, workers and workers + 1):
                submit(key)
            for _ in batch:
                future = ended.get()
                for key in islice(waiting, 1):
                    submit(key)
                yield futures[future], _outcome(future, futures[future], in_flight)
    finally:
        for future in futures:
            future.cancel()
        with suppress(OSError):  # the disk is full
            _keep(ended, log)


def _keep(ended: SimpleQueue[Future[str]], log: Log) -> None:
    """Write down what had finished when something ended the sweep."""
    while not ended.empty():
        future = ended.get()
        if not future.cancelled() and future.exception() is None:
            log.append(future.result())


def _outcome(future: Future[str], key: str, in_flight: set[Future[str]]) -> str:
    try:
        return future.result()
    except BrokenExecutor:
        if future in in_flight:
            return _line(key, lost=traceback.format_exc(), in_flight=len(in_flight))
        return _line(key, not_run=traceback.format_exc())
    except Exception:  # of the executor: it could not send the function, or gave the cell up
        return _line(key, error=traceback.format_exc())


def _evaluate(function: Callable[..., Any], key: str, seed: int, sweep: int) -> str:
    """Run one cell, wherever that is. Only text travels: the cell, and its line for the file."""
    end_with(sweep)
    cell = json.loads(key)
    try:
        generator = np.random.default_rng([seed, *hashlib.sha256(key.encode()).digest()])
        result = function(**cell, rng=generator)
        if not isinstance(result, Mapping):
            raise TypeError(
                f"function: expected a mapping from names to results; got "
                f"{type(result).__name__}. Return a dict."
            )
        if overlap := [name for name in result if name in cell]:
            raise ValueError(
                f"function: expected results with other names than the parameters; got {overlap}."
            )
        return _line(key, result=encoded(plain(result)))
    except Exception:
        return _line(key, error=traceback.format_exc())


def _line(key: str, **outcome: Any) -> str:
    return json.dumps({"cell": json.loads(key), **outcome}, allow_nan=False)


def _with_bar(
    tasks: Iterator[tuple[str, str]], total: int, done: int, progress: bool
) -> Iterator[tuple[str, str]]:
    if not progress:
        return tasks
    tqdm = required("tqdm", "progress").tqdm

    return iter(tqdm(tasks, total=total, initial=done, unit="cell"))


def _identity(function: Callable[..., Any]) -> dict[str, str]:
    """What the file says was run: a name to read, the code, and the Python that compiled it."""
    named = function
    while isinstance(named, partial):
        named = named.func
    named = named if hasattr(named, "__qualname__") else type(named)
    name = f"{named.__module__}.{named.__qualname__}"
    return {
        "function": name,
        "code": digest_of(function),
        "python": str(sys.implementation.cache_tag),
    }


def _seed(rng: Seed) -> int:
    made = generator(rng)
    return int(rng) if isinstance(rng, int | np.integer) else int(made.integers(2**63))

"""Sweeps: a function on every cell of a grid of parameters, by any executor, safe against a kill.

`run` takes any `concurrent.futures.Executor`: none (serial), a `ProcessPoolExecutor`, or that of a
cluster engine (`dask.distributed.Client.get_executor()`, `mpi4py.futures.MPIPoolExecutor`). Every
cell draws from a generator of its own, seeded by the sweep's seed and by the parameters of the
cell, so the table depends on neither the executor nor the order in which cells finish.

With ``output``, each result goes to disk as it comes, one line of JSON. A sweep that was killed and
is run again takes the finished cells from there.
"""

from __future__ import annotations

import hashlib
import json
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from assocmem.checks import Seed, generator
from assocmem.sweeps.grid import Grid, cells_of, check_signature, key_of
from assocmem.sweeps.log import Log
from assocmem.sweeps.table import SweepError, Table
from assocmem.sweeps.values import decoded, encoded, plain

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

    >>> import assocmem as am
    >>> def coherence(n, d, rng):
    ...     return {"coherence": am.coherence(am.sphere(n, d, rng=rng))}
    >>> table = run(coherence, {"n": [10, 100], "d": [64, 256]}, rng=0)
    >>> table
    Table(4 rows, columns=['n', 'd', 'coherence'])
    >>> table["d"]
    [64, 256, 64, 256]

    Parameters
    ----------
    function
        Returns a mapping from names to numbers, short strings, or arrays and lists of them. The
        strings "NaN", "Infinity" and "-Infinity" stand for these numbers. An executor of processes
        has to be able to pickle it: define it in a module.
    grid : mapping or sequence of mappings
        Values by name, for every combination (the last name runs fastest); or the cells themselves.
        Values are those of JSON: numbers, strings, None, lists.
    executor : concurrent.futures.Executor
        Where the cells run; default here, one after the other. It is the caller's to shut down.
    rng
        Seed or generator. Each cell has its own generator, from the seed and its parameters: adding
        cells to a grid does not change the others. None is a fresh seed, or the one in ``output``.
    output : path
        A file of JSON lines. Results are appended (and synced) as they come; finished cells that it
        holds already are not run again, failed ones are. One process at a time may write to it.
    progress : bool
        Show a tqdm bar.

    Raises
    ------
    SweepError
        When all cells have run and some failed; it has the parameters and traceback of each, and
        the table of the others.
    ValueError, TypeError
        For a grid that is empty, repeats a cell or holds a parameter named rng; for a function that
        does not take these parameters; for an ``output`` of another sweep, which is left as it is.
    """
    cells = cells_of(grid)
    check_signature(function, cells[0])
    if executor is not None and not hasattr(executor, "submit"):
        raise TypeError(
            f"executor: expected a concurrent.futures.Executor; got {executor!r}. Make one, such "
            f"as ProcessPoolExecutor(4)."
        )
    keys = [key_of(cell) for cell in cells]
    if len(set(keys)) < len(keys):
        twice = next(cell for cell, key in zip(cells, keys, strict=True) if keys.count(key) > 1)
        raise ValueError(
            f"grid: expected each cell once; {twice} occurs twice. Number repetitions by a "
            f"parameter of their own: they would draw the same randomness."
        )
    seed = None if rng is None else _seed(rng)
    log = Log(output, seed, _name(function), keys)
    waiting = [key for key in keys if key not in log.results]
    failures: dict[str, str] = {}
    with log:
        tasks = _evaluated(function, waiting, log.seed, executor)
        for key, line in _with_bar(tasks, len(cells), len(log.results), progress):
            log.append(line)
            record = json.loads(line)
            if "error" in record:
                failures[key] = record["error"]
            else:
                log.results[key] = decoded(record["result"])
    by_key = dict(zip(keys, cells, strict=True))
    table = Table(tuple(by_key[key] | log.results[key] for key in keys if key in log.results))
    if failures:
        raise SweepError(table, [(by_key[key], failures[key]) for key in keys if key in failures])
    return table


# Running cells


def _evaluated(
    function: Callable[..., Any],
    waiting: list[str],
    seed: int,
    executor: Executor | None,
) -> Iterator[tuple[str, str]]:
    """Key and line of each cell, as they finish."""
    if executor is None:
        for key in waiting:
            yield key, _evaluate(function, key, seed)
        return
    futures: dict[Future[str], str] = {}
    try:
        for key in waiting:
            futures[_submitted(executor, function, key, seed)] = key
        for future in as_completed(futures):
            key = futures[future]
            try:
                yield key, future.result()
            except Exception:  # of the executor: it could not send the function, or lost a worker
                yield key, _line(key, error=traceback.format_exc())
    finally:
        for future in futures:
            future.cancel()


def _submitted(
    executor: Executor, function: Callable[..., Any], key: str, seed: int
) -> Future[str]:
    try:
        return executor.submit(_evaluate, function, key, seed)
    except BrokenExecutor as error:  # a worker died while cells were being sent
        lost = Future[str]()
        lost.set_exception(error)
        return lost


def _evaluate(function: Callable[..., Any], key: str, seed: int) -> str:
    """Run one cell, wherever that is. Only text travels: the cell, and its line for the file."""
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
    from tqdm import tqdm

    return iter(tqdm(tasks, total=total, initial=done, unit="cell"))


def _name(function: Callable[..., Any]) -> str:
    """What the file says was run."""
    if isinstance(function, partial):
        return f"{_name(function.func)}, {function.args}, {function.keywords}"
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def _seed(rng: Seed) -> int:
    made = generator(rng)
    return int(rng) if isinstance(rng, int | np.integer) else int(made.integers(2**63))

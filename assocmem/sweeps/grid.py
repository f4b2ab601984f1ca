"""The cells of a sweep: their parameters, and the text that identifies each."""

from __future__ import annotations

import inspect
import itertools
import json
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from typing import Any

from assocmem.sweeps.table import Cell
from assocmem.sweeps.values import plain

_MOST = 10**6  # cells; each takes a kilobyte here, and a line of the file

Grid = Mapping[str, Iterable[Any]] | Sequence[Mapping[str, Any]]


def cells_of(grid: Grid) -> list[Cell]:
    """The cells of a grid in order, refused unless they are different and of JSON's values."""
    if isinstance(grid, Mapping):
        values = [_values(name, given) for name, given in grid.items()]
        if (number := math.prod(map(len, values))) > _MOST:
            raise ValueError(
                f"grid: expected at most {_MOST} cells; got {number}. Sweep a part of them."
            )
        cells = [dict(zip(grid, row, strict=True)) for row in itertools.product(*values)]
    elif isinstance(grid, Sequence) and all(isinstance(cell, Mapping) for cell in grid):
        cells = [dict(cell) for cell in grid]
    else:
        raise TypeError(
            f"grid: expected a mapping from names to values, or a sequence of mappings; got "
            f"{type(grid).__name__}. Give each parameter its values: {{'n': [1, 2]}}."
        )
    if not cells or not cells[0]:
        raise ValueError("grid: expected at least one cell with a parameter; got none.")
    for cell in cells:
        if cell.keys() != cells[0].keys():
            raise ValueError(
                f"grid: expected the same parameters in every cell; got {list(cells[0])} and "
                f"{list(cell)}. Give all of them, None where one does not apply."
            )
    if not all(isinstance(name, str) for name in cells[0]) or "rng" in cells[0]:
        raise ValueError(
            f"grid: expected names as strings, and none called rng, which is each cell's own "
            f"generator; got {list(cells[0])}. Pass the sweep's seed as run(..., rng=)."
        )
    return [{name: plain(value) for name, value in cell.items()} for cell in cells]


def _values(name: Any, given: Any) -> list[Any]:
    if isinstance(given, str | Set | Mapping) or not isinstance(given, Iterable):
        raise TypeError(
            f"grid: expected values for {name!r}, in their order; got {given!r}. Put them, also a "
            f"single one, in a list."
        )
    values = list(itertools.islice(given, _MOST + 1))
    if len(values) > _MOST:  # it may have no end
        raise ValueError(
            f"grid: expected at most {_MOST} values for {name!r}; got more. Sweep a part of them."
        )
    return values


def keys_of(cells: list[Cell]) -> list[str]:
    """The text of each cell, if no two are equal."""
    keys = [key_of(cell) for cell in cells]
    seen: set[Hashable] = set()
    for cell in cells:
        if (value := _hashable(cell)) in seen:
            raise ValueError(
                f"grid: expected each cell once; {cell} occurs twice (1, 1.0 and True are equal). "
                f"Number repetitions by a parameter of their own."
            )
        seen.add(value)
    return keys


def key_of(cell: Cell) -> str:
    """The parameters as text, whatever their order."""
    try:
        return json.dumps(cell, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"grid: expected finite numbers, strings, None or lists of them; got {cell} ({error}). "
            f"Pass what builds an object, and build it in the function."
        ) from None


def _hashable(value: Any) -> Hashable:
    """Equal for equal values of JSON."""
    if isinstance(value, dict):
        return frozenset((name, _hashable(part)) for name, part in value.items())
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def check_signature(function: Callable[..., Any], cell: Cell) -> None:
    """Refuse a function that does not take the parameters of a cell and ``rng``."""
    if not callable(function):
        raise TypeError(f"function: expected a function; got {function!r}.")
    try:
        signature = inspect.signature(function)
    except ValueError:  # some builtins have none
        return
    try:
        signature.bind(**cell, rng=None)
    except TypeError as error:
        raise TypeError(
            f"function: expected one of the parameters {list(cell)} and rng; got {signature} "
            f"({error})."
        ) from None

"""What a sweep returns: a row for each cell."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assocmem._files import write_csv
from assocmem.sweeps.values import encoded

Cell = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Table:
    """Parameters and results, a row for each cell, in the order of the grid.

    Arrays come back as lists. A name that a row does not have is None in its column.

    Parameters
    ----------
    rows : tuple of dict
        Parameters and results of each cell, by name.

    Examples
    --------
    >>> from assocmem.sweeps import run
    >>> table = run(lambda n, rng: {"square": n**2}, {"n": [3, 1, 2]})
    >>> table["square"]
    [9, 1, 4]
    >>> table.rows[0]
    {'n': 3, 'square': 9}
    """

    rows: tuple[Cell, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the parameters and of the results, as they first occur."""
        return tuple(dict.fromkeys(itertools.chain.from_iterable(self.rows)))

    def __getitem__(self, column: str) -> list[Any]:
        if column not in self.columns:
            raise KeyError(
                f"column: expected one of {list(self.columns)}; got {column!r}. Pick one."
            )
        return [row.get(column) for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"Table({len(self)} rows, columns={list(self.columns)})"

    def to_csv(self, path: str | Path) -> None:
        """Write the table as CSV, atomically; lists as JSON.

        Parameters
        ----------
        path : str or Path
            The file, which is replaced.
        """
        rows = ([_cell(row.get(name)) for name in self.columns] for row in self.rows)
        write_csv(path, self.columns, rows)


def _cell(value: Any) -> Any:
    return json.dumps(encoded(value)) if isinstance(value, list | dict) else value


Failures = Sequence[tuple[Cell, str]]


class SweepError(RuntimeError):
    """Raised when cells of a sweep have no result; the results of the others are in ``table``.

    Parameters
    ----------
    table : Table
        The rows of the cells that finished.
    failures : tuple of pairs
        Parameters and traceback of each cell that failed.
    lost : tuple of pairs
        Of the cells in flight when a worker died and broke the executor. A cell that is lost alone
        was all that ran.
    not_run : tuple of pairs
        Of the cells that the broken executor did not begin.
    """

    def __init__(
        self, table: Table, failures: Failures, lost: Failures = (), not_run: Failures = ()
    ) -> None:
        self.table = table
        self.failures, self.lost, self.not_run = tuple(failures), tuple(lost), tuple(not_run)
        missing = [*self.failures, *self.lost, *self.not_run]
        counts = [
            f"{len(pairs)} of {len(table) + len(missing)} cells {what}: "
            + ", ".join(str(cell) for cell, _ in pairs[:5])
            + (", ..." if len(pairs) > 5 else "")
            for pairs, what in (
                (self.failures, "failed"),
                (self.lost, "in flight when a worker died"),
                (self.not_run, "not run, as a worker died"),
            )
            if pairs
        ]
        anew = " with a new executor" if self.lost or self.not_run else ""
        super().__init__(
            f"{'; '.join(counts)}. The others are in .table; run the sweep again{anew} to retry "
            f"these. The first:\n{missing[0][1]}"
        )

"""The history of a run: one row per evaluated step, one array per measured quantity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assocmem._checks import at_least, checked_mapping
from assocmem._files import write_csv


class History(Mapping[str, NDArray[Any]]):
    """Measured quantities by name; ``"step"`` is the number of updates of each row.

    Every array has shape (rows,), and row r belongs to the weights after ``history["step"][r]``
    updates. A history does not change: `with_row` and `before` return new ones.

    Parameters
    ----------
    columns : mapping of str to array, shape (rows,)
        The measurements by name, "step" among them.

    Raises
    ------
    ValueError
        For columns of different lengths, and rows of other names.

    Examples
    --------
    >>> history = History.of({"step": 0, "loss": 4.2}).with_row({"step": 10, "loss": 3.9})
    >>> history["loss"]
    array([4.2, 3.9])
    >>> history.at(10)
    {'step': 10, 'loss': 3.9}
    >>> history
    History(2 rows, steps 0..10: loss)
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]]) -> None:
        shapes = {k: np.shape(v) for k, v in checked_mapping("columns", columns).items()}
        if len(shapes.get("step", ())) != 1 or len(set(shapes.values())) != 1:
            raise ValueError(
                f"columns: expected 'step' and others of its length; got the shapes {shapes}."
            )
        self._columns = dict(columns)

    @classmethod
    def of(cls, row: Mapping[str, float]) -> History:
        """Return the history of a single row.

        Parameters
        ----------
        row : mapping of str to float
            The measurements by name.

        Returns
        -------
        History
            One row long.
        """
        items = checked_mapping("row", row).items()
        return cls({name: np.array([value]) for name, value in items})

    def with_row(self, row: Mapping[str, float]) -> History:
        """Return the history with one row more.

        Parameters
        ----------
        row : mapping of str to float
            The measurements, by the names of the columns.

        Returns
        -------
        History
            This one does not change.

        Raises
        ------
        ValueError
            For a row of other names.
        """
        if not len(self["step"]):
            return History.of(row)
        if set(checked_mapping("row", row)) != set(self):
            raise ValueError(f"row: expected the names {list(self)}; got {list(row)}.")
        return History({name: np.append(self[name], row[name]) for name in self})

    def before(self, step: int) -> History:
        """Return the rows of the steps before this one.

        Parameters
        ----------
        step : int
            A number of updates.

        Returns
        -------
        History
            This one does not change.
        """
        earlier = self["step"] < at_least("step", step, 0)
        return History({name: column[earlier] for name, column in self.items()})

    def at(self, step: int) -> dict[str, float]:
        """Return the row of one step.

        Parameters
        ----------
        step : int
            A number of updates.

        Returns
        -------
        dict of str to float
            By the names of the columns.

        Raises
        ------
        ValueError
            For a step at which nothing was measured.
        """
        (rows,) = np.nonzero(self["step"] == at_least("step", step, 0))
        if not len(rows):
            raise ValueError(f"step: expected an evaluated one, {self['step']}; got {step}.")
        return {name: column[rows[0]].item() for name, column in self.items()}

    def to_csv(self, path: str | Path) -> None:
        """Write a header and one line per row; the numbers read back exactly.

        Parameters
        ----------
        path : str or Path
            The file, which is replaced.
        """
        rows = zip(*(column.tolist() for column in self.values()), strict=True)
        write_csv(path, self, rows)

    def __getitem__(self, name: str) -> NDArray[Any]:
        if not isinstance(name, str) or name not in self._columns:
            raise KeyError(f"name: expected one of {list(self)}; got {name!r}. Pick one.")
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        steps = self["step"]
        span = f"steps {steps[0]}..{steps[-1]}" if len(steps) else "no steps"
        names = ", ".join(name for name in self if name != "step")
        return f"History({len(steps)} rows, {span}: {names})"

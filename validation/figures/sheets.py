"""What the figures share: rows of numbers, the canvas, and the files they end in."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from assocmem._files import csv_text, replaced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = dict[str, Any]
Given = TypeVar("Given")
Found = TypeVar("Found")

MATRICES = ("W_O2", "W_K2", "W_K1")  # top-down: the order in which they are written
SYMBOLS = {"W_O2": "$W_O^2$", "W_K2": "$W_K^2$", "W_K1": "$W_K^1$"}


def cells(panel: str, values: Any, rows: Sequence[str], columns: Sequence[str]) -> list[Row]:
    """Return one row for each cell of a labelled table, so that any panel fits one CSV file."""
    return [
        {"panel": panel, "i": i, "j": j, "row": row, "column": column, "value": float(values[i][j])}
        for (i, row), (j, column) in product(enumerate(rows), enumerate(columns))
    ]


def table(rows: list[Row], panel: str) -> NDArray[Any]:
    """Return the table whose `cells` are among the rows."""
    found = [row for row in rows if row["panel"] == panel]
    shape = found[-1]["i"] + 1, found[-1]["j"] + 1
    return np.reshape([cell["value"] for cell in found], shape)


def labels(rows: list[Row], panel: str, axis: str) -> list[str]:
    """Return the labels of the "row" or "column" axis of a panel."""
    index = {"row": "i", "column": "j"}[axis]
    return list({row[index]: row[axis] for row in rows if row["panel"] == panel}.values())


def rate(value: float) -> str:
    """A rate in few characters, rounded down: only 1 is shown as 1.

    >>> rate(1.0), rate(0.9996), rate(0.5), rate(0.0)
    ('1', '.999', '.5', '0')
    """
    thousandths = int(value * 1000 + 1e-9)  # a rate of n / 1000 is not rounded down
    return f"{thousandths / 1000:g}".lstrip("0") or "0"


def in_parallel(work: Callable[[Given], Found], items: Iterable[Given]) -> list[Found]:
    """Map over the items on all cores: NumPy lets threads run while it computes."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, items))


def canvas(width: float, height: float) -> Figure:
    """Return an empty figure, in inches. Not pyplot's: nothing global is touched."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def read(path: Path) -> list[Row]:
    """Return the rows that `publish` wrote, numbers as numbers."""

    def value(text: str) -> int | float | str:
        for number in (int, float):
            try:
                return number(text)
            except ValueError:
                pass
        return text

    with path.open(encoding="utf-8", newline="") as file:
        return [{name: value(text) for name, text in row.items()} for row in csv.DictReader(file)]


def publish(
    out: Path, stem: str, rows: list[Row], figure: Figure, texts: Mapping[str, str] | None = None
) -> list[Path]:
    """Write stem.png, stem.csv and further texts, each atomically; return their paths."""
    picture, columns = io.BytesIO(), list(rows[0])
    figure.savefig(picture, format="png", dpi=120)
    files = {f"{stem}.png": picture.getvalue()}
    files |= {
        f"{stem}.csv": csv_text(columns, ([row.get(c) for c in columns] for row in rows)).encode()
    }
    files |= {name: text.encode() for name, text in (texts or {}).items()}
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with replaced(out / name) as file:
            file.write(content)
    return [out / name for name in files]

"""What the figures share: rows of numbers, panels on a page of a journal, the files they end in."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

import assocmem as am
from assocmem._files import csv_text, replaced

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = dict[str, Any]
Panel = Callable[[list[Row], "Axes"], object]  # draws its part of the rows into the axes
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
    items = list(items)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(under_way(pool.map(work, items), len(items)))


def under_way(items: Iterable[Given], total: int | None = None) -> Iterable[Given]:
    """The items, with a bar on standard error if that is a terminal."""
    from tqdm import tqdm

    return tqdm(items, total=total, disable=None, leave=False, ncols=79)


DPI = 200
THINNER = 0.55  # lines, on a page
TEXT, TITLE = 7.0, 8.0  # points: what a journal prints
COLUMNS = {1: 3.4, 2: 7.0}  # inches that one and two columns of a page are wide
KINDS: dict[str, dict[str, Any]] = {  # of files, and what would differ from run to run
    "png": {},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
}


def canvas(columns: int, shape: float) -> Figure:
    """Return an empty figure, one or two columns wide; `shape` is its height over its width.

    It is not pyplot's: nothing global is touched.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(COLUMNS[columns], COLUMNS[columns] * shape), layout="constrained")


def arranged(
    rows: list[Row], panels: Mapping[str, Panel], columns: int, *, across: int, shape: float
) -> Figure:
    """Draw all panels from the rows, `across` of them beside each other, on a `canvas`."""
    figure = canvas(columns, shape)
    grid = figure.subplots(ceil(len(panels) / across), across, squeeze=False).ravel()
    for axes, panel in zip(grid, panels.values(), strict=False):
        panel(rows, axes)
    for axes in grid[len(panels) :]:
        axes.remove()
    return figure


def caption(figure: Figure, text: str) -> None:
    """Keep what the figure shows beside it, for a text file: no title of several lines."""
    figure.set_label(" ".join(text.split()))


def fitted(figure: Figure) -> Figure:
    """The figure with text of 7 and 8 points and lines to match, as a page needs it."""
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.text import Text

    titles = {id(axes.title) for axes in figure.axes}
    for part in figure.get_children():  # each artist is looked at once: there are thousands
        inside = isinstance(part, Axes)
        if isinstance(part, Axes):
            part.tick_params(width=0.6, length=2.5, pad=2)
        for artist in part.findobj():
            if isinstance(artist, Text):
                artist.set_fontsize(TITLE if id(artist) in titles else TEXT)
            elif inside and isinstance(artist, LineCollection):
                artist.set_linewidth(list(np.multiply(artist.get_linewidth(), THINNER)))
            elif inside and isinstance(artist, (Line2D, Patch)):
                artist.set_linewidth(artist.get_linewidth() * THINNER)
                if isinstance(artist, Line2D):
                    artist.set_markersize(artist.get_markersize() * THINNER)
    return figure


LABELS = ("panel", "row", "column", "name", "ranks")  # text, though it may look like a number


def read(path: Path) -> list[Row]:
    """Return the rows that `publish` wrote, numbers as numbers, labels as text."""

    def value(column: str, text: str) -> int | float | str:
        for number in (int, float) if column not in LABELS else ():
            try:
                return number(text)
            except ValueError:
                pass
        return text

    with path.open(encoding="utf-8", newline="") as file:
        data = (line for line in file if not line.startswith("# "))
        return [
            {name: value(name, text) for name, text in row.items()} for row in csv.DictReader(data)
        ]


def numbers(rows: list[Row], about: Mapping[str, str]) -> str:
    """The text of a CSV file: the version of the library, how the rows were made, and the rows."""
    columns, about = list(rows[0]), {"version": am.__version__, **about}
    head = "".join(f"# {name}: {text}\n" for name, text in about.items())
    return head + csv_text(columns, ([row.get(c) for c in columns] for row in rows))


def publish(
    out: Path,
    stem: str,
    rows: list[Row],
    figure: Figure,
    texts: Mapping[str, str] | None = None,
    *,
    about: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write stem.png, .pdf, .svg, .csv, the caption in .txt and further texts; return their paths.

    Each file is written atomically. The CSV starts with lines of comment, "# name: text", that say
    how it was made: what is in ``about``, and the version of the library.
    """
    files = {f"{stem}.{kind}": picture(figure, kind) for kind in KINDS}
    files[f"{stem}.csv"] = numbers(rows, about or {}).encode()
    files[f"{stem}.txt"] = f"{figure.get_label()}\n".encode()
    files |= {name: text.encode() for name, text in (texts or {}).items()}
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with replaced(out / name) as file:
            file.write(content)
    return [out / name for name in files]


def picture(figure: Figure, kind: str) -> bytes:
    """The file of a figure as PNG, PDF or SVG: the same bytes for the same figure."""
    from matplotlib import rc_context

    file = io.BytesIO()
    with rc_context({"svg.hashsalt": "assocmem"}):
        figure.savefig(file, format=kind, dpi=DPI, metadata=KINDS[kind])
    return file.getvalue()

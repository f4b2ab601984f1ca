"""The figures: each measures rows of numbers, writes them as CSV, and draws from those rows alone.

One module a figure, with `measure` (numbers to rows), `draw` (rows to a picture) and `make`, which
writes both into a directory.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from validation.cases import Context
from validation.figures.induction_head import make as make_induction_head
from validation.figures.margins import make as make_margins
from validation.figures.steps_map import make as make_map
from validation.figures.width import make as make_width

FIGURES: dict[str, Callable[[Path, Context], list[Path]]] = {
    "induction-head": make_induction_head,
    "map": make_map,
    "width": make_width,
    "margins": make_margins,
}

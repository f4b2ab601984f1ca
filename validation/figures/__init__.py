"""The figures: each measures rows of numbers, writes them as CSV, and draws from those rows alone.

One module a figure, with `measure` (numbers to rows), `draw` (rows to a picture) and `make`, which
writes both into a directory. Those that draw predicted curves have `agreements` too: rows to counts
of measured points that agree, each with a verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from validation.figures.agreement import Agreement
from validation.figures.attention import make as make_2
from validation.figures.bigrams import make as make_4
from validation.figures.capacity import agreements as agreements_capacity
from validation.figures.capacity import make as make_capacity
from validation.figures.coherence import agreements as agreements_coherence
from validation.figures.coherence import make as make_coherence
from validation.figures.depth import make as make_depth
from validation.figures.forming import make as make_3
from validation.figures.heads import make as make_heads
from validation.figures.induction_head import make as make_induction_head
from validation.figures.margins import make as make_margins
from validation.figures.phase import agreements as agreements_phase
from validation.figures.phase import make as make_phase
from validation.figures.sheets import Row
from validation.figures.steps_map import make as make_map
from validation.figures.times import make as make_times
from validation.figures.triggers import make as make_triggers
from validation.figures.width import agreements as agreements_width
from validation.figures.width import make as make_width
from validation.figures.writers import make as make_writers

FIGURES: dict[str, Callable[..., list[Path]]] = {
    "induction-head": make_induction_head,
    "2": make_2,
    "3": make_3,
    "4": make_4,
    "depth": make_depth,
    "triggers": make_triggers,
    "times": make_times,
    "map": make_map,
    "width": make_width,
    "margins": make_margins,
    "phase": make_phase,
    "coherence": make_coherence,
    "capacity": make_capacity,
    "heads": make_heads,
    "writers": make_writers,
}

AGREEMENTS: dict[str, Callable[[list[Row]], list[Agreement]]] = {
    "width": agreements_width,
    "phase": agreements_phase,
    "coherence": agreements_coherence,
    "capacity": agreements_capacity,
}

# The figures that show a claim.
SHOWN_BY: dict[str, tuple[str, ...]] = {
    "T": ("induction-head", "margins"),
    "WR2": ("writers",),
    "WR3": ("writers",),
    "T-S1": ("map",),
    "T-S2": ("map",),
    "T-S3": ("map",),
    "D1": ("depth",),
    "D2": ("3", "2"),
    "B1": ("triggers",),
    "B2": ("triggers",),
    "B2-text": ("triggers",),
    "B3": ("times",),
    "D3": ("4",),
    "D4": ("4",),
    "W3": ("width",),
    "W4": ("width",),
    "W6": ("width",),
    "W7": ("phase",),
    "NO2": ("coherence",),
    "NO5": ("coherence",),
    "NO6": ("coherence",),
    "NO7": ("coherence",),
    "C2": ("capacity",),
    "C3": ("capacity",),
    "C4": ("capacity",),
    "C6": ("capacity",),
    "H3": ("heads",),
}

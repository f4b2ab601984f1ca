"""The figures: each measures rows of numbers, writes them as CSV, and draws from those rows alone.

One module a figure, with `data` (sizes to rows), `draw` (rows to a figure of one or two columns of
a journal) and ``PANELS``, whose functions draw a part of the rows into axes of yours:

    rows = capacity.data(Context(np.random.default_rng(0)))
    capacity.PANELS["recall"](rows, ax)

Those that draw predicted curves have `agreements` too: rows to counts of measured points that
agree, each with a verdict. `make` writes the files of a figure.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from validation.figures import (
    attention,
    bigrams,
    capacity,
    coherence,
    conditions,
    depth,
    exact,
    finite_steps,
    forming,
    heads,
    induction_head,
    margins,
    near_orthogonality,
    noise,
    phase,
    sheets,
    steps_map,
    times,
    triggers,
    width,
    writers,
)
from validation.runner.cases import Context

FIGURES: dict[str, ModuleType] = {
    "induction-head": induction_head,
    "exact": exact,
    "conditions": conditions,
    "finite-steps": finite_steps,
    "near-orthogonality": near_orthogonality,
    "noise": noise,
    "2": attention,
    "3": forming,
    "4": bigrams,
    "depth": depth,
    "triggers": triggers,
    "times": times,
    "map": steps_map,
    "width": width,
    "margins": margins,
    "phase": phase,
    "coherence": coherence,
    "capacity": capacity,
    "heads": heads,
    "writers": writers,
}


def make(name: str, out: Path, context: Context, *, columns: int = 2, **sizes: Any) -> list[Path]:
    """Measure, draw and write the figure of this name; return the paths of its files."""
    module = FIGURES[name]
    rows = module.data(context, **sizes)
    texts = module.texts(rows) if hasattr(module, "texts") else {}
    figure = module.draw(rows, columns=columns)
    return sheets.publish(out, name, rows, figure, texts, about=context.about)


# Of one core, measured; beside each that takes more than a minute, why.
SECONDS = {
    "induction-head": 4,
    "exact": 5,
    "conditions": 6,
    "finite-steps": 16,
    "near-orthogonality": 11,
    "noise": 21,
    "2": 7,
    "3": 98,
    "4": 96,
    "depth": 33,
    "triggers": 63,
    "times": 56,
    "map": 11,
    "width": 24,
    "margins": 10,
    "phase": 46,
    "coherence": 10,
    "capacity": 19,
    "heads": 3,
    "writers": 17,
}
WHY_LONG = {
    "3": "sixteen models are trained, two of them in all their parameters",
    "4": "fourteen models are trained, ten of them on all tokens",
    "triggers": "eight models are trained, and gradients with loss on all tokens taken",
}

BY_CLAIM = ("exact", "conditions", "finite-steps", "near-orthogonality", "noise")  # a panel a claim

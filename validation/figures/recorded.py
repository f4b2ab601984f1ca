"""Figures that take hours of training, whose numbers are kept as records.

``python -m validation.figures.recorded`` trains what is missing, in this order, and writes
``validation/records/figure-*.csv``, from which the site draws. What an interruption leaves below
``out`` is taken up again; ``--names`` takes some of the figures alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from assocmem._files import replaced
from validation.dynamics.experiments import SCALES
from validation.figures import FIGURES, sheets
from validation.runner.cases import Context

NAMES = ("4", "3", "depth", "2", "times")
RECORDS = Path(__file__).parents[1] / "records"
SEED = 0


def record(name: str, folder: Path) -> Path:
    """Run a figure, with the random numbers of its command, and write its CSV as a record."""
    sizes = getattr(FIGURES[name], "SIZES", SCALES["full"].given())
    about = {
        "command": f"python -m validation figure {name} --seed {SEED} --scale paper",
        "seed": str(SEED),
        "sizes": ", ".join(f"{key} {value}" for key, value in sizes.items()),
    }
    rng = np.random.default_rng([SEED, *name.encode()])
    rows = FIGURES[name].data(Context(rng, "full", about, folder))
    path = RECORDS / f"figure-{name}.csv"
    with replaced(path) as file:
        file.write(sheets.numbers(rows, about).encode())
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    """Record the figures one after the other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--names", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--output", type=Path, default=Path("out"), help="of the runs (out)")
    options = parser.parse_args(arguments)
    for name in options.names:
        print(record(name, options.output), flush=True)


if __name__ == "__main__":
    main()

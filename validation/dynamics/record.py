"""Take the record of the claims on dynamics anew: ``python -m validation.dynamics.record``.

It holds the numbers of single runs, for readers: no check compares with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import assocmem
from assocmem._files import csv_text, replaced
from validation.dynamics import d1, d2, d3, d4, d4_nested, d5, d6, d7
from validation.dynamics.experiments import SCALES, histories
from validation.dynamics.measures import Found
from validation.runner.cases import PAIRS

CLAIMED = {
    "D1": d1,
    "D2": d2,
    "D3": d3,
    "D4": d4,
    "D4-nested": d4_nested,
    "D5": d5,
    "D6": d6,
    "D7": d7,
}
ALSO = ("K = 1 fixed",)  # which a note speaks of
GROUPED = d2.GROUPED | d4.GROUPED  # how many runs a comparison averages, where not one
SEED = 1000
RECORD = Path(__file__).parents[1] / "records" / "dynamics.csv"


def taken(folder: Path) -> dict[str, Any]:
    """Runs of every experiment of the claims, taken up where left."""
    found: dict[str, Any] = {}
    names = dict.fromkeys(name for claim in CLAIMED.values() for name in claim.NAMES)
    names |= dict.fromkeys(ALSO)
    for name in names:
        rng = np.random.default_rng([SEED, *name.encode()])
        found |= histories(
            [name],
            scale=SCALES["quick"],
            seeds=PAIRS * GROUPED.get(name, 1),
            rng=rng,
            folder=folder / name,
        )
    return found


def rows(found: Found) -> Iterator[dict[str, Any]]:
    """One for each experiment, run and column of its history: its value at the end."""
    sizes = asdict(SCALES["quick"])
    setting = {name: sizes[name] for name in ("length", "width", "batch_size")}
    for name, runs in found.items():
        for run, curves in enumerate(runs):
            for column, values in curves.items():
                if column.startswith(("accuracy", "recall", "bigram_kl")):
                    yield {
                        "experiment": name,
                        "run": run,
                        "updates": int(curves["step"][-1]),
                        "quantity": column,
                        "value": f"{values[-1]:.4g}",
                        **setting,
                        "seed": SEED,
                        "version": assocmem.__version__,
                    }


def write(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the rows as CSV."""
    with replaced(path) as file:
        file.write(csv_text(list(lines[0]), (line.values() for line in lines)).encode())


def main() -> None:
    """Take the runs, write the record, print the orders."""
    found = taken(Path("out") / "dynamics")
    write(list(rows(found)), RECORD)
    for id, claim in CLAIMED.items():
        grouped = getattr(claim, "GROUPED", {})
        few = {name: found[name][: PAIRS * grouped.get(name, 1)] for name in claim.NAMES}
        for case in claim.orders(few):
            seen = (
                case.undecided or {True: "confirmed", False: "refuted"}[bool(case.passed("order"))]
            )
            print(f"{id:<10} {case.case:<70} {case.predicted:>3g} {case.measured:>5.2g} {seen}")


if __name__ == "__main__":
    main()

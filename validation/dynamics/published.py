"""What the differences from the paper's experiments change.

``python -m validation.dynamics.published`` writes the record. Runs of the published setting at the
quick scale, with outputs that may be triggers and without; the memories asked by the ranges of the
histories, and by those of the paper.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import assocmem as am
from validation.dynamics.experiments import SCALES, Experiment
from validation.dynamics.record import SEED, write

RECORD = Path(__file__).parents[1] / "records" / "published.csv"
RUNS = 3
AVOID = ("triggers", "trigger", "nothing")


def rows() -> Iterator[dict[str, Any]]:
    """One for each run and quantity."""
    sizes = {k: v for k, v in asdict(SCALES["quick"]).items() if k in ("length", "width", "steps")}
    for run in range(RUNS):
        for avoid in AVOID:
            rng = np.random.default_rng([SEED, run, *avoid.encode()])
            setting = Experiment({"avoid": avoid}).setting(SCALES["quick"], rng)
            found = am.training.train(**setting)
            asked = am.training.published_probes(setting["task"], found.embeddings)
            numbers = {
                "accuracy": found.history["accuracy"][-1],
                **{f"recall of {n}, history": found.history[f"recall_{n}"][-1] for n in asked},
                **{
                    f"recall of {n}, published": p.recall(found.weights[n])
                    for n, p in asked.items()
                },
            }
            for quantity, value in numbers.items():
                yield {
                    "avoid": avoid,
                    "run": run,
                    "quantity": quantity,
                    "value": f"{value:.4g}",
                    **sizes,
                    "seed": SEED,
                    "version": am.__version__,
                }


if __name__ == "__main__":
    write(list(rows()), RECORD)

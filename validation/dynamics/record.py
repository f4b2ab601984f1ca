"""Take the record of the claims D1 to D6 anew: ``python -m validation.dynamics.record``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from theory.dynamics.claims import RUNS
from validation.dynamics import d1, d2, d3, d4, d5, d6
from validation.dynamics.experiments import SCALES, histories
from validation.dynamics.measures import RECORDED, Found

CLAIMED = {"D1": d1, "D2": d2, "D3": d3, "D4": d4, "D5": d5, "D6": d6}


def measured(folder: Path) -> dict[str, dict[str, tuple[float, float]]]:
    """Mean and standard deviation of every quantity over runs of their own, taken up where left."""
    found = {}
    for id, claim in CLAIMED.items():
        scale, rng = SCALES["quick"], np.random.default_rng(RECORDED)
        runs = histories(claim.NAMES, scale=scale, seeds=RUNS[id], rng=rng, folder=folder / id)
        found[id] = summarised(id, runs)
    return found


def summarised(id: str, found: Found) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of a claim's quantities over the runs, four digits of each."""
    return {
        name: (float(f"{draws.mean():.4g}"), float(f"{draws.std(ddof=1):.4g}"))
        for name, draws in CLAIMED[id].quantities(found).items()
    }

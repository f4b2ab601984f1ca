"""Short runs of training, for tests."""

from __future__ import annotations

import numpy as np

from assocmem.tasks import BigramTask, Language
from assocmem.training import published, train

LANGUAGE = Language.zipf(7, rng=3)
TASK = BigramTask(LANGUAGE, length=12, n_triggers=2)
SHORT = {"steps": 6, "batch_size": 8, "evaluate_every": 3, "evaluate_on": 20}
RATES = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.01}


def short(task=TASK, **changes):
    """A run of a few steps in float64, at a width where everything is quick."""
    setting = published(task, width=16, rng=changes.pop("rng", 0), dtype=np.float64)
    return train(task, **(setting | SHORT | changes))


def bits(run):
    """Every number that a run computed, as bytes."""
    velocities = {name: state["velocity"] for name, state in run.state.items()}
    parts = [run.weights, velocities, dict(run.history)]
    return [(name, array.tobytes()) for part in parts for name, array in sorted(part.items())]

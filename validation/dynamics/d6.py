"""Check of D6: a transformer with nothing frozen forms the same memories, in another order."""

from __future__ import annotations

from validation.dynamics import experiments
from validation.dynamics.measures import Found, Quantities, final, first, recorded


def quantities(found: Found) -> Quantities:
    """D6: when each memory is half there in the reference, which head ever has it."""
    runs = found[experiments.REFERENCE]
    times = {name: first(runs, f"recall_{name}", 0.5) for name in ("W_O2", "W_K2", "W_K1")}
    return {f"updates until recall of {name} is 1/2": time for name, time in times.items()} | {
        "updates from W_K1 to W_O2": times["W_O2"] - times["W_K1"],
        "accuracy": final(runs, "accuracy"),
        "recall of W_O2 at the end": final(runs, "recall_W_O2"),
        "recall of W_K1 at the end": final(runs, "recall_W_K1"),
    }


NAMES = (experiments.REFERENCE,)
check = recorded("D6", NAMES, quantities)

"""Check of D2: the order in which the three memories form."""

from __future__ import annotations

from validation.dynamics.measures import Found, Quantities, final, first, recorded


def quantities(found: Found) -> Quantities:
    """D2: when each memory is half there."""
    runs = found["all three"]
    times = {name: first(runs, f"recall_{name}", 0.5) for name in ("W_O2", "W_K2", "W_K1")}
    return {f"updates until recall of {name} is 1/2": time for name, time in times.items()} | {
        "updates from W_O2 to W_K2": times["W_K2"] - times["W_O2"],
        "updates from W_O2 to W_K1": times["W_K1"] - times["W_O2"],
        "recall of W_K1 at the end": final(runs, "recall_W_K1"),
    }


NAMES = ("all three",)
check = recorded("D2", NAMES, quantities)

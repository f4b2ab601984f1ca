"""Check of D3: global bigrams are learned before the induction head."""

from __future__ import annotations

from validation.dynamics.measures import Found, Quantities, first, recorded


def quantities(found: Found) -> Quantities:
    """D3: when the global bigrams are known, and when the induction head works."""
    runs = found["K = 5 fixed"]
    known = first(runs, "bigram_kl", 0.6, falls=True)
    head = first(runs, "accuracy", 0.5)
    return {
        "updates until KL to the bigrams is 0.6 nats": known,
        "updates until accuracy is 1/2": head,
        "updates from the one to the other": head - known,
    }


NAMES = ("K = 5 fixed",)
check = recorded("D3", NAMES, quantities)

"""Check of D1: one layer does not solve in-context bigrams, two layers do."""

from __future__ import annotations

from validation.dynamics.measures import Found, Quantities, final, recorded


def quantities(found: Found) -> Quantities:
    """D1: accuracy with one layer and with two."""
    two, one = (final(found[name], "accuracy") for name in ("all three", "one layer"))
    return {
        "accuracy, two layers": two,
        "accuracy, one layer": one,
        "accuracy that the second layer adds": two - one,
    }


NAMES = ("all three", "one layer")
check = recorded("D1", NAMES, quantities)

"""Check of D4: random triggers slow the head down, rare ones stop it; fewer fixed ones do not."""

from __future__ import annotations

from validation.dynamics.measures import Found, Quantities, final, recorded


def quantities(found: Found) -> Quantities:
    """D4: accuracy in the end, by the triggers."""
    at_end = {
        name: final(found[name], "accuracy")
        for name in ("K = 1 fixed", "K = 5 fixed", "K = 20 fixed", "K = 5 rare", "K = 5 random")
    }
    return {f"accuracy, {name}": value for name, value in at_end.items()} | {
        "accuracy lost with random triggers": at_end["K = 5 fixed"] - at_end["K = 5 random"],
        "accuracy lost with 20 triggers for 1": at_end["K = 1 fixed"] - at_end["K = 20 fixed"],
    }


NAMES = ("K = 1 fixed", "K = 5 fixed", "K = 20 fixed", "K = 5 rare", "K = 5 random")
check = recorded("D4", NAMES, quantities)

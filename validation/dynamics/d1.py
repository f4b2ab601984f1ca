"""Check of D1: one layer does not solve in-context bigrams, two layers do."""

from __future__ import annotations

from collections.abc import Iterator

from validation.dynamics.measures import Found, final, trained
from validation.runner.cases import Case, order

NAMES = ("all three", "one layer")


def orders(found: Found) -> Iterator[Case]:
    two, one = (final(found[name], "accuracy") for name in NAMES)
    yield order("accuracy, two layers above one", two - one).of("a")
    yield order("accuracy, two layers above 3/4", two - 3 / 4).of("b")
    yield order("accuracy, one layer below 1/2", 1 / 2 - one).of("b")


check = trained(NAMES, orders)

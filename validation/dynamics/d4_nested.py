"""Check of D4-nested, which is withdrawn: its counterexample."""

from __future__ import annotations

from collections.abc import Iterator

from validation.dynamics.measures import Found, final, trained
from validation.runner.cases import Case, order

NAMES = ("third alone", "K = 5 fixed")


def orders(found: Found) -> Iterator[Case]:
    """The claim predicts that one trigger alone is no worse; -1 is what it must not be."""
    one, five = (final(found[name], "accuracy_third") for name in NAMES)
    yield order("counterexample: asked the third, third alone above K = 5 fixed", one - five, -1)


check = trained(NAMES, orders)

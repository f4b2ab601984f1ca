"""Check of D6: with layer norm and nothing frozen W_K1 is recalled before W_O2, the opposite of
D2."""

from __future__ import annotations

from collections.abc import Iterator

from validation.dynamics import experiments
from validation.dynamics.measures import Found, final, first, trained
from validation.runner.cases import Case, order

NAMES = (experiments.REFERENCE,)


def orders(found: Found) -> Iterator[Case]:
    """Within the same run; of each memory the head that recalls it best."""
    runs = found[experiments.REFERENCE]
    when = {name: first(runs, f"recall_{name}", 0.5) for name in ("W_O2", "W_K1")}
    yield order("recall 1/2, W_K1 before W_O2", when["W_O2"] - when["W_K1"]).of("b")
    yield order("accuracy above 9/10", final(runs, "accuracy") - 9 / 10).of("a")


check = trained(NAMES, orders)

"""Check of D2: the output memory is the first to form, the previous-token memory the last."""

from __future__ import annotations

from collections.abc import Iterator

from validation.dynamics.measures import Found, Numbers, by_group, first, trained
from validation.runner.cases import Case, order

NAMES = ("all three",)
GROUP = 4  # runs that a comparison averages
GROUPED = dict.fromkeys(NAMES, GROUP)


def orders(found: Found) -> Iterator[Case]:
    """Within the same run, in updates; single runs can differ where groups do not."""

    def when(name: str, recall: float) -> Numbers:
        return first(found["all three"], f"recall_{name}", recall)

    half = {name: by_group(when(name, 0.5)) for name in ("W_O2", "W_K2", "W_K1")}
    for later in ("W_K2", "W_K1"):
        name = f"recall 1/2, W_O2 before {later}, means of {GROUP} runs"
        yield order(name, half[later] - half["W_O2"]).of("a")
    for earlier in ("W_O2", "W_K2"):
        name = f"recall 9/10, {earlier} before W_K1, means of {GROUP} runs"
        yield order(name, by_group(when("W_K1", 0.9) - when(earlier, 0.9))).of("b")


check = trained(NAMES, orders, grouped=GROUPED)

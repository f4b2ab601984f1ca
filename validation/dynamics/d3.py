"""Check of D3: global bigrams are learned before the induction head."""

from __future__ import annotations

from collections.abc import Iterator

from validation.dynamics.leads import global_first
from validation.dynamics.measures import Found, first, trained
from validation.runner.cases import Case, order

NAMES = ("K = 5 fixed",)


def orders(found: Found) -> Iterator[Case]:
    """Each run against itself: the updates until half of the divergence that it has is gone."""
    predicted = global_first("K = 5 fixed")
    runs = found["K = 5 fixed"]
    known = [first([r], "bigram_kl", r["bigram_kl"][0] / 2, falls=True)[0] for r in runs]
    head = first(runs, "accuracy", 0.5)
    yield order("half of the KL gone before accuracy is 1/2", head - known, predicted).of("a")
    early = [first([r], "bigram_kl", r["bigram_kl"][0] / 4, falls=True)[0] for r in runs]
    name = "three quarters of the KL gone before accuracy is 1/2"
    yield order(name, head - early, predicted).of("b")


check = trained(NAMES, orders)

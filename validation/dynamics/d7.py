"""Check of D7: the global bigrams are not in W_F alone."""

from __future__ import annotations

from collections.abc import Iterator

from validation.dynamics.measures import Found, final, trained
from validation.runner.cases import Case, order

NAMES = ("K = 5 fixed",)


def orders(found: Found) -> Iterator[Case]:
    """In the end, each run against itself."""
    runs = found["K = 5 fixed"]
    alone, whole = final(runs, "bigram_kl_W_F"), final(runs, "bigram_kl")
    yield order("KL to the bigrams: W_F alone above the model", alone - whole).of("a")
    yield order("KL to the bigrams: W_F alone above twice the model", alone - 2 * whole).of("a")
    start = [curves["bigram_kl_W_F"][0] for curves in runs]
    yield order("KL to the bigrams: W_F alone below its start", start - alone).of("a")
    recall = final(runs, "recall_W_F")
    yield order("recall of W_F above 1/4", recall - 1 / 4).of("b")
    yield order("recall of W_F below 3/4", 3 / 4 - recall).of("b")


check = trained(NAMES, orders)

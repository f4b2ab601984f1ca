"""Check of C6: cross-entropy recalls 99 % of the pairs where outer products recall half."""

from __future__ import annotations

from collections.abc import Iterator

from assocmem import capacity
from validation.capacity.draws import drawn_recall
from validation.runner.cases import Case, Context, between


def check(context: Context) -> Iterator[Case]:
    """C6: cross-entropy where outer products recall half, and at four times as many pairs."""
    sizes = ((8, 40), (16, 40), (32, 20)) if context.full else ((8, 10), (16, 10))
    for d, memories in sizes:
        most = round(capacity.capacity(d))
        full, _ = drawn_recall(most, d, memories, context.rng, rule="cross-entropy")
        name = f"recall of n* = {most} pairs, d = {d}"
        yield Case(name, 1, full, 0.01, evidence="range").of("a")
        beyond, _ = drawn_recall(4 * most, d, memories, context.rng, rule="cross-entropy")
        name = f"recall of 4 n* pairs: from 0 to 1/2, d = {d}"
        yield between(name, 0, 0.5, beyond, "range").of("b")

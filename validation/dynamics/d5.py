"""Check of D5: an induction head trained on outputs from the bigrams generalises less well."""

from __future__ import annotations

from collections.abc import Iterator

from validation.dynamics.measures import Found, final, trained
from validation.runner.cases import Case, order

NAMES = ("uniform outputs", "bigram outputs")


def orders(found: Found) -> Iterator[Case]:
    uniform, bigram = (found[name] for name in NAMES)
    on_uniform = final(uniform, "accuracy_uniform") - final(bigram, "accuracy_uniform")
    yield order("tested on uniform outputs, trained on uniform above bigram", on_uniform).of("a")
    lost = final(bigram, "accuracy_bigram") - final(bigram, "accuracy_uniform")
    yield order("trained on bigram outputs, tested on them above uniform", lost).of("b")
    kept = final(uniform, "accuracy_bigram") - final(uniform, "accuracy_uniform")
    yield order("lost on the other outputs, trained on bigram above uniform", lost + kept).of("c")


check = trained(NAMES, orders)

"""Check of D4: fewer, rarer and random triggers slow the head down, by what they repeat."""

from __future__ import annotations

from collections.abc import Iterator

from validation.dynamics.experiments import by_rank
from validation.dynamics.leads import output_lead, query_lead, sign
from validation.dynamics.measures import Found, by_group, final, trained
from validation.runner.cases import Case, order

# Which head answers better, on which test: the predicted sign is that of the lead of the row of
# W_K2 of the trigger asked, and of W_O2 where that is no single one.
ASKED_THIRD = (
    ("K = 5 fixed", "third alone"),
    ("second and third", "five of that mass"),
    ("first and third", "third alone"),
    ("first and third", "K = 20 fixed"),
)
ASKED_OTHERS = (
    ("K = 5 random", "K = 3 random", "random"),
    ("K = 3 random", "K = 1 random", "random"),
    ("K = 5 fixed", "K = 5 random", "five"),
    ("K = 5 fixed", "K = 5 rare", ""),
)
# Runs with five triggers or with random ones differ most, in when the head forms: single pairs are
# the other way about once in twenty. Each comparison takes the means of so many.
GROUPED = dict.fromkeys(("K = 5 fixed", "K = 5 random", "K = 3 random", "K = 1 random"), 4)
NAMES = tuple(dict.fromkeys(name for pair in (*ASKED_THIRD, *ASKED_OTHERS) for name in pair[:2]))


def orders(found: Found) -> Iterator[Case]:
    """Accuracy in the end."""

    def gained(better: str, worse: str, test: str) -> Case:
        column = f"accuracy_{test}" if test else "accuracy"
        predicted = (
            query_lead(better, *by_rank(3)) - query_lead(worse, *by_rank(3))
            if test == "third"
            else output_lead(better) - output_lead(worse)
        )
        asked = {"": "its own", "five": "the top five", "random": "five random"}.get(test, test)
        means = [by_group(final(found[name], column)) for name in (better, worse)]
        return order(f"asked {asked}: {better} above {worse}", means[0] - means[1], sign(predicted))

    for better, worse in ASKED_THIRD:
        yield gained(better, worse, "third").of("b" if worse == "five of that mass" else "a")
    for better, worse, test in ASKED_OTHERS:
        yield gained(better, worse, test).of({"random": "c", "five": "d", "": "e"}[test])


check = trained(NAMES, orders, grouped=GROUPED)

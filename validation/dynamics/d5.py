"""Check of D5: bigram outputs teach an induction head that generalises worse."""

from __future__ import annotations

from validation.dynamics.measures import Found, Quantities, final, recorded


def quantities(found: Found) -> Quantities:
    """D5: accuracy on both tests, by the outputs trained on."""
    scores = {
        f"trained on {trained}, tested on {tested}": final(
            found[f"{trained} outputs"], f"accuracy_{tested}"
        )
        for trained in ("uniform", "bigram")
        for tested in ("uniform", "bigram")
    }
    lost = (
        scores["trained on uniform, tested on uniform"]
        - scores["trained on bigram, tested on uniform"]
    )
    return scores | {"accuracy on uniform outputs lost by bigram training": lost}


NAMES = ("uniform outputs", "bigram outputs")
check = recorded("D5", NAMES, quantities)

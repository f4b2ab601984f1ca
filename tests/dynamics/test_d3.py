"""D3: made-up runs, and the sign that the population gradients predict."""

import pytest

from tests.dynamics.planting import rising, runs, verdicts
from validation.dynamics import d3, leads


def found(known, head):
    """KL that has fallen by one half after ``known`` updates, accuracy one half after ``head``."""
    falling = 4.0 - rising(3.6, known)
    return {"K = 5 fixed": runs(0, bigram_kl=falling, accuracy=rising(0.9, head))}


@pytest.mark.parametrize(
    ("known", "head", "expected"),
    [(60, 340, [True, True]), (340, 60, [False, False]), (300, 320, [True, False])],
)
def test_every_part_is_seen(known, head, expected, monkeypatch):
    monkeypatch.setattr(d3, "global_first", lambda name: 1.0)
    assert verdicts("D3", found(known, head)) == expected


def test_the_gradients_predict_the_order(monkeypatch):
    """One trigger, where they are exact: against the head without the bigrams, for it with them."""
    before, after = (leads.output_lead("K = 1 fixed", name) for name in ("uniform", "bigrams"))
    assert before < 0 < after
    assert leads.global_first("K = 1 fixed") == 1
    monkeypatch.setattr(leads, "output_lead", lambda name, p: 1.0 if p == "uniform" else -1.0)
    assert leads.global_first("K = 1 fixed") == -1
    monkeypatch.setattr(leads, "output_lead", lambda name, p: 1.0)
    with pytest.raises(ValueError, match="to predict a sign"):
        leads.global_first("K = 1 fixed")

"""Planted errors that the check and the derivation of W2 must see."""

from __future__ import annotations

import pytest

import assocmem as am
from assocmem.width import moments as step_noise
from assocmem.width import wick
from tests.controls import alter, derivation_fails, failures
from tests.width.planting import COUNTS, counted_wrongly
from validation.width import w2


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch):
    """A fifth of the draws: the errors lie 19 standard deviations and more beyond the tolerance."""
    monkeypatch.setattr(w2, "DRAWS", 500)


@pytest.mark.parametrize("error", COUNTS)
def test_W2_sees_wrong_counts_of_pairings(error, monkeypatch, seed):
    alter(monkeypatch, wick, "expansion", counted_wrongly(COUNTS[error]))
    assert any(failures("W2", seed)), f"{seed=}"


def test_W2_sees_images_taken_for_independent_vectors(monkeypatch, seed):
    """The crosstalk of images is twice that of independent keys, which C1 would predict."""
    short = {"Vv": "", "Vvf": "f", "Ff": "", "": "", "f": "f"}

    def independent(terms):
        for term in terms:
            left, right = (p._replace(word=short[p.word]) for p in (term.left, term.right))
            yield term._replace(left=left, right=right)

    alter(monkeypatch, step_noise, "recall_terms", lambda terms: [*independent(terms)])
    assert any(failures("W2", seed)), f"{seed=}"


def test_W2_sees_scores_that_are_scaled(monkeypatch, seed):
    alter(monkeypatch, am.AssociativeMemory, "scores", lambda scores: 1.2 * scores)
    assert any(failures("W2", seed)), f"{seed=}"


def test_W2_fails_when_a_pairing_is_dropped(monkeypatch):
    alter(monkeypatch, wick, "expansion", lambda pairings: dict([*pairings.items()][:-1]))
    derivation_fails("W2", ".*differ")

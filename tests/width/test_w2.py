"""Planted errors that the check and the derivation of W2 must see."""

from __future__ import annotations

import pytest

import assocmem as am
from assocmem.width import moments as step_noise
from assocmem.width import wick
from tests.controls import derivation_fails, failures
from validation.width import w2


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch):
    """A fifth of the draws: the errors lie 19 standard deviations and more beyond the tolerance."""
    monkeypatch.setattr(w2, "DRAWS", 500)


@pytest.mark.parametrize(
    "error",
    [
        lambda powers: {power + 1: count for power, count in powers.items()},
        lambda powers: {power: 2 * count for power, count in powers.items()},
        lambda powers: {p: count / 2 if p == 1 else count for p, count in powers.items()},
        lambda powers: {power: -count for power, count in powers.items()},
    ],
    ids=["power", "factor", "half the noise", "sign"],
)
def test_W2_sees_wrong_counts_of_pairings(error, monkeypatch, seed):
    right = wick.expansion
    monkeypatch.setattr(
        wick,
        "expansion",
        lambda segments: {
            pairing: error(powers) if len(pairing) == 4 else powers
            for pairing, powers in right(segments).items()
        },
    )
    assert any(failures("W2", seed)), f"{seed=}"


def test_W2_sees_images_taken_for_independent_vectors(monkeypatch, seed):
    """The crosstalk of images is twice that of independent keys, which C1 would predict."""
    right = step_noise.recall_terms

    def independent(name, task, coefficients):
        short = {"Vv": "", "Vvf": "f", "Ff": "", "": "", "f": "f"}
        return [
            term._replace(
                left=term.left._replace(word=short[term.left.word]),
                right=term.right._replace(word=short[term.right.word]),
            )
            for term in right(name, task, coefficients)
        ]

    monkeypatch.setattr(step_noise, "recall_terms", independent)
    assert any(failures("W2", seed)), f"{seed=}"


def test_W2_sees_scores_that_are_scaled(monkeypatch, seed):
    right = am.AssociativeMemory.scores
    monkeypatch.setattr(
        am.AssociativeMemory, "scores", lambda W, *a, **kw: 1.2 * right(W, *a, **kw)
    )
    assert any(failures("W2", seed)), f"{seed=}"


def test_W2_fails_when_a_pairing_is_dropped(monkeypatch):
    right = wick.expansion
    monkeypatch.setattr(
        wick, "expansion", lambda segments: dict(list(right(segments).items())[:-1])
    )
    derivation_fails("W2", ".*differ")

"""W6 follows from its definitions, and fails once a term of the library is altered."""

from __future__ import annotations

import numpy as np
import pytest

from assocmem.width import bounds as library
from theory import CLAIMS
from theory.derivation import DerivationError, derive
from theory.derivations import end_to_end
from theory.derivations.end_to_end import DERIVATIONS


def fails(match):
    with pytest.raises(DerivationError, match=rf"^W6: .*{match}"):
        derive(CLAIMS["W6"], DERIVATIONS["W6"])


def test_the_derivation_holds():
    derive(CLAIMS["W6"], DERIVATIONS["W6"])


@pytest.mark.parametrize(
    "error",
    [
        lambda log_odds, error: np.tanh(np.asarray(error) / 4),
        lambda log_odds, error: np.tanh(np.asarray(error) / 2),
    ],
    ids=["half", "without the mass"],
)
def test_it_fails_for_another_lemma(error, monkeypatch):
    monkeypatch.setattr(end_to_end, "moved", error)
    fails("The library at")


@pytest.mark.parametrize("term", ["_range_so_far", "_so_far"])
def test_it_fails_when_a_term_is_dropped(term, monkeypatch):
    monkeypatch.setattr(library, term, np.zeros_like)
    fails("error of that")


def test_it_fails_when_the_limit_is_taken_for_the_mean_square(monkeypatch):
    right = library.Deviations.at
    monkeypatch.setattr(
        library.Deviations, "at", lambda self, d: right(self, d).times(np.sqrt(1 / 2))
    )
    fails("moments of the polynomial")


def test_it_fails_for_words_of_other_atoms(monkeypatch):
    """Values of images taken for values of inputs."""
    right = library.Segment
    monkeypatch.setattr(
        library,
        "Segment",
        lambda word, *family, **named: right(word.replace("f", ""), *family, **named),
    )
    fails("moments of the polynomial|scores that")


def test_it_fails_for_scores_that_are_not_counted(monkeypatch):
    right = library.Deviations.__init__

    def altered(self, *arguments):
        right(self, *arguments)
        self.count -= 1

    monkeypatch.setattr(library.Deviations, "__init__", altered)
    fails("they are")

"""Planted errors that the check and the derivation of H2 must see."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from tests.controls import alter, derivation_fails, leave_out, seen
from theory.heads import h2 as theory
from validation.heads import h2


def test_H2_sees_gram_matrices_that_are_not_centred(monkeypatch, seed):
    monkeypatch.setattr(h2, "grams", lambda X, Y: (X @ X.T, Y @ Y.T))
    assert seen("H2", "pairings of 3", seed), f"{seed=}"


@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_H2_sees_another_ratio(factor, monkeypatch, seed):
    alter(monkeypatch, h2, "ratio", lambda found: factor * found)
    assert seen("H2", "tight frame", seed), f"{seed=}"


def test_H2_sees_pairings_taken_for_independent(monkeypatch, seed):
    """tr G tr H / n, as if answers were drawn with replacement: a third off at n = 3."""
    monkeypatch.setattr(h2, "permutations", lambda items: product(items, repeat=len(items)))
    assert seen("H2", "pairings of 3", seed), f"{seed=}"


def test_H2_sees_another_variance_of_the_weights(monkeypatch, seed):
    """Keys that are a fifth too large, which is 44 % of the variance."""

    def larger(model):
        layers = [[replace(head, W_K=1.2 * head.W_K) for head in layer] for layer in model.layers]
        return replace(model, layers=tuple(map(tuple, layers)))

    leave_out(monkeypatch, h2, "enumerated", "drawn")
    alter(monkeypatch, h2, "random_model", larger)
    assert seen("H2", "induction tables", seed), f"{seed=}"


class Uncentred:
    """NumPy, whose matrix of ones holds zeros: nothing is centred."""

    def __getattr__(self, name):
        return getattr(np, name)

    def ones(self, shape, dtype=None):
        return np.zeros(shape, int)


def test_H2_fails_without_centring(monkeypatch):
    monkeypatch.setattr(theory, "np", Uncentred())
    derivation_fails("H2", "Here")

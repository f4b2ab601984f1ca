"""W1 to W3 follow from their definitions, and fail once a term of the library is altered."""

from __future__ import annotations

import numpy as np
import pytest

from assocmem.vectors import bartlett
from assocmem.width import moments as step_noise
from assocmem.width import wick
from theory import CLAIMS
from theory.derivation import DerivationError, derive
from theory.derivations import width
from theory.derivations.width import DERIVATIONS


@pytest.mark.parametrize("claim_id", ["W1", "W2", "W3"])
def test_the_derivation_holds(claim_id):
    derive(CLAIMS[claim_id], DERIVATIONS[claim_id])


def fails(claim_id, match="differ"):
    with pytest.raises(DerivationError, match=rf"^{claim_id}: .*{match}"):
        derive(CLAIMS[claim_id], DERIVATIONS[claim_id])


@pytest.mark.parametrize(
    "error",
    [
        lambda L: 2 * L,
        lambda L: np.tril(L, -1) + np.eye(len(L)),
        lambda L: np.diag(np.diagonal(L)),
    ],
    ids=["factor", "diagonal", "below"],
)
def test_W1_fails_for_another_factor(error, monkeypatch):
    right = bartlett.bartlett
    monkeypatch.setattr(bartlett, "bartlett", lambda n, d, *, rng: error(right(n, d, rng=rng)))
    fails("W1", "The library|returns these atoms")


def test_W1_fails_for_degrees_of_freedom_that_start_one_lower(monkeypatch):
    right = bartlett.bartlett
    monkeypatch.setattr(bartlett, "bartlett", lambda n, d, *, rng: right(n, d - 1, rng=rng))
    fails("W1", "degrees of freedom")


def test_W1_fails_when_the_sphere_normalises_the_images(monkeypatch):
    right = bartlett.compressed_draw

    def altered(n_inputs, n_outputs, d, *, family, rng):
        parts = right(n_inputs, n_outputs, d, family=family, rng=rng)
        if family == "sphere":
            parts["Phi1"] = 2 * parts["Phi1"]
        return parts

    monkeypatch.setattr(width, "compressed_draw", altered)
    fails("W1", "is not normalised")


@pytest.mark.parametrize("claim_id", ["W1", "W2"])
def test_a_loop_that_is_not_counted_is_seen(claim_id, monkeypatch):
    wick.expansion.cache_clear()
    right = wick._loops
    monkeypatch.setattr(wick, "_loops", lambda *arguments: max(1, right(*arguments) - 1))
    try:
        fails(claim_id)
    finally:
        wick.expansion.cache_clear()


def test_W2_fails_when_a_pairing_is_dropped(monkeypatch):
    right = wick.expansion
    monkeypatch.setattr(
        wick, "expansion", lambda segments: dict(list(right(segments).items())[:-1])
    )
    fails("W2")


def test_W3_fails_for_another_bound(monkeypatch):
    right = step_noise.cantelli_failure
    monkeypatch.setattr(step_noise, "cantelli_failure", lambda *arguments: right(*arguments) * 1.1)
    fails("W3", "Not shown to be true")

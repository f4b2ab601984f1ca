"""NO1 to NO7 follow from the laws of the entries, and fail once the library's bound or map does."""

from __future__ import annotations

from math import sqrt

import pytest

import assocmem as am
from assocmem.model import embeddings
from assocmem.vectors import overlaps
from theory import CLAIMS
from theory.derivation import DerivationError, derive
from theory.derivations import coherence, coherence_law, near_orthogonality

DERIVATIONS = near_orthogonality.DERIVATIONS | coherence.DERIVATIONS | coherence_law.DERIVATIONS


def check_that_it_fails(claim_id, text):
    with pytest.raises(DerivationError, match=rf"^{claim_id}: .*{text}"):
        derive(CLAIMS[claim_id], DERIVATIONS[claim_id])


@pytest.mark.parametrize("claim_id", DERIVATIONS)
def test_the_derivation_holds(claim_id):
    derive(CLAIMS[claim_id], DERIVATIONS[claim_id])


@pytest.mark.parametrize("family", ["gaussian", "sphere", "rademacher"])
def test_NO1_fails_for_a_family_of_another_scale(family, monkeypatch):
    draw = getattr(am, family)
    monkeypatch.setattr(am, family, lambda n, d, *, rng: 2 * draw(n, d, rng=rng))
    check_that_it_fails("NO1", f"`{family}`.*differ")


@pytest.mark.parametrize(
    "altered",
    [
        {"family": "sphere", "sharp": False},
        {"family": "rademacher", "sharp": False},
        {"family": "gaussian", "sharp": False},
        {"family": "sphere", "sharp": True},
        {"family": "rademacher", "sharp": True},
        {"family": "gaussian", "sharp": True},
    ],
    ids=lambda kw: f"{kw['family']}, {'sharp' if kw['sharp'] else 'plain'}",
)
@pytest.mark.parametrize("error", ["n(n+1)", "delta/2"])
def test_NO2_fails_for_a_bound_with_one_term_altered(altered, error, monkeypatch):
    bound = am.coherence_bound

    def coherence_bound(n, d, *, delta, family="sphere", normalised=True, sharp=False):
        if {"family": family, "sharp": sharp} == altered:
            delta = delta / 2 if error == "delta/2" else delta * (n - 1) / (n + 1)
        return bound(n, d, delta=delta, family=family, normalised=normalised, sharp=sharp)

    monkeypatch.setattr(am, "coherence_bound", coherence_bound)
    check_that_it_fails("NO2", "bound")


@pytest.mark.parametrize(
    "welch_bound",
    [
        lambda n, d: sqrt(max(n - d, 0) / (d * n)),
        lambda n, d: sqrt(max(n - d + 1, 0) / (d * (n - 1))),
        lambda n, d: sqrt(max(n - d, 0) / (n - 1)),
    ],
    ids=["n for n - 1", "n - d + 1 for n - d", "d dropped"],
)
def test_NO3_fails_for_a_bound_with_one_term_altered(welch_bound, monkeypatch):
    monkeypatch.setattr(am, "welch_bound", welch_bound)
    check_that_it_fails("NO3", "`welch_bound`")


def test_NO3_fails_for_a_bound_that_denies_orthonormal_vectors(monkeypatch):
    bound = am.welch_bound
    monkeypatch.setattr(am, "welch_bound", lambda n, d: bound(n, d) if n > d else 1 / n)
    check_that_it_fails("NO3", "orthonormal")


@pytest.mark.parametrize(
    "error", [lambda W: 2 * W, lambda W: W.T], ids=["another scale", "transposed"]
)
def test_NO4_fails_for_another_remapping(error, monkeypatch):
    draw = embeddings.gaussian
    monkeypatch.setattr(embeddings, "gaussian", lambda n, d, *, rng: error(draw(n, d, rng=rng)))
    check_that_it_fails("NO4", "remapping.*differ")


@pytest.mark.parametrize("limit", ["lower", "upper"])
def test_NO5_fails_for_a_limit_at_another_delta(limit, monkeypatch):
    band = overlaps.coherence_band

    def coherence_band(n, d, *, delta, family="sphere"):
        low, high = band(n, d, delta=delta, family=family)
        other_low, other_high = band(n, d, delta=delta / 2, family=family)
        return (other_low, high) if limit == "lower" else (low, other_high)

    monkeypatch.setattr(overlaps, "coherence_band", coherence_band)
    check_that_it_fails("NO5", f"{limit} limit")


def test_NO5_fails_for_signs_one_step_off(monkeypatch):
    band = overlaps.coherence_band

    def coherence_band(n, d, *, delta, family="sphere"):
        low, high = band(n, d, delta=delta, family=family)
        return (low + 2 / d if family == "rademacher" else low), high

    monkeypatch.setattr(overlaps, "coherence_band", coherence_band)
    check_that_it_fails("NO5", "Signs")


def test_NO6_fails_for_ordered_pairs(monkeypatch):
    quantile = overlaps.coherence_quantile
    monkeypatch.setattr(overlaps, "coherence_quantile", lambda q, n, d: quantile(q**0.5, n, d))
    check_that_it_fails("NO6", "coherence_quantile")


@pytest.mark.parametrize("more", [-1, 1])
@pytest.mark.parametrize("altered", [("sphere", True), ("rademacher", True), ("sphere", False)])
def test_NO7_fails_for_one_vector_more_or_less(more, altered, monkeypatch):
    exact = overlaps.how_many_fit

    def how_many_fit(d, coherence, *, delta, family="sphere", sharp=False):
        n = exact(d, coherence, delta=delta, family=family, sharp=sharp)
        return n + more if (family, sharp) == altered else n

    monkeypatch.setattr(overlaps, "how_many_fit", how_many_fit)
    check_that_it_fails("NO7", "how_many_fit")

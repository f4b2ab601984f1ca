"""Planted errors that the check and the derivation of NO4 must see."""

from __future__ import annotations

import numpy as np
import pytest

from assocmem.model import embeddings
from assocmem.vectors import families
from tests.controls import alter, derivation_fails, failures, scaled


def rotation(gaussian):
    """Square matrices become orthogonal: norms are kept exactly, not up to O(1/sqrt(d))."""
    return lambda n, d, *, rng: (
        families.orthonormal(n, d, rng=rng) if n == d else gaussian(n, d, rng=rng)
    )


def symmetric(gaussian):
    """Square matrices become symmetric: the self-overlap has twice its variance."""

    def draw(n, d, *, rng):
        W = gaussian(n, d, rng=rng)
        return (W + W.T) / np.sqrt(2) if n == d else W

    return draw


@pytest.mark.parametrize(
    "error", [scaled(1.05), rotation, symmetric], ids=["scale", "rotation", "symmetric"]
)
def test_NO4_sees(error, monkeypatch, seed):
    monkeypatch.setattr(embeddings, "gaussian", error(embeddings.gaussian))  # draws Phi1
    assert any(failures("NO4", seed)), f"{seed=}"


@pytest.mark.parametrize(
    "error", [lambda W: 2 * W, lambda W: W.T], ids=["another scale", "transposed"]
)
def test_NO4_fails_for_another_remapping(error, monkeypatch):
    alter(monkeypatch, embeddings, "gaussian", error)
    derivation_fails("NO4", r".*remapping.*differ")

"""Planted errors that the check and the derivation of W1 must see."""

from __future__ import annotations

import numpy as np
import pytest

from assocmem.model import embeddings
from assocmem.vectors import bartlett
from tests.controls import alter, altered_result, derivation_fails, failures, swap
from theory.width import w1


def fresh_gaussians(draw):
    """The tempting wrong version: n x n matrices with entries of variance 1/d."""

    def altered(n_inputs, n_outputs, d, *, family, rng):
        rng = np.random.default_rng(rng)
        parts = draw(n_inputs, n_outputs, d, family=family, rng=rng)
        n = len(parts["Phi1"])
        fresh = {name: rng.standard_normal((n, n)) / np.sqrt(d) for name in ("Phi1", "W_V2")}
        return parts | fresh

    return altered


def same_images(draw):
    """W_V2 acts as Phi1 does, instead of on its own."""
    return altered_result(lambda parts: parts | {"W_V2": parts["Phi1"]})(draw)


@pytest.mark.parametrize("error", [fresh_gaussians, same_images])
def test_W1_sees(error, monkeypatch, seed):
    monkeypatch.setattr(embeddings, "compressed_draw", error(bartlett.compressed_draw))
    assert any(failures("W1", seed)), f"{seed=}"


@pytest.mark.parametrize(
    "error",
    [
        lambda L: L * np.sqrt(1.5),
        lambda L: np.tril(L, -1) + np.eye(len(L)),
        lambda L: L + np.triu(L.T, 1),
    ],
    ids=["scale", "norms that do not vary", "not triangular"],
)
def test_W1_sees_another_factor(error, monkeypatch, seed):
    alter(monkeypatch, bartlett, "bartlett", error)
    assert any(failures("W1", seed)), f"{seed=}"


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
    alter(monkeypatch, bartlett, "bartlett", error)
    derivation_fails("W1", ".*The library|returns these atoms")


def test_W1_fails_for_degrees_of_freedom_that_start_one_lower(monkeypatch):
    swap(monkeypatch, bartlett, "bartlett", lambda f: lambda n, d, *, rng: f(n, d - 1, rng=rng))
    derivation_fails("W1", ".*degrees of freedom")


def test_W1_fails_when_the_sphere_normalises_the_images(monkeypatch):
    def altered(n_inputs, n_outputs, d, *, family, rng):
        parts = bartlett.compressed_draw(n_inputs, n_outputs, d, family=family, rng=rng)
        return parts | {"Phi1": (2 if family == "sphere" else 1) * parts["Phi1"]}

    monkeypatch.setattr(w1, "compressed_draw", altered)
    derivation_fails("W1", ".*is not normalised")


def rows_reversed(rows):
    """Gram-Schmidt from the last row on."""
    return bartlett._orthonormalised(rows[::-1])[::-1]


def inputs_and_outputs_apart(rows):
    """Each is orthonormal, not both together (two inputs, one output)."""
    return np.concatenate([bartlett._orthonormalised(part) for part in (rows[:2], rows[2:])])


@pytest.mark.parametrize("error", [rows_reversed, inputs_and_outputs_apart])
def test_W1_fails_for_another_orthonormal_family(error, monkeypatch):
    monkeypatch.setitem(bartlett.FROM_GAUSSIAN_ROWS, "orthonormal", error)
    derivation_fails("W1", ".*Orthonormal together")

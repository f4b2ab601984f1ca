"""Errors of the laws of recall that every derivation about them must see."""

from __future__ import annotations

import numpy as np
import pytest

from assocmem import capacity as library
from tests.capacity.planting import overlaps, scaled
from tests.controls import derivation_fails, plant


def of_equal_pairs(change):
    """The overlaps changed where the pairs have no weights."""

    def error(given):
        def altered(n, classes, weights, item):
            found = given(n, classes, weights, item)
            return found if weights is not None else change(*found)

        return altered

    return error


# An error of the overlaps of a key, by name.
OVERLAPS = {
    "own class": of_equal_pairs(lambda weight, own, rivals, n: (weight, own + 1, rivals, n)),
    "rival classes": of_equal_pairs(lambda weight, own, rivals, n: (weight, own, rivals - 1, n)),
    "weights of rivals": overlaps(lambda weight, own, rivals, n: (weight, own, rivals**0.5, n)),
    "weight": overlaps(lambda weight, own, rivals, n: (weight**2, own, rivals, n)),
}


def along(f, h):
    """(fᵀh) f, a draw a row."""
    return np.sum(f * h, axis=1, keepdims=True) * f


# What is sampled, and an error of it.
SAMPLER = {
    "chi of the signal": ("_drawn_overlaps", lambda drawn: lambda weight, own, scale, d, *rest: (
        drawn(weight, own, scale, d + 1, *rest))),
    "signal": ("_drawn_overlaps", lambda drawn: lambda weight, *rest: drawn(1.1 * weight, *rest)),
    "crosstalk": ("_drawn_overlaps", lambda drawn: lambda weight, own, scale, *rest: (
        drawn(weight, own, 1.1 * scale, *rest))),
    "chi of gamma": ("_drawn_scores", lambda drawn: lambda f, d, rng: drawn(f, d - 1, rng)),
    "sign along f": ("_scores", lambda scores: lambda f, gamma, h: (
        scores(f, gamma, h) + 2 * along(f, h))),
    "noise along f": ("_scores", lambda scores: lambda f, gamma, h: (
        scores(f, gamma, h) + along(f, h))),
    "noise": ("_scores", lambda scores: lambda f, gamma, h: scores(f, gamma, h) - 0.1 * h),
}  # fmt: skip


def moments(change):
    """An error of `_moments`: ``change(found, weight, own, rivals, d)``."""
    return lambda given: (
        lambda weight, own, rivals, counts, d: change(
            given(weight, own, rivals, counts, d), weight, own, rivals, d
        )
    )


MOMENTS = {
    "d smaller": moments(
        lambda m, weight, own, rivals, d: (m[0], m[1] - 1e-3 * (weight**2 + own) / d, m[2])
    ),
    "mean": moments(lambda m, weight, own, rivals, d: (weight, m[1], m[2])),
    "own class": moments(lambda m, weight, own, rivals, d: (m[0], m[1] - own / d, m[2])),
    "d + 1": moments(
        lambda m, weight, own, rivals, d: (m[0], m[1] + (weight**2 + own) / d**2, m[2])
    ),
    "all rivals": moments(lambda m, weight, own, rivals, d: (m[0], m[1], m[2] + rivals / d**2)),
    "no right one": moments(lambda m, weight, own, rivals, d: (m[0], m[1], m[2] - own / d**2)),
}


@pytest.mark.parametrize(
    ("claim", "error"),
    [
        *(("C2", error) for error in ("own class", "rival classes")),
        *(("C3", error) for error in ("weights of rivals", "weight")),
        *(("C7", error) for error in ("own class", "rival classes", "weight")),
    ],
)
def test_the_derivation_fails_for_other_overlaps(claim, error, monkeypatch):
    plant(monkeypatch, library, "_overlaps", OVERLAPS[error])
    derivation_fails(claim)


@pytest.mark.parametrize("claim", ["C2", "C3", "C4"])
@pytest.mark.parametrize(("name", "error"), SAMPLER.values(), ids=SAMPLER)
def test_the_derivation_fails_for_another_sampler(name, error, claim, monkeypatch):
    plant(monkeypatch, library, name, error)
    derivation_fails(claim)


def test_C2_fails_for_a_class_without_noise_of_its_own(monkeypatch):
    def error(drawn):
        return lambda weight, own, *rest: drawn(weight, 0.0, *rest)

    plant(monkeypatch, library, "_drawn_overlaps", error)
    derivation_fails("C2")


@pytest.mark.parametrize(
    ("claim", "error"), [("C2", "d smaller"), *(("C7", e) for e in MOMENTS if e != "d smaller")]
)
def test_the_derivation_fails_for_other_moments_of_recall(claim, error, monkeypatch):
    plant(monkeypatch, library, "_moments", MOMENTS[error])
    derivation_fails(claim)


@pytest.mark.parametrize("claim", ["C2", "C3"])
def test_the_derivation_fails_for_other_moments_of_scores(claim, monkeypatch):
    plant(monkeypatch, library, "score_moments", scaled(2))
    derivation_fails(claim)

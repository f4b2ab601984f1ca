"""Planted errors that the check and the derivation of WR3 must see."""

from __future__ import annotations

import secrets
from functools import cache

import numpy as np
import pytest

from assocmem import capacity
from tests.controls import derivation_fails, failures, once, plant, scaled, seen
from tests.writers.planting import tilted
from validation.writers import wr3


@pytest.fixture(scope=once)
def drawn():
    """The means that memories have in draws, each taken once."""
    rng, nuclear = np.random.default_rng(secrets.randbits(32)), wr3.nuclear
    return cache(lambda n, d, draws: nuclear(n, d, draws, rng))


@pytest.fixture
def drawn_once(drawn, monkeypatch):
    """The check with these means: they do not depend on the law."""
    monkeypatch.setattr(wr3, "nuclear", lambda n, d, draws, rng: drawn(n, d, draws))


@pytest.mark.usefixtures("drawn_once")
@pytest.mark.parametrize(
    "error",
    [
        scaled(1.02),
        scaled(0.98),
        lambda f: lambda p, d: f(p, 2 * d),
        lambda f: lambda p, d: np.minimum(1, f(p, d) * 1.02),
    ],
    ids=["larger", "smaller", "another width", "capped"],
)
def test_WR3_sees_another_law(error, monkeypatch, seed):
    plant(monkeypatch, capacity, "polar_scores", error)
    assert any(failures("WR3", seed)), f"{seed=}"


@pytest.mark.usefixtures("drawn_once")
@pytest.mark.parametrize("power", [0.3, 0.5])
def test_WR3_sees_an_error_of_a_larger_order(power, monkeypatch, seed):
    """The mean of memories misses its limit by 0.16 d^-power instead."""

    def other(nuclear):
        def wrong(n, d, draws, rng):
            law = capacity.polar_scores(np.ones(n), d)[0]
            mean, error = nuclear(n, d, draws, rng)
            return law + (mean - law) * (d / 8) ** (1 - power), error

        return wrong

    monkeypatch.setattr(wr3, "nuclear", other(wr3.nuclear))
    assert seen("WR3", "exponent", seed), f"{seed=}"


@pytest.mark.slow
def test_WR3_sees_another_law_of_rare_items(monkeypatch, seed):
    plant(monkeypatch, capacity, "polar_scores", tilted(0.4))
    assert seen("WR3", "Zipf", seed), f"{seed=}"


@pytest.mark.parametrize("error", [scaled(1 + 1e-8), tilted(1e-6)])
def test_WR3_fails_for_another_law(error, monkeypatch):
    plant(monkeypatch, capacity, "polar_scores", error)
    derivation_fails("WR3", "The library's")


def test_WR3_fails_for_another_factor(monkeypatch):
    plant(monkeypatch, capacity, "polar_factor", scaled(1 + 1e-8))
    derivation_fails("WR3", "The first equation is exact")

"""Planted errors that the check and the derivation of NO7 must see."""

from __future__ import annotations

import pytest

from assocmem.vectors import overlaps
from tests.controls import derivation_fails, failures, plant
from validation.vectors import no7


@pytest.mark.parametrize("more", [-1, 1])
def test_NO7_sees_one_vector_more_or_less(more, monkeypatch, seed):
    plant(monkeypatch, no7, "how_many_fit", lambda f: lambda *args, **kw: f(*args, **kw) + more)
    assert any(failures("NO7", seed)), f"{seed=}"


@pytest.mark.parametrize("more", [-1, 1])
@pytest.mark.parametrize("altered", [("sphere", True), ("rademacher", True), ("sphere", False)])
def test_NO7_fails_for_one_vector_more_or_less(more, altered, monkeypatch):
    exact = overlaps.how_many_fit

    def how_many_fit(d, coherence, *, delta, family="sphere", sharp=False):
        n = exact(d, coherence, delta=delta, family=family, sharp=sharp)
        return n + more if (family, sharp) == altered else n

    monkeypatch.setattr(overlaps, "how_many_fit", how_many_fit)
    derivation_fails("NO7", r".*how_many_fit")

"""Planted errors that the check and the derivation of NO2 must see."""

from __future__ import annotations

import pytest

import assocmem as am
from tests.controls import derivation_fails, failures, plant, scaled, swap
from validation.vectors import no2


@pytest.mark.parametrize("factor", [0.9, 1.1], ids=["exceeded too often", "looser than stated"])
def test_NO2_sees_another_bound(factor, monkeypatch, seed):
    plant(monkeypatch, no2, "coherence_bound", scaled(factor))
    assert any(failures("NO2", seed)), f"{seed=}"


@pytest.mark.parametrize("sharp", [False, True], ids=["plain", "sharp"])
@pytest.mark.parametrize("family", ["sphere", "rademacher", "gaussian"])
@pytest.mark.parametrize("error", ["n(n+1)", "delta/2"])
def test_NO2_fails_for_a_bound_with_one_term_altered(family, sharp, error, monkeypatch):
    def altered(bound):
        def coherence_bound(n, d, *, delta, **kw):
            if (kw.get("family", "sphere"), kw.get("sharp", False)) == (family, sharp):
                delta = delta / 2 if error == "delta/2" else delta * (n - 1) / (n + 1)
            return bound(n, d, delta=delta, **kw)

        return coherence_bound

    swap(monkeypatch, am, "coherence_bound", altered)
    derivation_fails("NO2", r".*bound")

"""An error of the count of index loops, which every derivation by pairings must see."""

from __future__ import annotations

import pytest

from assocmem.width import wick
from tests.controls import derivation_fails


@pytest.mark.parametrize(
    ("claim", "where"),
    [("W1", "differ"), ("W2", "differ"), pytest.param("W5", "orthonormal", marks=pytest.mark.slow)],
)
def test_a_loop_that_is_not_counted_is_seen(claim, where, monkeypatch):
    wick.expansion.cache_clear()
    right = wick._loops
    monkeypatch.setattr(wick, "_loops", lambda *arguments: max(1, right(*arguments) - 1))
    try:
        derivation_fails(claim, f".*{where}")
    finally:
        wick.expansion.cache_clear()

"""Planted errors that the check and the derivation of S3b-bound must see."""

from __future__ import annotations

from assocmem import gradients
from tests.controls import alter, derivation_fails, failures
from theory.algebra import population


def test_the_check_sees_a_bound_that_is_too_small(monkeypatch):
    alter(monkeypatch, gradients, "third_step_error", lambda bound: bound / 100)
    assert any(failures("S3b-bound", seed=0))


def test_the_derivation_fails_when_tokens_do_not_repeat(monkeypatch):
    """Patterns in which content tokens coincide are left out."""

    def different(found):
        return (pattern for pattern in found if pattern.n_content == len(pattern.tokens) - 2)

    alter(monkeypatch, population, "patterns", different)
    derivation_fails("S3b-bound", ".*a content position holds")

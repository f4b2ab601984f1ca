"""Planted errors that the check and the derivation of S3b-bound must see."""

from __future__ import annotations

from assocmem import gradients
from tests.controls import altered_result, derivation_fails, failures
from theory.algebra import population


def test_the_check_sees_a_bound_that_is_too_small(monkeypatch):
    error = altered_result(lambda bound: bound / 100)
    monkeypatch.setattr(gradients, "third_step_error", error(gradients.third_step_error))
    assert any(failures("S3b-bound", seed=0))


def test_the_derivation_fails_when_tokens_do_not_repeat(monkeypatch):
    """Patterns in which content tokens coincide are left out."""
    found = population.patterns

    def patterns(length, tau=None):
        return (p for p in found(length, tau) if p.n_content == length - 2)

    monkeypatch.setattr(population, "patterns", patterns)
    derivation_fails("S3b-bound", ".*a content position holds")

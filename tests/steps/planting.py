"""Errors that are planted in the three steps."""

from __future__ import annotations

from assocmem import gradients
from assocmem.gradients.previous_token import PreviousTokenSignal
from assocmem.model.families import REMAPPED_TOKENS, TOKENS, TokenBlock
from tests.controls import alter, with_block


def second_step_with(change):
    """second_step, its block w_E to Φ₁ w_E changed."""
    altered = with_block((TOKENS, REMAPPED_TOKENS), lambda block: TokenBlock(*change(*block)))
    return lambda monkeypatch: alter(monkeypatch, gradients, "second_step", altered)


def term_without(name):
    """A term of the third step is dropped."""
    return lambda monkeypatch: alter(monkeypatch, PreviousTokenSignal, name, lambda term: 0 * term)

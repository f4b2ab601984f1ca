"""Errors that are planted in the three steps."""

from __future__ import annotations

from assocmem import gradients
from assocmem.gradients.previous_token import PreviousTokenSignal
from assocmem.model.families import REMAPPED_TOKENS, TOKENS, TokenBlock
from tests.controls import block_replaced


def second_step_with(change):
    """second_step, its block w_E to Φ₁ w_E changed."""

    def plant(monkeypatch):
        step = gradients.second_step

        def second_step(task):
            table = step(task)
            block = table[TOKENS, REMAPPED_TOKENS]
            return block_replaced(table, (TOKENS, REMAPPED_TOKENS), TokenBlock(*change(*block)))

        monkeypatch.setattr(gradients, "second_step", second_step)

    return plant


def term_without(name):
    """A term of the third step is dropped."""

    def plant(monkeypatch):
        term = getattr(PreviousTokenSignal, name)
        monkeypatch.setattr(PreviousTokenSignal, name, lambda self, *a: 0 * term(self, *a))

    return plant

"""Planted errors that the check and the derivation of S3b must see."""

from __future__ import annotations

import pytest

from assocmem import gradients
from assocmem.gradients import steps
from assocmem.gradients.previous_token import PreviousTokenSignal
from assocmem.model.families import REMAPPED_TOKENS, TOKENS, TokenBlock
from tests.controls import alter, block_replaced, derivation_fails, failures, swap
from tests.steps.planting import term_without
from theory.derivation import Derivation, DerivationError
from theory.steps import s3b


def coincidence_worth_much(monkeypatch):
    """κ of order 1."""

    def much(table):
        block, lead = table[REMAPPED_TOKENS, TOKENS], table[TOKENS, REMAPPED_TOKENS].same[0]
        block = TokenBlock(block.different, block.same + lead)
        return block_replaced(table, (REMAPPED_TOKENS, TOKENS), block)

    alter(monkeypatch, gradients, "second_step", much)


def attention_too_sharp(monkeypatch):
    """Scores of layer 2 enter the softmax twice."""
    swap(monkeypatch, steps, "softmax", lambda softmax: lambda scores: softmax(2 * scores))


@pytest.mark.parametrize(
    ("owner", "name", "change"),
    [
        (PreviousTokenSignal, "_value_fluctuation", lambda block: 0 * block),
        (PreviousTokenSignal, "_key", lambda block: 1.01 * block),
        (PreviousTokenSignal, "_shared", lambda array: 1.01 * array),
        (PreviousTokenSignal, "_shared", lambda array: 0 * array),
    ],
)
def test_the_check_sees_an_altered_formula(owner, name, change, monkeypatch):
    alter(monkeypatch, owner, name, change)
    assert any(failures("S3b", seed=0))


@pytest.mark.parametrize(
    ("planted", "where"),
    [
        (coincidence_worth_much, "in units of the wanted coefficient"),
        (term_without("_query"), "is what is kept"),
    ],
)
def test_the_derivation_finds_an_altered_term(planted, where, monkeypatch):
    planted(monkeypatch)
    derivation_fails("S3b", ".*" + where)


@pytest.mark.parametrize(
    "planted",
    [attention_too_sharp, *map(term_without, ("_key", "_value_fluctuation", "_shared"))],
)
def test_its_last_step_finds_every_altered_term(planted, monkeypatch):
    """Alone, as those before it do not read the library's third step."""
    planted(monkeypatch)
    with pytest.raises(DerivationError, match="is what is kept"):
        s3b.kept_part(Derivation("S3b"), "content", *s3b.COMPARED["content"])

"""Errors of the scores of a memory that every derivation about them must see."""

from __future__ import annotations

import pytest

import assocmem as am
from tests.controls import derivation_fails, plant
from tests.memory.planting import SCORES


@pytest.mark.parametrize("claim", ["AM1", "C1", "C2", "C4"])
@pytest.mark.parametrize("error", SCORES.values(), ids=SCORES)
def test_the_derivation_fails_for_other_scores(error, claim, monkeypatch):
    plant(monkeypatch, am.AssociativeMemory, "scores", error)
    derivation_fails(claim, "" if claim == "C4" else ".*differ")

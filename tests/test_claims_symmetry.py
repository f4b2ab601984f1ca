"""Every claim on populations up to symmetry fails when a count or a formula is altered."""

from types import SimpleNamespace

import numpy as np
import pytest

import theory.symmetry
from assocmem.model.transformer import FrozenTransformer
from assocmem.tasks import symmetry as tasks_symmetry
from validation import symmetry as validation_symmetry
from validation.runner import cases
from validation.symmetry import CHECKS

CLAIMS = {claim.id: claim for claim in theory.symmetry.CLAIMS}


def holds(claim_id: str) -> bool:
    claim = CLAIMS[claim_id]
    return all(c.passed(claim.kind) for c in cases.run(claim, CHECKS[claim_id], 0, "quick"))


def with_replacement(c: int, b: int) -> int:
    """The tempting wrong count: b draws of any content token, not of different ones."""
    return c**b


def no_multiplicity(self, batch, wrt, multiplicities, original=FrozenTransformer._loss_and_tables):
    return original(self, batch, wrt)


def normalised(function):
    """Keep the weights a distribution, so that nothing but the check can notice."""

    def probabilities(task, different):
        weights = function(task, different)
        return weights / weights.sum()

    return probabilities


def test_every_claim_has_a_check():
    assert set(CLAIMS) == set(CHECKS)


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_claim_holds(claim_id):
    assert holds(claim_id)


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_claim_fails_when_tokens_are_drawn_with_replacement(claim_id, monkeypatch):
    wrong = SimpleNamespace(perm=with_replacement)
    monkeypatch.setattr(tasks_symmetry, "math", wrong)
    monkeypatch.setattr(tasks_symmetry, "_probabilities", normalised(tasks_symmetry._probabilities))
    assert not holds(claim_id)


@pytest.mark.parametrize("claim_id", ["P1", "P2"])
def test_claim_fails_when_absent_tokens_count_once(claim_id, monkeypatch):
    monkeypatch.setattr(FrozenTransformer, "_loss_and_tables", no_multiplicity)
    assert not holds(claim_id)


def test_P2_fails_with_another_constant(monkeypatch):
    wrong = {5: theory.symmetry.SECOND_ORDER[5] * 101 / 100}
    monkeypatch.setattr(validation_symmetry, "SECOND_ORDER", wrong)
    assert not holds("P2")


def test_P3_fails_when_the_third_step_points_the_other_way(monkeypatch):
    from assocmem.model.blocks import BlockTable

    original = validation_symmetry.SymmetricTransformer.loss_and_tables

    def reversed_positions(self, patterns, wrt=("W_K1", "W_K2", "W_O2")):
        loss, tables = original(self, patterns, wrt)
        if "W_K1" in tables:
            block = np.array(tables["W_K1"]["positions", "positions"])
            block[1:-1, :2] = block[1:-1, 1::-1]
            tables["W_K1"] = BlockTable(self.task, "W_K1", {("positions", "positions"): block})
        return loss, tables

    monkeypatch.setattr(
        validation_symmetry.SymmetricTransformer, "loss_and_tables", reversed_positions
    )
    assert not holds("P3")

"""The derivations of P1 and P2 hold, and break when the library or the claim is altered."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from assocmem import BlockTable
from assocmem.tasks import symmetry as tasks_symmetry
from theory import CLAIMS
from theory.derivation import DerivationError, derive
from theory.derivations import symmetry
from theory.derivations.symmetry import DERIVATIONS


@pytest.mark.parametrize("claim_id", DERIVATIONS)
def test_derivation_holds(claim_id):
    derivation = derive(CLAIMS[claim_id], DERIVATIONS[claim_id])
    assert sum(step.checked for step in derivation.steps) >= 3


def fails(claim_id):
    with pytest.raises(DerivationError, match=f"^{claim_id}: "):
        derive(CLAIMS[claim_id], DERIVATIONS[claim_id])


def test_P1_fails_when_a_partition_is_missing(monkeypatch):
    original = symmetry.set_partitions
    monkeypatch.setattr(symmetry, "set_partitions", lambda n: original(n)[: max(1, 2**n // 3)])
    fails("P1")


def test_P1_fails_when_tokens_are_drawn_with_replacement(monkeypatch):
    monkeypatch.setattr(tasks_symmetry, "math", SimpleNamespace(perm=lambda c, b: c**b))
    monkeypatch.setattr(
        tasks_symmetry, "_probabilities", lambda task, b: np.full(len(b), 1 / len(b))
    )
    fails("P1")


def test_P1_fails_when_probabilities_are_equal(monkeypatch):
    monkeypatch.setattr(
        tasks_symmetry, "_probabilities", lambda task, b: np.full(len(b), 1 / len(b))
    )
    fails("P1")


def test_P1_fails_when_averages_are_sums(monkeypatch):
    original = BlockTable.averaged
    monkeypatch.setattr(BlockTable, "averaged", lambda *args: 2 * original(*args))
    fails("P1")


def test_P2_fails_with_another_constant(monkeypatch):
    monkeypatch.setitem(symmetry.SECOND_ORDER, 4, Fraction(-23077, 7057))
    fails("P2")


def test_P2_fails_when_absent_classes_are_left_out(monkeypatch):
    original = symmetry._second_order

    def only_present(sums, first):
        sums.sizes = [sums.sizes[0], sums.sizes[1] + 1]
        return original(sums, first)

    monkeypatch.setattr(symmetry, "_second_order", only_present)
    fails("P2")

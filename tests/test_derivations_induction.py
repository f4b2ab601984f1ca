"""The derivations of IH, tie and T hold, and break when the library's formula is altered."""

import numpy as np
import pytest

import assocmem as am
from assocmem.blocks import BlockTable, TokenBlock
from theory import CLAIMS
from theory.derivation import DerivationError, derive
from theory.derivations.induction import DERIVATIONS


@pytest.mark.parametrize("claim_id", DERIVATIONS)
def test_derivation_holds(claim_id):
    derivation = derive(CLAIMS[claim_id], DERIVATIONS[claim_id])
    assert sum(step.checked for step in derivation.steps) >= 3


def transposed(memories):
    return memories | {"W_K1": memories["W_K1"].T}


def with_block(name, change):
    def apply(table):
        blocks = {block: table[block] for block in table}
        blocks[name] = change(blocks[name])
        return BlockTable(table.task, table.matrix, blocks)

    return apply


CONTROLS = [
    ("IH", am, "induction_head", transposed),
    ("tie", BlockTable, "coefficients", np.transpose),
    (
        "T",
        am.gradients,
        "first_step",
        with_block(("w_U", "Phi1 w_E"), lambda b: TokenBlock(2 * b.different, b.same)),
    ),
    (
        "T",
        am.gradients,
        "second_step",
        with_block(("w_E", "Phi1 w_E"), lambda b: TokenBlock(b.different, 2 * b.same)),
    ),
    ("T", am.gradients, "third_step", with_block(("p", "p"), lambda b: b * np.arange(len(b)))),
]


@pytest.mark.parametrize(("claim_id", "owner", "name", "change"), CONTROLS)
def test_derivation_fails_when_the_formula_is_altered(claim_id, owner, name, change, monkeypatch):
    original = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *a, **k: change(original(*a, **k)))
    with pytest.raises(DerivationError, match=f"^{claim_id}: "):
        derive(CLAIMS[claim_id], DERIVATIONS[claim_id])

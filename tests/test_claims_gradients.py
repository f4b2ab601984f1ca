"""Every claim on gradients and on the induction head fails when its closed form is altered."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import theory.gradients
import theory.induction
from validation.gradients import CHECKS as GRADIENT_CHECKS
from validation.induction import CHECKS as INDUCTION_CHECKS

import assocmem as am
from assocmem.gradients.previous_token import PreviousTokenSignal
from assocmem.model.blocks import BlockTable, TokenBlock
from validation.runner import cases

CHECKS = GRADIENT_CHECKS | INDUCTION_CHECKS
CLAIMS = {claim.id: claim for claim in theory.gradients.CLAIMS + theory.induction.CLAIMS}


def holds(claim_id: str, seed: int = 0) -> bool:
    """Whether every case of a claim passes; stops at the first that does not."""
    claim = CLAIMS[claim_id]
    return all(c.passed(claim.kind) for c in cases.run(claim, CHECKS[claim_id], seed, "quick"))


def altered(function: Callable, change: Callable) -> Callable:
    return lambda *args, **kwargs: change(function(*args, **kwargs))


def with_block(name: tuple[str, str], change: Callable) -> Callable:
    """Alter one block of a table."""

    def apply(table: BlockTable) -> BlockTable:
        blocks = {block: table[block] for block in table}
        blocks[name] = change(blocks[name])
        return BlockTable(table.task, table.matrix, blocks)

    return apply


def different(factor: float) -> Callable:
    return lambda block: TokenBlock(factor * block.different, block.same)


def unweighted(memory: am.AssociativeMemory) -> am.AssociativeMemory:
    return am.AssociativeMemory(keys=memory.keys, values=memory.values)


def reversed_head(memories: dict[str, am.AssociativeMemory]) -> dict[str, am.AssociativeMemory]:
    return memories | {"W_K1": memories["W_K1"].T}  # attends to the next position


gradients, nan = am.gradients, float("nan")
CONDITIONS, SLOPE = "assocmem.gradients.conditions", "assocmem.gradients.slope"
CONTROLS = {
    "L1": [(gradients, "linear_step", lambda memory: -memory)],
    "L2": [(gradients, "noisy_linear_step", unweighted)],
    "L3": [(gradients, "attention_step", lambda memory: 2 * memory)],
    "S1": [(gradients, "first_step", with_block(("outputs", "tokens"), different(-1)))],
    "S2": [
        (gradients, "second_step", with_block(("positions", "remapped_positions"), np.negative))
    ],
    "S2-sign": [(gradients, "second_step", lambda table: -1 * table)],
    "S2-limit": [(gradients, "second_step", lambda table: 1.05 * table)],
    "S3a": [
        (
            gradients,
            "third_step_slope",
            with_block(("positions", "positions"), lambda block: block[:, ::-1]),
        ),
        (gradients, "third_step", lambda table: -1 * table),
        (gradients, "third_step", lambda table: table if table.task.n_tokens == 4 else nan * table),
    ],
    "S3b": [
        (PreviousTokenSignal, "_value_fluctuation", lambda block: 0 * block),
        (PreviousTokenSignal, "_key", lambda block: 1.01 * block),
        (PreviousTokenSignal, "_shared", lambda array: 1.01 * array),
        (PreviousTokenSignal, "_shared", lambda array: 0 * array),
    ],
    "S3b-bound": [(gradients, "third_step_error", lambda bound: bound / 100)],
    "IH": [(am, "induction_head", reversed_head)],
    "tie": [(gradients, "second_step", with_block(("tokens", "positions"), np.negative))],
    "T": [("assocmem.topdown", "third_step", with_block(("positions", "positions"), np.negative))],
    "T-S1": [
        (
            "assocmem.gradients.conditions",
            "_random_leads",
            lambda leads: (1.01 * leads[0], leads[1]),
        ),
        (gradients, "first_step", with_block(("outputs", "remapped_tokens"), different(-1))),
    ],
    "T-S2": [
        (
            "assocmem.gradients.conditions",
            "quadratic_with_all",
            lambda p: (p[0], p[1], 1.1 * float(p[2])),
        ),
        (gradients, "second_step", lambda table: -1 * table),
    ],
    "T-m1": [
        (CONDITIONS, "reading_of_frequency", lambda value: value / 2),
        (CONDITIONS, "reading_of_frequency", lambda value: 2 * value),
    ],
    "T-S3": [
        (gradients, "third_step_slope", with_block(("positions", "positions"), np.negative)),
        (
            gradients,
            "third_step",
            with_block(("positions", "positions"), lambda block: block[:, ::-1]),
        ),
        (SLOPE, "key_of_position", lambda value: value * Fraction(99, 100)),
    ],
}


def test_every_claim_has_a_check_and_a_control():
    assert set(CLAIMS) == set(CHECKS) == set(CONTROLS)


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_claim_holds(claim_id):
    assert holds(claim_id)


@pytest.mark.parametrize(
    ("claim_id", "where", "name", "change"),
    [(i, *control) for i, controls in CONTROLS.items() for control in controls],
)
def test_claim_fails_when_its_formula_is_altered(claim_id, where, name, change, monkeypatch):
    owner = __import__(where, fromlist=[name]) if isinstance(where, str) else where
    monkeypatch.setattr(owner, name, altered(getattr(owner, name), change))
    assert not holds(claim_id)

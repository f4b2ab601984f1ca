"""The derivations of IH, tie and T hold, and break when the library's formula is altered."""

from fractions import Fraction

import numpy as np
import pytest
from theory.derivations import output_memory, rows, thresholds
from theory.derivations.induction import DERIVATIONS

import assocmem as am
from assocmem.gradients import conditions
from assocmem.model.blocks import BlockTable, TokenBlock
from theory import CLAIMS
from theory.algebra import harmonic
from theory.derivation import Derivation, DerivationError, derive


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
        with_block(("outputs", "remapped_tokens"), lambda b: TokenBlock(2 * b.different, b.same)),
    ),
    (
        "T",
        am.gradients,
        "second_step",
        with_block(("tokens", "remapped_tokens"), lambda b: TokenBlock(b.different, 2 * b.same)),
    ),
    (
        "T",
        am.gradients,
        "third_step",
        with_block(("positions", "positions"), lambda b: b * np.arange(len(b))),
    ),
    (
        "T-S1",
        am.gradients,
        "first_step",
        with_block(("outputs", "remapped_tokens"), lambda b: TokenBlock(2 * b.different, b.same)),
    ),
    (
        "T-S2",
        am.gradients,
        "second_step",
        with_block(("tokens", "remapped_tokens"), lambda b: TokenBlock(b.different, 2 * b.same)),
    ),
    ("T-S2", harmonic, "covariances", lambda found: dict.fromkeys(found, Fraction(1))),
    ("T-m1", am.gradients, "first_step", with_block(("outputs", "positions"), lambda b: b + 1)),
    ("T-m1", output_memory, "reading_of_frequency", lambda value: 2 * value),
    (
        "T-S3",
        am.gradients,
        "third_step",
        with_block(("positions", "positions"), lambda b: b[:, ::-1]),
    ),
    (
        "T-S3",
        am.gradients,
        "third_step_slope",
        with_block(("positions", "positions"), lambda b: 2 * b),
    ),
]


@pytest.mark.parametrize(("claim_id", "owner", "name", "change"), CONTROLS)
def test_derivation_fails_when_the_formula_is_altered(claim_id, owner, name, change, monkeypatch):
    original = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *a, **k: change(original(*a, **k)))
    with pytest.raises(DerivationError, match=f"^{claim_id}: "):
        derive(CLAIMS[claim_id], DERIVATIONS[claim_id])


@pytest.mark.parametrize(
    "name", ["output", "past_output", "trigger", "past_trigger", "position", "w"]
)
def test_an_altered_average_over_tau_is_found(name, monkeypatch):
    """Each closed form of conditions.Moments, changed by a hundredth."""
    original = thresholds.exact_moments

    def altered(length):
        m = original(length)
        return m._replace(**{name: getattr(m, name) * Fraction(101, 100)})

    monkeypatch.setattr(thresholds, "exact_moments", altered)
    with pytest.raises(DerivationError, match=r"^T-S2: "):
        thresholds.wanted_coefficient(Derivation("T-S2"), lengths=(3, 4, 5))


def test_a_wrong_threshold_for_random_triggers_is_found(monkeypatch):
    monkeypatch.setitem(conditions.FEWEST_TOKENS_RANDOM, 41, 5)
    with pytest.raises(DerivationError, match="positive coefficients in"):
        thresholds.random_triggers(Derivation("T-S2"))


def test_a_wrong_number_of_triggers_is_found(monkeypatch):
    monkeypatch.setitem(rows.MOST_TRIGGERS, 6, 4)
    with pytest.raises(DerivationError, match="T = 6"):
        rows.every_population(Derivation("T-S3"), lengths=(6,))


@pytest.mark.slow
def test_rows_at_longer_lengths():
    rows.every_population(Derivation("T-S3"), lengths=(11, 12))

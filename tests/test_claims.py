"""Every check holds at any seed, and every derivation checks each of its steps.

`make verify` runs all of them once, at its own seed. Those that take seconds are slow tests here.
"""

from collections.abc import Iterable

import pytest

from theory import CLAIMS
from theory.derivation import derive, has_derivation
from validation.runner.cases import run
from validation.runner.checks import check_of

CHECKS_OF_SECONDS = {"B2", "B3", "C2", "H1", "S3a", "T", "W2", "W4", "W5", "W6", "W7", "WR3", "WR4"}
DERIVATIONS_OF_SECONDS = {"S2", "S2-limit", "S3a", "S3b", "S3b-bound", "T-S2", "T-S3", "WR2"}


def some_slow(claims: Iterable[str], slow: set[str]) -> list:
    return [pytest.param(id, marks=pytest.mark.slow if id in slow else ()) for id in claims]


@pytest.mark.parametrize("claim_id", some_slow(CLAIMS, CHECKS_OF_SECONDS))
def test_the_claim_holds_at_any_seed_and_every_row_could_have_failed(claim_id, seed):
    claim = CLAIMS[claim_id]
    cases = list(run(claim, check_of(claim), seed, "quick"))
    assert [case for case in cases if case.passed(claim.kind) is False] == [], f"{seed=}"
    powers = {case: case.power(claim.kind) for case in cases if claim.kind != "order"}
    blind = [case for case, power in powers.items() if power is not None and not power < 1]
    assert blind == [], f"rows that would not see an error of the size of their quantity, {seed=}"


LONGEST_ARGUMENT = 24  # steps that a page shows unfolded
DERIVED = [id for id, claim in CLAIMS.items() if has_derivation(claim)]


@pytest.mark.parametrize("claim_id", some_slow(DERIVED, DERIVATIONS_OF_SECONDS))
def test_the_derivation_holds(claim_id):
    steps = derive(CLAIMS[claim_id]).steps
    assert any(step.checked for step in steps)
    argument = [step for step in steps if not step.aside]
    assert len(argument) <= LONGEST_ARGUMENT, "fold bookkeeping with `Derivation.aside`"

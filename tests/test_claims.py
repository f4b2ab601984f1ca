"""Every check holds at any seed, and every derivation checks each of its steps."""

import pytest

from tests.controls import failures
from theory import CLAIMS
from theory.derivation import derive, has_derivation


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_the_claim_holds_at_any_seed(claim_id, seed):
    assert list(failures(claim_id, seed)) == [], f"{seed=}"


@pytest.mark.parametrize("claim_id", [id for id, claim in CLAIMS.items() if has_derivation(claim)])
def test_the_derivation_holds(claim_id):
    assert any(step.checked for step in derive(CLAIMS[claim_id]).steps)

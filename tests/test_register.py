"""A claim without statement, source, derivation, check or negative control is not a claim."""

import re
from pathlib import Path

import pytest
from theory.derivations import derivations
from validation.checks import CHECKS

from theory import CLAIMS
from theory.record import Claim, register

TESTS = Path(__file__).parent


def claims_named_in(pattern: str) -> set[str]:
    """The claims that some test files name, in a parametrisation or in the name of a test."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in TESTS.glob(pattern))
    return {id for id in CLAIMS if re.search(rf"(?<![A-Za-z0-9-]){id}(?![A-Za-z0-9-])", text)}


CHECK_CONTROLS = claims_named_in("test_claims_*.py")
DERIVATION_CONTROLS = claims_named_in("test_derivations_*.py")


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_claim_is_complete(claim):
    assert claim.statement.count("$") >= 2
    assert claim.assumptions
    assert "[" in claim.source or "derived here" in claim.source
    assert claim.id in CHECKS
    assert claim.id in CHECK_CONTROLS, "no planted error makes its check fail"
    if claim.status != "empirical" or claim.id in derivations():
        assert claim.id in DERIVATION_CONTROLS, "no planted error makes its derivation fail"
    if claim.status == "refuted":
        assert claim.note, "a refuted claim stays with its counterexample"


def test_ids_match_one_to_one():
    assert set(CLAIMS) == set(CHECKS)
    proved = {id for id, claim in CLAIMS.items() if claim.status != "empirical"}
    assert proved <= set(derivations()) <= set(CLAIMS)


RECORD = {
    "id": "X",
    "title": "A title",
    "statement": "$1 = 1$",
    "assumptions": ("none",),
    "kind": "equal",
    "source": "derived here",
    "status": "proved",
}


@pytest.mark.parametrize("missing", ["id", "title", "statement", "source"])
def test_an_incomplete_record_is_refused(missing):
    with pytest.raises(ValueError, match=f"{missing}: expected text"):
        Claim(**{**RECORD, missing: ""})


@pytest.mark.parametrize("name", ["kind", "status"])
def test_an_unknown_word_is_refused(name):
    with pytest.raises(ValueError, match=rf"{name}: expected one of .*; got 'obvious'\."):
        Claim(**{**RECORD, name: "obvious"})


def test_an_id_is_used_once():
    with pytest.raises(ValueError, match=r"'X' occurs twice"):
        register((Claim(**RECORD),), (Claim(**RECORD),))

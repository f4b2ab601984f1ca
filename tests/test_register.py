"""A claim without statement, source, derivation, check or negative control is not a claim."""

import ast
from pathlib import Path

import pytest

from theory import CHAPTERS, CLAIMS, writing
from theory.derivation import has_derivation
from theory.record import Claim, register
from validation.runner.checks import check_of

ROOT = Path(__file__).parent.parent


def uses_of(claim: Claim, *functions: str) -> int:
    """How often the tests of a claim call these functions with its id, in the file named by it."""
    path = ROOT / "tests" / claim.chapter / f"test_{claim.module}.py"
    return sum(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in functions
        and any(isinstance(a, ast.Constant) and a.value == claim.id for a in node.args)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_a_claim_is_complete(claim):
    assert claim.statement.count("$") >= 2
    assert claim.assumptions
    assert "[" in claim.source or "derived here" in claim.source
    assert callable(check_of(claim))
    if claim.status == "refuted":
        assert claim.note, "a refuted claim stays with its counterexample"


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_each_claim_has_its_controls(claim):
    if claim.chapter != "dynamics":
        assert uses_of(claim, "failures", "seen"), "no planted error makes its check fail"
    if has_derivation(claim):
        assert uses_of(claim, "derivation_fails"), "no planted error makes its derivation fail"


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_record_derivation_check_and_tests_stand_where_they_are_said_to(claim):
    assert claim.chapter in CHAPTERS
    for path in writing.files(claim):
        assert (ROOT / path).is_file(), path


@pytest.mark.parametrize("package", ["theory", "validation", "tests"])
def test_chapters_have_the_same_names(package):
    folders = {path.name for path in (ROOT / package).iterdir() if path.is_dir()}
    assert set(CHAPTERS) <= folders


def test_no_file_is_named_by_a_claim_that_does_not_exist():
    modules = {(claim.chapter, claim.module) for claim in CLAIMS.values()}
    for package in ("theory", "validation"):
        for chapter in CHAPTERS:
            for path in (ROOT / package / chapter).glob("*.py"):
                source = path.read_text(encoding="utf-8")
                defined = {n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)}
                if defined & {"derive", "check"}:
                    assert (chapter, path.stem) in modules, path


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
        register({"one": (Claim(**RECORD),), "other": (Claim(**RECORD),)})

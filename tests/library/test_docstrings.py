"""Every public name of the library has a complete docstring in numpydoc's sections."""

from __future__ import annotations

import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import get_validation_checks, validate

import assocmem

ROOT = Path(__file__).resolve().parents[2]
CHECKS = get_validation_checks(
    set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["numpydoc_validation"][
            "checks"
        ]
    )
)
# Modules whose names the site lists one by one, and two of their modules that it lists whole.
ROOMS = [
    "assocmem",
    *(f"assocmem.{name}" for name in assocmem.__all__ if inspect.ismodule(getattr(assocmem, name))),
    *("assocmem.memory", "assocmem.probes", "assocmem.topdown"),
    *("assocmem.gradients.conditions", "assocmem.testing.lemma", "assocmem.testing.properties"),
]
# A class that nobody calls has a signature of no meaning.
NOT_CALLED = {"PR01"}


def listed(module: Any) -> list[str]:
    """What a module says is public, or else the functions and classes that it defines."""
    return getattr(module, "__all__", None) or [
        name
        for name, found in vars(module).items()
        if not name.startswith("_") and getattr(found, "__module__", "") == module.__name__
    ]


def public(room: str) -> Iterator[tuple[str, Any]]:
    """Functions, classes, their methods and their properties, by dotted name."""
    module = importlib.import_module(room)
    for found in (getattr(module, name) for name in listed(module)):
        if not inspect.isclass(found) and not inspect.isfunction(found):
            continue
        name = f"{found.__module__}.{found.__qualname__}"
        yield name, found
        for each, member in vars(found).items() if inspect.isclass(found) else ():
            function = getattr(member, "__func__", getattr(member, "func", member))
            if each[0] != "_" and (inspect.isfunction(function) or isinstance(member, property)):
                yield f"{name}.{each}", member


def incomplete(thing: Any) -> dict[str, str]:
    """What numpydoc misses in the docstring of a dotted name or a function, and loose prose."""
    found = validate(thing if isinstance(thing, str) else get_doc_object(thing))
    errors = {code: text for code, text in found["errors"] if code in CHECKS}
    head = re.split(r"\n\w[\w ]*\n-{4,}\n", inspect.cleandoc(found["docstring"] or ""))[0]
    if loose := re.search(r"^(>>>|Raises [A-Z]|Source: )", head, re.MULTILINE):
        errors["prose"] = f"{loose.group().strip()!r} stands outside its section."
    return errors


@pytest.mark.parametrize("room", ROOMS)
def test_public_names_have_complete_docstrings(room: str) -> None:
    found = dict(public(room))
    assert found
    missing = {name: incomplete(name) for name in found}
    for name, thing in found.items():
        if inspect.isclass(thing) and getattr(thing, "_is_protocol", False):
            for code in NOT_CALLED:
                missing[name].pop(code, None)
    assert {name: errors for name, errors in missing.items() if errors} == {}


def test_the_check_reaches_the_library() -> None:
    found = {name for room in ROOMS for name, _ in public(room)}
    assert len(found) > 330
    assert {
        "assocmem.memory.associative.AssociativeMemory.shape",  # a property
        "assocmem.model.embeddings.FrozenEmbeddings.random",  # a method of a class
        "assocmem.heads.maps.Heads.outputs",  # a property that is kept
        "assocmem.training.optimizers.SGD.direction",
        "assocmem.gradients.conditions.moments",
    } <= found


def complete(n: int, *, scale: float = 1.0) -> float:
    """Return n times the scale.

    Parameters
    ----------
    n : int
        How many.
    scale : float
        What each counts.

    Returns
    -------
    float
        The product.
    """
    return n * scale


def planted(old: str, new: str) -> Any:
    """The function above with an edit of its docstring."""

    def function(n: int, *, scale: float = 1.0) -> float:
        return n * scale

    function.__doc__ = re.sub(old, new, f"{inspect.getdoc(complete)}\n", count=1)
    return function


RETURNS = "Returns\n-------\nfloat\n    The product.\n"
HEADING = "\n\nParameters"


@pytest.mark.parametrize(
    ("code", "old", "new"),
    [
        ("GL08", r"(?s).*", ""),
        ("SS06", "n times", "n\ntimes"),
        ("PR01", "scale : .*\n.*\n", ""),
        ("PR02", "scale : ", "factor : "),
        ("PR03", r"(n : .*\n.*\n)(scale : .*\n.*\n)", r"\2\1"),
        ("PR07", "    How many.\n", ""),
        ("RT01", RETURNS, ""),
        ("RT03", "    The product.\n", ""),
        ("GL07", f"(?s){HEADING}(.*?){RETURNS}", rf"\n\n{RETURNS}{HEADING}\1"),
        ("prose", HEADING, f"\n\nRaises ValueError for n < 0.{HEADING}"),
        ("prose", HEADING, f"\n\n>>> complete(1)\n1.0{HEADING}"),
    ],
)
def test_what_a_docstring_lacks_is_seen(code: str, old: str, new: str) -> None:
    assert incomplete(planted("", "")) == {}
    assert code in incomplete(planted(old, new))

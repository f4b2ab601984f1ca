"""What the tests of claims share: run a check or a derivation with an error planted."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import theory
import validation
from assocmem.model.blocks import BlockTable
from assocmem.model.families import TokenBlock
from theory import CLAIMS
from theory.derivation import DerivationError, derive
from validation.runner.cases import Case, run
from validation.runner.checks import check_of

# All is loaded before anything is patched: a module that is imported later would keep the error.
for _package in (theory, validation):
    for _module in pkgutil.walk_packages(_package.__path__, f"{_package.__name__}."):
        if not _module.name.endswith("__main__") and ".figures" not in _module.name:
            import_module(_module.name)


def failures(claim_id: str, seed: int) -> Iterator[Case]:
    """The cases that fail, one after the other: the first is found without running the rest."""
    claim = CLAIMS[claim_id]
    for case in run(claim, check_of(claim), seed, "quick"):
        if not case.passed(claim.kind):
            yield case


def seen(claim_id: str, name: str, seed: int) -> bool:
    """Whether a case fails that has this in its name."""
    return any(name in case.case for case in failures(claim_id, seed))


def once(fixture_name: str, config: pytest.Config) -> Any:
    """The scope of draws that the planted errors of a file share; each its own for a margin."""
    return "function" if config.pluginmanager.has_plugin("tests.margins") else "module"


def leave_out(monkeypatch: pytest.MonkeyPatch, check: ModuleType, *parts: str) -> None:
    """Leave out parts of a check that come before the rows which a planted error reaches."""
    for part in parts:
        monkeypatch.setattr(check, part, lambda *_: ())


def derivation_fails(claim_id: str, match: str = "") -> None:
    """Assert that the derivation of a claim stops, at a step whose text matches."""
    with pytest.raises(DerivationError, match=rf"^{claim_id}: {match}"):
        derive(CLAIMS[claim_id])


def located(owner: Any, name: str) -> Any:
    """The function of that name in a module or class, or in a module of a package."""
    if hasattr(owner, name):
        return getattr(owner, name)
    for module in pkgutil.iter_modules(owner.__path__, f"{owner.__name__}."):
        if hasattr(found := import_module(module.name), name):
            return getattr(found, name)
    raise AttributeError(f"{name} is in no module of {owner.__name__}")


def plant(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: Callable[[Any], Any]
) -> None:
    """Replace a function by error(function), wherever it has been imported by its name."""
    function = located(owner, name)
    wrong = error(function)
    if not isinstance(owner, ModuleType):
        monkeypatch.setattr(owner, name, wrong)
        return
    for module in list(sys.modules.values()):
        if module.__name__.partition(".")[0] in ("assocmem", "theory", "validation"):
            for alias, value in list(vars(module).items()):
                if value is function:
                    monkeypatch.setattr(module, alias, wrong)


def altered_result(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """An error: what the function returns is changed."""
    return lambda function: lambda *args, **kwargs: change(function(*args, **kwargs))


def scaled(factor: float) -> Callable[[Any], Any]:
    """An error: all numbers that a function returns are larger by a factor."""
    return altered_result(lambda numbers: factor * numbers)


def swap(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: Callable[[Any], Any]
) -> None:
    """Replace a function by error(function), for those who ask its owner for it."""
    monkeypatch.setattr(owner, name, error(getattr(owner, name)))


def alter(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, change: Callable[[Any], Any]
) -> None:
    """Change what a function returns, for those who ask its owner for it."""
    swap(monkeypatch, owner, name, altered_result(change))


def block_replaced(table: BlockTable, name: tuple[str, str], block: Any) -> BlockTable:
    """A table with one block in place of its own."""
    return BlockTable(table.task, table.matrix, {key: table[key] for key in table} | {name: block})


def with_block(name: tuple[str, str], change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A change: one block of a table is altered."""
    return lambda table: block_replaced(table, name, change(table[name]))


def different(factor: float) -> Callable[[Any], Any]:
    """A change: the coefficients of different tokens are scaled."""
    return lambda block: TokenBlock(factor * block.different, block.same)

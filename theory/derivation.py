"""A derivation: steps in words and formulas, every equation of which SymPy has checked.

A derivation starts from the definition (the loss, the law of a random family) and ends at what the
library computes. It cannot be written down wrong: a step that does not hold raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import sympy

from theory.record import Claim

READABLE = 200  # characters of LaTeX that a reader can compare with a formula written by hand


class DerivationError(Exception):
    """A step of a derivation does not hold."""


@dataclass(frozen=True)
class Step:
    """What a step says, in words, and its formula in LaTeX (may be empty).

    Attributes
    ----------
    checked : bool
        Whether SymPy verified something, or the step is a definition or a quotation.
    scope : str
        What was verified: "1 equation in C, K" holds for all values of the symbols it names,
        "6 equations of numbers" at these six places.
    written : bool
        Whether the formula was written by hand. It then says in a reader's notation what was
        checked, and nothing compares it with the expressions that were.
    compared : str
        Beside a formula that was written by hand, one of the equations that were checked, printed
        from its two sides; empty where they are too long to read.
    aside : str
        The title of the bookkeeping that the step is part of; empty for the argument itself.
    """

    text: str
    latex: str = ""
    checked: bool = False
    scope: str = ""
    written: bool = False
    compared: str = ""
    aside: str = ""

    @property
    def formulas(self) -> tuple[str, ...]:
        """What is displayed, in lines."""
        return tuple(filter(None, (self.latex, self.compared)))


class Derivation:
    """The steps of one claim's derivation, checked as they are added.

    >>> x = sympy.Symbol("x")
    >>> derivation = Derivation("example")
    >>> derivation.equal("Expand the square.", (x + 1) ** 2, x**2 + 2 * x + 1)
    >>> derivation.steps[0].scope
    '1 equation in x'
    >>> derivation.equal("A wrong step.", (x + 1) ** 2, x**2 + 1)
    Traceback (most recent call last):
    ...
    theory.derivation.DerivationError: example: A wrong step. The two sides differ by 2*x
    """

    def __init__(self, claim_id: str) -> None:
        self.claim_id = claim_id
        self.steps: list[Step] = []
        self._aside = ""

    @contextmanager
    def aside(self, title: str) -> Iterator[None]:
        """The steps that are added meanwhile are bookkeeping, which a page folds under a title."""
        before, self._aside = self._aside, self._aside or title
        try:
            yield
        finally:
            self._aside = before

    def say(self, text: str, latex: str = "") -> None:
        """Add a definition, an explanation or a result that is quoted."""
        self._add(Step(text, latex))

    def equal(self, text: str, left: Any, right: Any, *, latex: str | None = None) -> None:
        """Add an equation after checking that both sides are identical.

        ``left`` and ``right`` are expressions, or arrays or matrices of them of one shape, compared
        entry by entry. ``latex`` is shown, marked as written by hand, when the expressions are too
        long to read or there are many; with one of them, as printed, where that is short.
        """
        pairs = list(self._pairs(text, left, right))
        if not pairs:
            raise DerivationError(f"{self.claim_id}: {text} It compares nothing.")
        for a, b in pairs:
            difference = _simplified(a - b)
            if difference != 0:
                raise DerivationError(
                    f"{self.claim_id}: {text} The two sides differ by {difference}"
                )
        scope = _scope("equation", [entry for pair in pairs for entry in pair], len(pairs))
        if latex is None:
            printed = f"{sympy.latex(left)} = {sympy.latex(right)}"
            self._add(Step(text, printed, True, scope))
        else:
            self._add(Step(text, latex, True, scope, True, _example(pairs)))

    def holds(self, text: str, relation: Any, *, latex: str | None = None) -> None:
        """Add an inequality (or any relation) after checking that SymPy finds it true."""
        if sympy.simplify(relation) != sympy.true:
            raise DerivationError(f"{self.claim_id}: {text} Not shown to be true: {relation}")
        found = sympy.sympify(relation)  # SymPy decides most relations as they are written
        scope = _scope("relation", [found], 1) if found.free_symbols else "1 relation"
        if latex is None:
            self._add(Step(text, sympy.latex(found), True, scope))
        else:
            compared = "" if found in (True, False) else sympy.latex(found)
            short = compared if len(compared) <= READABLE else ""
            self._add(Step(text, latex, True, scope, True, short))

    def _add(self, step: Step) -> None:
        self.steps.append(replace(step, aside=self._aside))

    def _pairs(self, text: str, left: Any, right: Any) -> Iterator[tuple[Any, Any]]:
        """The entries of both sides that stand at one place; their shapes are the same."""
        left, right = _opened(left), _opened(right)
        if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
            for a, b in zip(left, right, strict=True):
                yield from self._pairs(text, a, b)
        elif isinstance(left, list) or isinstance(right, list):
            raise DerivationError(f"{self.claim_id}: {text} The two sides have different shapes.")
        else:
            yield left, right


def has_derivation(claim: Claim) -> bool:
    """Whether the claim has a derivation; only an empirical or a refuted one may lack it."""
    found = find_spec(f"theory.{claim.chapter}.{claim.module}") is not None
    if not found and claim.status not in ("empirical", "refuted"):
        raise DerivationError(
            f"{claim.id}: expected a derivation in theory/{claim.chapter}/{claim.module}.py, as "
            f"its status is {claim.status!r}; got no such file."
        )
    return found


def idea(claim: Claim) -> str:
    """The idea of a derivation in a few sentences, as its `derive` states it; empty without one."""
    name = f"theory.{claim.chapter}.{claim.module}"
    return " ".join((import_module(name).derive.__doc__ or "").split()) if find_spec(name) else ""


def derive(claim: Claim) -> Derivation:
    """Run the derivation of a claim from its start to its end: ``derive`` in its module."""
    derivation = Derivation(claim.id)
    import_module(f"theory.{claim.chapter}.{claim.module}").derive(derivation)
    if not any(step.checked for step in derivation.steps):
        raise DerivationError(f"{claim.id}: the derivation checks nothing")
    return derivation


@cache
def _simplified(difference: Any) -> Any:
    """A form that is 0 where the difference is: certain for rational functions, whose numerator
    is expanded, best effort for others.
    """
    if difference.is_rational_function():
        numerator, denominator = sympy.fraction(sympy.together(difference))
        return sympy.expand(numerator) / denominator
    return sympy.simplify(difference)


def _opened(side: Any) -> Any:
    """A list of what an array, a matrix or a sequence holds, or a single SymPy expression."""
    if hasattr(side, "field"):  # an element of a SymPy field of fractions
        return side.as_expr()
    if isinstance(side, sympy.MatrixBase):
        return side.tolist()
    return list(side) if hasattr(side, "__iter__") else sympy.sympify(side)


def _example(pairs: list[tuple[Any, Any]]) -> str:
    """The first equation that is short enough to read; best one whose sides do not print alike."""
    alike = ""
    for left, right in pairs:
        if sympy.count_ops(left) + sympy.count_ops(right) <= READABLE // 4:
            sides = sympy.latex(left), sympy.latex(right)
            if len(printed := " = ".join(sides)) > READABLE:
                continue
            if sides[0] != sides[1]:
                return printed
            if left != 0:
                alike = alike or printed
    return alike


def _scope(noun: str, entries: list[Any], number: int) -> str:
    """What was verified, in words: how many, and for all values of which symbols."""
    symbols = {str(symbol) for entry in entries for symbol in entry.free_symbols}
    names = sorted(name for name in symbols if "(" not in name)
    if others := len(symbols) - len(names):  # an exponential that stands for a symbol
        names.append(f"and {others} function{'s' if others > 1 else ''} of them")
    plural = noun if number == 1 else f"{noun}s"
    return f"{number} {plural} in {', '.join(names)}" if names else f"{number} {plural} of numbers"

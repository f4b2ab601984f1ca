"""A derivation: steps in words and formulas, every equation of which SymPy has checked.

A derivation starts from the definition (the loss, the law of a random family) and ends at what the
library computes. It cannot be written down wrong: a step that does not hold raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import sympy

from theory.record import Claim


class DerivationError(Exception):
    """A step of a derivation does not hold."""


@dataclass(frozen=True)
class Step:
    """What a step says, in words, and its formula in LaTeX (may be empty).

    ``checked`` tells whether SymPy verified the formula, or it is a definition or a quotation.
    """

    text: str
    latex: str = ""
    checked: bool = False


class Derivation:
    """The steps of one claim's derivation, checked as they are added.

    >>> x = sympy.Symbol("x")
    >>> derivation = Derivation("example")
    >>> derivation.equal("Expand the square.", (x + 1) ** 2, x**2 + 2 * x + 1)
    >>> derivation.equal("A wrong step.", (x + 1) ** 2, x**2 + 1)
    Traceback (most recent call last):
    ...
    theory.derivation.DerivationError: example: A wrong step. The two sides differ by 2*x
    """

    def __init__(self, claim_id: str) -> None:
        self.claim_id = claim_id
        self.steps: list[Step] = []

    def say(self, text: str, latex: str = "") -> None:
        """Add a definition, an explanation or a result that is quoted."""
        self.steps.append(Step(text, latex))

    def equal(self, text: str, left: Any, right: Any, *, latex: str | None = None) -> None:
        """Add an equation after checking that both sides are identical.

        ``left`` and ``right`` are expressions, or arrays or matrices of them, compared entry by
        entry. ``latex`` replaces the printed equation when the expressions are too long to read.
        """
        for a, b in zip(_entries(left), _entries(right), strict=True):
            difference = _simplified(a - b)
            if difference != 0:
                raise DerivationError(
                    f"{self.claim_id}: {text} The two sides differ by {difference}"
                )
        if latex is None:
            latex = f"{sympy.latex(left)} = {sympy.latex(right)}"
        self.steps.append(Step(text, latex, checked=True))

    def holds(self, text: str, relation: Any, *, latex: str | None = None) -> None:
        """Add an inequality (or any relation) after checking that SymPy finds it true."""
        if sympy.simplify(relation) != sympy.true:
            raise DerivationError(f"{self.claim_id}: {text} Not shown to be true: {relation}")
        self.steps.append(Step(text, latex or sympy.latex(relation), checked=True))


def has_derivation(claim: Claim) -> bool:
    """Whether the claim has a derivation; only an empirical or a refuted one may lack it."""
    found = find_spec(f"theory.{claim.chapter}.{claim.module}") is not None
    if not found and claim.status not in ("empirical", "refuted"):
        raise DerivationError(
            f"{claim.id}: expected a derivation in theory/{claim.chapter}/{claim.module}.py, as "
            f"its status is {claim.status!r}; got no such file."
        )
    return found


def derive(claim: Claim) -> Derivation:
    """Run the derivation of a claim from its start to its end: ``derive`` in its module."""
    derivation = Derivation(claim.id)
    import_module(f"theory.{claim.chapter}.{claim.module}").derive(derivation)
    if not any(step.checked for step in derivation.steps):
        raise DerivationError(f"{claim.id}: the derivation checks nothing")
    return derivation


def _simplified(difference: Any) -> Any:
    """A normal form: fast and certain for rational functions, best effort for others."""
    if difference.is_rational_function():
        return sympy.cancel(difference)
    return sympy.simplify(difference)


def _entries(side: Any) -> list[Any]:
    if hasattr(side, "field"):  # an element of a SymPy field of fractions
        return [side.as_expr()]
    if hasattr(side, "__iter__"):
        return [entry for part in side for entry in _entries(part)]
    return [sympy.sympify(side)]

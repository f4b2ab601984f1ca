"""One record per claim: the only place where a claim is stated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

Kind = Literal["equal", "upper", "lower", "rate", "high_prob", "empirical", "order"]
Status = Literal["proved", "proved in a limit", "empirical", "refuted"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What is claimed, under which assumptions, by whom, and how it can be wrong.

    Attributes
    ----------
    id : str
        Short and stable: "S2".
    title : str
        One line, plain text.
    statement : str
        LaTeX, complete: every symbol is in docs/notation.md or introduced here. Of several
        propositions each begins with its letter: (a), (b).
    assumptions : tuple of str
        What must hold for the statement to apply.
    kind : {"equal", "upper", "lower", "rate", "high_prob", "empirical", "order"}
        How prediction and measurement are compared; see `validation.runner.cases`.
    source : str
        Paper and theorem, with its key in docs/refs.bib, e.g. "[BCBJB2023], Lemma 1".
    status : {"proved", "proved in a limit", "empirical", "refuted"}
        A refuted claim stays, with its counterexample in ``note``.
    note : str
        What a careful reader wants to know: where it fails, what differs from the source.
    chapter : str
        The folder of its record, derivation, check and tests; the register fills it in.
    """

    id: str
    title: str
    statement: str
    assumptions: tuple[str, ...]
    kind: Kind
    source: str
    status: Status
    note: str = ""
    chapter: str = ""

    def __post_init__(self) -> None:
        for name in ("id", "title", "statement", "source"):
            if not getattr(self, name):
                raise ValueError(f"{name}: expected text for claim {self.id!r}; got none.")
        for name, allowed in (("kind", get_args(Kind)), ("status", get_args(Status))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}: expected one of {allowed}; got {getattr(self, name)!r}.")

    @property
    def module(self) -> str:
        """The name of its modules: the id in lower case, hyphens as underscores.

        >>> from theory import CLAIMS
        >>> CLAIMS["T-S2"].chapter, CLAIMS["T-S2"].module
        ('steps', 't_s2')
        """
        return self.id.lower().replace("-", "_")

    @property
    def parts(self) -> tuple[str, ...]:
        """The letters of the propositions in the statement; none where it is a single one.

        >>> from theory import CLAIMS
        >>> CLAIMS["NO2"].parts, CLAIMS["NO1"].parts
        (('a', 'b', 'c'), ())
        """
        plain = re.sub(r"\$\$?.*?\$\$?", "$", self.statement, flags=re.DOTALL)
        return tuple(re.findall(r"(?<!\S)\(([a-h])\)(?=\s)", plain))


def register(chapters: Mapping[str, tuple[Claim, ...]]) -> dict[str, Claim]:
    """Return the claims of all chapters by id, in order; an id that occurs twice is refused."""
    claims: dict[str, Claim] = {}
    for chapter, members in chapters.items():
        for claim in members:
            if claim.id in claims:
                raise ValueError(f"id: expected each claim once; {claim.id!r} occurs twice.")
            claims[claim.id] = replace(claim, chapter=chapter)
    return claims

"""What a run of the checks leaves: one row a case, for ``report.json`` and for all that is shown.

A row is what other programs read: id, case, title, kind, predicted, measured, tolerance, passed,
seconds, verdict, evidence, power, part. ``passed`` follows from the numbers; ``verdict`` is the
same in a word, and says why where ``passed`` is None. ``part`` is the letter of the proposition
that the case tests, which its name shows too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theory.record import Claim
from validation.runner.cases import Case

Row = dict[str, Any]

HOLDS, FAILS, UNDECIDED, NOT_CHECKED = "holds", "FAILS", "undecided", "not checked"
NOT_SELECTED = "not selected"
SHORT = {  # strongest first
    "identity": "ident",
    "enumeration": "enum",
    "bound": "bound",
    "estimate": "est",
    "statistics": "stat",
    "pairs": "pairs",
    "range": "range",
}


def checked(claim: Claim, case: Case) -> Row:
    """The row of a checked case; the verdict follows from its numbers and the claim's kind.

    >>> claim = Claim(id="X", title="One is one", statement="$1 = 1$", assumptions=(),
    ...               kind="equal", source="folklore", status="proved")
    >>> row = checked(claim, Case("sum", predicted=1, measured=1.5, tolerance=0.1))
    >>> row["passed"], row["verdict"]
    (False, 'FAILS')

    A number that is not finite, as in the row of a check that broke off, becomes None: JSON has
    no other word for it, and it holds for no kind.
    """
    numbers = {name: getattr(case, name) for name in ("predicted", "measured", "tolerance")}
    passed, power = case.passed(claim.kind), case.power(claim.kind)
    if passed is not None:
        passed = passed and all(map(math.isfinite, numbers.values()))
    return {
        "id": claim.id,
        "case": f"({case.part}) {case.case}" if case.part else case.case,
        "title": claim.title,
        "kind": claim.kind,
        **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
        "passed": passed,
        "seconds": round(case.seconds, 6),
        "verdict": {True: HOLDS, False: FAILS, None: f"{UNDECIDED}: {case.undecided}"}[passed],
        "evidence": case.evidence,
        "power": power if power is not None and math.isfinite(power) else None,
        "part": case.part,
    }


def not_run(claim: Claim, *, selected: bool) -> Row:
    """The row of a claim that was not selected, or that has no case in this profile."""
    empty = dict.fromkeys(("predicted", "measured", "tolerance", "passed", "seconds"))
    verdict = f"{NOT_CHECKED}: --profile full" if selected else NOT_SELECTED
    nothing = dict.fromkeys(("evidence", "power", "part"))
    head = {"id": claim.id, "case": "", "title": claim.title, "kind": claim.kind}
    return {**head, **empty, "verdict": verdict, **nothing}


def distance(row: Row) -> float | None:
    """How far a case is from its prediction, in tolerances: 1 is the limit of what holds.

    For the kind high_prob only what exceeds the bound counts. None where a number is missing.
    """
    if None in (row["predicted"], row["measured"], row["tolerance"]):
        return None
    excess = row["measured"] - row["predicted"]
    error = max(0.0, excess) if row["kind"] == "high_prob" else abs(excess)
    if error == 0:
        return 0.0
    return float(error / row["tolerance"]) if row["tolerance"] > 0 else math.inf


@dataclass(frozen=True)
class Outcome:
    """All cases of one claim, in a line: what the terminal and the page show of it."""

    claim: Claim
    rows: tuple[Row, ...]

    @property
    def ran(self) -> tuple[Row, ...]:
        """The rows with numbers."""
        return tuple(row for row in self.rows if row["seconds"] is not None)

    @property
    def verdict(self) -> str:
        """FAILS when a case fails, undecided when one is, holds when all hold."""
        found = {row["verdict"].partition(":")[0] for row in self.rows}
        order = (FAILS, UNDECIDED, HOLDS, NOT_CHECKED, NOT_SELECTED)
        return next(word for word in order if word in found)

    @property
    def evidence(self) -> str:
        """The weakest kind of evidence that one of its cases rests on."""
        kinds = {row["evidence"] for row in self.ran}
        return next((short for word, short in reversed(SHORT.items()) if word in kinds), "")

    @property
    def worst(self) -> float | None:
        """The largest error over its tolerance; None where some case has no number."""
        found = [distance(row) for row in self.ran]
        known = [value for value in found if value is not None]
        return max(known) if known and len(known) == len(found) else None

    @property
    def power(self) -> float | None:
        """The relative error of the prediction that all cases but counts would have caught."""
        return max((row["power"] for row in self.ran if row["power"] is not None), default=None)

    @property
    def seconds(self) -> float:
        """What its cases took."""
        return float(sum(row["seconds"] for row in self.ran))


def outcomes(claims: Iterable[Claim], rows: Iterable[Row]) -> list[Outcome]:
    """The rows gathered by claim, in the order of the register; what was not selected is left."""
    by_id: dict[str, list[Row]] = {}
    for row in rows:
        if row["verdict"] != NOT_SELECTED:
            by_id.setdefault(row["id"], []).append(row)
    return [Outcome(claim, tuple(by_id[claim.id])) for claim in claims if claim.id in by_id]


def summary(found: Iterable[Outcome], seconds: float) -> str:
    """The verdict in a sentence or two: how many cases of how many claims, and which fail."""
    found = list(found)
    by_verdict = {
        word: [one.claim.id for one in found if one.verdict == word]
        for word in (HOLDS, FAILS, UNDECIDED, NOT_CHECKED)
    }
    ran = [one for one in found if one.ran]
    cases = sum(len(one.ran) for one in found)
    text = f"{_count(cases, 'case')} of {_count(len(ran), 'claim')} in {seconds:.1f} s: "
    if by_verdict[FAILS]:
        failed = sum(row["passed"] is False for one in found for row in one.rows)
        text += f"{_count(failed, 'case')} FAILED ({', '.join(by_verdict[FAILS])})."
    elif by_verdict[UNDECIDED]:
        text += "none fails."
    else:
        text += "all hold." if ran else "nothing was checked."
    if by_verdict[UNDECIDED]:
        text += f" Undecided: {', '.join(by_verdict[UNDECIDED])}."
    if left := by_verdict[NOT_CHECKED]:
        text += f" Not checked in this profile: {', '.join(left)} (--profile full)."
    return text


def write(rows: list[Row], path: Path) -> None:
    """Write the rows as JSON; whoever reads meanwhile finds the old file or the new one."""
    from assocmem._files import write_json  # loads NumPy: not for `list` and `--help`

    write_json(path, rows)


def number(value: float | None, digits: int) -> str:
    """A number for people: few digits, a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}g}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

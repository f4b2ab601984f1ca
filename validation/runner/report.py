"""What a run of the checks leaves: rows for ``report.json`` and lines for the terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from theory.record import Claim
from validation.runner.cases import Case

Row = dict[str, Any]

WIDTH = 100
_COLUMNS = "{:<8} {:<44} {:>11} {:>11} {:>9} {:>5} {:>6}"
HEADER = _COLUMNS.format("id", "case", "predicted", "measured", "tolerance", "holds", "s").rstrip()


def checked(claim: Claim, case: Case) -> Row:
    """The row of a checked case; the verdict follows from its numbers and the claim's kind.

    >>> claim = Claim(id="X", title="One is one", statement="$1 = 1$", assumptions=(),
    ...               kind="equal", source="folklore", status="proved")
    >>> checked(claim, Case("sum", predicted=1, measured=1.5, tolerance=0.1))["passed"]
    False

    A number that is not finite, as in the row of a check that broke off, becomes None: JSON has
    no other word for it, and it holds for no kind.
    """
    numbers = {name: getattr(case, name) for name in ("predicted", "measured", "tolerance")}
    return {
        "id": claim.id,
        "case": case.case,
        "title": claim.title,
        "kind": claim.kind,
        **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
        "passed": all(map(math.isfinite, numbers.values())) and case.passed(claim.kind),
        "seconds": round(case.seconds, 6),
    }


def not_run(claim: Claim) -> Row:
    """The row of a claim that was not selected, or has no case in this profile."""
    empty = dict.fromkeys(("predicted", "measured", "tolerance", "passed", "seconds"))
    return {"id": claim.id, "case": "", "title": claim.title, "kind": claim.kind, **empty}


def lines(row: Row) -> Iterator[str]:
    """The row as lines of at most WIDTH characters: numbers on the first, a long name wrapped."""
    case, *rest = textwrap.wrap(row["case"], 44) or [""]
    yield _COLUMNS.format(
        row["id"],
        case,
        _number(row["predicted"], 4),
        _number(row["measured"], 4),
        _number(row["tolerance"], 2),
        {True: "yes", False: "NO", None: "-"}[row["passed"]],
        "-" if row["seconds"] is None else f"{row['seconds']:.1f}",
    )
    for more in rest:
        yield _COLUMNS.format("", more, "", "", "", "", "").rstrip()


def heading(claim: Claim) -> str:
    """The claim's title and kind, on lines of at most WIDTH characters."""
    return textwrap.fill(
        f"{claim.id:<8} {claim.title} ({claim.kind})", WIDTH, subsequent_indent=" " * 9
    )


def summary(rows: Iterable[Row], seconds: float) -> str:
    """The verdict in a line or two: how many cases of how many claims, and which failed."""
    rows = list(rows)
    ran = [row for row in rows if row["passed"] is not None]
    failed = [row for row in ran if not row["passed"]]
    claims = {row["id"] for row in ran}
    text = f"{_count(len(ran), 'case')} of {_count(len(claims), 'claim')} in {seconds:.1f} s: "
    if failed:
        ids = ", ".join(dict.fromkeys(row["id"] for row in failed))
        text += f"{len(failed)} FAILED ({ids})."
    else:
        text += "all hold." if ran else "nothing was checked."
    if left := {row["id"] for row in rows} - claims:
        text += f" {_count(len(left), 'claim')} not run."
    return textwrap.fill(text, WIDTH)


def write(rows: list[Row], path: Path) -> None:
    """Write the rows as JSON; whoever reads meanwhile finds the old file or the new one."""
    from assocmem._files import write_json  # loads NumPy: not for `list` and `--help`

    write_json(path, rows)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}g}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

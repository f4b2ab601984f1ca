"""The rows on a terminal: one line a claim under the headings of the chapters, failures first."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module

from theory.record import Claim
from validation.runner.cases import FALSE_ALARM, PAIRS
from validation.runner.report import FAILS, HOLDS, NOT_CHECKED, UNDECIDED, Outcome, Row, number

NARROW, WIDE = 80, 120
MOST_LINES = 100
_COLOURS = {HOLDS: "32", FAILS: "1;31", UNDECIDED: "33", NOT_CHECKED: "2"}
_DETAIL = "{:<9} {:<43} {:>11} {:>11} {:>9} {:>5} {:>6}"
DETAIL_WIDTH = 100
DETAIL_HEADER = _DETAIL.format(
    "id", "case", "predicted", "measured", "tolerance", "holds", "s"
).rstrip()


@dataclass(frozen=True)
class Paper:
    """Where the table is printed: its width in characters, and whether it shows colour."""

    width: int = NARROW
    colour: bool = False

    @classmethod
    def found(cls) -> Paper:
        """Standard output: a terminal's own width, 80 columns elsewhere; NO_COLOR is respected."""
        terminal = sys.stdout.isatty()
        columns = shutil.get_terminal_size((NARROW, 24)).columns if terminal else NARROW
        plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
        return cls(max(NARROW, min(WIDE, columns - 1)), terminal and not plain)

    def painted(self, text: str, colour: str) -> str:
        """The text in a colour, by its code; plain on plain paper."""
        return f"\033[{colour}m{text}\033[0m" if self.colour and colour else text

    def wrapped(self, text: str, indent: str = "") -> list[str]:
        """The text in lines that fit, all but the first indented."""
        return textwrap.wrap(text, self.width, subsequent_indent=indent) or [""]


def chapter_title(chapter: str) -> str:
    """The title of a chapter: the first line of its docstring.

    >>> chapter_title("lemmas")
    'The building blocks: gradients of one linear memory and of one attention layer'
    """
    text = import_module(f"theory.{chapter}").__doc__ or chapter
    return text.splitlines()[0].rstrip(".")


def table(found: Sequence[Outcome], summary: str, seed: int, paper: Paper) -> Iterator[str]:
    """The whole table: failures in full, a line a claim, the summary; at most MOST_LINES lines."""
    chapters = {one.claim.chapter for one in found}
    below = [*paper.wrapped(summary), *_legend(paper)]
    room = MOST_LINES - len(found) - len(chapters) - len(below) - 4  # blank lines, the two heads
    failed = [one for one in found if one.verdict == FAILS]
    yield from _failures(failed, seed, paper, max(room, 10))
    columns = _Columns(found, paper)
    yield columns.head()
    chapter = ""
    for one in found:
        if one.claim.chapter != chapter:
            chapter = one.claim.chapter
            yield paper.painted(_fitted(chapter_title(chapter), paper.width), "1")
        yield columns.line(one)
    yield ""
    yield from below


def _fitted(title: str, width: int) -> str:
    """The title, or what stands before its colon or its first comma, if it is too long."""
    parts = (title, title.partition(":")[0], title.partition(",")[0])
    return next((part for part in parts if len(part) <= width), title[:width])


def _brief(value: float | None, least: float) -> str:
    """A number in at most five characters; below ``least`` only that it is."""
    if value is None or value == 0:
        return number(value, 1)
    if value < least:
        return f"<{least:g}".replace("0.", ".").replace("e-0", "e-")
    if value >= 10:
        return f"{value:.0f}" if value < 9999 else ">9999"
    return f"{value:.0e}" if value < 1e-3 else number(value, 1 if value < 0.1 else 2)


def _legend(paper: Paper) -> list[str]:
    text = (
        "how: weakest evidence of any case, from ident(ity, to rounding), enum(eration of a whole "
        "population), bound (proved), est(imated error of a limit), stat(istics: false alarms have "
        f"probability {FALSE_ALARM:.0e} at most), pairs (of runs: {2.0**-PAIRS:.0e}), to range "
        "(stated, not proved). worst: largest |error| / tolerance. power: smallest relative error "
        "that every case, apart from counts, is certain to catch."
    )
    return [paper.painted(line, "2") for line in paper.wrapped(text)]


def _failures(failed: Sequence[Outcome], seed: int, paper: Paper, room: int) -> Iterator[str]:
    """What fails, in full; what has no room is counted, and `-v` shows it."""
    if not failed:
        return
    lines = [line for one in failed for line in _failure(one, seed, paper)]
    if len(lines) > room:
        shown = sum(line.startswith("  case: ") for line in lines[: room - 1])
        cases = sum(row["passed"] is False for one in failed for row in one.rows)
        lines = [*lines[: room - 1], f"... {cases - shown} more cases fail: -v shows all of them"]
    yield paper.painted(f"{len(failed)} of the claims checked FAIL", _COLOURS[FAILS])
    yield from lines
    yield ""


def _failure(one: Outcome, seed: int, paper: Paper) -> Iterator[str]:
    for line in paper.wrapped(f"{one.claim.id}  {one.claim.title}", "  "):
        yield paper.painted(line, "1")
    for row in one.rows:
        if row["passed"] is False:
            yield from paper.wrapped(f"  case: {row['case']}", "    ")
            numbers = (f"{name} {number(row[name], 6)}" for name in _NUMBERS)
            yield from paper.wrapped(f"  {', '.join(numbers)} ({row['kind']})", "    ")
    yield f"  again: python -m validation run {one.claim.id} --seed {seed} -v"


_NUMBERS = ("predicted", "measured", "tolerance")


class _Columns:
    """The widths that fit these claims; what is left of a line is the title's."""

    def __init__(self, found: Sequence[Outcome], paper: Paper) -> None:
        ran = [one for one in found if one.ran]
        self.paper = paper
        self.id = max([len("id"), *(len(one.claim.id) for one in found)])
        self.verdict = max((len(one.verdict) for one in ran), default=5)
        self.how = max((len(one.evidence) for one in ran), default=3)
        self.title = paper.width - self.id - 3 - len(self._end("", "", "", "", ""))
        self.title -= self.verdict

    def _start(self, id: str, title: str) -> str:
        if len(title) > self.title:
            title = title[: self.title - 2].rstrip(" ,:") + ".."
        return f"{id:<{self.id}} {title:<{self.title}} "

    def _end(self, how: str, cases: str, worst: str, power: str, seconds: str) -> str:
        return f"{how:<{self.how}} {cases:>5} {worst:>5} {power:>5} {seconds:>4}"

    def head(self) -> str:
        """The names of the columns."""
        end = self._end("how", "cases", "worst", "power", "s")
        text = f"{self._start('id', 'claim')}{'holds?':<{self.verdict}.{self.verdict}} {end}"
        return self.paper.painted(text, "2")

    def line(self, one: Outcome) -> str:
        """The line of one claim."""
        start, colour = self._start(one.claim.id, one.claim.title), _COLOURS[one.verdict]
        if not one.ran:
            return self.paper.painted(start + one.rows[0]["verdict"], colour)
        end = self._end(
            one.evidence,
            str(len(one.ran)),
            _brief(one.worst, 1e-3),
            _brief(one.power, 1e-9),
            f"{one.seconds:.1f}" if one.seconds < 99 else f"{one.seconds:.0f}",
        )
        verdict = self.paper.painted(f"{one.verdict:<{self.verdict}}", colour)
        return f"{start}{verdict} {end}"


# Every row, for `-v`


def detail(row: Row) -> Iterator[str]:
    """The row as lines of at most DETAIL_WIDTH: numbers on the first, a long name wrapped."""
    case, *rest = textwrap.wrap(row["case"], 43) or [""]
    yield _DETAIL.format(
        row["id"],
        case,
        number(row["predicted"], 4),
        number(row["measured"], 4),
        number(row["tolerance"], 2),
        {True: "yes", False: "NO", None: "-"}[row["passed"]],
        "-" if row["seconds"] is None else f"{row['seconds']:.1f}",
    )
    for more in rest:
        yield _DETAIL.format("", more, "", "", "", "", "").rstrip()
    if row["verdict"].startswith(UNDECIDED):
        yield textwrap.fill(row["verdict"], DETAIL_WIDTH, initial_indent=" " * 9)


def heading(claim: Claim) -> str:
    """The claim's title and kind, on lines of at most DETAIL_WIDTH characters."""
    return textwrap.fill(
        f"{claim.id:<9} {claim.title} ({claim.kind})", DETAIL_WIDTH, subsequent_indent=" " * 10
    )

"""What the command lines ``python -m theory`` and ``python -m validation`` share."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from fnmatch import fnmatchcase
from io import TextIOWrapper
from typing import IO, Any

from theory import CHAPTERS, CLAIMS
from theory.record import Claim

FINE, FAILS, USAGE, INTERRUPTED = 0, 1, 2, 130  # exit codes; argparse itself exits with USAGE


class OutputLost(Exception):
    """Standard output takes no more: its reader has gone, or its disk is full."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output takes no more ({error.strerror})")
        self.enough = isinstance(error, BrokenPipeError)  # a reader such as head has seen enough


def run_command(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> int:
    """Run the command that the arguments name and return its exit code."""
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # its encoding may know no Greek
    try:
        try:
            options = parser.parse_args(arguments)
        except SystemExit as stop:  # argparse has said why
            say(end="")
            return int(stop.code or FINE)
        return int(options.command(options))
    except KeyboardInterrupt:
        complain("\ninterrupted")
        return INTERRUPTED
    except OutputLost as lost:
        if lost.enough:
            return FINE
        complain(f"{lost}. Make room, or send it elsewhere.")
        return USAGE


def say(*lines: str, end: str = "\n") -> None:
    """Print the lines now. Raises OutputLost, once: what is said after that is discarded."""
    try:
        print(*lines, sep="\n", end=end, flush=True)
    except OSError as error:
        _discard(sys.stdout)
        raise OutputLost(error) from None


def complain(text: str) -> None:
    """Print to standard error, if anyone reads it."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _discard(stream: IO[str]) -> None:
    """Let the stream end in the null device, so that what it still holds can be flushed."""
    with suppress(OSError):  # a stream that is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def one_of(what: str, names: Iterable[str]) -> Callable[[str], str]:
    """An argument that is one of the names, in upper or lower case."""
    by_lower_case = {name.lower(): name for name in names}

    def read(given: str) -> str:
        if given.lower() not in by_lower_case:
            expected = ", ".join(by_lower_case.values())
            near = [by_lower_case[word] for word in get_close_matches(given.lower(), by_lower_case)]
            remedy = f"Did you mean {' or '.join(near)}?" if near else "Choose from these."
            raise argparse.ArgumentTypeError(
                f"expected a {what}, one of {expected}; got {given!r}. {remedy}"
            )
        return by_lower_case[given.lower()]

    return read


def claims_named(given: str) -> tuple[str, ...]:
    """The ids that an argument names: an id, in any case, a chapter, or a pattern such as C*.

    An id wins over a chapter of the same name.

    >>> claims_named("l1"), claims_named("lemmas"), claims_named("l?")
    (('L1',), ('L1', 'L2', 'L3'), ('L1', 'L2', 'L3'))
    """
    name = given.lower()
    by_lower_case = {id.lower(): id for id in CLAIMS}
    if name in by_lower_case:
        return (by_lower_case[name],)
    found = tuple(id for id, claim in CLAIMS.items() if claim.chapter == name)
    found = found or tuple(id for id in CLAIMS if fnmatchcase(id.lower(), name))
    if not found:
        near = get_close_matches(name, [*by_lower_case, *CHAPTERS], n=4, cutoff=0.5)
        near = [by_lower_case.get(word, word) for word in near]
        remedy = f"Did you mean {' or '.join(near)}?" if near else "`list` shows them."
        raise argparse.ArgumentTypeError(
            f"expected a claim's id, a chapter or a pattern such as 'C*'; got {given!r}. {remedy}"
        )
    return found


def selected(named: Iterable[Sequence[str]]) -> list[Claim]:
    """The claims of these ids, in the order of the register; all when none is given."""
    ids = {id for group in named for id in group} or CLAIMS.keys()
    return [claim for id, claim in CLAIMS.items() if id in ids]


def list_claims(options: argparse.Namespace) -> int:
    """Print id, kind, status and title of every claim."""
    for claim in CLAIMS.values():
        say(f"{claim.id:<9} {claim.kind:<10} {claim.status:<18} {claim.title}")
    return FINE


def claim_commands(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    """Add the command that lists the claims, and the one of this name, which takes some of them."""
    commands.add_parser("list", help="list the claims").set_defaults(command=list_claims)
    command: argparse.ArgumentParser = commands.add_parser(name, help=text)
    help = "claim, chapter or pattern: L2, 'C*'"
    command.add_argument("ids", nargs="*", metavar="ID", type=claims_named, help=help)
    return command

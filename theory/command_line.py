"""What the command lines ``python -m theory`` and ``python -m validation`` share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence

from theory import CLAIMS
from theory.claims import Claim

FINE, FAILS, USAGE, INTERRUPTED = 0, 1, 2, 130  # exit codes; argparse itself exits with USAGE


def run_command(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> int:
    """Run the command that the arguments name and return its exit code."""
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:  # argparse has said why
        return int(stop.code or FINE)
    try:
        return int(options.command(options))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return INTERRUPTED


def one_of(what: str, names: Iterable[str]) -> Callable[[str], str]:
    """An argument that is one of the names, in upper or lower case."""
    by_lower_case = {name.lower(): name for name in names}

    def read(given: str) -> str:
        if given.lower() not in by_lower_case:
            expected = ", ".join(by_lower_case.values())
            raise argparse.ArgumentTypeError(
                f"expected a {what}, one of {expected}; got {given!r}. Choose from these."
            )
        return by_lower_case[given.lower()]

    return read


claim_id = one_of("claim id", CLAIMS)


def selected(ids: Sequence[str]) -> list[Claim]:
    """The claims of these ids, in the order of the register; all when none is given."""
    return [claim for id, claim in CLAIMS.items() if id in (ids or CLAIMS)]


def list_claims(options: argparse.Namespace) -> int:
    """Print id, kind, status and title of every claim."""
    for claim in CLAIMS.values():
        print(f"{claim.id:<8} {claim.kind:<10} {claim.status:<18} {claim.title}")
    return FINE

"""Read the claims and their derivations: ``python -m theory --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

from theory import CLAIMS, writing
from theory.command_line import (
    FAILS,
    FINE,
    claim_commands,
    complain,
    run_command,
    say,
    selected,
)
from theory.record import Claim

EXAMPLES = """\
examples:
  python -m theory                           list the claims: id, kind, status, title
  python -m theory show S2                   show statement, assumptions and derivation
  python -m theory show L1 L2 --latex        the same as a LaTeX document, on standard output
  python -m theory show steps 'W*'           show a chapter, and the claims that match a pattern
  python -m theory show                      show every claim
  python -m theory table                     list the claims as a Markdown table

A derivation runs when it is shown: SymPy then checks each step that is marked with a tick.
exit code: 0 fine; 1 a derivation fails; 2 wrong usage, or no room for the output; 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = list(sys.argv[1:] if argv is None else argv) or ["list"]
    return run_command(parser(), given)


def parser() -> argparse.ArgumentParser:
    """The command line: list, show, table."""
    top = argparse.ArgumentParser(
        prog="python -m theory",
        description="Read the claims of the theory and their derivations.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(metavar="{list,show,table}", required=True)

    show = claim_commands(commands, "show", "state and derive claims (default: all)")
    show.add_argument("--latex", action="store_true", help="write a LaTeX document")
    show.set_defaults(command=show_claims)

    markdown = commands.add_parser("table", help="the claims as a Markdown table")
    markdown.set_defaults(command=print_table)
    return top


def print_table(options: argparse.Namespace) -> int:
    """Print the Markdown table of the claims."""
    say(writing.table(CLAIMS.values()))
    return FINE


def show_claims(options: argparse.Namespace) -> int:
    """Print statements and derivations, each as soon as SymPy has checked it."""
    from theory.derivation import DerivationError  # loads SymPy: not for `list` and `--help`

    claims = selected(options.ids)
    pages = _latex_pages(claims) if options.latex else _text_pages(claims)
    try:
        for page in pages:
            say(page)
    except DerivationError as error:
        complain(f"The derivation fails. {error}")
        return FAILS
    return FINE


def _latex_pages(claims: Sequence[Claim]) -> Iterator[str]:
    from theory.derivation import derive, has_derivation

    return writing.as_latex(
        (claim, derive(claim).steps if has_derivation(claim) else []) for claim in claims
    )


def _text_pages(claims: Sequence[Claim]) -> Iterator[str]:
    from theory.derivation import derive, has_derivation, idea

    for claim in claims:
        yield writing.claim_as_text(claim)
        if has_derivation(claim):
            steps = derive(claim).steps
            yield f"\nDerivation ({writing.count(steps)}: {writing.CHECKED})"
            if text := idea(claim):
                yield writing.idea_as_text(text)
            for number, (title, group) in enumerate(writing.grouped(steps)):
                if title or number:
                    yield writing.aside_as_text(title)
                yield from (writing.step_as_text(*step) for step in group)
        if claim is not claims[-1]:
            yield "\n" + "=" * writing.WIDTH + "\n"


if __name__ == "__main__":
    sys.exit(main())

"""The command line of ``python -m validation``: run checks, list claims, draw figures."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from inspect import signature
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, get_args

import numpy as np

from theory import CLAIMS
from theory.command_line import (
    FAILS,
    FINE,
    USAGE,
    OutputLost,
    claim_commands,
    complain,
    one_of,
    run_command,
    say,
    selected,
)
from theory.record import Claim
from validation.runner import page, report, table
from validation.runner.cases import Case, Context, Profile, run
from validation.runner.pool import shared

EXAMPLES = """\
examples:
  python -m validation                            check every claim, in the quick profile
  python -m validation list                       list the claims: id, kind, status, title
  python -m validation run L2 S1 --seed 3 -v      check two, with another seed, and show every case
  python -m validation run 'C*' width             check those that match a pattern, and a chapter
  python -m validation run --profile full         more sizes, more draws, tighter tolerances
  python -m validation figure induction-head      draw a figure into out/
  python -m validation figure 3 --seeds 4         at another size: --tokens --length --width --seeds
  python -m validation figure 3 --columns 1       as wide as one column of a page, not two
  python -m validation figure --list              list the figures, and how long each takes

Each case compares what a claim predicts with what was measured; the claim's kind says how:
  equal, rate, empirical   |measured - predicted| <= tolerance
  upper, lower             measured is on the claimed side of the bound, within the tolerance of it
  high_prob                a measured frequency <= predicted + tolerance (the sampling error)
  order                    the sign of a difference (1 or -1) in ten pairs of fresh runs: holds if
                           all pairs agree, fails if all disagree, is undecided otherwise; measured
                           is the mean sign

report.json holds every case, in full precision; "passed" is null for a claim that did not run.
report.html has the same to read: statements, derivations, numbers, and how to repeat them.
A figure with predicted curves reports whether every measured point agrees with them.
exit code: 0 nothing that ran fails; 1 a claim or a figure's curve fails; 2 wrong usage, nothing
checked or decided, or no room for the output; 130 interrupted.
"""

SIZES = {
    "tokens": "vocabulary size, if the figure has one",
    "length": "length of the sequences",
    "width": "width of the model",
    "seeds": "number of runs",
    "text": "file whose characters are the tokens, if the figure trains on a language",
}
MOST_TRIGGERS = 20  # of an experiment
SCALES: dict[str, Profile] = {"quick": "quick", "paper": "full"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given = ["run", *given]  # options alone: every claim
    return run_command(parser(), given)


def parser() -> argparse.ArgumentParser:
    """The command line: list, run, figure."""
    text = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(
        prog="python -m validation",
        description="Check the claims of the theory numerically.",
        epilog=EXAMPLES,
        formatter_class=text,
    )
    commands = top.add_subparsers(metavar="{list,run,figure}", required=True)

    checks = claim_commands(commands, "run", "check claims (default: all)")
    checks.add_argument("-v", "--verbose", action="store_true", help="show every case as it comes")
    checks.add_argument(
        "--workers",
        type=size(),
        default=1,
        metavar="N",
        help="number of processes; the results do not depend on it (default 1)",
    )
    checks.set_defaults(command=run_claims)

    checks.add_argument(
        "--profile",
        type=one_of("profile", get_args(Profile)),
        default="quick",
        help="quick (default): about a minute for all claims; full: minutes to hours",
    )
    figure = _figure_parser(commands)
    for command in (checks, figure):
        command.add_argument(
            "--seed",
            type=size(0, otherwise="Leave it out for seed 0."),
            default=0,
            help="seed of all random numbers, an integer >= 0 (default 0)",
        )
        command.add_argument(
            "--output",
            type=directory,
            default="out",
            metavar="DIR",
            help="folder for the results (default: out)",
        )
    return top


def _figure_parser(commands: Any) -> argparse.ArgumentParser:
    """The command that draws."""
    figure: argparse.ArgumentParser = commands.add_parser(
        "figure", help="draw a figure, and write its numbers as CSV"
    )
    figure.add_argument(
        "name", nargs="?", metavar="NAME", type=figure_name, help="name of the figure: see --list"
    )
    for name, what in SIZES.items():
        own = size(otherwise="Leave it out for that of the figure.")
        figure.add_argument(f"--{name}", type=text if name == "text" else own, help=what)
    figure.add_argument(
        "--columns",
        type=int,
        choices=(1, 2),
        default=2,
        help="width in columns of a journal's page: 3.4 or 7 inches (default 2)",
    )
    figure.add_argument("--list", action="store_true", dest="listed", help="list the figures")
    figure.set_defaults(command=draw_figure)
    figure.add_argument(
        "--scale",
        dest="profile",
        type=lambda given: SCALES[one_of("scale", SCALES)(given)],
        default="quick",
        metavar="{quick,paper}",
        help="quick (default): takes the time that --list says; paper: the paper's sizes, minutes "
        "to hours",
    )
    return figure


def run_claims(options: argparse.Namespace) -> int:
    """Check the claims, print a line for each, write the report; every claim has a row in it."""
    path = options.output / "report.json"
    if path.is_dir():
        complain(f"{path}: expected a file to write; got a directory. Move it, or pass --output.")
        return USAGE
    claims = selected(options.ids)
    rows: list[report.Row] = []
    started = time.perf_counter()
    try:
        if options.verbose:
            tell(table.DETAIL_HEADER)
        for row in checked_rows(claims, options):
            rows.append(row)
    finally:  # also when interrupted: what ran stays
        ran, chosen = {row["id"] for row in rows}, {claim.id for claim in claims}
        left = {id: claim for id, claim in CLAIMS.items() if id not in ran}
        rows += [report.not_run(claim, selected=id in chosen) for id, claim in left.items()]
        written = is_written(lambda: report.write(rows, path), path)
    found = report.outcomes(claims, rows)
    summary = report.summary(found, time.perf_counter() - started)
    tell(*table.table(found, summary, options.seed, table.Paper.found()))
    derivations = derive_all(claims, options.output, options.workers)
    page_path = path.with_suffix(".html")
    written &= is_written(
        lambda: write_page(page_path, found, summary, options, derivations), page_path
    )
    if written:
        tell(f"Report: {page_path} to read, {path} for programs")
    if not ran:
        complain(f"No case in the {options.profile} profile: pass --profile full, or other claims.")
    broken = [why for why in derivations.values() if isinstance(why, str)]
    for why in broken:
        complain(f"The derivation fails. {why}")
    if broken or any(row["passed"] is False for row in rows):
        return FAILS
    return FINE if written and any(row["passed"] for row in rows) else USAGE


def derive_all(claims: Sequence[Claim], folder: Path, workers: int) -> page.Derivations:
    """The derivations for the page; what is known from an earlier run is not derived again."""
    from validation.runner.derived import derived

    shown = partial(under_way, shown=True, what="derivation")
    return derived(claims, folder / "derivations.json", workers=workers, under_way=shown)


def write_page(
    path: Path,
    found: Sequence[report.Outcome],
    summary: str,
    options: argparse.Namespace,
    derivations: page.Derivations,
) -> None:
    """Write ``report.html``, with the figures of its claims that the folder holds."""
    from assocmem._files import replaced
    from validation.runner.shown import SHOWN_BY

    figures = {
        id: [drawn if (drawn := path.with_name(f"{name}.png")).exists() else name for name in names]
        for id, names in SHOWN_BY.items()
    }
    given = f"--seed {options.seed} --profile {options.profile}"
    ids = " ".join(one.claim.id for one in found) if options.ids else ""
    settings = {
        "Command": " ".join(f"python -m validation run {ids} {given}".split()),
        "options": given,
    }
    content = page.written(found, summary, settings, derivations, figures)
    with replaced(path) as file:
        file.write(content.encode())


def tell(*lines: str) -> None:
    """Print the lines. Without a reader the checks go on: the report and the exit code remain."""
    try:
        say(*lines)
    except OutputLost as lost:
        complain(f"{lost}; the checks go on, for the report")


def is_written(write: Callable[[], object], path: Path) -> bool:
    """Write, and say so when the disk does not let it; that is no claim that fails."""
    try:
        write()
    except OSError as error:
        complain(f"{path}: not written ({error}). Make room there, or pass another --output.")
        return False
    return True


def checked_rows(claims: Sequence[Claim], options: argparse.Namespace) -> Iterator[report.Row]:
    """Run the checks of the claims: a row a case, shown as it comes if that was asked for."""
    found = found_cases(claims, options)
    for claim in under_way(claims, shown=not options.verbose):
        if options.verbose:
            tell("\n" + table.heading(claim))
        for case in next(found):
            row = report.checked(claim, case)
            if options.verbose:
                tell(*table.detail(row))
            yield row


def found_cases(claims: Sequence[Claim], options: argparse.Namespace) -> Iterator[Iterable[Case]]:
    """The cases of each claim in turn: as they come, or from several processes."""
    parts = [(claim, options.seed, options.profile) for claim in claims]
    function = cases_of if options.workers == 1 else all_cases_of  # cases as they come stay here
    yield from shared(function, parts, options.workers)


def cases_of(part: tuple[Claim, int, Profile]) -> Iterator[Case]:
    """The cases of one claim; its random numbers depend on the seed and the claim only."""
    from validation.runner.checks import check_of

    claim, seed, profile = part
    yield from unbroken(run(claim, check_of(claim), seed, profile), needed=profile == "full")


def all_cases_of(part: tuple[Claim, int, Profile]) -> list[Case]:
    return list(cases_of(part))


def under_way(claims: Sequence[Claim], *, shown: bool, what: str = "claim") -> Iterator[Claim]:
    """The claims, with a bar on standard error if that is a terminal."""
    if not (shown and sys.stderr.isatty()):
        yield from claims
        return
    from tqdm import tqdm

    with tqdm(claims, unit=what, leave=False, ncols=table.NARROW) as bar:
        for claim in bar:
            bar.set_postfix_str(claim.id)
            yield claim


def unbroken(cases: Iterable[Case], *, needed: bool) -> Iterator[Case]:
    """The cases; a check that raises, or has none where one is needed, adds a case that fails."""
    none = True
    try:
        for case in cases:
            none = False
            yield case
    except Exception as error:
        complain(traceback.format_exc().rstrip())
        why = " ".join(f"{type(error).__name__}: {error}".split())
        yield Case(f"the check broke off: {why}", np.nan, np.nan, np.nan)
    else:
        if none and needed:
            yield Case("the check has no case", np.nan, np.nan, np.nan)


def draw_figure(options: argparse.Namespace) -> int:
    """Draw one figure, print the files it wrote, and whether all points agree with its curves."""
    from validation.figures import FIGURES, make, sheets

    if options.listed:
        tell(*listed_figures())
        return FINE
    if options.name is None:
        complain("required: NAME, a figure to draw, or --list for their names.")
        return USAGE
    module = FIGURES[options.name]
    sizes = {name: value for name in SIZES if (value := getattr(options, name)) is not None}
    known = [name for name in SIZES if name in signature(module.data).parameters]
    if unknown := [name for name in sizes if name not in known]:
        takes = ", ".join(f"--{name}" for name in known) or "none of the sizes"
        complain(f"--{unknown[0]}: figure {options.name} takes {takes}. Leave it out.")
        return USAGE
    rng = np.random.default_rng([options.seed, *options.name.encode()])
    paths: list[Path] = []
    given = " ".join(f"--{name} {value}" for name, value in sizes.items())
    scale = next(name for name, profile in SCALES.items() if profile == options.profile)
    command = f"python -m validation figure {options.name} --seed {options.seed} --scale {scale}"
    about = {"command": f"{command} {given}".strip(), "seed": str(options.seed)}
    context = Context(rng, options.profile, about, options.output)

    def written() -> None:
        found = make(options.name, options.output, context, columns=options.columns, **sizes)
        paths.extend(found)

    if not is_written(written, options.output):
        return USAGE
    tell(*map(str, paths))
    if not hasattr(module, "agreements"):
        return FINE
    (sheet,) = (path for path in paths if path.suffix == ".csv")
    found = module.agreements(sheets.read(sheet))
    tell(*(f"{agreement}: {'yes' if agreement.holds else 'NO'}" for agreement in found))
    if not all(agreement.holds for agreement in found):
        return FAILS
    return FINE if found else USAGE


def figure_name(given: str) -> str:
    """A figure that can be drawn."""
    from validation.figures import FIGURES  # loads matplotlib

    return one_of("figure", FIGURES)(given)


def listed_figures() -> Iterator[str]:
    """A line a figure: its name, how long it takes, what it shows: its module's first line."""
    from validation.figures import FIGURES, SECONDS, WHY_LONG

    wide = max(map(len, FIGURES))
    yield f"{'figure':<{wide}} {'time':>6}  what it shows (time: measured on one core)"
    for name, module in FIGURES.items():
        title = (module.__doc__ or "").splitlines()[0]
        yield f"{name:<{wide}} {SECONDS[name]:>4} s  {title}"
        if name in WHY_LONG:
            yield f"{'':<{wide + 9}}({WHY_LONG[name]})"


def size(least: int = 1, *, otherwise: str = "Leave it out.") -> Callable[[str], int]:
    """An argument that is an integer of at least this."""

    def read(given: str) -> int:
        if not given.isdecimal() or int(given) < least:
            raise argparse.ArgumentTypeError(
                f"expected an integer >= {least}; got {given!r}. {otherwise}"
            )
        return int(given)

    return read


def text(given: str) -> str:
    """A text file that makes a language: found out before anything is computed."""
    from assocmem import Language

    try:
        found = Language.from_text(Path(given)).n_tokens
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"expected a text; got {given!r}: {error}") from None
    if found <= MOST_TRIGGERS:
        raise argparse.ArgumentTypeError(
            f"expected a text of more than {MOST_TRIGGERS} different characters, of which so many "
            f"are triggers; got {given!r}, with {found}. Name a longer one."
        )
    return given


def directory(given: str) -> Path:
    """A directory that takes files, made if need be: found out before anything is computed."""
    path = Path(given)
    if not given:
        raise argparse.ArgumentTypeError("expected a directory; got ''. Name one, or leave it out.")
    try:
        path.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path, prefix="report.json.", suffix=".partial") as file:
            file.write(bytes(2**12))  # a full disk takes the name, and no more
            file.flush()
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"expected a directory to write to; got {given!r} ({error.strerror}). Name another."
        ) from None
    return path

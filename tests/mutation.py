"""Let the tests judge random mutants: changes of the library that nobody chose.

``make mutation`` counts the mutants that cosmic-ray makes of four packages, draws some with a seed,
and runs for each the fast tests that reach its line, up to the first that fails.
``tests/mutants.py`` plants the errors that we thought of; this samples those that we did not.

A mutant that survives is either in ``tests/survivors.csv``, with the reason why no test can or
should see it, or shows a missing test. The exit code is 1 if fewer than 95 % of those without a
reason are caught, or if more than a tenth have one.

Left out are mutants of type annotations, which do not run, and those that are no Python. Docstrings
and other texts are not mutated at all.
"""

from __future__ import annotations

import argparse
import ast
import csv
import difflib
import gc
import inspect
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import coverage
import numpy as np
import pytest
from cosmic_ray.commands.init import _all_work_items as work_items
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from mutants import COPIED, NO_SHRINKING, ROOT
from scipy import stats

PACKAGES = ("capacity", "gradients", "memory", "model")
REASONS = ROOT / "tests" / "survivors.csv"
TESTS = (
    *(f"assocmem/{package}" for package in PACKAGES),
    *("tests/library", "tests/bigrams", "tests/steps", "tests/capacity", "tests/memory"),
    *("tests/lemmas", "tests/writers", "tests/symmetry", "tests/induction_head"),
    "tests/test_claims.py",
    *("tests/validation/test_reference.py", "tests/validation/test_reference_probes.py"),
    *("tests/validation/test_reference_training.py",),
)
# They start processes, draw figures, or test what is above these packages.
IGNORED = ("sweeps", "heads", "plots", "files", "command", "language", "optimizers")
OPTIONS = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
BUDGET = 60.0  # seconds of tests for a mutant, by their times without it
MEMORY = 8 * 2**30  # bytes for the tests of a mutant


class Mutation(NamedTuple):
    """One mutant of cosmic-ray: the operator, which of its places, and the line it changes."""

    module: str
    operator: str
    occurrence: int
    line: int

    @property
    def source(self) -> Path:
        """The file below the root."""
        return Path("assocmem", *self.module.split(".")).with_suffix(".py")

    def change(self) -> tuple[str, ...]:
        """The lines before and after, without their indentation."""
        old, new = original(self.source).splitlines(), mutated(self).splitlines()
        lines = [line for line in difflib.ndiff(old, new) if line[:2] in ("- ", "+ ")]
        return tuple(" ".join(s[2:].strip() for s in lines if s[0] == sign) for sign in "-+")

    def function(self) -> str:
        """The dotted name of the function or class around the line."""
        return ".".join(node.name for node in enclosing(self.source, self.line)) or "(module)"

    def is_python(self) -> bool:
        """Whether the mutant compiles: a * in a signature makes a mutant that does not."""
        try:
            compiled(mutated(self))
        except SyntaxError:
            return False
        return True

    def codes(self) -> list[tuple[CodeType, CodeType]] | None:
        """Each function's code before and after, where it differs; None if the import does."""
        pairs = [tuple(compiled(text) for text in (original(self.source), mutated(self)))]
        found = []
        for old, new in pairs:  # which grows
            inner = [[c for c in code.co_consts if isinstance(c, CodeType)] for code in (old, new)]
            if old.co_flags & inspect.CO_OPTIMIZED:
                if old != new:
                    found.append((old, new))
            elif shell(old) != shell(new):
                return None
            else:
                pairs += zip(*inner, strict=True)
        return found


def compiled(text: str) -> CodeType:
    """Its code: Python warns of what some mutants do, such as to compare a string by `is`."""
    with warnings.catch_warnings(action="ignore", category=SyntaxWarning):
        return compile(text, "", "exec")


class Record:
    """Which tests executed which line of a file, and the seconds each test took."""

    def __init__(self, reached: dict[str, dict[int, set[str]]], seconds: dict[str, float]):
        self.reached, self.seconds = reached, seconds
        lines = (tests for of_file in reached.values() for tests in of_file.values())
        self.breadth = Counter(test for tests in lines for test in tests)

    def tests(self, mutation: Mutation) -> list[str]:
        """The tests that reach the statement, or what is around it if that runs on import.

        Short and narrow ones first, which execute few lines besides.
        """
        lines = self.reached.get(str(mutation.source), {})
        found: set[str] = set()
        for first, last in spans(mutation.source, mutation.line):
            found = found.union(*(lines.get(k, ()) for k in range(first, last + 1)))
            if found:
                break
        chosen, total = [], 0.0
        for test in sorted(
            found, key=lambda test: (self.seconds[test] + 0.01) * self.breadth[test]
        ):
            total += self.seconds[test]
            if total > BUDGET:
                break
            chosen.append(test)
        return chosen


@cache
def original(source: Path) -> str:
    """The text of a file of the library."""
    return (ROOT / source).read_text(encoding="utf-8")


@cache
def mutated(mutation: Mutation) -> str:
    """The text of a module with a mutation."""
    text = original(mutation.source)
    return mutate_code(text, get_operator(mutation.operator)(), mutation.occurrence) or text


@cache
def parsed(source: Path) -> ast.Module:
    """The syntax tree of a file of the library."""
    return ast.parse(original(source))


def shell(code: CodeType) -> tuple[Any, ...]:
    """What the body of a module or class does, apart from what is inside its functions."""
    inner = [c.co_qualname if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return code.co_code, code.co_names, inner


def enclosing(source: Path, line: int) -> list[Any]:
    """The classes and functions around a line, the outermost first; decorators belong to them."""
    return [
        node
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and min([node.lineno, *(d.lineno for d in node.decorator_list)]) <= line
        and line <= (node.end_lineno or 0)
    ]


def spans(source: Path, line: int) -> Iterator[tuple[int, int]]:
    """The lines of the statement at a line, then of each function or class around it, the file."""
    statements = [
        (node.lineno, node.body[0].lineno - 1 if hasattr(node, "body") else node.end_lineno or 0)
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.stmt) and not isinstance(node, ast.ClassDef | ast.FunctionDef)
    ]
    yield from [(first, last) for first, last in statements if first <= line <= last][-1:]
    for node in reversed(enclosing(source, line)):
        yield node.lineno, node.end_lineno
    yield 1, original(source).count("\n")


def all_mutations(package: str) -> list[Mutation]:
    """Every mutant of a package, except in annotations."""
    found = []
    for path in sorted((ROOT / "assocmem" / package).glob("*.py")):
        source = path.relative_to(ROOT)
        annotations = [
            ((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset))
            for parent in ast.walk(parsed(source))
            for node in (getattr(parent, "annotation", None), getattr(parent, "returns", None))
            if node is not None
        ]
        for item in work_items([path], {}):
            m = item.mutations[0]
            if not any(s <= m.start_pos and m.end_pos <= e for s, e in annotations):
                module = ".".join(source.with_suffix("").parts[1:])
                found.append(Mutation(module, m.operator_name, m.occurrence, m.start_pos[0]))
    return found


def drawn(packages: list[str], size: int, seed: int) -> list[Mutation]:
    """So many mutants of the packages, each as likely as any other that is Python."""
    everything = [mutation for package in packages for mutation in all_mutations(package)]
    order = np.random.default_rng(seed).permutation(len(everything))
    chosen: list[Mutation] = []
    for k in order:
        if len(chosen) < size and everything[k].is_python():
            chosen.append(everything[k])
    print(f"{len(everything)} mutants of {', '.join(packages)}; {len(chosen)} of them, seed {seed}")
    return chosen


class Runner:
    """A pytest plugin that runs the collected tests as often as needed, in forked processes."""

    def __init__(self, judge: Callable[[Runner], None], folder: Path):
        self.judge, self.folder = judge, folder
        self.items: dict[str, pytest.Item] = {}
        self.functions: dict[tuple[str, int], list[FunctionType]] = {}
        self.seconds: dict[str, float] = {}
        self.changes = 0

    def pytest_collection(self) -> None:
        """One failing example of hypothesis is enough; before the test modules are imported."""
        exec(f"from hypothesis import settings\n{NO_SHRINKING}", {})

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Take the place of the one run."""
        session.config.pluginmanager.unregister(name="terminalreporter")
        self.session = session
        self.items = {item.nodeid: item for item in session.items}
        for thing in gc.get_objects():
            if isinstance(thing, FunctionType):
                place = (thing.__code__.co_qualname, thing.__code__.co_firstlineno)
                if thing.__module__ and thing.__module__.startswith("assocmem."):
                    key = (f"{thing.__module__}:{place[0]}", place[1])
                    self.functions.setdefault(key, []).append(thing)
        gc.freeze()
        self.judge(self)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the seconds of set-up, call and tear-down."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def run(self, tests: list[str], seconds: dict[str, float]) -> int:
        """Run tests in this process up to the first that fails: 1 if one does."""
        for test, following in zip(tests, [*tests[1:], None], strict=True):
            signal.setitimer(signal.ITIMER_REAL, 20 + 20 * seconds.get(test, 1e6))
            item, after = self.items[test], self.items[following] if following else None
            item.ihook.pytest_runtest_protocol(item=item, nextitem=after)
            if self.session.testsfailed:
                return 1
        return 0

    def recorded(self) -> Record:
        """Run all tests once, without any mutant; a failure ends the program."""

        def run() -> int:
            tracer = coverage.Coverage(self.folder / "coverage", source=["assocmem"])
            tracer.start()
            for test in self.items:
                tracer.switch_context(test)
                if self.run([test], {}):
                    print(f"{test} fails without any mutant", file=sys.stderr)
                    return 1
            tracer.stop()
            tracer.save()
            (self.folder / "seconds.json").write_text(json.dumps(self.seconds))
            return 0

        if forked(run):
            sys.exit(1)
        data = coverage.CoverageData(str(self.folder / "coverage"))
        data.read()
        reached: dict[str, dict[int, set[str]]] = {}
        for file in data.measured_files():
            lines = data.contexts_by_lineno(file)
            reached[str(Path(file).relative_to(ROOT))] = {k: set(v) for k, v in lines.items()}
        return Record(reached, json.loads((self.folder / "seconds.json").read_text()))

    def verdict(self, mutation: Mutation, record: Record) -> str:
        """'caught', 'endless', 'unreached' or 'survived'."""
        tests, codes = record.tests(mutation), mutation.codes()
        if not tests:
            return "unreached"
        places = [
            self.functions.get(
                (f"assocmem.{mutation.module}:{old.co_qualname}", old.co_firstlineno), []
            )
            for old, _ in codes or ()
        ]
        if codes is None or not all(places):
            return self.verdict_on_import(mutation, tests)

        def run() -> int:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            random.seed()
            for functions, (_, new) in zip(places, codes, strict=True):
                for function in functions:
                    function.__code__ = new
            return self.run(tests, record.seconds)

        code = forked(run)
        return "endless" if code < 0 else "caught" if code else "survived"

    def verdict_on_import(self, mutation: Mutation, tests: list[str]) -> str:
        """The same for a mutant that changes what an import does, in a copy of the tree."""
        tree = self.folder / "tree"
        if not tree.exists():
            for name in COPIED:
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
                tree.mkdir(exist_ok=True)
                copy(ROOT / name, tree / name)
            with (tree / "tests" / "conftest.py").open("a") as conftest:
                conftest.write(NO_SHRINKING)
        path = tree / mutation.source
        path.write_text(mutated(mutation), encoding="utf-8")
        self.changes += 1  # no two changes of one time, by which bytecode is told apart
        os.utime(path, (self.changes, self.changes))
        command = [sys.executable, "-m", "pytest", "-x", *OPTIONS, *tests]
        environment = {**os.environ, "PYTHONPATH": str(tree)}
        try:
            done = subprocess.run(
                command, cwd=tree, env=environment, capture_output=True, timeout=20 + 20 * BUDGET
            )
        except subprocess.TimeoutExpired:
            return "endless"
        finally:
            shutil.copy2(ROOT / mutation.source, path)
        return "caught" if done.returncode else "survived"


def forked(run: Callable[[], int]) -> int:
    """The exit code of a function in a process of its own, negative if a signal ended it."""
    child = os.fork()
    if child == 0:
        code = 3
        try:
            code = run()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def reasons() -> dict[tuple[str, ...], str]:
    """Why a mutant cannot or should not be caught, by module, function and change."""
    with REASONS.open(newline="", encoding="utf-8") as file:
        return {
            (row["module"], row["function"], row["before"], row["after"]): row["reason"]
            for row in csv.DictReader(file)
        }


def report(verdicts: list[str]) -> int:
    """Print the score with its interval, and return the exit code."""
    given = verdicts.count("equivalent")
    caught = verdicts.count("caught") + verdicts.count("endless")
    judged = len(verdicts) - given
    interval = stats.binomtest(caught, judged).proportion_ci(method="exact")
    print(
        f"{caught} of {judged} caught: {caught / judged:.1%}, at 95 % between {interval.low:.1%} "
        f"and {interval.high:.1%}; {given} of {len(verdicts)} with a reason in {REASONS.name}"
    )
    return int(caught < 0.95 * judged or given > 0.1 * len(verdicts))


def pytest_with(judge: Callable[[Runner], None]) -> int:
    """Collect the tests in the root, and let a function judge mutants with them."""
    os.chdir(ROOT)
    ignored = [f"--ignore-glob=*/test_{name}*.py" for name in IGNORED]
    with TemporaryDirectory() as folder:
        runner = Runner(judge, Path(folder))
        return int(pytest.main([*OPTIONS, "-m", "not slow", *ignored, *TESTS], plugins=[runner]))


def main() -> int:
    """Draw mutants, judge each, print those that survive and the score."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("packages", nargs="*", default=PACKAGES, help=", ".join(PACKAGES))
    parser.add_argument("--size", type=int, default=300, help="mutants to draw (300)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (0)")
    options = parser.parse_args()
    mutations, known = drawn(list(options.packages), options.size, options.seed), reasons()
    verdicts = []

    def judge(runner: Runner) -> None:
        record = runner.recorded()
        for mutation in mutations:
            verdict = runner.verdict(mutation, record)
            if verdict in ("survived", "unreached"):
                key = (mutation.module, mutation.function(), *mutation.change())
                if key in known:
                    verdict = "equivalent"
                else:
                    print("{}: {} {}\n  - {}\n  + {}".format(verdict, *key), flush=True)
            verdicts.append(verdict)
            if len(verdicts) % 25 == 0:
                print(f"{len(verdicts)} of {len(mutations)} judged", file=sys.stderr, flush=True)

    return pytest_with(judge) or report(verdicts)


if __name__ == "__main__":
    sys.exit(main())

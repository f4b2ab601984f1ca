"""How surely each control sees its planted error, whatever the seed.

    python tests/margins.py --repeats 20 tests/heads     (``make margins`` takes all chapters)

runs every test that takes a ``seed`` so many times, and lists those whose verdict hangs on it. A
control is safe when some row of the check exceeds its tolerance, on average over the seeds, by
five standard deviations of that excess; a check when every row's power is below 1 by as many. That
is less than one wrong verdict in a million for normal errors, which no number of green runs shows.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

# In standard deviations: the normal law leaves 3e-7 beyond.
SAFE = 5.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--repeats", type=int, default=20)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.fixturenames.append("_repeat")
        repeats = range(metafunc.config.getoption("repeats"))
        metafunc.parametrize("_repeat", repeats, ids="repeat{}".format)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if "seed" in getattr(item, "fixturenames", ())]


def excess(case: Any, kind: str) -> float:
    """The distance from the prediction in units of what is allowed: more than 1 fails."""
    distance, allowed = case.measured - case.predicted, case.tolerance
    if kind in ("upper", "lower"):  # from the middle of the interval that is allowed
        distance, allowed = distance + (0.5 if kind == "upper" else -0.5) * allowed, allowed / 2
    elif kind == "high_prob":
        return distance / allowed if allowed else np.inf * np.sign(distance)
    return abs(distance) / allowed if allowed else (0.0 if distance == 0 else np.inf)


class Margins:
    """The plugin: records the rows that each test evaluates, and sums them up at the end."""

    def __init__(self) -> None:
        from tests import controls
        from validation.runner.cases import Case

        self.rows: list[tuple[str, float, float]] = []
        self.seen: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self.failed: dict[str, int] = defaultdict(int)
        first, passed = controls.failures, Case.passed
        # All rows, not only up to the first that fails: another may fail more surely.
        controls.failures = lambda *arguments: iter(all_of(first(*arguments)))

        def recorded(case: Case, kind: str) -> bool | None:
            if kind != "order" and not case.undecided:
                with np.errstate(all="ignore"):
                    self.rows.append((case.case, excess(case, kind), case.power(kind) or 0.0))
            return passed(case, kind)

        Case.passed = recorded  # type: ignore[method-assign]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Any:
        self.rows.clear()
        try:
            return (yield)
        except BaseException:
            self.failed[test_of(item)] += 1
            raise
        finally:
            times: Counter[str] = Counter()
            for name, *numbers in self.rows:
                times[name] += 1  # some names recur: the second is another row
                self.seen[test_of(item)][f"{name} {times[name]}"].append(tuple(numbers))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        found = []
        for test, rows in self.seen.items():
            values = [np.array(row) for row in rows.values() if len(row) > 2]
            with np.errstate(divide="ignore"):
                powers = [deviations(1 / row[:, 1]) for row in values]
            margins = [deviations(row[:, 0]) for row in values]
            if "test_claims" in test:
                margin = min(powers, default=np.inf)
            else:
                margin = max(margins, default=np.nan)
            if self.failed[test] or not margin >= SAFE:
                found.append((margin, self.failed[test], test))
        for margin, failed, test in sorted(found):
            terminalreporter.line(f"{margin:6.1f} deviations, {failed} failed: {test}")
        terminalreporter.line(f"{len(found)} of {len(self.seen)} tests hang on their seed")


def all_of(cases: Iterator[Any]) -> list[Any]:
    """The cases; a control that leaves some out ends in a complaint on the parts they are of."""
    found: list[Any] = []
    try:
        found.extend(cases)
    except ValueError as error:
        if "expected a case for every part" not in str(error):
            raise
    return found


def test_of(item: pytest.Item) -> str:
    """The name of a test without the number of its repetition."""
    return re.sub(r"repeat\d+-|-?repeat\d+(?=])", "", item.nodeid).removesuffix("[]")


def deviations(ratios: np.ndarray) -> float:
    """How many standard deviations the mean logarithm is above 0; ratios are cut at a million."""
    logarithms = np.log(np.clip(ratios, 1e-6, 1e6))
    spread, mean = logarithms.std(ddof=1), logarithms.mean()
    return float(mean / spread if spread else np.inf * np.sign(mean))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Margins())


if __name__ == "__main__":
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-p", "tests.margins"]
    raise SystemExit(subprocess.call([*command, *(sys.argv[1:] or ["tests"])]))

"""Processes that time this version of the library, or an earlier one, in turns."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from benchmarks import history

KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}  # memory, by glibc


class Runner:
    """A process that first prints how many cases it has, then their seconds for each line it gets.

    Lines of seconds are "seconds<tab>case".
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self.lines, self.out = process, process.stdin, process.stdout
        self.count = int(self.out.readline())

    def close(self) -> None:
        self.process.communicate()


def started(folder: str | None, call: str, settings: Mapping[str, str] | None = None) -> Runner:
    """A process of the version in a folder, or of this one, which runs a call.

    The benchmark is that of this version, the library the one of the folder.
    """
    here = str(history.ROOT)
    library = f"sys.path.insert(0, {folder or here!r}); import assocmem; del sys.path[0]"
    code = f"import sys; {library}; sys.path.insert(0, {here!r}); {call}"
    return Runner(
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=os.environ | dict(settings or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=here,
        )
    )


def turn(runner: Runner) -> dict[str, float]:
    """The seconds of each case."""
    runner.lines.write("\n")
    runner.lines.flush()
    lines = (runner.out.readline().rstrip().split("\t") for _ in range(runner.count))
    return {name: float(seconds) for seconds, name in lines}

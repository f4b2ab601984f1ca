"""The results of a sweep on disk: lines of JSON, whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import numpy as np

from assocmem._files import checked_path, open_exclusively
from assocmem.sweeps.grid import key_of
from assocmem.sweeps.values import decoded


class Log:
    """The results of a sweep, in memory and, if it has a path, in a file of JSON lines.

    The first line names the sweep; each other line is a cell with its result, its error, or how
    many were in flight when a worker died, it among them. The last line of a cell counts. A last
    line without an end is what a kill left of it, and is cut off.

    The file is read when the log is entered, and locked until it is left.
    """

    def __init__(
        self,
        path: str | Path | None,
        seed: int | None,
        function: dict[str, str],
        keys: Collection[str],
    ) -> None:
        self.path = None if path is None else checked_path("output", path)
        self.results: dict[str, Any] = {}
        self.in_flight: dict[str, int] = {}
        self._head: dict[str, Any] = {"sweep": 3, **function, "seed": seed}
        self._keys = set(keys)
        self._file: IO[bytes] | None = None

    @property
    def seed(self) -> int:
        """The seed of the whole sweep."""
        return int(self._head["seed"])

    def __enter__(self) -> Log:
        if self.path is not None:
            if self.path.exists() and not self.path.is_file():  # a device may never end
                kind = "folder" if self.path.is_dir() else "device or a pipe"
                raise self._another(f"which is a {kind}")
            self._file = open_exclusively(self.path)
            if self._file is None:
                raise BlockingIOError(
                    f"output: expected a file that no other process writes; got {self.path}, which "
                    f"a running sweep has open. Wait for it or end it, or give another path."
                )
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def append(self, line: str) -> None:
        """Write one line, down to the disk."""
        if self._file is not None:
            self._file.write(line.encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def _begin(self) -> None:
        """Take what the file has; without one, or in a new one, begin."""
        lines: list[bytes] = []
        if self._file is not None:
            self._file.seek(0)
            content = self._file.read()
            whole = content.rfind(b"\n") + 1
            lines = content[:whole].splitlines()
            if not lines and not b'{"sweep"'.startswith(content[:8]):
                raise self._another("which is no sweep")
        if lines:
            self._read(lines)
        elif self._head["seed"] is None:
            self._head["seed"] = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
        if self._file is not None:
            self._file.truncate(whole)
            if not lines:
                self.append(json.dumps(self._head))

    def _read(self, lines: list[bytes]) -> None:
        try:
            head, *records = (json.loads(line) for line in lines)
            found = {key_of(record["cell"]): dict(record) for record in records}
            head = dict(head)
        except (ValueError, TypeError, KeyError) as error:
            raise self._another(f"with a line that no sweep wrote ({error})") from None
        if head.get("sweep") != self._head["sweep"]:
            raise self._another("which another version of this library wrote")
        if self._head["seed"] is None:
            self._head["seed"] = head.get("seed")
        if head != self._head:
            raise self._another(f"of {head}, not of {self._head}")
        if unknown := found.keys() - self._keys:
            raise self._another(f"with cells that are not in the grid, such as {min(unknown)}")
        for key, record in found.items():
            if "result" in record:
                self.results[key] = decoded(record["result"])
            elif "in_flight" in record:
                self.in_flight[key] = record["in_flight"]

    def _another(self, what: str) -> ValueError:
        return ValueError(
            f"output: expected a new file or one of this sweep; got {self.path}, {what}. Give "
            f"another path, rename or delete the file, or pass the function, seed and grid that "
            f"it was begun with."
        )

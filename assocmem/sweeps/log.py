"""The results of a sweep on disk: lines of JSON, whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, Any

import numpy as np

from assocmem.files import checked_path
from assocmem.sweeps.grid import key_of
from assocmem.sweeps.values import decoded


class Log:
    """The results of a sweep, in memory and, if it has a path, in a file of JSON lines.

    The first line names the sweep; each other line is a cell with its result or its error. A last
    line without an end is what a kill left of it, and is cut off.
    """

    def __init__(
        self, path: str | Path | None, seed: int | None, function: str, keys: list[str]
    ) -> None:
        self.path = None if path is None else checked_path("output", path)
        self.results: dict[str, Any] = {}
        self._file: IO[bytes] | None = None
        self._head = {"sweep": 1, "function": function, "seed": seed}
        self._whole = 0  # bytes of whole lines
        lines: list[bytes] = []
        if self.path is not None and self.path.is_dir():
            raise self._another("which is a folder")
        if self.path is not None and self.path.exists():
            content = self.path.read_bytes()
            self._whole = content.rfind(b"\n") + 1
            lines = content[: self._whole].splitlines()
            if not lines and not b'{"sweep"'.startswith(content[:8]):
                raise self._another("which is no sweep")
        if lines:
            self._read(lines, set(keys))
        elif seed is None:
            self._head["seed"] = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])

    @property
    def seed(self) -> int:
        """The seed of the whole sweep."""
        return int(self._head["seed"])  # type: ignore[call-overload]

    def _read(self, lines: list[bytes], keys: set[str]) -> None:
        try:
            head, *records = (json.loads(line) for line in lines)
            found = {key_of(record["cell"]): decoded(record.get("result")) for record in records}
            head = dict(head)
        except (ValueError, TypeError, KeyError) as error:
            raise self._another(f"with a line that no sweep wrote ({error})") from None
        if self._head["seed"] is None:
            self._head["seed"] = head.get("seed")
        if head != self._head:
            raise self._another(f"of {head}, not of {self._head}")
        if unknown := found.keys() - keys:
            raise self._another(f"with cells that are not in the grid, such as {min(unknown)}")
        self.results = {key: result for key, result in found.items() if result is not None}

    def _another(self, what: str) -> ValueError:
        return ValueError(
            f"output: expected a new file or one of this sweep; got {self.path}, {what}. Give "
            f"another path, or the settings that it was begun with."
        )

    def __enter__(self) -> Log:
        if self.path is not None:
            self._file = open(self.path, "ab")
            self._file.truncate(self._whole)
            if not self._whole:
                self.append(json.dumps(self._head))
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

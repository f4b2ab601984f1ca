"""Numbers on disk: arrays in .npz, their record in .json; whole or not at all, without pickle."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_RECORD = "record.json"  # the copy inside the .npz: one file, so that it cannot fit other arrays


def save(path: str | Path, record: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write ``path.npz``, which holds everything, and ``path.json``, the record to read by eye.

    Each file is replaced atomically: after a crash it is the old one or the new one.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> save(folder.name + "/run", {"seed": 3}, {"W": np.eye(2)})
    >>> load(folder.name + "/run")
    ({'seed': 3}, {'W': array([[1., 0.], [0., 1.]])})
    >>> folder.cleanup()

    Raises ValueError for a folder that does not exist, an array of objects, a record with NaN.
    """
    if objects := [name for name, array in arrays.items() if np.asarray(array).dtype == object]:
        raise ValueError(f"arrays: expected numbers; got objects in {objects}. Convert them first.")
    text = json.dumps(record, indent=2, allow_nan=False)
    with atomic(beside(path, ".npz")) as file:
        np.savez(file, **{_RECORD: np.array(text)}, **arrays)  # type: ignore[arg-type]
    with atomic(beside(path, ".json")) as file:
        file.write(text.encode())


def load(path: str | Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the record and the arrays that `save` wrote, both from ``path.npz``.

    Raises ValueError for a file that it did not write.
    """
    file = beside(path, ".npz")
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = dict(stored)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"path: expected a saved run in {path}; got {error}.") from None
    if _RECORD not in arrays:
        raise ValueError(f"path: expected a saved run in {path}; got other arrays. Give another.")
    return json.loads(str(arrays.pop(_RECORD))), arrays


def beside(path: str | Path, ending: str) -> Path:
    """Append an ending; ``with_suffix`` would take the decimals of "m0.5" for one.

    >>> beside("m0.5", ".npz").name
    'm0.5.npz'

    Raises ValueError for a folder that does not exist.
    """
    path = checked_path("path", path)
    return path.with_name(path.name + ending)


def checked_path(name: str, path: str | Path) -> Path:
    """The path of a file in a folder that exists."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name}: expected a path; got {path!r}. Give it as a str or a Path.")
    path = Path(path)
    if not path.parent.is_dir():
        raise ValueError(
            f"{name}: expected a folder that exists; got {path.parent}. Make it first."
        )
    return path


@contextmanager
def atomic(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a file to write under another name; move it into place when it is whole."""
    path = checked_path("path", path)
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise

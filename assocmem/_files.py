"""Every file that the library writes: whole or not at all, in its own place, without pickle.

`replaced` is the one writer. `save` and `load` keep arrays in .npz with their record in .json,
`write_csv` keeps tables, and `locked` keeps a second run away from files that one run goes on with.
"""

from __future__ import annotations

import csv
import glob
import io
import json
import os
import platform
import secrets
import stat
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

FORMAT = 2  # of `save`: the record says its kind, and identifies a run by its task
LEFT_OVER_AFTER = 3600  # seconds, after which nobody is still writing a partial file
_RECORD = "record.json"  # the copy inside the .npz: one file, so that it cannot fit other arrays


@contextmanager
def replaced(path: str | Path, name: str = "path") -> Iterator[IO[bytes]]:
    """Open a file to write under a name of its own; move it into place when it is whole.

    Whoever reads meanwhile, or after a crash, finds the old file or the new one, however many
    processes write at the same time: the last one stays. Links are followed, the mode of an
    existing file is kept, and a file without write permission is left alone.

    Raises ValueError for a folder that does not exist, or for what is no regular file, and
    PermissionError for a file that must not be written.
    """
    target = _target(name, path)
    writer = f"{platform.node()}-{os.getpid()}"
    partial = target.with_name(f"{target.name}.{writer}.{secrets.token_hex(6)}.partial")
    try:
        with open(partial, "xb") as file:
            if target.exists():
                os.chmod(partial, stat.S_IMODE(target.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON; NaN and infinity, for which it has no word, are refused by a ValueError."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    with replaced(path) as file:
        file.write(text.encode())


def write_csv(path: str | Path, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a header and a line for each row; floats read back exactly."""
    with replaced(path) as file:
        file.write(csv_text(columns, rows).encode())


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return the text that `write_csv` writes.

    >>> csv_text(["step", "loss"], [[0, 0.1], [10, 1 / 3]])
    'step,loss\\n0,0.1\\n10,0.3333333333333333\\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def save(
    path: str | Path, kind: str, record: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Write ``path.npz``, which holds everything, and ``path.json``, the record to read by eye.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> save(folder.name + "/run", "Sketch", {"seed": 3}, {"W": np.eye(2)})
    >>> load(folder.name + "/run", "Sketch")
    ({'seed': 3}, {'W': array([[1., 0.], [0., 1.]])})
    >>> folder.cleanup()

    ``kind`` names the class that `load` makes of it. Raises ValueError for a folder that does not
    exist, an array of objects, a record with NaN.
    """
    if objects := [name for name, array in arrays.items() if np.asarray(array).dtype == object]:
        raise ValueError(f"arrays: expected numbers; got objects in {objects}. Convert them first.")
    head = {"kind": kind, "format": FORMAT, "arrays": _shapes(arrays)}
    text = json.dumps(head | dict(record), indent=2, allow_nan=False)
    with replaced(beside(path, ".npz")) as file:
        np.savez(file, **{_RECORD: np.array(text)}, **arrays)  # type: ignore[arg-type]
    with replaced(beside(path, ".json")) as file:
        file.write(text.encode())


def load(path: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the record and the arrays that `save` wrote, both from ``path.npz``.

    Raises ValueError for a file that it did not write, or wrote in another format or of another
    kind; FileNotFoundError when there is none.
    """
    file = beside(path, ".npz")
    if not file.exists():
        raise FileNotFoundError(f"path: expected a saved {kind}; got {file}, which does not exist.")
    if not file.is_file():
        raise ValueError(f"path: expected a saved {kind}; got {file}, which is no regular file.")
    with open(file, "rb") as stream:
        try:
            with np.load(stream, allow_pickle=False) as stored:
                arrays = dict(stored)
            text = str(arrays.pop(_RECORD)) if _RECORD in arrays else None
            record = None if text is None else dict(json.loads(text))
        except Exception as error:  # whatever zip, NumPy and JSON make of damage
            raise unreadable(path, kind, f"other content ({error!r})") from error
    if record is None:
        raise unreadable(path, kind, "other arrays")
    found, version, shapes = (record.pop(key, None) for key in ("kind", "format", "arrays"))
    if version != FORMAT:
        raise ValueError(
            f"path: expected a file of format {FORMAT} in {path}; got format {version!r}. Load it "
            f"with the version of assocmem that wrote it, or run it again."
        )
    if found != kind:
        raise unreadable(path, kind, f"a {found}")
    if shapes != _shapes(arrays):
        raise unreadable(path, kind, f"the arrays {_shapes(arrays)}, not {shapes} as it says")
    return record, arrays


def unreadable(path: str | Path, kind: str, what: str) -> ValueError:
    """The error for a file that holds something else than a saved object of this kind."""
    return ValueError(
        f"path: expected a saved run in {path}; got {what}, and no {kind}. Give another path."
    )


@contextmanager
def locked(path: str | Path, name: str) -> Iterator[None]:
    """Keep any other run, of this process or another, from going on with the same path.

    The lock is a file beside it, ``path.lock``, that a process which dies gives back.

    Raises ValueError for a folder that does not exist; OSError for one that cannot be written, and
    BlockingIOError while another run has the lock.
    """
    claimed = _target(name, beside(path, ".lock", name))
    handle = _locked_file(claimed, name, path)
    try:
        _remove_leftovers(Path(path))
        yield
    finally:
        claimed.unlink(missing_ok=True)
        handle.close()


def open_exclusively(path: str | Path) -> IO[bytes] | None:
    """Open a file to read and append to, for this user alone until it is closed; None if it is not.

    Other processes are kept out as far as the system can, by fcntl, not flock: workers that a pool
    forks do not inherit that lock, and so cannot keep it when this process is killed. But it does
    not keep a process from itself, and would end when the same file is closed a second time: so a
    file that this process has open is not opened again.
    """
    with _LOCK:
        with suppress(FileNotFoundError):
            other = _EXCLUSIVE.get(_place(os.stat(path)))
            if other is not None and not other.closed:
                return None
        file = open(path, "a+b")  # noqa: SIM115 - it is the caller's to close
        if not _locked_by_system(file):
            file.close()
            return None
        _EXCLUSIVE[_place(os.fstat(file.fileno()))] = file
    return file


def _place(state: os.stat_result) -> tuple[int, int]:
    return state.st_dev, state.st_ino


def _locked_by_system(file: IO[bytes]) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks
        pass
    return True


def beside(path: str | Path, ending: str, name: str = "path") -> Path:
    """Append an ending; ``with_suffix`` would take the decimals of "m0.5" for one.

    >>> beside("m0.5", ".npz").name
    'm0.5.npz'

    Raises ValueError for a folder that does not exist.
    """
    path = checked_path(name, path)
    return path.with_name(path.name + ending)


def checked_path(name: str, path: str | Path) -> Path:
    """The path of a file in a folder that exists."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name}: expected a path; got {path!r}. Give it as a str or a Path.")
    path = Path(path)
    if not path.name:
        raise ValueError(f"{name}: expected the path of a file; got {path}. Name a file in it.")
    if not path.parent.is_dir():
        raise ValueError(
            f"{name}: expected a folder that exists; got {path.parent}. Make it first."
        )
    return path


def _shapes(arrays: Mapping[str, Any]) -> dict[str, str]:
    named = {name: np.asarray(array) for name, array in arrays.items()}
    return {name: f"{array.dtype}{array.shape}" for name, array in named.items()}


_LOCK = threading.Lock()
_EXCLUSIVE: dict[tuple[int, int], IO[bytes]] = {}  # by device and number, what this process claims


def _target(name: str, path: str | Path) -> Path:
    """The regular file that a path leads to, existing or not, through links."""
    target = Path(os.path.realpath(checked_path(name, path)))
    if target.is_symlink() or (target.exists() and not target.is_file()):
        raise ValueError(
            f"{name}: expected a regular file or none; got {path}, which is something else, such "
            f"as a folder, a device or a pipe. Give another path."
        )
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(
            f"{name}: expected a file that may be written; got {path}. Change its permissions, or "
            f"give another path."
        )
    checked_path(name, target)  # a link may lead to a folder that does not exist
    return target


def _locked_file(claimed: Path, name: str, path: str | Path) -> IO[bytes]:
    while True:
        try:
            handle = open_exclusively(claimed)
        except OSError as error:
            raise type(error)(
                f"{name}: expected a folder that can be written; got {path} ({error}). Give "
                f"another path, or change its permissions."
            ) from None
        if handle is None:
            raise _in_use(name, path)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle.fileno()), claimed.stat()):
                return handle
        handle.close()  # whoever had the lock has just removed the file: make a new one


def _remove_leftovers(path: Path) -> None:
    """Delete partial files that nobody is writing any more: of killed processes, or old ones."""
    for partial in path.parent.glob(f"{glob.escape(path.name)}.*.partial"):
        host, _, process = partial.name.split(".")[-3].rpartition("-")
        with suppress(OSError):
            old = time.time() - partial.stat().st_mtime > LEFT_OVER_AFTER
            if old or (host == platform.node().split(".")[-1] and _is_gone(process)):
                partial.unlink()


def _is_gone(process: str) -> bool:
    """Whether no process of this machine has the number; False where that cannot be known."""
    if sys.platform == "win32" or not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass
    return False


def _in_use(name: str, path: str | Path) -> BlockingIOError:
    return BlockingIOError(
        f"{name}: expected a path that no other run writes; got {path}, which a run that is still "
        f"going on has open. Wait for it or end it, or give another path."
    )

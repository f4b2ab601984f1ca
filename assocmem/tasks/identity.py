"""What identifies a task, an optimiser or a schedule: all it is made of, to compare and read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from functools import cached_property
from os import PathLike, fspath
from typing import Any

import numpy as np

SHOWN = 8  # entries of an array that are kept as they are; of more, their digest


def described(what: str, value: Any) -> Any:
    """Return a value as JSON holds it: equal for equal objects, in any process.

    >>> from assocmem import InductionTask
    >>> described("task", InductionTask(n_tokens=4, length=6, n_triggers=1))
    {'class': 'assocmem...InductionTask', 'n_tokens': 4, 'length': 6, ...}

    An object is its class and its attributes: the fields of a dataclass, or all that it has but
    cached properties. Arrays of more than a few entries are a digest of all of them.

    Raises TypeError for an attribute that another process could not compare: functions, open files,
    random generators.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else repr(value)  # for which JSON has no word
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return value.tolist() if value.ndim == 1 and len(value) <= SHOWN else _short(value)
    if isinstance(value, Mapping):
        return {str(key): described(f"{what}[{key!r}]", each) for key, each in value.items()}
    if isinstance(value, list | tuple | range):
        found = [described(f"{what}[{i}]", each) for i, each in enumerate(value)]
        return found if len(found) <= SHOWN else f"{len(found)} values {_sha256(repr(found))}"
    if isinstance(value, Set):
        return sorted((described(what, each) for each in value), key=repr)
    if isinstance(value, PathLike):
        return fspath(value)
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if is_dataclass(value):
        return _attributes(what, value, [field.name for field in fields(value)])
    if isinstance(getattr(value, "__dict__", None), dict) and not _acts(value):
        kind = type(value)
        names = [k for k in vars(value) if not isinstance(getattr(kind, k, None), cached_property)]
        return _attributes(what, value, names)
    raise TypeError(
        f"{what}: expected, along with a checkpoint, numbers, strings, arrays, or objects made of "
        f"them; got {value!r}, which another process could not compare. Make it a dataclass."
    )


def array_digest(*arrays: Any) -> str:
    """SHA-256 of the shapes, types and bytes of arrays."""
    total = hashlib.sha256()
    for array in map(np.asarray, arrays):
        total.update(f"{array.shape}{array.dtype.str}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def differences(mine: Any, theirs: Any, name: str = "") -> list[tuple[str, Any, Any]]:
    """Return the name of every part that differs between two descriptions, with both values."""
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        parts = [(f"{name}.{k}" if name else k, k) for k in {**mine, **theirs}]
        found = [differences(mine.get(k), theirs.get(k), inner) for inner, k in parts]
        return [each for part in found for each in part]
    return [] if mine == theirs else [(name, mine, theirs)]


def _attributes(what: str, value: Any, names: list[str]) -> dict[str, Any]:
    parts = {name: described(f"{what}.{name}", getattr(value, name)) for name in names}
    return {"class": described(what, type(value)), **parts}


def _acts(value: Any) -> bool:
    """Whether it is a function or a module, whose attributes do not say what it does."""
    return type(value).__module__ == "builtins" or type(value).__module__.startswith("functools")


def _short(array: np.ndarray[Any, Any]) -> str:
    return f"{array.dtype}{array.shape} {array_digest(array)}"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()

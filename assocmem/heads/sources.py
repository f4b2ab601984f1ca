"""Arrays by name from what people have: mappings of arrays or tensors, safetensors and npz files.

Nothing is unpickled, and torch is not imported: a tensor brings its own methods.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from assocmem._checks import Array

INTEROP = "pip install 'assocmem[interop]'"
_SAFE = {"F32": "float32", "F64": "float64"}
_NUMBERS = {"float32", "float64"}


class Entry:
    """An array or a tensor whose numbers are taken only where they are needed.

    >>> Entry(np.zeros((2, 3), np.float16)).dtype
    'float16'
    """

    def __init__(self, given: Any) -> None:
        self._given = given

    def __getitem__(self, layer: int) -> Entry:
        return Entry(self._given[layer])

    @property
    def dtype(self) -> str:
        """The name of the dtype; "quantised", "sparse", "masked" or "meta" where values lack."""
        given = self._given
        if getattr(given, "is_quantized", False):
            return "quantised"
        if getattr(given, "is_meta", False):
            return "meta (without data)"
        if (
            hasattr(given, "nnz")
            or getattr(given, "is_sparse", False)
            or "sparse" in str(getattr(given, "layout", ""))
        ):
            return "sparse"
        if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
            return "masked"
        # NumPy's name does not depend on the order of bytes
        return str(getattr(given.dtype, "name", given.dtype)).removeprefix("torch.")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, without the numbers."""
        return tuple(int(size) for size in self._given.shape)

    @property
    def holds_numbers(self) -> bool:
        """Whether it is float32 or float64, and there."""
        return self.dtype in _NUMBERS

    def array(self) -> Array:
        """Its numbers in float64, into which float32 goes exactly."""
        given = self._given
        for step in ("detach", "cpu", "resolve_conj"):  # of a tensor, with or without gradient
            given = getattr(given, step)() if hasattr(given, step) else given
        return np.asarray(given).astype(np.float64)


def entries(weights: Any) -> dict[str, Entry]:
    """Entries by name.

    >>> sorted(entries({"W": np.eye(2), "b": np.zeros(2)}))
    ['W', 'b']

    Raises
    ------
    TypeError
        For what is neither a mapping of names to arrays nor a path.
    ValueError
        For a file of another kind than .safetensors and .npz, or one that cannot be read.
    ImportError
        For a .safetensors file without the package safetensors.
    """
    if isinstance(weights, str | os.PathLike):
        return _from_file(Path(weights))
    if isinstance(weights, Mapping):
        if wrong := [name for name in weights if not isinstance(name, str)]:
            raise TypeError(f"weights: expected names that are strings; got {wrong[:3]!r}.")
        if other := [name for name, each in weights.items() if not _is_array(each)]:
            raise TypeError(
                f"weights: expected NumPy arrays or tensors; got others under {listed(other)}. "
                f"Leave out what holds no weights."
            )
        return {name: Entry(each) for name, each in weights.items()}
    hint = (
        "Pass its state_dict()." if hasattr(weights, "state_dict") else "Give each array its name."
    )
    raise TypeError(
        f"weights: expected a mapping of names to arrays, or the path of a .safetensors or .npz "
        f"file; got {type(weights).__name__}. {hint}"
    )


def listed(names: Iterable[str], most: int = 8) -> str:
    """The names in order, the first few if there are many.

    >>> listed(["b", "a"]), listed([])
    ('a, b', 'none')
    """
    names = sorted(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "none"


def _is_array(given: Any) -> bool:
    return hasattr(given, "shape") and hasattr(given, "dtype")


def _from_file(path: Path) -> dict[str, Entry]:
    if path.suffix not in (".safetensors", ".npz"):
        raise ValueError(
            f"weights: expected a .safetensors or .npz file; got {path.name!r}. Pickled files can "
            f"run any code and are never opened: load yours where you trust it, and pass the "
            f"state_dict() or save it as safetensors."
        )
    if not path.is_file():
        raise ValueError(f"weights: expected a file that exists; got {str(path)!r}.")
    if path.suffix == ".npz":
        try:
            # opened here: NumPy leaves a torn file open
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
                return {name: Entry(stored[name]) for name in stored.files}
        except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"weights: expected an .npz file of plain arrays in {path.name!r}; got one that "
                f"cannot be read ({error}). Save it again with numpy.savez."
            ) from None
    return _from_safetensors(path)


def _from_safetensors(path: Path) -> dict[str, Entry]:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise ImportError(
            f"safetensors: expected the package, to read {path.name!r}; got none. Install it with "
            f"{INTEROP}."
        ) from None
    try:
        with safe_open(path, framework="numpy") as stored:
            found = {}
            for name in stored.keys():  # noqa: SIM118
                piece = stored.get_slice(name)
                dtype = piece.get_dtype()
                # NumPy has no name for bfloat16 and others: they are listed, not read
                found[name] = Entry(
                    stored.get_tensor(name)
                    if dtype in _SAFE
                    else _Unread(tuple(piece.get_shape()), dtype)
                )
            return found
    except SafetensorError as error:
        raise ValueError(
            f"weights: expected a .safetensors file in {path.name!r}; got one that cannot be read "
            f"({error})."
        ) from None


class _Unread:
    """The shape and the dtype of an array in a file."""

    def __init__(self, shape: tuple[int, ...], dtype: str) -> None:
        self.shape, self.dtype = shape, dtype

"""Parameters and results as values of JSON.

JSON has no numbers that are not finite. As in the JSON of Protocol Buffers they are written as the
strings "NaN", "Infinity" and "-Infinity".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf, isfinite, nan
from typing import Any

import numpy as np

NOT_FINITE = {"NaN": nan, "Infinity": inf, "-Infinity": -inf}


def plain(value: Any) -> Any:
    """Arrays and NumPy numbers as lists and numbers; what JSON does not know is refused by it."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def encoded(result: Any) -> Any:
    """A plain result, with names for numbers that are not finite."""

    def named(leaf: Any) -> Any:
        if not isinstance(leaf, float) or isfinite(leaf):
            return leaf
        return "NaN" if leaf != leaf else "Infinity" if leaf > 0 else "-Infinity"

    return _leaves(named, result)


def decoded(result: Any) -> Any:
    """The inverse of `encoded`."""
    return _leaves(
        lambda leaf: NOT_FINITE.get(leaf, leaf) if isinstance(leaf, str) else leaf, result
    )


def _leaves(change: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _leaves(change, part) for name, part in value.items()}
    return [_leaves(change, part) for part in value] if isinstance(value, list) else change(value)

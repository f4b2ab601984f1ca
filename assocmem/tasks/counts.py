"""Counts of bigrams: from a text, from a CSV file, and readable names for the characters."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import checked_array

_BLANKS = {" ": "␣", "\n": "↵", "\t": "⇥"}


def most_frequent_characters(text: str) -> list[str]:
    """The different characters of a text, the most frequent first, ties by code point."""
    characters, counts = np.unique(_code_points(text), return_counts=True)
    return [chr(code) for code in characters[np.argsort(-counts, kind="stable")]]


def bigram_counts(text: str, characters: Sequence[str]) -> NDArray[np.int64]:
    """How often `characters[j]` follows `characters[i]` in the text read as a circle.

    >>> bigram_counts("abcab", "ab")
    array([[0, 2],
           [1, 0]])

    Any other character separates: no bigram is counted across it. The (b, a) here closes the
    circle.
    """
    codes, n = _code_points(text), len(characters)
    ids = np.full(codes.max() + 1, n)  # n: any other character
    known = _code_points("".join(characters))
    ids[known[known < len(ids)]] = np.flatnonzero(known < len(ids))
    first, second = ids[codes], ids[np.roll(codes, -1)]
    pairs = np.bincount(first * (n + 1) + second, minlength=(n + 1) ** 2)
    return pairs.reshape(n + 1, n + 1)[:n, :n]


def readable(characters: Sequence[str]) -> tuple[str, ...]:
    """Names for characters that can be seen, all different: ␣ ↵ ⇥ for blanks, else escapes.

    >>> readable(" a␣\\0")
    ('␣', 'a', '\\\\u2423', '\\\\x00')
    """

    def name(character: str) -> str:
        if character in _BLANKS:
            return _BLANKS[character]
        if character.isprintable() and character not in _BLANKS.values():
            return character
        return ascii(character)[1:-1]

    return tuple(name(character) for character in characters)


def _code_points(text: str) -> NDArray[np.int64]:
    return np.array(list(map(ord, text)), dtype=np.int64)


def read_counts(path: Path) -> tuple[list[str] | None, NDArray[np.float64]]:
    """Names, if the table has them, and the numbers of a CSV file; see `Language.from_counts`."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = file.readlines()
    start = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    rows = [row for row in csv.reader(lines[start:]) if row]
    names = None
    if rows and rows[0][0] == "":
        names = rows[0][1:]
        if [row[0] for row in rows[1:]] != names:
            raise ValueError(
                f"counts: expected the first row and the first column of {path.name} to name the "
                f"same tokens in the same order; got others."
            )
        rows = [row[1:] for row in rows[1:]]
    if not rows or len({len(row) for row in rows}) > 1:
        raise ValueError(f"counts: expected rows of one length in {path.name}; got others or none.")
    try:
        table = np.array([[float(cell) for cell in row] for row in rows])
    except ValueError as error:
        raise ValueError(
            f"counts: expected numbers in {path.name}; got {error}. Names stand in the first row "
            f"and column, with an empty corner."
        ) from None
    return names, nonnegative("counts", table)


def nonnegative(name: str, given: ArrayLike) -> NDArray[np.float64]:
    """Finite numbers that are at least 0."""
    array = checked_array(name, given)
    if array.dtype.kind not in "iuf":
        raise TypeError(
            f"{name}: expected real numbers; got dtype {array.dtype}. Convert with float."
        )
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise ValueError(f"{name}: expected finite numbers, at least 0; got others.")
    return array.astype(np.float64, copy=False)

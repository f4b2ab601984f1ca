"""Counts of bigrams: from a text, from a CSV file, and readable names for the characters."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import checked_reals

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


def read_text(path: Path) -> str:
    """The text of a file, in UTF-8 or as its byte-order mark says; the mark is no part of it.

    Lines end with a line feed, whatever ends them in the file. Raises ValueError for a file in
    another encoding, or for what is no file.
    """
    if path.exists() and not (path.is_file() or path.is_fifo()):  # a device may never end
        raise ValueError(f"{path}: expected a file; got a folder or a device. Name a file.")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path}: expected a file; got none of this name. Check the name, and the folder "
            f"{Path.cwd()} where it starts."
        ) from None
    encodings = [name for mark, name in _MARKS.items() if content.startswith(mark)] or ["utf-8"]
    for encoding in encodings:
        try:
            return content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError as error:
            wrong = error.start
    raise ValueError(
        f"{path}: expected {' or '.join(encodings)}; got other bytes at {wrong}. Convert the file, "
        f"or read it yourself with Path.read_text(encoding=...)."
    )


# The longer mark first: that of UTF-32 is that of UTF-16 with a null character behind it.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

Names = list[str] | None


def read_counts(path: Path) -> tuple[Names, NDArray[np.float64]]:
    """Names, if the table has them, and the numbers of a CSV file; see `Language.from_counts`."""
    lines = read_text(path).splitlines()
    start = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    rows = [row for row in csv.reader(lines[start:]) if row]
    of_rows: Names = None
    of_columns: Names = None
    if rows and rows[0][0] == "":
        of_columns, of_rows = rows[0][1:], [row[0] for row in rows[1:]]
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
    return aligned(of_rows, of_columns, nonnegative("counts", table))


def labelled_counts(given: Any) -> tuple[Names, NDArray[np.float64]]:
    """Names and numbers of an array, or of a data frame whose rows and columns have labels."""
    if not (hasattr(given, "index") and hasattr(given, "columns")):
        return None, nonnegative("counts", given)
    of_rows, of_columns = (list(map(str, names)) for names in (given.index, given.columns))
    return aligned(of_rows, of_columns, nonnegative("counts", given))


def aligned(
    of_rows: Names, of_columns: Names, table: NDArray[np.float64]
) -> tuple[Names, NDArray[np.float64]]:
    """A row and a column for every name, in the order of the rows, then of further columns.

    >>> aligned(["a", "b"], ["b", "c"], np.array([[1.0, 2.0], [3.0, 4.0]]))
    (['a', 'b', 'c'], array([[0., 1., 2.],
           [0., 3., 4.],
           [0., 0., 0.]]))
    """
    if of_rows is None or of_columns is None:
        return None, table
    if table.shape != (len(of_rows), len(of_columns)):
        raise ValueError(
            f"counts: expected a name for each row and column; got {len(of_rows)} and "
            f"{len(of_columns)} for a table of shape {table.shape}. Leave the corner empty."
        )
    for names in (of_rows, of_columns):
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(
                f"counts: expected different names; got {twice!r} twice. Add their counts up."
            )
    names = list(dict.fromkeys([*of_rows, *of_columns]))
    place = {name: i for i, name in enumerate(names)}
    square = np.zeros((len(names), len(names)))
    square[np.ix_([place[name] for name in of_rows], [place[name] for name in of_columns])] = table
    return names, square


def nonnegative(name: str, given: ArrayLike) -> NDArray[np.float64]:
    """Finite numbers that are at least 0."""
    array = checked_reals(name, given)
    if (array < 0).any():
        raise ValueError(f"{name}: expected numbers that are at least 0; got {array.min()}.")
    return array.astype(np.float64, copy=False)

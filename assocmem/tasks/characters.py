"""Count the bigrams of Python's help topics: ``python -m assocmem.tasks.characters [PATH]``.

Writes the table behind `Language.characters`, by default in its place beside this module. The text
is `pydoc_data.topics` of the CPython that runs, and it changes from version to version, so the
table records the version. Its 65 most frequent characters are kept. No bigram is counted across a
character that is dropped, nor from one topic to the next.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from pydoc_data.topics import topics

from assocmem._files import csv_text, replaced
from assocmem.tasks.counts import bigram_counts, most_frequent_characters, readable

N_CHARACTERS = 65
TABLE = Path(__file__).with_name("characters.csv")


def table() -> str:
    """The CSV file: provenance, then the counts, row = first character, column = second."""
    texts = list(topics.values())
    characters = most_frequent_characters("".join(texts))[:N_CHARACTERS]
    separator = "\0"  # not among the characters, so that it parts the topics
    counts = bigram_counts("".join(text + separator for text in texts), characters)
    names = readable(characters)
    about = (
        f"# How often the column's character follows the row's: the {N_CHARACTERS} most frequent "
        f"characters of pydoc_data.topics.\n"
        f"# Source: CPython {platform.python_version()}, {len(texts)} topics, "
        f"{sum(map(len, texts))} characters, {counts.sum()} bigrams counted.\n"
        f"# Made by: python -m assocmem.tasks.characters\n"
    )
    rows = ([name, *row] for name, row in zip(names, counts.tolist(), strict=True))
    return about + csv_text(["", *names], rows)


def main(arguments: Sequence[str]) -> int:
    """Write the table to the path given, or in its place; return the exit code."""
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        print("usage: python -m assocmem.tasks.characters [PATH]", file=sys.stderr)
        return 2
    path = Path(*arguments) if arguments else TABLE
    with replaced(path) as file:
        file.write(table().encode())
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

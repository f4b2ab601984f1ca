"""Bigram languages: the law of the first token, and of each next token given the one before."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import (
    Seed,
    at_least,
    checked_laws,
    checked_number,
    checked_reals,
    checked_sequence,
    generator,
)
from assocmem.tasks.alias import AliasTables, alias_tables
from assocmem.tasks.counts import (
    bigram_counts,
    labelled_counts,
    most_frequent_characters,
    read_counts,
    read_text,
    readable,
)

Law = NDArray[np.float64]

_MAX_TOKENS = 2**14  # a bigram table of 2 GiB


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Language:
    """A bigram language: the first token from the unigram, each next one from the row of the last.

    Nothing demands that the unigram be the bigram's stationary law; `from_text` makes it so.

    Parameters
    ----------
    unigram : array_like, shape (N,)
        Probabilities that sum to 1.
    bigram : array_like, shape (N, N)
        Row i is the law of the token after token i.
    names : sequence of str, optional
        A readable name for each token, all different; 0 .. N - 1 when left out.

    Raises
    ------
    ValueError
        For shapes that do not fit, fewer than two tokens, NaN, negative entries, laws that do not
        sum to 1 up to rounding, and names that are too few or the same.

    Examples
    --------
    >>> language = Language(unigram=[0.5, 0.5], bigram=[[0, 1], [0.25, 0.75]], names="ab")
    >>> language
    Language(2 tokens: a b)
    >>> language.most_frequent().tolist()    # ties: the smaller id first
    [0, 1]
    """

    unigram: Law
    bigram: Law
    names: tuple[str, ...]

    def __init__(
        self, *, unigram: ArrayLike, bigram: ArrayLike, names: Sequence[str] | None = None
    ) -> None:
        names = _labels(unigram, bigram) if names is None else names
        given = {"unigram": unigram, "bigram": bigram}
        unigram, bigram = (checked_reals(name, laws) for name, laws in given.items())
        n = len(unigram) if unigram.ndim == 1 else 0
        if n < 2:
            raise ValueError(
                f"unigram: expected a law on two tokens or more, shape (N,); got {unigram.shape}."
            )
        if bigram.shape != (n, n):
            raise ValueError(
                f"bigram: expected shape ({n}, {n}), a row per token of the unigram; got "
                f"{bigram.shape}."
            )
        for name, laws in given.items():
            object.__setattr__(self, name, checked_laws(name, laws))
        object.__setattr__(self, "names", _names(names, n))

    @classmethod
    def uniform(cls, n: int) -> Language:
        """Language in which all tokens are equally likely, whatever came before.

        Parameters
        ----------
        n : int
            The number of tokens.

        Returns
        -------
        Language

        Raises
        ------
        TypeError, ValueError
            For an n that is not an integer, below 2, or too large.

        Examples
        --------
        >>> Language.uniform(4).bigram[0]
        array([0.25, 0.25, 0.25, 0.25])
        """
        n = _size(n)
        return cls(unigram=np.full(n, 1 / n), bigram=np.full((n, n), 1 / n))

    @classmethod
    def zipf(
        cls, n: int, *, exponent: float = 1.0, concentration: float = 20.0, rng: Seed = None
    ) -> Language:
        """Language whose unigram is Zipf's law, with independent Dirichlet rows around it.

        The unigram is π_i ∝ (i + 1)^-exponent, and each bigram row is an independent draw from
        Dirichlet(concentration · π), whose mean is π and whose variance is π(1 - π) /
        (concentration + 1): the larger the concentration, the less the row says. At the default,
        and 65 tokens, a row is on average 0.76 nats (Kullback-Leibler) away from the unigram; of
        the default characters it is 0.78.

        Parameters
        ----------
        n : int
            The number of tokens.
        exponent, concentration : float
            As above.
        rng : int, generator of NumPy or None
            Where the rows come from.

        Returns
        -------
        Language

        Raises
        ------
        TypeError, ValueError
            For n as `uniform`, an exponent that is not finite, and a concentration that is not
            positive and finite.

        Examples
        --------
        >>> language = Language.zipf(65, rng=0)
        >>> (language.unigram[0] / language.unigram[[1, 2]]).round(12)
        array([2., 3.])
        """
        n = _size(n)
        exponent = checked_number("exponent", exponent)
        concentration = checked_number(
            "concentration",
            concentration,
            "a positive finite number",
            lambda number: 0 < number < np.inf,
            "Language.uniform has no Dirichlet rows.",
        )
        log_weights = -exponent * np.log(np.arange(1, n + 1))
        weights = np.exp(log_weights - log_weights.max())
        unigram = weights / weights.sum()
        alpha = concentration * unigram
        if not alpha.all():
            raise ValueError(
                f"exponent: expected probabilities above 0; got exponent={exponent}, whose "
                f"smallest is 0 in float64. Take a smaller exponent or fewer tokens."
            )
        rows = generator(rng).dirichlet(alpha, size=n)
        return cls(unigram=unigram, bigram=rows / rows.sum(axis=1, keepdims=True))

    @classmethod
    def from_text(cls, text: str | os.PathLike[str], *, smoothing: float = 0.0) -> Language:
        """Language of the characters of a text: their frequencies, and which follows which.

        The text is read as a circle, its end followed by its beginning: then every character has a
        successor, the unigram is the frequency of the characters, and it is the stationary law of
        the bigram. Tokens are ordered by frequency, equally frequent ones by code point. Blanks
        have readable names, ␣ ↵ ⇥.

        Parameters
        ----------
        text : str or path
            A `str` is the text itself; a `Path` is a file, in UTF-8 or as its byte-order mark says.
        smoothing : float
            As in `from_counts`.

        Returns
        -------
        Language

        Raises
        ------
        TypeError
            For anything but a string or a path.
        ValueError
            For a text of fewer than two different characters, a string that is the name of a file,
            and a file in another encoding.

        Examples
        --------
        >>> language = Language.from_text("to be or not to be")
        >>> language
        Language(7 tokens: ␣ o t b e n r)
        >>> language.bigram[1].round(3)      # an o is followed by a blank, a t or an r
        array([0.5 , 0.  , 0.25, 0.  , 0.  , 0.  , 0.25])
        """
        if isinstance(text, os.PathLike):
            text = read_text(Path(text))
        if not isinstance(text, str):
            raise TypeError(
                f"text: expected the text as a str, or a Path to read it from; got "
                f"{type(text).__name__}."
            )
        if _is_name_of_file(text):
            raise ValueError(
                f"text: expected the text; got the name of a file, {text!r}. Read it by "
                f"Language.from_text(Path({text!r}))."
            )
        text = text.removeprefix("\ufeff")  # a byte-order mark, which is no character
        characters = most_frequent_characters(text)
        if len(characters) < 2:
            raise ValueError(
                f"text: expected two different characters or more; got {len(characters)}. A file "
                f"is named by a Path: Language.from_text(Path(name))."
            )
        counts = bigram_counts(text, characters)
        return cls.from_counts(counts, names=readable(characters), smoothing=smoothing)

    @classmethod
    def from_counts(
        cls,
        counts: ArrayLike | str | os.PathLike[str],
        *,
        names: Sequence[str] | None = None,
        smoothing: float = 0.0,
    ) -> Language:
        """Language of bigram counts: token j followed token i `counts[i, j]` times.

        The unigram is the frequency of a token as the first of a bigram.

        Parameters
        ----------
        counts : array_like, data frame or path
            An (N, N) array; or a data frame, whose rows and columns are matched by their labels,
            zeros where one has none; or the path of a CSV file with such a table: numbers alone, or
            with the tokens' names in the first row and the first column and an empty corner,
            matched in the same way. Lines that start with # before the table are comments.
        names : sequence of str, optional
            Of the tokens; those of the table when left out.
        smoothing : float
            Lidstone's: it is added to every count.

        Returns
        -------
        Language

        Raises
        ------
        ValueError
            For a table that is not square, counts that are negative, NaN or infinite, a token that
            is never followed by any (unless smoothed), and a negative smoothing.

        Examples
        --------
        >>> Language.from_counts([[0, 3], [1, 2]], names="ab").bigram
        array([[0.        , 1.        ],
               [0.33333333, 0.66666667]])
        """
        if isinstance(counts, str | os.PathLike):
            found, table = read_counts(Path(counts))
        else:
            found, table = labelled_counts(counts)
        if found and names is not None:
            names = _names(names, len(found))
            if set(names) == set(found) and list(names) != found:
                raise ValueError(
                    f"names: expected new names for the table's {found}, or these in their order; "
                    f"got {names}, which may mean either. Reorder the table itself."
                )
        names = found if names is None else names
        if table.ndim != 2 or table.shape[0] != table.shape[1]:
            raise ValueError(
                f"counts: expected a square table, a row and a column per token; got {table.shape}."
            )
        table = table + checked_number(
            "smoothing", smoothing, "a finite number >= 0", lambda number: 0 <= number < np.inf
        )
        # by a power of two, which rounds nothing: sums of large counts overflow
        table = np.ldexp(table, -np.frexp(table.max(initial=0))[1])
        totals = table.sum(axis=1)
        if not totals.all():
            empty = [names[int(i)] if names else int(i) for i in np.flatnonzero(totals == 0)]
            raise ValueError(
                f"counts: expected every token to be followed by some token; got no count in the "
                f"rows {empty}. Leave these tokens out, or pass a smoothing."
            )
        return cls(unigram=totals / totals.sum(), bigram=table / totals[:, None], names=names)

    @classmethod
    def characters(cls) -> Language:
        """The default language: bigrams of 65 characters in the help topics of CPython.

        Frequencies in the help topics of Python (`pydoc_data.topics`), as counted by
        `python -m assocmem.tasks.characters`. The table `characters.csv` beside that module holds
        the counts and says in its first lines which CPython they are from. The same object is
        returned each time.

        Examples
        --------
        >>> language = Language.characters()
        >>> language
        Language(65 tokens: ␣ e t a s n i o r l - c ↵ h d u ...)
        >>> print(f"{language.bigram[0, 2]:.3f}")    # after a blank comes a t
        0.085
        """
        return _characters()

    @property
    def n_tokens(self) -> int:
        """Size N of the vocabulary."""
        return len(self.unigram)

    @cached_property
    def tables(self) -> AliasTables:
        """To draw from its laws: the N bigram rows and the unigram; any token for certain.

        Built on first use, in N steps on all rows at once: 12 N² bytes.
        """
        return alias_tables(self.bigram, self.unigram[None])

    def most_frequent(self) -> NDArray[np.int64]:
        """Return all token ids, the most frequent first.

        Returns
        -------
        array of int, shape (N,)
            By the unigram; ties in the order of the ids.
        """
        return np.argsort(-self.unigram, kind="stable")

    def __repr__(self) -> str:
        shown = " ".join(self.names[:16]) + " ..." * (self.n_tokens > 16)
        return f"Language({self.n_tokens} tokens: {shown})"


@cache
def _characters() -> Language:
    return Language.from_counts(Path(__file__).with_name("characters.csv"))


def _size(given: Any) -> int:
    n: int = at_least("n", given, 2)
    if n > _MAX_TOKENS:
        raise ValueError(
            f"n: expected at most {_MAX_TOKENS} tokens; got {n}, whose bigram table would take "
            f"{8 * n * n:.1e} bytes."
        )
    return n


def _labels(unigram: Any, bigram: Any) -> list[str] | None:
    """The labels that a series and a data frame have, which must be the same; None without any."""
    sides = {
        f"{name}.{side}": list(map(str, getattr(given, side)))
        for name, given in (("unigram", unigram), ("bigram", bigram))
        for side in ("index", "columns")
        if hasattr(given, "index") and hasattr(given, "to_numpy") and hasattr(given, side)
    }
    if any(labels != next(iter(sides.values())) for labels in sides.values()):
        raise ValueError(
            f"unigram, bigram: expected labels in one order; got different ones in "
            f"{', '.join(sides)}. Put them in one order with .reindex(index=..., columns=...)."
        )
    return next(iter(sides.values()), None)


def _is_name_of_file(text: str) -> bool:
    """Whether someone has meant the file of this name; texts have more than a line, or no file."""
    try:
        return 0 < len(text) < 2**10 and Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or with a null character
        return False


def _names(given: Sequence[str] | None, n: int) -> tuple[str, ...]:
    if given is None:
        return tuple(map(str, range(n)))
    names = tuple(given if isinstance(given, str) else checked_sequence("names", given, "strings"))
    if not all(isinstance(name, str) for name in names):
        raise TypeError("names: expected strings; got others. Convert with str.")
    if len(names) != n or len(set(names)) != n:
        raise ValueError(
            f"names: expected {n} different names, one per token; got {len(names)}, "
            f"{len(set(names))} of them different."
        )
    return names

"""The theorem's data: a trigger, its output, content, and the trigger again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, overload

import numpy as np

from assocmem._checks import (
    Ints,
    Seed,
    at_least,
    checked_bytes,
    checked_flag,
    checked_option,
    generator,
    is_symbolic,
    renamed,
)
from assocmem.tasks.batch import checked_batch_size, rounded
from assocmem.tasks.induction_batch import InductionBatch
from assocmem.tasks.symmetry import Patterns, count_partitions, set_partitions

_MAX_LENGTH = 2**16  # a table of all pairs of positions takes 32 GiB
_MAX_SAMPLED = 2**62  # pairs of a trigger and its place, numbered in int64


@dataclass(frozen=True)
class InductionTask:
    """The task of the theorem: when a trigger occurs again, predict what followed it before.

    With N = `n_tokens`, T = `length`, K = `n_triggers`: a trigger q and a place t are uniform; q
    stands at t and at the last position and nowhere else; every other position is content, i.i.d.
    uniform. The label is the content at t + 1, and the loss is at the last position only. Code
    counts from 0, so t is in 0 .. T - 3.

    Parameters
    ----------
    n_tokens : int or SymPy expression
        N. With a SymPy size `n_content`, `n_outputs` and `n_sequences` are expressions, and
        whatever needs numbers raises TypeError. Elements of a field, `sympy.field("N, K",
        sympy.QQ)`, do as well: every result then comes simplified, and far faster.
    length : int
        T, at least 3. The leads at a symbolic T are in `assocmem.gradients.conditions`.
    n_triggers : int, SymPy expression or "random"
        Fixed triggers, K = 1 .. N - 2, are the tokens 0 .. K - 1, and content is K .. N - 1. Random
        triggers are all N tokens, and content is all tokens but the sequence's own trigger.
    predict : {"content", "all"}
        The classes are the content tokens (fixed triggers only), or all N tokens.

    Raises
    ------
    ValueError
        For T < 3, K < 1, fewer than two content tokens, an unknown ``predict``, or random triggers
        with ``predict="content"``.
    TypeError
        For sizes that are not integers.

    References
    ----------
    [BCBJB2023], the data of its theorem. For K = 1 it is the in-context bigram task with uniform
    statistics, conditioned on the trigger's second occurrence being the last input. For K >= 2 it
    is not: the other triggers never occur in a sequence, as they do in a `BigramTask`.

    Examples
    --------
    >>> task = InductionTask(n_tokens=4, length=6, n_triggers="random", predict="all")
    >>> task.n_sequences
    1296
    >>> batch = task.sample(10_000, rng=0)
    >>> bool((batch.tokens[:, -1:] == batch.tokens[:, :-1]).sum(axis=1).max() == 1)
    True
    """

    n_tokens: Any
    length: int
    n_triggers: Any = 1
    predict: Literal["content", "all"] = "content"

    def __post_init__(self) -> None:
        put = object.__setattr__
        if is_symbolic(self.length):
            raise TypeError(
                f"length: expected an integer; got {self.length!r}. The leads at a symbolic length "
                f"T are formulas: am.gradients.conditions.moments(T, H_T, H_T2), with the sums H_T "
                f"of 1/s and H_T2 of 1/s² up to T; its .phi is the sign of step 2."
            )
        put(self, "length", at_least("length", self.length, 3))
        put(self, "n_tokens", at_least("n_tokens", self.n_tokens, 3, symbolic=True))
        checked_option("predict", self.predict, ("content", "all"))
        if self.length > _MAX_LENGTH:
            raise ValueError(f"length: expected at most {_MAX_LENGTH}; got {self.length}.")
        if isinstance(self.n_triggers, str):
            if self.n_triggers != "random":
                raise ValueError(
                    f"n_triggers: expected a number of fixed triggers or 'random'; got "
                    f"{self.n_triggers!r}."
                )
            if self.predict == "content":
                raise ValueError(
                    "predict: expected 'all' with n_triggers='random', as every token is content "
                    "of some sequence; got 'content'. Pass predict='all'."
                )
            return
        put(self, "n_triggers", at_least("n_triggers", self.n_triggers, 1, symbolic=True))
        content = self.n_content
        if not is_symbolic(content) and content < 2:
            raise ValueError(
                f"n_triggers: expected at most n_tokens - 2 fixed triggers, which leaves two "
                f"content tokens; got {self.n_triggers} of {self.n_tokens} tokens. Take fewer "
                f"triggers, or n_triggers='random' with predict='all'."
            )

    @property
    def random_triggers(self) -> bool:
        """Whether any token can be the trigger."""
        return isinstance(self.n_triggers, str)

    @property
    def is_symbolic(self) -> bool:
        """Whether a size is a SymPy expression, so that there is nothing to sample."""
        return is_symbolic(self.n_tokens) or is_symbolic(self.n_triggers)

    @property
    def n_content(self) -> Any:
        """Number C of content tokens a position is drawn from: N - K, or N - 1 when random."""
        return self.n_tokens - (1 if self.random_triggers else self.n_triggers)

    @property
    def n_outputs(self) -> Any:
        """Number M of predicted classes."""
        return self.n_content if self.predict == "content" else self.n_tokens

    @property
    def n_sequences(self) -> Any:
        """Number of sequences, all equally likely: triggers × places × C^(T-2)."""
        return self._n_strata * self.n_content ** (self.length - 2)

    @property
    def triggers(self) -> Ints:
        """Token ids of the possible triggers."""
        self._require_numbers("triggers")
        return np.arange(self.n_tokens if self.random_triggers else self.n_triggers)

    @property
    def contents(self) -> Ints:
        """Token ids that can be content; a sequence's own trigger is not part of its content."""
        self._require_numbers("contents")
        return np.arange(self._first_content, self.n_tokens)

    @property
    def outputs(self) -> Ints:
        """Token ids (M,) of the predicted classes, in increasing order."""
        self._require_numbers("outputs")
        return np.arange(self.n_tokens - self.n_outputs, self.n_tokens)

    def pairs(self) -> dict[str, Ints]:
        """Return the associations that each matrix should hold, as rows (cue, answer); see `probe`.

        W_O2: each token that can be a label. W_K2: each trigger. W_K1: each position but the first
        and the last, which gets no such signal, and the one before.

        Returns
        -------
        dict of str to array of int, shape (n, 2)
            By the names of the matrices.

        Examples
        --------
        >>> InductionTask(n_tokens=5, length=6).pairs()["W_K1"].tolist()
        [[1, 0], [2, 1], [3, 2], [4, 3]]
        """
        positions = np.arange(1, self.length - 1)
        return {
            "W_O2": np.stack([self.contents, self.contents], axis=1),
            "W_K2": np.stack([self.triggers, self.triggers], axis=1),
            "W_K1": np.stack([positions, positions - 1], axis=1),
        }

    @overload
    def enumerate(self, max_bytes: int = ...) -> InductionBatch: ...

    @overload
    def enumerate(
        self, max_bytes: int = ..., *, up_to_symmetry: bool
    ) -> InductionBatch | Patterns: ...

    def enumerate(
        self, max_bytes: int = 2**30, *, up_to_symmetry: bool | None = None
    ) -> InductionBatch | Patterns:
        """Return all sequences, each once, with equal weights.

        Parameters
        ----------
        max_bytes : int
            What the batch may take.
        up_to_symmetry : bool, optional
            Deprecated: `patterns`.

        Returns
        -------
        InductionBatch
            One sequence a row; not marked as drawn.

        Raises
        ------
        ValueError
            When the batch would take more, with the number of sequences and bytes.
        TypeError
            For a symbolic task.

        Examples
        --------
        >>> len(InductionTask(n_tokens=3, length=4).enumerate())
        8
        """
        if up_to_symmetry is not None:
            renamed("up_to_symmetry", "task.patterns(), which is enumerate up to symmetry")
            if checked_flag("up_to_symmetry", up_to_symmetry):
                return self.patterns(max_bytes)
        self._require_numbers("enumerate")
        n_bytes = self.n_sequences * self.length * 3 * 8  # tokens, targets, weights
        if n_bytes > checked_bytes("max_bytes", max_bytes):
            raise ValueError(
                f"enumerate: expected a batch of at most max_bytes={max_bytes}; got more: "
                f"{rounded(self.n_sequences)} sequences need {rounded(n_bytes)} bytes. "
                f"Use sample, patterns, or raise max_bytes."
            )
        slots = self.length - 2
        words = np.indices((self.n_content,) * slots).reshape(slots, -1).T
        strata = np.arange(self._n_strata)
        return self._assemble(np.repeat(strata, len(words)), np.tile(words, (len(strata), 1)))

    def patterns(self, max_bytes: int = 2**30) -> Patterns:
        """Return all sequences up to renaming of tokens, with their probabilities.

        Parameters
        ----------
        max_bytes : int
            What they may take.

        Returns
        -------
        Patterns
            One sequence for each pattern, weighted by the probability of the pattern.

        Raises
        ------
        ValueError
            When they would take more, with the number of patterns and bytes.
        TypeError
            For a symbolic task.

        Examples
        --------
        >>> len(InductionTask(n_tokens=10**6, length=4).patterns())
        4
        """
        self._require_numbers("patterns")
        slots, small = self.length - 2, self.representatives
        each = 8 * (3 * self.length + small.n_outputs + 1)
        most = min(checked_bytes("max_bytes", max_bytes), 2**63)  # no array holds more
        # Partitions into one block or two are 2^(slots - 1): where they alone are too many, the
        # others are not counted, which takes minutes for a thousand slots.
        n_patterns, bound = slots * 2 ** (slots - 1), "at least "
        if each * n_patterns <= most:
            n_patterns, bound = slots * count_partitions(slots, self.n_content), ""
        if each * n_patterns > most:
            raise ValueError(
                f"patterns: expected at most max_bytes={max_bytes}; got more: "
                f"{bound}{rounded(n_patterns)} patterns of length {self.length} need "
                f"{rounded(each * n_patterns)} bytes. Use sample, or raise max_bytes."
            )
        words = np.tile(set_partitions(slots, self.n_content), (slots, 1))
        places = np.repeat(np.arange(slots), len(words) // slots)  # the stratum of trigger 0
        return Patterns.of(self, small, small._assemble(places, words), words.max(axis=1) + 1)

    @property
    def representatives(self) -> InductionTask:
        """Smallest task of this kind that has every pattern and, in each class, an absent token.

        Examples
        --------
        >>> InductionTask(n_tokens=10**6, length=8).representatives.n_tokens
        8
        """
        if self.random_triggers:
            return replace(self, n_tokens=min(self.n_tokens, self.length))
        triggers, content = min(self.n_triggers, 2), min(self.n_content, self.length - 1)
        return replace(self, n_tokens=triggers + content, n_triggers=triggers)

    def sample(self, size: int, *, rng: Seed = None) -> InductionBatch:
        """Draw sequences with equal weights, stratified over trigger, its position and output.

        Each of the K (T - 2) pairs of trigger and place occurs ⌊size / pairs⌋ times, and the
        sequences left over go to distinct pairs at random; so it is for the C outputs, matched to
        the pairs at random. Weighted means are unbiased, and the sample adds no noise of its own to
        the label frequencies, which every position would otherwise memorise.

        Parameters
        ----------
        size : int
            How many sequences.
        rng : int, generator of NumPy or None
            Where the draws come from; None draws anew each time.

        Returns
        -------
        InductionBatch
            One sequence a row, marked as drawn.

        Raises
        ------
        TypeError
            For a symbolic task or a size that is not an integer.
        ValueError
            For a size below 1.

        Examples
        --------
        >>> batch = InductionTask(n_tokens=10**6, length=16, n_triggers=4).sample(56, rng=0)
        >>> bool((np.unique(batch.tokens[:, -1], return_counts=True)[1] == 14).all())
        True
        """
        self._require_numbers("sample")
        size, rng = checked_batch_size("size", size, self.length), generator(rng)
        if self.n_tokens * self.length > _MAX_SAMPLED:
            raise ValueError(
                f"n_tokens: expected at most {_MAX_SAMPLED // self.length} tokens to sample from; "
                f"got {self.n_tokens}. Take patterns, which has the whole population at any number."
            )
        strata = _balanced(self._n_strata, size, rng)
        words = rng.integers(self.n_content, size=(size, self.length - 2))
        output = strata % (self.length - 2)  # where the output stands among the content
        words[np.arange(size), output] = rng.permutation(_balanced(self.n_content, size, rng))
        return self._assemble(strata, words, drawn=True)

    @property
    def _n_strata(self) -> Any:
        """Number of pairs of a trigger and the place of its first occurrence."""
        return (self.n_tokens if self.random_triggers else self.n_triggers) * (self.length - 2)

    @property
    def _first_content(self) -> int:
        return 0 if self.random_triggers else self.n_triggers

    def _assemble(self, strata: Ints, words: Ints, *, drawn: bool = False) -> InductionBatch:
        """The equally weighted batch of sequences with these strata (B,) and words (B, T-2).

        A word numbers the content tokens of its sequence, 0 .. C - 1, from left to right.
        """
        trigger, place = (part[:, None] for part in np.divmod(strata, self.length - 2))
        # content numbers skip the trigger: all fixed ones, or the sequence's own
        content = words + (words >= trigger) if self.random_triggers else words + self.n_triggers
        tokens = np.repeat(trigger, self.length, axis=1)
        is_content = np.arange(self.length) != place
        is_content[:, -1] = False
        tokens[is_content] = content.ravel()
        label = np.take_along_axis(tokens, place + 1, axis=1)
        targets, weights = np.full(tokens.shape, -1), np.zeros(tokens.shape)
        targets[:, -1:] = label - (self.n_tokens - self.n_outputs)  # the first of the outputs
        weights[:, -1] = 1 / len(tokens)
        return InductionBatch(
            tokens=tokens,
            targets=targets,
            weights=weights,
            trigger_position=place[:, 0],
            drawn=drawn,
        )

    def _require_numbers(self, what: str) -> None:
        if self.is_symbolic:
            raise TypeError(
                f"{what}: expected numbers of tokens and triggers; got n_tokens={self.n_tokens}, "
                f"n_triggers={self.n_triggers}. Symbolic sizes serve the closed forms only: build "
                f"the task with integers."
            )


def _balanced(kinds: int, size: int, rng: np.random.Generator) -> Ints:
    """Kinds 0 .. kinds - 1, each ⌊size / kinds⌋ times, and a random choice of distinct ones."""
    rounds, left = divmod(size, kinds)
    leftover = rng.choice(kinds, left, replace=False)
    # at least one full round means at most `size` kinds: no array is longer than the sample
    return np.concatenate([np.tile(np.arange(kinds), rounds), leftover] if rounds else [leftover])

"""What a loss is an expectation over: weighted batches, and the tasks that produce them."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem.families import Seed

Ints = NDArray[np.int64]


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Batch:
    """Sequences, what to predict at each position, and how much each prediction counts.

    >>> batch = Batch(tokens=[[0, 1, 0]], targets=[[-1, -1, 1]], weights=[[0, 0, 1]])
    >>> batch
    Batch(1 sequences of length 3, 1 predictions)

    Shapes: all (B, T). `tokens` count from 0. `targets` are classes: class k is the token
    `task.outputs[k]`; -1 says that nothing is predicted, where the weight is 0. `weights` are at
    least 0 and sum to 1 over the whole batch, so that a loss is the expectation Σ weight · loss.

    Raises ValueError for shapes that differ, negative tokens, missing targets, weights that are
    NaN, negative or do not sum to 1; TypeError for tokens or targets that are not integers.
    """

    tokens: Ints
    targets: Ints
    weights: NDArray[np.float64]

    def __init__(self, *, tokens: ArrayLike, targets: ArrayLike, weights: ArrayLike) -> None:
        tokens, targets = _integers("tokens", tokens), _integers("targets", targets)
        weights = np.asarray(weights)
        if weights.dtype.kind not in "iuf":
            raise TypeError(
                f"weights: expected real numbers; got dtype {weights.dtype}. Convert with float."
            )
        weights = weights.astype(np.float64, copy=False)
        if tokens.ndim != 2 or tokens.size == 0:
            raise ValueError(
                f"tokens: expected a non-empty array of shape (sequences, length); got "
                f"{tokens.shape}. Put one sequence in a row of its own: tokens=[sequence]."
            )
        for name, array in ("targets", targets), ("weights", weights):
            if array.shape != tokens.shape:
                raise ValueError(
                    f"{name}: expected the shape {tokens.shape} of tokens, an entry per position; "
                    f"got {array.shape}. Give positions without loss the weight 0."
                )
        if tokens.min() < 0:
            raise ValueError(
                f"tokens: expected ids from 0 up; got {tokens.min()}. Tokens count from 0."
            )
        _check_weights(weights)
        if targets.min() < -1 or (targets[weights > 0] < 0).any():
            raise ValueError(
                f"targets: expected classes from 0 up where the weight is positive, and -1 allowed "
                f"where it is 0; got {targets.min()}. Set the weight to 0 where nothing is "
                f"predicted."
            )
        object.__setattr__(self, "tokens", tokens)
        object.__setattr__(self, "targets", targets)
        object.__setattr__(self, "weights", weights)

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        sequences, length = self.tokens.shape
        predictions = np.count_nonzero(self.weights)
        return f"Batch({sequences} sequences of length {length}, {predictions} predictions)"

    def split(self, size: int) -> Iterator[tuple[float, Batch]]:
        """Consecutive pieces of at most `size` sequences, each with its share of the weight.

        >>> batch = InductionTask(n_tokens=3, length=4).enumerate()
        >>> [(share, len(piece)) for share, piece in batch.split(6)]
        [(0.75, 6), (0.25, 2)]

        Each piece is a batch whose weights sum to 1, so an expectation over the whole is
        Σ share · (expectation over the piece). Pieces without weight are left out.

        Raises TypeError for a size that is not an integer, ValueError for one below 1.
        """
        size = _at_least("size", size, 1)
        for start in range(0, len(self), size):
            rows = slice(start, start + size)
            share = float(self.weights[rows].sum())
            if share > 0:
                yield (
                    share,
                    Batch(
                        tokens=self.tokens[rows],
                        targets=self.targets[rows],
                        weights=self.weights[rows] / share,
                    ),
                )


@runtime_checkable
class Task(Protocol):
    """What the library asks of a task; bring your own by writing these five names.

    >>> isinstance(InductionTask(n_tokens=4, length=6), Task)
    True

    Tokens are 0 .. n_tokens - 1, sequences have `length` of them, and class k of a prediction is
    the token `outputs[k]`. A task too large to be enumerated raises ValueError.
    """

    @property
    def n_tokens(self) -> int:
        """Size N of the vocabulary."""

    @property
    def length(self) -> int:
        """Length T of a sequence."""

    @property
    def outputs(self) -> Ints:
        """Token ids (M,) of the predicted classes."""

    def enumerate(self) -> Batch:
        """All sequences, weighted by their probabilities."""

    def sample(self, size: int, *, rng: Seed = None) -> Batch:
        """Random sequences whose weighted mean is an unbiased estimate of the expectation."""


@dataclass(frozen=True)
class InductionTask:
    """Repeat, after the second occurrence of a trigger, the token that followed its first.

    >>> task = InductionTask(n_tokens=4, length=6, n_triggers="random", predict="all")
    >>> task.n_sequences
    1296
    >>> batch = task.sample(10_000, rng=0)
    >>> bool((batch.tokens[:, -1:] == batch.tokens[:, :-1]).sum(axis=1).max() == 1)
    True

    With N = `n_tokens`, T = `length`, K = `n_triggers`: a trigger q and a place t are uniform; q
    stands at t and at the last position and nowhere else; every other position is content, i.i.d.
    uniform. The label is the content at t + 1, and the loss is at the last position only. Code
    counts from 0, so t is in 0 .. T - 3.

    Fixed triggers, K = 1 .. N - 2, are the tokens 0 .. K - 1 and content is K .. N - 1. Random
    triggers, `n_triggers="random"`, are all N tokens and content is all tokens but the sequence's
    own trigger. `predict="content"`: the classes are the content tokens (fixed triggers only);
    `predict="all"`: all N tokens.

    `n_tokens` and `n_triggers` may be SymPy expressions: then `n_content`, `n_outputs` and
    `n_sequences` are expressions, and whatever needs numbers raises TypeError. Elements of a field,
    `sympy.field("N, K", sympy.QQ)`, do as well: every result then comes simplified, and far faster.

    Raises ValueError for T < 3, K < 1, fewer than two content tokens, an unknown `predict`, or
    random triggers with `predict="content"`; TypeError for sizes that are not integers.

    Source: [BCBJB2023], the in-context bigram task of its theory with uniform statistics,
    conditioned on the trigger's second occurrence being the last input.
    """

    n_tokens: Any
    length: int
    n_triggers: Any = 1
    predict: Literal["content", "all"] = "content"

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "length", _at_least("length", self.length, 3))
        put(self, "n_tokens", _at_least("n_tokens", self.n_tokens, 3, symbolic=True))
        if self.predict not in ("content", "all"):
            raise ValueError(f"predict: expected 'content' or 'all'; got {self.predict!r}.")
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
        put(self, "n_triggers", _at_least("n_triggers", self.n_triggers, 1, symbolic=True))
        content = self.n_content
        if not _is_symbolic(content) and content < 2:
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
        return _is_symbolic(self.n_tokens) or _is_symbolic(self.n_triggers)

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
        """Token ids that can be content; a sequence's own trigger is not among its own."""
        self._require_numbers("contents")
        return np.arange(self._first_content, self.n_tokens)

    @property
    def outputs(self) -> Ints:
        """Token ids (M,) of the predicted classes, in increasing order."""
        self._require_numbers("outputs")
        return np.arange(self.n_tokens - self.n_outputs, self.n_tokens)

    def enumerate(self, max_bytes: int = 2**30) -> Batch:
        """All sequences, each once, with equal weights.

        >>> len(InductionTask(n_tokens=3, length=4).enumerate())
        8

        Raises ValueError, with the number of sequences and bytes, when the batch would take more
        than `max_bytes`; TypeError for a symbolic task.
        """
        self._require_numbers("enumerate")
        n_bytes = self.n_sequences * self.length * 3 * 8  # tokens, targets, weights
        if n_bytes > max_bytes:
            raise ValueError(
                f"enumerate: expected a batch of at most max_bytes={max_bytes}; "
                f"{_count(self.n_sequences)} sequences need {_count(n_bytes)} bytes. "
                f"Use sample, or raise max_bytes."
            )
        slots = self.length - 2
        words = np.indices((self.n_content,) * slots).reshape(slots, -1).T
        strata = np.arange(self._n_strata)
        return self._assemble(np.repeat(strata, len(words)), np.tile(words, (len(strata), 1)))

    def sample(self, size: int, *, rng: Seed = None) -> Batch:
        """Random sequences with equal weights, stratified over trigger, place and output.

        >>> batch = InductionTask(n_tokens=10**6, length=16, n_triggers=4).sample(56, rng=0)
        >>> bool((np.unique(batch.tokens[:, -1], return_counts=True)[1] == 14).all())
        True

        Each of the K (T - 2) pairs of trigger and place occurs ⌊size / pairs⌋ times, and the
        sequences left over go to distinct pairs at random; so it is for the C outputs, matched to
        the pairs at random. Weighted means are unbiased, and the sample adds no noise of its own to
        the label frequencies, which every position would otherwise memorise.

        Raises TypeError for a symbolic task or a size that is not an integer, ValueError for a
        size below 1.
        """
        self._require_numbers("sample")
        size, rng = _at_least("size", size, 1), np.random.default_rng(rng)
        strata = _balanced(self._n_strata, size, rng)
        words = rng.integers(self.n_content, size=(size, self.length - 2))
        output = strata % (self.length - 2)  # where the output stands among the content
        words[np.arange(size), output] = rng.permutation(_balanced(self.n_content, size, rng))
        return self._assemble(strata, words)

    @property
    def _n_strata(self) -> Any:
        """Number of pairs of a trigger and the place of its first occurrence."""
        return (self.n_tokens if self.random_triggers else self.n_triggers) * (self.length - 2)

    @property
    def _first_content(self) -> int:
        return 0 if self.random_triggers else self.n_triggers

    def _assemble(self, strata: Ints, words: Ints) -> Batch:
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
        targets[:, -1:] = label - self.outputs[0]
        weights[:, -1] = 1 / len(tokens)
        return Batch(tokens=tokens, targets=targets, weights=weights)

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


def _integers(name: str, given: ArrayLike) -> Ints:
    array = np.asarray(given)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers; got dtype {array.dtype}. Convert with int.")
    return array.astype(np.int64, copy=False)


def _check_weights(weights: NDArray[np.float64]) -> None:
    if not np.isfinite(weights).all():
        raise ValueError(
            "weights: expected finite numbers; got NaN or infinity. Look for a division by zero."
        )
    if weights.min() < 0:
        raise ValueError(
            f"weights: expected probabilities, at least 0; got {weights.min()}. A weight says how "
            f"much a prediction counts."
        )
    # rounding of a normaliser and of its check: (n - 1) eps / 2 each, and eps / 2 for dividing
    rounding = np.count_nonzero(weights) * np.finfo(np.float64).eps
    if abs(weights.sum() - 1) > rounding:
        raise ValueError(
            f"weights: expected a sum of 1 over the batch; got {weights.sum()}. Divide the weights "
            f"by their sum."
        )


def _is_symbolic(number: Any) -> bool:
    """Whether a size is a SymPy expression with symbols, or an element of a SymPy field."""
    return bool(getattr(number, "free_symbols", None)) or hasattr(number, "field")


def _at_least(name: str, given: Any, least: int, *, symbolic: bool = False) -> Any:
    """`given` as an int of at least `least`, or unchanged when it is an admitted expression."""
    if symbolic and _is_symbolic(given):
        return given
    try:
        number = operator.index(given)
    except TypeError:
        number = None
    if number is None or isinstance(given, (bool, np.bool_)):
        allowed = "an integer or a SymPy expression" if symbolic else "an integer"
        raise TypeError(f"{name}: expected {allowed}; got {given!r}. Convert with int.")
    if number < least:
        raise ValueError(f"{name}: expected at least {least}; got {number}.")
    return number


def _count(number: int) -> str:
    """A number to read: exact up to 15 digits, else its power of ten."""
    return str(number) if number < 10**15 else f"about 10^{math.log10(number):.1f}"

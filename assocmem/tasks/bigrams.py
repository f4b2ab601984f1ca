"""In-context bigrams: a bigram language in which some bigrams change from sequence to sequence."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import (
    Ints,
    Seed,
    at_least,
    checked_bytes,
    checked_integers,
    checked_option,
    checked_sequence,
    generator,
)
from assocmem.tasks.batch import checked_batch_size
from assocmem.tasks.bigram_batch import BigramBatch, repeated
from assocmem.tasks.languages import Language

Words = NDArray[np.integer[Any]]

_MORE = 2**20  # tokens to draw at once, in search of a batch with loss
_AT_ONCE = 2**13  # random numbers to draw together: few calls, and they stay in cache
_LAWS = 2**22  # entries of the laws of outputs that are held at a time


@dataclass(frozen=True)
class BigramTask:
    """In-context bigrams: predict the next token, which after a trigger is its output.

    Each sequence has K = `n_triggers` triggers, and draws for each of them an output. Its first
    token is from the language's unigram; after a trigger comes the trigger's output, every time;
    after any other token, one from its bigram row. T + 1 tokens are drawn, the last as target only.

    Parameters
    ----------
    language : Language
        Its unigram and bigrams; by default the characters of the library's own counts.
    length : int
        Length T of a sequence.
    n_triggers : int
        Number K of triggers of each sequence.
    triggers : "fixed", "random" or sequence of int
        "fixed": the K most frequent tokens after the `trigger_offset` most frequent. "random": K
        drawn for each sequence from the unigram without replacement. Or the token ids themselves,
        whose number then is K.
    trigger_offset : int
        How many of the most frequent tokens are left out of the "fixed" triggers.
    trigger_outputs : {"uniform", "bigram"}
        Outputs are drawn independently, uniformly or from the trigger's bigram row; in both cases
        among the tokens that `avoid` and `output_tokens` admit. A row that has none of them counts
        as uniform.
    avoid : {"triggers", "trigger", "nothing"}
        An output is never one of the sequence's triggers; never the trigger itself; or any token.
    output_tokens : sequence of int, optional
        Outputs are among these: disjoint ones for training and testing tell in-context learning
        from memory.
    loss : {"triggers", "all"}
        The positions with loss, all with equal weights over the batch: triggers from their second
        occurrence on, where the target is in the context; or all positions.

    Raises
    ------
    TypeError, ValueError
        For lengths below 1 (loss on all) or 2, more triggers than tokens, ids that are out of range
        or repeated, unknown options, and outputs that can leave a trigger without any.

    Notes
    -----
    An output that is a trigger can close a cycle of triggers, which no sequence leaves. There is
    one with probability 1 - det(I - P), P the law of the outputs among the triggers (K, K). With
    uniform outputs and nothing avoided that is K / N: 8 % of the sequences of 256 of the default
    language are caught and hold 23 % of the positions with loss; with outputs from the bigram rows
    44 % hold 68 %. If only the trigger itself is avoided, 0.3 % hold 1 %, and 11 % hold 26 %;
    without triggers among the outputs nothing is caught: hence the default. The page "In-context
    bigrams" of the documentation measures it.

    The weights sum to 1 over a batch, so with loss on triggers the loss of a sample is a ratio, and
    estimates the ratio of expectations, which `enumerate` holds, with a bias of order 1 / size.

    References
    ----------
    [BCBJB2023], Section 3, with `avoid="nothing"`; random triggers by [ES2006].

    Examples
    --------
    >>> task = BigramTask(length=64, n_triggers=2)
    >>> [task.language.names[q] for q in task.trigger_tokens]    # blank and e
    ['␣', 'e']
    >>> batch = task.sample(3, rng=0)
    >>> batch.tokens.shape, batch.triggers.shape
    ((3, 64), (3, 2))
    """

    language: Language = field(default_factory=Language.characters)
    length: int = 256
    n_triggers: int = 5
    triggers: Literal["fixed", "random"] | Sequence[int] = "fixed"
    trigger_offset: int = 0
    trigger_outputs: Literal["uniform", "bigram"] = "uniform"
    avoid: Literal["nothing", "trigger", "triggers"] = "triggers"
    output_tokens: Sequence[int] | None = None
    loss: Literal["triggers", "all"] = "triggers"

    def __post_init__(self) -> None:
        put = object.__setattr__
        if not isinstance(self.language, Language):
            raise TypeError(
                f"language: expected a Language; got {type(self.language).__name__}. See "
                f"Language.from_text and Language.from_counts."
            )
        for name, options in _OPTIONS.items():
            checked_option(name, getattr(self, name), options)
        put(self, "length", at_least("length", self.length, 1))
        put(self, "n_triggers", at_least("n_triggers", self.n_triggers, 1))
        put(self, "trigger_offset", at_least("trigger_offset", self.trigger_offset, 0))
        if self.output_tokens is not None:
            put(self, "output_tokens", self._token_ids("output_tokens", self.output_tokens))
        self._check_triggers()
        self._check_outputs()

    @property
    def n_tokens(self) -> int:
        """Size N of the vocabulary."""
        return self.language.n_tokens

    @property
    def outputs(self) -> Ints:
        """Token ids (N,) of the predicted classes: all tokens."""
        return np.arange(self.n_tokens)

    @property
    def random_triggers(self) -> bool:
        """Whether triggers are drawn for each sequence."""
        return isinstance(self.triggers, str) and self.triggers == "random"

    @property
    def trigger_tokens(self) -> Ints:
        """Token ids of the possible triggers: the K fixed ones, or all with positive frequency."""
        if self.random_triggers:
            return np.flatnonzero(self.language.unigram)
        if not isinstance(self.triggers, str):
            return np.array(self.triggers)
        return self.language.most_frequent()[self.trigger_offset :][: self.n_triggers]

    def pairs(self) -> dict[str, Ints]:
        """Return the associations that each matrix should hold, as rows (cue, answer); see `probe`.

        W_O2: every token that can be the output of a trigger, whatever the law of outputs. W_K2:
        every trigger; random triggers: every token. W_K1: every position from the second to the
        last but one, and the one before.

        Returns
        -------
        dict of str to array of int, shape (n, 2)
            By the names of the matrices; one without pairs is left out.

        Examples
        --------
        >>> {name: len(rows) for name, rows in BigramTask(length=128).pairs().items()}
        {'W_O2': 60, 'W_K2': 5, 'W_K1': 126}
        """
        if self.random_triggers:
            written = self.outputs if self.output_tokens is None else np.array(self.output_tokens)
        else:
            uniform = replace(self, trigger_outputs="uniform")
            law = uniform.output_law(self.trigger_tokens[None])
            written = np.flatnonzero(law.any(axis=(0, 1)))
        positions = np.arange(1, self.length - 1)
        found = {"W_O2": (written,) * 2, "W_K2": (self.trigger_tokens,) * 2}
        found["W_K1"] = positions, positions - 1
        return {name: np.stack(pair, axis=1) for name, pair in found.items() if len(pair[0])}

    def bigram_pairs(self) -> Ints:
        """Return what W_F should hold, in rows (token, likeliest next token).

        Returns
        -------
        array of int, shape (n, 2)
            A row for every token that is no fixed trigger and whose likeliest successor is a single
            one.

        Examples
        --------
        >>> rows = BigramTask(length=32).bigram_pairs()
        >>> names = BigramTask(length=32).language.names
        >>> names[rows[1, 0]], names[rows[1, 1]], len(rows)
        ('i', 'n', 59)
        """
        plain = np.ones(self.n_tokens, dtype=bool)
        if not self.random_triggers:
            plain[self.trigger_tokens] = False
        bigram = self.language.bigram
        single = (bigram == bigram.max(axis=1, keepdims=True)).sum(axis=1) == 1
        tokens = np.flatnonzero(plain & single)
        return np.stack([tokens, bigram[tokens].argmax(axis=1)], axis=1)

    def output_law(self, triggers: ArrayLike) -> NDArray[np.float64]:
        """Return the law of each trigger's output.

        Parameters
        ----------
        triggers : array_like of int, shape (R, K)
            The triggers of R sequences.

        Returns
        -------
        array, shape (R, K, N)
            Probabilities over the tokens; each row sums to 1.

        Raises
        ------
        TypeError, ValueError
            For what are no token ids in a row per sequence.

        Examples
        --------
        >>> language = Language.uniform(4)
        >>> BigramTask(language, n_triggers=2).output_law([[0, 3]])
        array([[[0. , 0.5, 0.5, 0. ],
                [0. , 0.5, 0.5, 0. ]]])
        """
        ids = checked_integers("triggers", triggers, "token ids")
        if ids.ndim != 2 or ids.size == 0 or ids.min() < 0 or ids.max() >= self.n_tokens:
            raise ValueError(
                f"triggers: expected token ids in 0 .. {self.n_tokens - 1}, a row per sequence; "
                f"got shape {ids.shape}, or others."
            )
        admitted = np.ones((*ids.shape, self.n_tokens))
        if self.output_tokens is not None:
            admitted *= np.isin(self.outputs, self.output_tokens)
        if self.avoid == "trigger":
            np.put_along_axis(admitted, ids[:, :, None], 0, axis=2)
        elif self.avoid == "triggers":
            np.put_along_axis(admitted, ids[:, None, :], 0, axis=2)
        if self.trigger_outputs == "bigram":
            law = admitted * self.language.bigram[ids]
            admitted = np.where(law.any(axis=2, keepdims=True), law, admitted)
        return np.asarray(admitted / admitted.sum(axis=2, keepdims=True))

    def sample(self, size: int, *, rng: Seed = None) -> BigramBatch:
        """Draw independent sequences.

        A batch in which no trigger occurs twice, so that no position carries loss, is drawn again:
        it says nothing about the loss, which is a mean over such positions.

        Parameters
        ----------
        size : int
            How many sequences.
        rng : int, generator of NumPy or None
            Where the draws come from; None draws anew each time.

        Returns
        -------
        BigramBatch
            With equal weights on the positions with loss.

        Raises
        ------
        TypeError
            For a size that is not an integer.
        ValueError
            For a size below 1, and when there is no position with loss in a million tokens either.

        Examples
        --------
        >>> task = BigramTask(triggers="random", trigger_outputs="bigram", length=32)
        >>> task.sample(100, rng=0)
        BigramBatch(100 sequences of length 32, ... predictions, 5 triggers each)
        """
        size, rng = checked_batch_size("size", size, self.length), generator(rng)
        words, triggers, outputs = self._words(size, rng)
        loss = self._has_loss(words, triggers)
        if not loss.any():  # the first of many batches that has one
            many = size * max(1, _MORE // (size * (self.length + 1)))
            words, triggers, outputs = self._words(many, rng)
            loss = self._has_loss(words, triggers)
            start = int(loss.any(axis=1).argmax()) // size * size
            some = slice(start, start + size)
            words, triggers, outputs, loss = words[some], triggers[some], outputs[some], loss[some]
        return self._assemble(words, triggers, outputs, loss)

    def _words(self, size: int, rng: np.random.Generator) -> tuple[Words, Ints, Ints]:
        """Independent words of T + 1 tokens, their triggers and the outputs of these."""
        if self.random_triggers:
            triggers = self._race(size, rng)
        else:
            triggers = np.tile(self.trigger_tokens, (size, 1))
        outputs = self._outputs(triggers, rng.random(triggers.shape))
        return self._walk(triggers, outputs, rng), triggers, outputs

    def _outputs(self, triggers: Ints, places: NDArray[np.float64]) -> Ints:
        """The output of each trigger (B, K) in whose part of [0, 1) its place is."""
        if not self.random_triggers:  # a law for each of the K
            (laws,) = _cumulative(self.output_law(triggers[:1]))
            found = map(partial(np.searchsorted, side="right"), laws, places.T)
            return np.stack(list(found), axis=1)
        outputs = np.empty_like(triggers)
        # a few sequences at a time: their laws are (R, K, N)
        step = max(1, _LAWS // (self.n_triggers * self.n_tokens))
        for rows in (slice(start, start + step) for start in range(0, len(triggers), step)):
            laws = _cumulative(self.output_law(triggers[rows]))
            outputs[rows] = (laws <= places[rows][:, :, None]).sum(axis=2)
        return outputs

    def enumerate(self, max_bytes: int = 2**28) -> BigramBatch:
        """Return all sequences of positive probability, over all triggers and outputs.

        Parameters
        ----------
        max_bytes : int
            What the words of T + 1 tokens may take, for all draws of triggers and outputs.

        Returns
        -------
        BigramBatch
            A row is a sequence of T tokens, its last target, its triggers in the order in which
            they were drawn, and their outputs. The weights are the probabilities at the positions
            with loss, normalised to the sum 1.

        Raises
        ------
        ValueError
            If the words take more, or when no position carries loss.

        Examples
        --------
        >>> task = BigramTask(Language.uniform(3), length=3, n_triggers=1)
        >>> batch = task.enumerate()        # 0 o 0, and then o; o is 1 or 2
        >>> batch.tokens[batch.weights.any(axis=1)].tolist()
        [[0, 1, 0], [0, 2, 0]]
        """
        n, length, k = self.n_tokens, self.length + 1, self.n_triggers
        n_draws = (math.perm(len(self.trigger_tokens), k) if self.random_triggers else 1) * n**k
        n_bytes = n_draws * n**length * (length + 2 * k) * 8
        if n_bytes > checked_bytes("max_bytes", max_bytes):
            raise ValueError(
                f"enumerate: expected words of at most max_bytes={max_bytes}; got more: all draws "
                f"of {k} triggers, outputs and {length} of {n} tokens need about "
                f"10^{math.log10(n_bytes):.1f} bytes. Use sample, or raise max_bytes."
            )
        words = np.indices((n,) * length).reshape(length, -1).T
        parts = []
        for triggers, outputs, chance in self._draws():
            bigram = self.language.bigram.copy()
            bigram[triggers] = np.eye(n)[outputs]
            steps = bigram[words[:, :-1], words[:, 1:]].prod(axis=1)
            probability = chance * self.language.unigram[words[:, 0]] * steps
            possible = probability > 0
            drawn = (np.tile(each, (possible.sum(), 1)) for each in (triggers, outputs))
            parts.append((words[possible], *drawn, probability[possible]))
        found, asked, answers, odds = map(np.concatenate, zip(*parts, strict=True))
        return self._assemble(found, asked, answers, self._has_loss(found, asked) * odds[:, None])

    def _draws(self) -> Iterator[tuple[list[int], list[int], float]]:
        """All triggers in the order drawn, their outputs, and the probability of both."""
        unigram, ids = self.language.unigram, self.trigger_tokens.tolist()
        orders = itertools.permutations(ids, self.n_triggers) if self.random_triggers else [ids]
        for triggers in map(list, orders):
            chance = 1.0
            if self.random_triggers:
                left = 1 - np.cumsum([0, *unigram[triggers[:-1]]])  # after those drawn before
                chance = float((unigram[triggers] / left).prod())
            law = self.output_law([triggers])[0]
            for outputs in itertools.product(*map(np.flatnonzero, law)):
                odds = chance * float(law[range(self.n_triggers), outputs].prod())
                yield triggers, [int(o) for o in outputs], odds

    def _race(self, size: int, rng: np.random.Generator) -> Ints:
        """Triggers (B, K) from the unigram without replacement: the first K of a race.

        Exponential times with rates π: the first is i with probability π_i, and those left race on.
        """
        ids = self.trigger_tokens
        times = rng.standard_exponential((size, len(ids))) / self.language.unigram[ids]
        return ids[np.argsort(times, axis=1)[:, : self.n_triggers]]

    def _walk(self, triggers: Ints, outputs: Ints, rng: np.random.Generator) -> Words:
        """Sequences (B, T + 1), all at once from left to right.

        Every next token is drawn from a law of the language's tables: the bigram row of the token
        before, the unigram at the start, and after a trigger the law that holds its output alone.
        """
        size, n, tables = len(triggers), self.n_tokens, self.language.tables
        laws = np.tile(n * np.arange(n + 1), (size, 1))  # after each token, by their first entries
        np.put_along_axis(laws, triggers, n * (n + 1) + outputs, axis=1)
        end = np.full(size, n * (n + 1))  # of the laws; beyond it are tokens that are certain
        rows, (law, entry) = (n + 1) * np.arange(size), np.empty((2, size), dtype=np.int64)
        words = np.empty((size, self.length + 1), dtype=np.int32)
        steps = max(1, _AT_ONCE // size)
        block = np.empty((steps, size), dtype=np.int32)
        token = np.full(size, n, dtype=np.int32)  # before the first
        for start in range(0, self.length + 1, steps):
            some = words[:, start : start + steps]
            cells, places = tables.cells(rng.random(some.T.shape))
            for cell, place, following in zip(cells, places, block, strict=False):
                laws.take(np.add(rows, token, out=entry), mode="clip", out=law)
                np.add(law, cell, out=entry)
                np.minimum(entry, np.maximum(law, end, out=law), out=entry)
                tables.draw(entry, cell, place, out=following)
                token = following
            some[:] = block[: some.shape[1]].T
        return words

    def _has_loss(self, words: Words, triggers: Ints) -> NDArray[np.bool_]:
        """Which positions (B, T) of words (B, T + 1) carry loss."""
        inputs, narrow = words[:, :-1], np.min_scalar_type(self.n_tokens)
        if self.loss == "all":
            return np.ones(inputs.shape, bool)
        return repeated(inputs.astype(narrow), triggers.astype(narrow))  # bytes to compare

    def _assemble(
        self, words: Words, triggers: Ints, outputs: Ints, loss: NDArray[Any]
    ) -> BigramBatch:
        """The batch of words (B, T + 1) with the weights `loss` (B, T), up to a factor."""
        total = loss.sum()
        if total == 0:
            raise ValueError(
                f"loss: expected a position with loss in the batch; got none: no trigger occurs "
                f"twice in any of its {len(words)} sequences of length {self.length}. Take more "
                f"sequences, longer ones, more frequent triggers, or loss='all'."
            )
        # One array for both: what is free beyond twice the largest one, as a batch of two arrays
        # is in training, goes back to the system, and each page of the next one is a fault.
        room = np.empty(words.size + loss.size, dtype=np.int64)
        tokens = room[: words.size].reshape(words.shape)
        weights = room[words.size :].view(np.float64).reshape(loss.shape)
        tokens[:] = words
        return BigramBatch(
            tokens=tokens[:, :-1],
            targets=tokens[:, 1:],
            weights=np.divide(loss, total, out=weights),
            triggers=triggers,
            outputs=outputs,
        )

    def _check_triggers(self) -> None:
        if not isinstance(self.triggers, str):
            object.__setattr__(self, "triggers", self._token_ids("triggers", self.triggers))
            object.__setattr__(self, "n_triggers", len(self.triggers))
        elif self.triggers not in ("fixed", "random"):
            raise ValueError(
                f"triggers: expected 'fixed', 'random' or token ids; got {self.triggers!r}."
            )
        if self.trigger_offset and self.triggers != "fixed":
            raise ValueError(
                f"trigger_offset: expected 0 unless triggers='fixed', as it counts from the most "
                f"frequent token; got {self.trigger_offset}."
            )
        if len(self.trigger_tokens) < self.n_triggers:
            raise ValueError(
                f"n_triggers: expected at most {len(self.trigger_tokens)} triggers, as many as "
                f"there are tokens to choose from; got {self.n_triggers}."
            )

    def _check_outputs(self) -> None:
        """Whichever tokens are triggers together, an output is left."""
        admitted = self.outputs if self.output_tokens is None else self.output_tokens
        most = {"nothing": 0, "trigger": 1, "triggers": self.n_triggers}[self.avoid]
        if len(admitted) <= most and np.isin(admitted, self.trigger_tokens).all():
            raise ValueError(
                f"output_tokens: expected an output for whatever is a trigger; got "
                f"{len(admitted)} tokens, all of which avoid={self.avoid!r} can rule out with "
                f"{self.n_triggers} triggers. Admit more tokens, or take fewer triggers."
            )

    def _token_ids(self, name: str, given: Sequence[int]) -> tuple[int, ...]:
        try:
            given = checked_sequence(name, given, "a sequence of token ids")
            ids = tuple(at_least(name, token, 0) for token in given)
        except TypeError:
            raise TypeError(
                f"{name}: expected a sequence of token ids; got {given!r}. Pass a list of integers."
            ) from None
        if not ids or len(set(ids)) < len(ids) or max(ids) >= self.n_tokens:
            raise ValueError(
                f"{name}: expected different token ids in 0 .. {self.n_tokens - 1}, one at least; "
                f"got {ids}."
            )
        return ids


def _cumulative(laws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums along the last axis; exactly 1 from the last possible token on."""
    sums = laws.cumsum(axis=-1)
    return np.asarray(sums / sums[..., -1:])


_OPTIONS = {
    "trigger_outputs": ("uniform", "bigram"),
    "avoid": ("nothing", "trigger", "triggers"),
    "loss": ("triggers", "all"),
}

"""Previous-token heads, copying heads and induction heads, found by their weights alone.

Each detector asks one table of scores for the right answer to every cue:

    previous token    P · QK · Pᵀ: from each position, the one before, among those up to it
    copying           W_U · OV · W_Eᵀ: from each token, its own output
    induction         W_E · QK₂ · OV₁ · W_Eᵀ: from each token, itself, as written by an earlier head

A head is found when chance does not explain its table and the table answers most cues: the p-value
speaks of the first, recall of the second. Either alone finds heads that only look right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import (
    Array,
    Seed,
    checked_integers,
    checked_kind,
    checked_option,
    checked_probability,
)
from assocmem.heads.maps import Head, Heads, Place
from assocmem.heads.null import Null, NullLaw

_ENTRIES = 2**24  # of a table of scores at a time


@dataclass(frozen=True, eq=False, repr=False)
class Detection:
    """The result of one detector for a head, or for a pair of heads.

    The scores are cues · W · answersᵀ, or cues · Wᵀ · answersᵀ for copying; they are computed on
    demand and not stored.

    Parameters
    ----------
    kind : {"previous token", "copying", "induction"}
    places : tuple of (layer, head)
        The head; of an induction head the earlier one first.
    model : Heads
        Where they stand.
    asked : (n,) integers
        The positions or tokens that are the cues.
    targets : (n,) integers
        The right answer to each, a row of `answers`.
    among : (m,) integers
        The positions, outputs or tokens that are answers.
    """

    kind: str
    places: tuple[Place, ...]
    model: Heads
    asked: NDArray[np.int64]
    targets: NDArray[np.int64]
    among: NDArray[np.int64]

    @property
    def head(self) -> Head:
        """The head that is tested, or the later one of a pair."""
        return self.model[self.places[-1]]

    @property
    def weights(self) -> Array:
        """The matrix W, (d_h, d), between cues and answers: W_V for copying, W_K else."""
        return self.head.W_V if self.kind == "copying" else self.head.W_K

    @property
    def cues(self) -> Array:
        """The cues: queries (n, d_h), or for copying the tokens themselves, (n, d)."""
        atoms = self.model.atoms("positions" if self._causal else "tokens")[self.asked]
        ask = _normed if self.kind == "copying" else _queries
        return ask(self.model, self.head, atoms)

    @property
    def answers(self) -> Array:
        """The answers: keys (m, d), or for copying the outputs seen through W_O, (m, d_h)."""
        if self.kind == "copying":
            return np.asarray(self.model.atoms("outputs")[self.among] @ self.head.W_O.T)
        if self._causal:
            return _normed(self.model, self.head, self.model.atoms("positions")[self.among])
        wrote = self.model[self.places[0]]
        tokens = _normed(self.model, wrote, self.model.atoms("tokens")[self.among])
        return _normed(self.model, self.head, tokens @ wrote.W_V.T @ wrote.W_O)

    @property
    def _causal(self) -> bool:
        """Whether only answers up to the cue's own place are admissible."""
        return self.kind == "previous token"

    def _tables(self) -> Iterator[tuple[slice, Array]]:
        """The scores, some cues at a time; -inf where an answer is not admissible."""
        answers, W = self.answers, self.weights
        left = self.cues @ (W.T if self.kind == "copying" else W)
        m = len(answers)
        for start in range(0, len(left), step := max(1, _ENTRIES // m)):
            part = slice(start, min(start + step, len(left)))
            scores = left[part] @ answers.T
            if self._causal:
                scores = np.where(np.arange(m) <= self.asked[part, None], scores, -np.inf)
            yield part, scores

    def table(self) -> Array:
        """Return the scores, a row per cue.

        Returns
        -------
        array, shape (n, m)
            -inf where an answer is not admissible.

        Raises
        ------
        ValueError
            For more than 2^24 scores.
        """
        if (size := len(self.asked) * len(self.among)) > _ENTRIES:
            raise ValueError(
                f"table: expected at most {_ENTRIES} scores; got {size}. Recall and margins need "
                f"no table."
            )
        return np.concatenate([scores for _, scores in self._tables()])

    @cached_property
    def margins(self) -> Array:
        """Per cue, the right score minus the best wrong one that is admissible."""
        margins = np.empty(len(self.asked))
        for part, scores in self._tables():
            rows = np.arange(len(scores))
            right = scores[rows, self.targets[part]].copy()
            scores[rows, self.targets[part]] = -np.inf
            margins[part] = right - scores.max(axis=1)
        return margins

    @property
    def recall(self) -> float:
        """Share of the cues whose right answer scores strictly highest."""
        return float(np.mean(self.margins > 0))

    @property
    def margin(self) -> float:
        """The median of the margins."""
        return float(np.median(self.margins))

    @property
    def chance(self) -> float:
        """Expected recall of a uniform guess among the admissible answers."""
        return float(np.mean(1 / (self.asked + 1.0 if self._causal else len(self.among))))

    @property
    def null(self) -> Null:
        """Null law of right scores minus mean admissible ones, with weights rotated at random."""
        answers, cues = self.answers, self.cues
        if self._causal:
            means = np.cumsum(answers, axis=0)[self.asked] / (self.asked + 1.0)[:, None]
        else:
            means = answers.mean(axis=0)
        wanted = cues.T @ (answers[self.targets] - means)
        return Null(self.weights, wanted.T if self.kind == "copying" else wanted)

    @cached_property
    def _verdicts(self) -> dict[str, float]:
        """z, and the p-value by each law."""
        null = self.null
        return {"z": null.z} | {law: null.p_value(law) for law in get_args(NullLaw)}

    @property
    def z(self) -> float:
        """The right scores minus their null mean, in standard deviations of the null."""
        return self._verdicts["z"]

    def p_value(self, law: NullLaw = "rotation") -> float:
        """Return the probability that randomly rotated weights have scores at least as high.

        Parameters
        ----------
        law : {"rotation", "gaussian"}
            As in `Null.p_value`.

        Returns
        -------
        float
            Between 0 and 1.
        """
        return self._verdicts[checked_option("law", law, get_args(NullLaw))]

    def permutation_p_value(self, *, draws: int = 9999, rng: Seed = None) -> float:
        """Return the p-value by signed permutations, which is exact for any number of draws.

        Parameters
        ----------
        draws : int
            How many permutations.
        rng : int, generator of NumPy or None
            Where the draws come from; None draws anew each time.

        Returns
        -------
        float
            At least 1/(draws + 1), see `Null.permutation_p_value`.
        """
        return self.null.permutation_p_value(draws=draws, rng=rng)

    def __repr__(self) -> str:
        places = " -> ".join(f"{layer}.{index}" for layer, index in self.places)
        return (
            f"Detection({self.kind} {places}: recall {self.recall:.2f} (chance {self.chance:.2f}), "
            f"z = {self.z:.1f}, p = {self.p_value():.1e})"
        )


def previous_token(model: Heads, place: Place) -> Detection:
    """Test whether each position attends to the previous one, among all up to itself.

    Parameters
    ----------
    model : Heads
        With position embeddings.
    place : (layer, head)
        The head that is asked, counted from 0.

    Returns
    -------
    Detection
        Of the kind "previous token".

    Raises
    ------
    ValueError
        For a model without position embeddings, a rotary head, fewer than three positions.
    """
    head = checked_kind("model", model, Heads)[place]
    positions = model.atoms("positions")
    if len(positions) < 3:
        raise ValueError(f"positions: expected at least 3; got {len(positions)}.")
    _refuse_rotary(head)
    among = np.arange(len(positions))
    return Detection("previous token", (head.place,), model, among[1:], among[:-1], among)


def copying(
    model: Heads,
    place: Place,
    *,
    tokens: ArrayLike | None = None,
    targets: ArrayLike | None = None,
) -> Detection:
    """Test whether attending to a token raises the logit of this token above all others.

    Parameters
    ----------
    model : Heads
        With token embeddings and outputs.
    place : (layer, head)
        The head that is asked, counted from 0.
    tokens : array_like of int, shape (n,), optional
        The tokens that are asked, all when left out.
    targets : array_like of int, shape (n,), optional
        The output of each, the one of its own number when left out.

    Returns
    -------
    Detection
        Of the kind "copying".

    Raises
    ------
    ValueError
        For a model without token embeddings or outputs, tokens or targets out of range.
    """
    head = checked_kind("model", model, Heads)[place]
    embeddings, outputs = model.atoms("tokens"), model.atoms("outputs")
    asked = _ids("tokens", tokens, embeddings)
    right = asked if targets is None else targets
    right = _ids("targets", right, outputs, len(asked))
    return Detection("copying", (head.place,), model, asked, right, np.arange(len(outputs)))


def induction(
    model: Heads,
    first: Place,
    second: Place,
    *,
    tokens: ArrayLike | None = None,
    among: ArrayLike | None = None,
) -> Detection:
    """Test whether a token attends to its own image written by an earlier head (K-composition).

    If `first` is a previous-token head, it writes the image of a token at the next position; then
    `second` attends to the position after the earlier occurrence of the token.

    Parameters
    ----------
    model : Heads
        With token embeddings.
    first, second : (layer, head)
        The earlier head and the later one, counted from 0.
    tokens : array_like of int, shape (n,), optional
        The tokens that are tested, such as the triggers of a task; all by default.
    among : array_like of int, shape (m,), optional
        The tokens that compete as answers, which include `tokens`; all by default.

    Returns
    -------
    Detection
        Of the kind "induction".

    Raises
    ------
    ValueError
        For heads that are not in two layers with the earlier first, rotary heads, a model without
        token embeddings, or `tokens` that are not in `among`.
    """
    wrote, head = checked_kind("model", model, Heads)[first], model[second]
    if wrote.layer >= head.layer:
        raise ValueError(
            f"first, second: expected a head of an earlier layer and one of a later; got {first} "
            f"and {second}."
        )
    _refuse_rotary(head)
    embeddings = model.atoms("tokens")
    asked, answers = _ids("tokens", tokens, embeddings), _ids("among", among, embeddings)
    row = {token: i for i, token in enumerate(answers.tolist())}
    if missing := set(asked.tolist()) - row.keys():
        raise ValueError(
            f"among: expected all tokens that are asked; got {len(answers)} without "
            f"{sorted(missing)[:5]}. A token looks for itself."
        )
    targets = np.array([row[token] for token in asked.tolist()])
    return Detection("induction", (wrote.place, head.place), model, asked, targets, answers)


@dataclass(frozen=True, eq=False, repr=False)
class Findings:
    """The heads found in a model, and the probability that chance alone would find any.

    Parameters
    ----------
    detections : tuple of Detection
        The result of every detector for every head, or pair of heads, to which it applies.
    level : float
        Upper bound on the probability that randomly rotated weights pass any of the tests, by
        Bonferroni's correction.
    law : {"rotation", "gaussian"}
        The null law of the p-values.
    """

    detections: tuple[Detection, ...]
    level: float
    law: NullLaw

    @cached_property
    def significant(self) -> tuple[Detection, ...]:
        """The detections that chance does not explain, whatever their recall."""
        threshold = self.level / len(self.detections)
        return tuple(each for each in self.detections if each.p_value(self.law) <= threshold)

    @cached_property
    def found(self) -> tuple[Detection, ...]:
        """The significant detections that recall more than half of their cues."""
        return tuple(each for each in self.significant if each.recall > 0.5)

    @property
    def circuits(self) -> tuple[tuple[Place, Place], ...]:
        """Pairs of a previous-token head and a later induction head that reads it and copies."""
        kinds = {(each.kind, each.places) for each in self.found}
        return tuple(
            (first, second)
            for kind, (first, *rest) in sorted(kinds)
            if kind == "induction"
            for second in rest
            if {("previous token", (first,)), ("copying", (second,))} <= kinds
        )

    def __repr__(self) -> str:
        lines = [f"Findings({len(self.found)} of {len(self.detections)} tests, {self.level:g})"]
        return "\n  ".join(lines + [repr(each) for each in self.found])


def find(
    model: Heads,
    *,
    level: float = 1e-3,
    law: NullLaw = "rotation",
    tokens: ArrayLike | None = None,
) -> Findings:
    """Find the previous-token, copying and induction heads of a model, from its weights.

    Detectors that need something the model does not have (positions, outputs) are skipped.

    Parameters
    ----------
    model : Heads
        What `read` returns.
    level : float
        Upper bound on the probability that any test is significant for randomly rotated weights.
    law : {"rotation", "gaussian"}
        Of the p-values, see `Null.p_value`.
    tokens : array_like of int, shape (n,), optional
        The tokens on which copying and induction are tested; all by default. For a large vocabulary
        take a few thousand: the time is that of n d d_h products for each pair of heads, and of n²
        d_h for the recall of a significant pair.

    Returns
    -------
    Findings
        A detection for every head or pair and every detector that applies.

    Raises
    ------
    ValueError
        For a model to which no detector applies, or a level outside (0, 1).

    References
    ----------
    What the heads of an induction circuit do: [OEN2022]; as memories: [BCBJB2023], section 4.
    """
    checked_kind("model", model, Heads)
    level, law = checked_probability("level", level), checked_option("law", law, get_args(NullLaw))
    tests: list[Detection] = []
    n_tokens, n_outputs = (
        0 if atoms is None else len(atoms) for atoms in (model.tokens, model.outputs)
    )
    unrotated = [head for head in model if head.rotary is None]
    if model.positions is not None and len(model.positions) > 2:
        tests += [previous_token(model, head.place) for head in unrotated]
    if 0 < n_tokens <= n_outputs:
        tests += [copying(model, head.place, tokens=tokens) for head in model]
    if n_tokens:
        tests += [
            induction(model, first.place, second.place, tokens=tokens, among=tokens)
            for first in model
            for second in unrotated
            if first.layer < second.layer
        ]
    if not tests:
        raise ValueError(
            "model: expected embeddings of tokens or positions; got a model without. Pass tokens, "
            "positions or outputs to assocmem.heads.read."
        )
    return Findings(tuple(tests), level, law)


def _refuse_rotary(head: Head) -> None:
    if head.rotary is not None:
        raise ValueError(
            f"place: expected a head that sees position embeddings; got {head!r}, with "
            f"{head.rotary}. Its scores depend on the distance: ask Head.at(distance)."
        )


def _normed(model: Heads, head: Head, atoms: Array) -> Array:
    """Atoms behind the head's norm, divided by the deviation of the first layer's stream.

    It weighs atoms against biases, and changes nothing where there are none.
    """
    return np.asarray(
        head.norm.linear(atoms) / (1 if head.norm.kind == "none" else model.deviation)
    )


def _queries(model: Heads, head: Head, atoms: Array) -> Array:
    """What the head asks at atoms, (n, d_h), the biases with them."""
    asked = head.W_Q @ head.norm.bias + head.b_Q
    return np.asarray(head.scale * (_normed(model, head, atoms) @ head.W_Q.T + asked))


def _ids(name: str, given: ArrayLike | None, rows: Array, length: int | None = None) -> Array:
    """Numbers of rows, all of them when left out."""
    ids = np.arange(len(rows)) if given is None else checked_integers(name, given)
    if ids.ndim != 1 or len(ids) == 0:
        raise ValueError(f"{name}: expected shape (n,), one or more; got {ids.shape}.")
    if length is not None and len(ids) != length:
        raise ValueError(f"{name}: expected {length}, one for each token asked; got {len(ids)}.")
    if ids.min() < 0 or ids.max() >= len(rows):
        raise ValueError(
            f"{name}: expected numbers from 0 to {len(rows) - 1}; got {ids.min()} to {ids.max()}. "
            f"Name the tokens that have an output, and their outputs."
        )
    return ids

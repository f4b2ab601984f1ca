"""Exact second moments of scores over Gaussian atoms, at every width, by Wick's theorem.

Every atom is a word in frozen Gaussian matrices applied to a Gaussian input: w_E(i) = x_i, its
image Φ₁ x_i, a value W_V² Φ₁ x_i. A score of a memory over atoms is a sum of products of two inner
products, each a *segment*: input, word, input,

    s_qi = Σ_ab ⟨x_q, u_a⟩ C_ab ⟨u_b, y_i⟩ ,    ⟨Φ x_a, Φ x_i⟩ = x_aᵀ (Φᵀ Φ) x_i .

By Wick's theorem the mean of a product is a sum over pairings of equal letters and of inputs of one
family. A pairing of the inputs says which indices coincide; pairing the letters closes the index
lines into loops, and each loop is worth a factor d:

    E Π = Σ_pairings d^(loops - letters/2 - inputs/2) Π δ .

So each mean is a polynomial in 1/d whose coefficients are contractions of C, whatever the width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from assocmem._checks import (
    Array,
    checked_flag,
    checked_kind,
    checked_rows,
    checked_sequence,
    checked_targets,
)
from assocmem.width.arguments import checked_width

Pairing = tuple[tuple[int, int], ...]


class Segment(NamedTuple):
    r"""The inner product :math:`x_a^\top M x_b` of two inputs.

    Parameters
    ----------
    word : str
        M as a word of matrices, a capital letter transposed: "Ff" is Φᵀ Φ.
    family : str
        Tells the inputs of a segment from independent ones of another family.
    """

    word: str
    family: str = "x"


def pairings(items: tuple[int, ...]) -> Iterator[Pairing]:
    """All ways to arrange an even number of items in pairs.

    >>> list(pairings((0, 1, 2, 3)))
    [((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))]
    """
    if not items:
        yield ()
        return
    first, rest = items[0], items[1:]
    for k, partner in enumerate(rest):
        for others in pairings(rest[:k] + rest[k + 1 :]):
            yield ((first, partner), *others)


def pairings_within(kinds: Sequence[str]) -> Iterator[Pairing]:
    """Pairings of items 0, 1, 2, ... that only join items of one kind."""
    groups = [tuple(i for i, kind in enumerate(kinds) if kind == k) for k in sorted(set(kinds))]
    if any(len(group) % 2 for group in groups):
        return
    for parts in product(*map(pairings, groups)):
        yield sum(parts, ())


@cache
def expansion(segments: tuple[Segment, ...]) -> dict[Pairing, dict[int, int]]:
    """E of a product of segments: for each pairing of the inputs, {power of 1/d: count}.

    Inputs are numbered along the segments: 0 and 1 are the ends of the first.

    >>> expansion((Segment("Ff"), Segment("")))  # E x_0ᵀ ΦᵀΦ x_1 x_2ᵀ x_3
    {((0, 1), (2, 3)): {0: 1}, ((0, 2), (1, 3)): {1: 1}, ((0, 3), (1, 2)): {1: 1}}
    """
    letters = [(s, k) for s, segment in enumerate(segments) for k in range(len(segment.word))]
    kinds = [segments[s].word[k].lower() for s, k in letters]
    ends = [segment.family for segment in segments for _ in range(2)]
    size = (len(letters) + len(ends)) // 2
    found: dict[Pairing, Counter[int]] = {}
    for of_letters in pairings_within(kinds):
        for of_ends in pairings_within(ends):
            powers = found.setdefault(of_ends, Counter())
            powers[size - _loops(segments, letters, of_letters, of_ends)] += 1
    return {pairing: dict(powers) for pairing, powers in found.items()}


def _loops(
    segments: tuple[Segment, ...],
    letters: list[tuple[int, int]],
    of_letters: Pairing,
    of_ends: Pairing,
) -> int:
    """How many closed lines the d-dimensional indices form.

    Line k of a segment runs between its letters k - 1 and k, so a segment has one line more than
    letters. Φ has its output on the left, Φᵀ on the right; E Φ_ij Φ_kl = δ_ik δ_jl / d joins
    outputs with outputs, and inputs with inputs.
    """
    parent: dict[tuple[int, int], tuple[int, int]] = {}

    def root(line: tuple[int, int]) -> tuple[int, int]:
        while line in parent:
            line = parent[line]
        return line

    def join(a: tuple[int, int], b: tuple[int, int]) -> None:
        if (a := root(a)) != (b := root(b)):
            parent[a] = b

    def output_and_input(letter: int) -> tuple[tuple[int, int], tuple[int, int]]:
        s, k = letters[letter]
        left, right = (s, k), (s, k + 1)
        return (right, left) if segments[s].word[k].isupper() else (left, right)

    def line(end: int) -> tuple[int, int]:
        s = end // 2
        return (s, len(segments[s].word) if end % 2 else 0)

    for a, b in of_letters:
        for one, other in zip(output_and_input(a), output_and_input(b), strict=True):
            join(one, other)
    for a, b in of_ends:
        join(line(a), line(b))
    lines = {
        root((s, k)) for s, segment in enumerate(segments) for k in range(len(segment.word) + 1)
    }
    return len(lines)


class Term(NamedTuple):
    r"""One term of a score, :math:`\sum_{ab} (q^\top L x_a) C_{ab} (x_b^\top R\, v)`.

    Parameters
    ----------
    cues : array, shape (q, n_left)
        Combinations of the inputs, one a row.
    left : Segment
        The word L between a cue q and its inputs.
    coefficients : array, shape (n_left, n_right)
        The matrix C.
    right : Segment
        The word R between inputs and an answer v.
    answers : array, shape (i, n_right)
        Combinations of the inputs, one a row.
    """

    cues: Array
    left: Segment
    coefficients: Array
    right: Segment
    answers: Array


class ScoreMoments(NamedTuple):
    """Mean and covariance of scores as polynomials in 1/d: entry [k] multiplies d^-k.

    Parameters
    ----------
    mean_powers : array, shape (k, cues, answers)
        The powers of :math:`E s_{qi}`.
    second_powers : array, shape (k, cues, answers, answers)
        The powers of :math:`E s_{qi} s_{qj}`.
    """

    mean_powers: Array
    second_powers: Array

    def mean(self, d: float) -> Array:
        """Return the mean :math:`E s_{qi}` of the scores at a width.

        Parameters
        ----------
        d : float
            The width.

        Returns
        -------
        array, shape (cues, answers)
            One mean for each score.
        """
        return _at(self.mean_powers, checked_width(d))

    def covariance(self, d: float) -> Array:
        r"""Return the covariance :math:`\mathrm{Cov}(s_{qi}, s_{qj})` of a cue's scores at a width.

        Parameters
        ----------
        d : float
            The width.

        Returns
        -------
        array, shape (cues, answers, answers)
            One matrix for each cue.
        """
        mean = self.mean(d)
        covariance: Array = _at(self.second_powers, d) - mean[:, :, None] * mean[:, None, :]
        return covariance

    def limit_covariance(self) -> Array:
        r"""Return the limit of :math:`d\, \mathrm{Cov}(s_{qi}, s_{qj})` as d → ∞.

        Returns
        -------
        array, shape (cues, answers, answers)
            One matrix for each cue.
        """
        constant, slope = [*self.mean_powers, 0 * self.mean_powers[0]][:2]
        cross = constant[:, :, None] * slope[:, None, :]
        limit: Array = self.second_powers[1] - cross - cross.transpose(0, 2, 1)
        return limit

    def margins(self, d: float, targets: NDArray[np.int64]) -> tuple[Array, Array]:
        """Return mean and variance of the right score minus each score of a cue at a width.

        Parameters
        ----------
        d : float
            The width.
        targets : array of int, shape (cues,)
            The right answer of each cue.

        Returns
        -------
        mean : array, shape (cues, answers)
            0 at the targets.
        variance : array, shape (cues, answers)
            0 at the targets.
        """
        mean, covariance = self.mean(d), self.covariance(d)
        targets = checked_targets(targets, mean.shape[1], len(mean))
        cues = np.arange(len(mean))
        own = covariance[cues, targets]  # Cov(s_target, s_j)
        variance = own[cues, targets][:, None] - 2 * own + np.diagonal(covariance, axis1=1, axis2=2)
        return mean[cues, targets][:, None] - mean, variance

    def mapped(self, matrix: Array) -> ScoreMoments:
        """Return the moments of linear combinations of each cue's scores.

        Parameters
        ----------
        matrix : array, shape (m, answers)
            One combination a row.

        Returns
        -------
        ScoreMoments
            Of m scores for each cue.
        """
        matrix, answers = checked_rows("matrix", matrix), self.mean_powers.shape[-1]
        if matrix.shape[1] != answers:
            raise ValueError(f"matrix: expected {answers} columns; got shape {matrix.shape}.")
        return ScoreMoments(self.mean_powers @ matrix.T, matrix @ self.second_powers @ matrix.T)


def term_moments(terms: Sequence[Term], *, joint: bool = False) -> ScoreMoments:
    """Exact mean and covariance, at every width, of scores that are sums of terms.

    Parameters
    ----------
    terms : sequence of Term
        The blocks of the scores, with the same cues and answers.
    joint : bool
        Whether scores of different cues are told together: all s_qi then are the answers of a
        single cue.

    Returns
    -------
    ScoreMoments
        For all cues and answers.

    References
    ----------
    Claim W2, by Wick's theorem: a moment of Gaussians is a sum over pairings.
    """
    joint = checked_flag("joint", joint)
    terms = [
        checked_kind("terms", each, Term) for each in checked_sequence("terms", terms, "terms")
    ]
    if not terms:
        raise ValueError("terms: expected one or more; got none. A score is a sum of terms.")
    cues, answers = len(terms[0].cues), len(terms[0].answers)
    within = "q{0},{1}{2},i{3},q{4},{5}{6},j{7}->qij"
    formula = "q{0},{1}{2},i{3},p{4},{5}{6},j{7}->qipj" if joint else within
    mean: dict[int, Any] = {}
    second: dict[int, Any] = {}
    for a in terms:
        for pairing, powers in expansion((a.left, a.right)).items():
            A = _summed(pairing, "q{0},{1}{2},i{3}->qi", a.cues, a.coefficients, a.answers)
            _add(mean, powers, A)
    for a, b in product(terms, repeat=2):
        for pairing, powers in expansion((a.left, a.right, b.left, b.right)).items():
            parts = (a.cues, a.coefficients, a.answers, b.cues, b.coefficients, b.answers)
            _add(second, powers, _summed(pairing, formula, *parts))
    shape = (1, cues * answers) if joint else (cues, answers)
    return ScoreMoments(_stacked(mean, shape), _stacked(second, (*shape, shape[1])))


def _summed(pairing: Pairing, formula: str, *parts: Array) -> Array:
    """Σ over the indices at the ends of the segments, those of a pair being equal."""
    names = {end: "ABCD"[k] for k, pair in enumerate(pairing) for end in pair}
    sums = formula.format(*map(names.get, range(8)))
    order = _order(sums, *(part.shape for part in parts))
    return np.asarray(np.einsum(sums, *parts, optimize=order))


@lru_cache(maxsize=4096)
def _order(sums: str, *shapes: tuple[int, ...]) -> list[Any]:
    """The order in which a product of tables of these shapes is summed."""
    order: list[Any] = np.einsum_path(sums, *map(np.empty, shapes))[0]
    return order


def _add(total: dict[int, Any], powers: dict[int, int], table: Array) -> None:
    for power, count in powers.items():
        total[power] = total.get(power, 0) + count * table


def _stacked(by_power: dict[int, Any], shape: tuple[int, ...]) -> Array:
    zero = np.zeros(shape)
    tables = [by_power.get(power, zero) for power in range(max(by_power, default=0) + 1)]
    return np.stack([table.reshape(shape) for table in tables])


def _at(powers: Array, d: float) -> Array:
    total: Array = np.tensordot(float(d) ** -np.arange(len(powers)), powers, 1)
    return total

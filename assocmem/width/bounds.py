"""From the scores between atoms to the answer: how much noise an induction head bears.

All that the model computes is a function of three tables, the scores between its atoms
(`ScoreTables`). If no score is further from its limit than a known tolerance, then neither the
attention of the two layers nor the logits are further from theirs than `guarantee` works out for
each sequence:

    layer 1   scores of row t within e_t, attention within η_t
    layer 2   score of s within e'_s = tolerance + η_T range + η_s range, attention within η'
    logits    within tolerance + η' range + Σ_s a_s η_s range

Attention is compared in total variation (`moved`); a range is that of what is read at the limit,
over the positions between which attention may move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logsumexp

from assocmem._checks import Array, Ints, checked_kind, checked_number
from assocmem._statistics import softmax
from assocmem.memory import AssociativeMemory
from assocmem.tasks import Batch, InductionBatch, InductionTask
from assocmem.width.arguments import checked_memories, checked_width, numeric_task
from assocmem.width.wick import Segment, Term, term_moments

Moved = tuple[Array, Array]  # attention at the limit, and how far each row may move


class ScoreTables(NamedTuple):
    """A number for every score between atoms.

    Rows are queries or outputs, columns keys. Inputs are tokens, then positions; atoms are inputs,
    then their images under Φ₁.

    Parameters
    ----------
    K1 : array, shape (N+T, N+T)
        Between inputs, in the first layer.
    K2 : array, shape (2(N+T), 2(N+T))
        Between atoms, in the second.
    O : array, shape (M, 2(N+T))
        Of the outputs with the values of the atoms.
    """

    K1: Array
    K2: Array
    O: Array

    def times(self, factor: float) -> ScoreTables:
        """Return the tables with every entry times the factor.

        Parameters
        ----------
        factor : float
            What every entry is multiplied by.

        Returns
        -------
        ScoreTables
            These do not change.
        """
        factor = checked_number("factor", factor)
        return ScoreTables(*(factor * table for table in self))


class Deviations:
    """Root mean square deviations of scores from their limits, exact at every width.

    Parameters
    ----------
    task : InductionTask
        The task, with numeric sizes.
    memories : mapping of str to AssociativeMemory
        ``W_O2``, ``W_K2`` and ``W_K1``, as `top_down` writes them.

    Attributes
    ----------
    limit : ScoreTables
        The scores at infinite width, which are the coefficients.
    count : int
        How many scores the answers at the last position depend on.

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit the task.

    References
    ----------
    Claim W6.
    """

    def __init__(self, task: InductionTask, memories: Mapping[str, AssociativeMemory]) -> None:
        checked_memories(numeric_task(task), memories, whole=True)
        n, n_outputs = task.n_tokens + task.length, task.n_outputs
        K1 = np.zeros((n, n))  # the memory holds positions only
        K1[task.n_tokens :, task.n_tokens :] = memories["W_K1"].coefficients
        self.limit = ScoreTables(K1, memories["W_K2"].coefficients, memories["W_O2"].coefficients)
        self.count, self._parts = 0, list[tuple[str, Any, Array]]()
        inputs, rows, all_outputs = np.eye(n), np.arange(n), np.arange(n_outputs)
        # Atoms by the word that makes them; the word of a query is transposed, so in capitals.
        images = {"": rows, "f": n + rows}
        queries = images | {"": np.array([*task.triggers, n - 1])}  # what the last position holds

        plain = Segment("")
        self._add("K1", rows, rows, [Term(inputs, plain, K1, plain, inputs)])
        for query, of_query in queries.items():
            for key, of_key in images.items():
                terms = [
                    Term(
                        inputs[of_query % n],
                        Segment(query.upper() + a),
                        self.limit.K2[np.ix_(images[a], images[b])],
                        Segment(b.upper() + key),
                        inputs,
                    )
                    for a in images
                    for b in images
                ]
                self._add("K2", of_query, of_key, terms)
        for key, of_key in images.items():
            terms = [
                Term(
                    np.eye(n_outputs),
                    Segment("", family="u"),
                    self.limit.O[:, images[b]],
                    Segment(b.upper() + "Vv" + key),
                    inputs,
                )
                for b in images
            ]
            self._add("O", all_outputs, of_key, terms)

    def _add(self, name: str, rows: Array, columns: Array, terms: Sequence[Term]) -> None:
        """The powers of 1/d in E (s - s(∞))²; that of d^0 is zero."""
        mean, second = term_moments(terms)
        powers = np.diagonal(second, axis1=2, axis2=3).copy()
        powers[: len(mean)] -= 2 * mean[0] * mean
        self._parts.append((name, np.ix_(rows, columns), powers[1:]))
        self.count += mean[0].size

    def at(self, d: float) -> ScoreTables:
        """Return the root mean square deviations at a width.

        Parameters
        ----------
        d : float
            The width.

        Returns
        -------
        ScoreTables
            With 0 for scores that no answer depends on.

        Raises
        ------
        TypeError, ValueError
            For a width that is no number of at least 1.
        """
        d, found = checked_width(d), ScoreTables(*map(np.zeros_like, self.limit))
        for name, entries, powers in self._parts:
            squares = np.tensordot(float(d) ** -np.arange(1.0, 1 + len(powers)), powers, 1)
            getattr(found, name)[entries] = np.sqrt(squares)
        return found


def moved(log_odds: ArrayLike, error: ArrayLike) -> Array:
    """The most that a softmax changes, in total variation, if no score changes by more than error.

    ``log_odds`` are those of all entries but the largest, before. The log-odds of every event
    change by at most 2 error, and a probability changes most where they pass from -error to error:

    >>> print(f"{moved(0.0, 0.1):.6f} {np.tanh(0.1 / 2):.6f}")
    0.049958 0.049958
    >>> print(f"{moved(-10.0, 0.1):.6f}")  # little can happen where one entry has nearly all
    0.000010
    """
    start = np.minimum(log_odds, -np.asarray(error))
    change: Array = expit(start + 2 * np.asarray(error)) - expit(start)
    return change


class Guarantee(NamedTuple):
    """What given tolerances of the scores guarantee for each of B sequences.

    Parameters
    ----------
    margins, margin_errors : array, shape (B, M)
        The label's logit minus each other, at the limit, and how far it may be off; infinite and 0
        for the label itself.
    leads, lead_errors : array, shape (B, T)
        The same for the layer-2 score of the output's position.
    """

    margins: Array
    margin_errors: Array
    leads: Array
    lead_errors: Array

    @property
    def holds(self) -> NDArray[np.bool_]:
        """Whether answer and attention are right for all scores within the tolerances."""
        answer = (self.margins > self.margin_errors).all(axis=1)
        attention = (self.leads > self.lead_errors).all(axis=1)
        return np.asarray(answer & attention)


def guarantee(limit: ScoreTables, tolerance: ScoreTables, batch: Batch) -> Guarantee:
    """Propagate tolerances of the scores to the answers on induction sequences.

    Parameters
    ----------
    limit : ScoreTables
        The scores at infinite width, see `Deviations`.
    tolerance : ScoreTables
        How far each may be off.
    batch : InductionBatch or Batch
        Sequences that end with a trigger that stood before, and their labels. In a batch that
        does not say where it stood, that is its first occurrence.

    Returns
    -------
    Guarantee
        Its ``holds`` says which sequences are answered whatever the noise.

    Raises
    ------
    TypeError, ValueError
        For tables of different shapes, sequences that do not fit them, and those whose last token
        does not occur before.

    References
    ----------
    Claim W6.
    """
    _check_tables(limit, tolerance)
    batch = InductionBatch.of(checked_kind("batch", batch, Batch, "Take task.sample(...)."))
    tokens, labels, output = batch.tokens, batch.targets[:, -1], batch.output_position
    (size, length), n = tokens.shape, len(limit.K1)
    for what, largest, fit in (
        ("tokens", tokens.max(), n - length),
        ("targets", labels.max(), len(limit.O)),
    ):
        if largest >= fit:
            raise ValueError(
                f"batch.{what}: expected numbers below {max(fit, 0)}, as the tables have; got "
                f"{largest}. Take a batch of the task of the tables."
            )
    X = np.zeros((size, length, n))
    np.put_along_axis(X, tokens[:, :, None], 1, axis=2)
    X[:, :, n - length :] = np.eye(length)
    rows = np.arange(size)

    b, eta = _first_attention(limit.K1, tolerance.K1, X)
    scores, errors = _second_scores(limit.K2, tolerance.K2, X, b, eta)
    a, eta_2 = softmax(scores), moved(_rest(scores), errors.max(axis=1))
    margins, margin_errors = _margins(limit.O, tolerance.O, X, labels, (b, eta), (a, eta_2))

    own = np.arange(len(limit.O)) == labels[:, None]
    itself = np.arange(length) == output[:, None]
    return Guarantee(
        margins=np.where(own, np.inf, margins),
        margin_errors=np.where(own, 0, margin_errors),
        leads=np.where(itself, np.inf, scores[rows, output][:, None] - scores),
        lead_errors=np.where(itself, 0, errors[rows, output][:, None] + errors),
    )


def _check_tables(limit: Any, tolerance: Any) -> None:
    """Refuse what are no two tables of one task."""
    shapes = [
        [np.shape(table) for table in checked_kind(name, given, ScoreTables)]
        for name, given in (("limit", limit), ("tolerance", tolerance))
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"tolerance: expected tables of the shapes {shapes[0]} of limit; got {shapes[1]}. Take "
            f"Deviations.at(d), times a factor."
        )


def _first_attention(K1: Array, tolerance: Array, X: Array) -> tuple[Array, Array]:
    """Attention of layer 1 at the limit, (B, T, T), and how far its rows move, (B, T)."""
    XT, causal = X.transpose(0, 2, 1), np.tri(X.shape[1], dtype=bool)
    scores = np.where(causal, X @ K1 @ XT, -np.inf)
    return softmax(scores), moved(_rest(scores), _so_far(X @ tolerance @ XT).diagonal(0, 1, 2))


def _second_scores(
    K2: Array, tolerance: Array, X: Array, b: Array, eta: Array
) -> tuple[Array, Array]:
    """Scores of layer 2 at the limit and how far they may be off: (B, T) each.

    The score of s is a mean, over r drawn from row T of layer 1 and r' from its row s, of the
    scores between x_T or Φ x_r and x_s or Φ x_r'. First the table changes, then row T, then row s.
    """
    direct, to_image, from_image, between = _in_context(K2, X)
    by_image = (to_image + b[:, -1:] @ between)[:, 0]  # of Φ x_r', read at the limit
    scores = (direct + b[:, -1:] @ from_image)[:, 0] + (b @ by_image[:, :, None])[:, :, 0]
    of_query = np.ptp(from_image, axis=1) + _so_far(np.ptp(between, axis=1))
    moves = eta[:, -1:] * of_query + eta * _range_so_far(by_image)
    direct, to_image, from_image, between = _in_context(tolerance, X)
    noise = direct[:, 0] + from_image.max(axis=1) + _so_far(to_image[:, 0])
    noise += _so_far(between.max(axis=1))
    return scores, noise + moves


def _in_context(K2: Array, X: Array) -> list[Array]:
    """Scores of x_T with keys x_s and Φ x_s, (B, 1, T); of Φ x_r with both, (B, T, T)."""
    n, XT = X.shape[2], X.transpose(0, 2, 1)
    queries = [(X[:, -1:], slice(n)), (X, slice(n, 2 * n))]
    return [x @ K2[rows, columns] @ XT for x, rows in queries for _, columns in queries]


def _margins(
    O: Array, tolerance: Array, X: Array, labels: Ints, first: Moved, second: Moved
) -> tuple[Array, Array]:
    """The label's logit minus that of each class at the limit, and how far it may be off: (B, M).

    It is a mean over s drawn from layer 2 and r from row s of layer 1, of the scores with the
    values of x_s and Φ x_r. First the table changes, then layer 2, then layer 1.
    """
    (b, eta), (a, eta_2), rows = first, second, np.arange(len(X))

    def label_and(sign: float, table: Array) -> list[Array]:
        """The label's score plus or minus that of every class, for x_s and Φ x_s: (B, M, T)."""
        parts = [part @ X.transpose(0, 2, 1) for part in np.hsplit(table, 2)]
        return [part[rows, labels][:, None] + sign * part for part in parts]

    direct, image = label_and(-1, O)
    margins = (direct + image @ b.transpose(0, 2, 1)) @ a[:, :, None]
    moves = eta_2[:, None] * (np.ptp(direct, axis=2) + np.ptp(image, axis=2))
    moves += (_range_so_far(image) @ (a * eta)[:, :, None])[:, :, 0]
    noise = sum(part.max(axis=2) for part in label_and(1, tolerance))
    return margins[:, :, 0], noise + moves


def _rest(scores: Array) -> Array:
    """Log-odds of all entries but the largest, along the last axis."""
    ordered = np.sort(scores, axis=-1)
    rest: Array = logsumexp(ordered[..., :-1], axis=-1) - ordered[..., -1]
    return rest


def _so_far(values: Array) -> Array:
    """Running maximum along the last axis."""
    return np.maximum.accumulate(values, axis=-1)


def _range_so_far(values: Array) -> Array:
    """Running maximum minus running minimum along the last axis."""
    return _so_far(values) - np.minimum.accumulate(values, axis=-1)

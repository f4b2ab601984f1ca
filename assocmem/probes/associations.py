"""What each learned matrix should hold, and how much of it a model holds.

The three wanted memories (theory of the induction head, positions counted from 1):

    W_O²   Σ_k w_U(k) (W_V² w_E(k))ᵀ           a seen token to its output
    W_K²   Σ_q w_E(q) (Φ₁ w_E(q))ᵀ             a trigger to what follows it: induction head
    W_K¹   Σ_t p_t p_{t-1}ᵀ                     a position to the one before: previous-token head
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import (
    Array,
    Ints,
    checked_integers,
    checked_kind,
    checked_mapping,
    checked_names,
    checked_number,
    checked_option,
    checked_table,
)
from assocmem.memory import AssociativeMemory
from assocmem.model.arguments import checked_matrix
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.tasks import InductionTask, Task
from assocmem.tasks.batch import checked_task

PAIRED = ("W_O2", "W_K2", "W_K1", "W_F")
ROLES = {
    "W_O2": "a token and one of the task's outputs",
    "W_K2": "two tokens",
    "W_K1": "a position and one up to it",
    "W_F": "a token and one of the task's outputs",
}


@dataclass(frozen=True, eq=False)
class Probe:
    """The associations that a learned matrix should hold: a right answer for every cue.

    Recall is by strict maximum; a tie is an error.

    Parameters
    ----------
    name : str
        Of the matrix.
    cues : array, shape (n, d)
        A cue is a key of W_O² (an image under W_V²) and a query of W_K¹, W_K².
    answers : array, shape (m, d)
        What the cues are to recall, among each other.
    targets : array of int, shape (n,)
        Index of the right answer to each cue.
    among : array of bool, shape (m, n), or None
        The admissible answers, all if None.
    by_query : bool
        Whether cues sit on the row side of the matrix.

    References
    ----------
    [BCBJB2023], Section 4, memory recall probes.

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.InductionTask(n_tokens=6, length=8, n_triggers=2)
    >>> emb = am.FrozenEmbeddings.orthonormal(task)
    >>> probe = am.probe("W_K2", task, emb)
    >>> probe.recall(probe.wanted()), round(probe.chance, 3)
    (1.0, 0.167)
    """

    name: str
    cues: Array
    answers: Array
    targets: NDArray[np.int64]
    among: NDArray[np.bool_] | None
    by_query: bool

    def margins(self, weights: AssociativeMemory | ArrayLike) -> Array:
        """Margin of each cue: the right score minus the best admissible wrong one.

        Parameters
        ----------
        weights : AssociativeMemory or array_like, shape (d, d)
            The learned matrix.

        Returns
        -------
        array, shape (n,)
            Positive where the cue is recalled.

        Raises
        ------
        TypeError, ValueError
            For what is no matrix of that shape.
        """
        memory = _as_memory(weights)
        memory = memory.T if self.by_query else memory
        return memory.margin(self.targets, self.among, keys=self.cues, values=self.answers)

    def recall(self, weights: AssociativeMemory | ArrayLike) -> float:
        """Fraction of the cues whose right answer scores strictly highest.

        Parameters
        ----------
        weights
            As in `margins`.

        Returns
        -------
        float
            Between 0 and 1.
        """
        return float(np.mean(self.margins(weights) > 0))

    @property
    def chance(self) -> float:
        """Expected recall of a uniform guess among the admissible answers."""
        if self.among is None:
            return 1 / len(self.answers)
        return float(np.mean(1 / self.among.sum(axis=0)))

    def wanted(self) -> AssociativeMemory:
        """Return the memory that holds exactly these associations, each with coefficient 1.

        Returns
        -------
        AssociativeMemory
            From cues to answers; from answers to cues where cues are queries.
        """
        memory = AssociativeMemory(keys=self.cues, values=self.answers[self.targets])
        return memory.T if self.by_query else memory


def probe(
    name: str,
    task: Task,
    embeddings: FrozenEmbeddings,
    *,
    pairs: Mapping[str, ArrayLike] | None = None,
) -> Probe:
    """Return the probe of W_O2, W_K2 or W_K1 for a task: its pairs, over the embeddings.

    A pair is (cue, answer). Of W_O2: a token k, whose image W_V² w_E(k) is the key, and the token
    it should predict, one of the outputs, which are the admissible answers. Of W_K2: the present
    token and the token whose remapped embedding Φ₁ w_E it should attend to, among all tokens. Of
    W_K1: a position and the one that it should attend to, among those up to it.

    Parameters
    ----------
    name : {"W_O2", "W_K2", "W_K1", "W_F"}
        The matrix.
    task : Task
        Whose tokens and positions are meant.
    embeddings : FrozenEmbeddings
        That fit the task.
    pairs : mapping of str to array_like, rows (cue, answer), optional
        The task's own by default, by its method ``pairs()``. Of an `InductionTask` and a
        `BigramTask`: each token that can be an output predicts itself; each trigger attends to what
        follows it; each position but the first and the last (which gets no such signal) attends to
        the one before.

    Returns
    -------
    Probe
        To ask a matrix by `Probe.recall` and `Probe.margins`.

    Raises
    ------
    ValueError
        For another name, one that has no pairs, pairs out of range or with two answers to a cue.

    References
    ----------
    [BCBJB2023], Section 4.

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.InductionTask(n_tokens=6, length=8)
    >>> emb = am.FrozenEmbeddings.orthonormal(task)
    >>> am.probe("W_K1", task, emb).targets  # t to t - 1
    array([0, 1, 2, 3, 4, 5])
    >>> am.probe("W_K1", task, emb, pairs={"W_K1": [(7, 3)]}).chance  # 3, of 0 .. 7
    0.125
    """
    checked_option("name", name, PAIRED)
    checked_task("task", task)
    checked_kind("embeddings", embeddings, FrozenEmbeddings).check_fits(task)
    found = pairs_of(task, pairs)
    if name not in found:
        raise ValueError(
            f"pairs: expected those of {name}; got pairs of {', '.join(found) or 'nothing'}. Pass "
            f"pairs={{{name!r}: [(cue, answer), ...]}}, or give the task a method pairs."
        )
    cues, answers = found[name].T
    if name in ("W_O2", "W_F"):
        classes = {int(token): k for k, token in enumerate(task.outputs)}
        targets = np.array([classes[int(token)] for token in answers])
        keys = embeddings.values if name == "W_O2" else embeddings.tokens
        return Probe(name, keys[cues], embeddings.outputs, targets, None, False)
    if name == "W_K2":
        return Probe(name, embeddings.tokens[cues], embeddings.remapped_tokens, answers, None, True)
    among = np.tri(task.length, dtype=bool)[cues].T
    return Probe(name, embeddings.positions[cues], embeddings.positions, answers, among, True)


def pairs_of(task: Task, pairs: Mapping[str, ArrayLike] | None = None) -> dict[str, Ints]:
    """Return the pairs (cue, answer) that each matrix should hold: those given, else the task's.

    Parameters
    ----------
    task : Task
        One without a method ``pairs`` has none.
    pairs : mapping of str to array_like, rows (cue, answer), optional
        Taken instead of the task's.

    Returns
    -------
    dict of str to array of int, shape (n, 2)
        By the names of the matrices.

    Raises
    ------
    TypeError, ValueError
        As `probe`.

    Examples
    --------
    >>> import assocmem as am
    >>> pairs_of(am.InductionTask(n_tokens=4, length=6))["W_K2"]
    array([[0, 0]])
    """
    if pairs is None:
        own = getattr(task, "pairs", None)
        pairs = own() if callable(own) else {}
    checked_names("pairs", checked_mapping("pairs", pairs), PAIRED)
    tokens, positions = np.arange(task.n_tokens), np.arange(task.length)
    outputs = np.asarray(task.outputs)
    answers = {"W_O2": outputs, "W_K2": tokens, "W_K1": positions, "W_F": outputs}
    cues = {"W_O2": tokens, "W_K2": tokens, "W_K1": positions, "W_F": tokens}
    return {name: _checked_pairs(name, pairs[name], cues[name], answers[name]) for name in pairs}


def _checked_pairs(name: str, pairs: ArrayLike, cues: Array, answers: Array) -> Ints:
    rows = checked_integers(f"pairs[{name!r}]", pairs, f"rows (cue, answer) of {ROLES[name]}")
    text = f"pairs[{name!r}]: expected rows (cue, answer) of {ROLES[name]}"
    if rows.ndim != 2 or rows.shape[1:] != (2,) or not len(rows):
        raise ValueError(f"{text}, one at least; got {rows.dtype} of shape {rows.shape}.")
    valid = np.isin(rows[:, 0], cues) & np.isin(rows[:, 1], answers)
    if name == "W_K1":
        valid &= rows[:, 1] <= rows[:, 0]
    if not valid.all():
        raise ValueError(f"{text}; got {tuple(rows[~valid][0].tolist())}. They count from 0.")
    if len(np.unique(rows[:, 0])) < len(rows):
        raise ValueError(f"{text}, one answer a cue; got a cue twice. A recall has one answer.")
    return rows


def induction_head(
    task: InductionTask, embeddings: FrozenEmbeddings, *, beta: float
) -> dict[str, AssociativeMemory]:
    """Return the hand-built induction head: the three wanted memories, W_K1 and W_K2 times beta.

    W_K1 holds all rows t >= 2, the last one included, and W_O2 all outputs, labels or not. The
    attention on the output token tends to 1 as beta grows, and to 1/2 when the trigger stands
    first: position 1 attends only to itself, so x¹_1 holds Φ₁ w_E(z_1) as x¹_2 does.

    Parameters
    ----------
    task : InductionTask
        With numeric sizes.
    embeddings : FrozenEmbeddings
        That fit the task.
    beta : float
        How sharp attention is: the coefficient of W_K1 and W_K2.

    Returns
    -------
    dict of str to AssociativeMemory
        W_K1, W_K2 and W_O2.

    Raises
    ------
    ValueError
        For a beta that is not a finite number.

    References
    ----------
    [BCBJB2023], Section 4 (the associative-memory construction of the induction head).

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.InductionTask(n_tokens=6, length=8)
    >>> emb = am.FrozenEmbeddings.orthonormal(task)
    >>> model = am.FrozenTransformer(emb, **am.induction_head(task, emb, beta=50))
    >>> result = am.evaluate(model, task.sample(600, rng=0))
    >>> print(result.where(result.trigger_position > 0).accuracy.value)
    1.0
    """
    beta = checked_number("beta", beta)
    checked_kind("task", task, InductionTask)
    checked_kind("embeddings", embeddings, FrozenEmbeddings).check_fits(task)
    positions = embeddings.positions
    return {
        "W_K1": beta * AssociativeMemory(keys=positions[:-1], values=positions[1:]),
        "W_K2": beta * probe("W_K2", task, embeddings).wanted(),
        "W_O2": AssociativeMemory(keys=embeddings.values[task.outputs], values=embeddings.outputs),
    }


def _as_memory(weights: AssociativeMemory | ArrayLike) -> AssociativeMemory:
    if isinstance(weights, AssociativeMemory):
        return weights
    matrix = checked_table("weights", checked_matrix("weights", weights))
    return AssociativeMemory(
        keys=np.eye(matrix.shape[1]), values=np.eye(matrix.shape[0]), coefficients=matrix
    )

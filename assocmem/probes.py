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
    checked_array,
    checked_integers,
    checked_kind,
    checked_mapping,
    checked_names,
    checked_number,
    checked_option,
    checked_table,
)
from assocmem._statistics import Rate, Share, margins
from assocmem.memory import AssociativeMemory
from assocmem.model.arguments import checked_batch
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.transformer import FrozenTransformer
from assocmem.tasks import Batch, BigramBatch, InductionBatch, InductionTask, Language, Task
from assocmem.tasks.batch import checked_task

__all__ = [
    "Evaluation",
    "Probe",
    "Rate",
    "Share",
    "bigram_divergence",
    "evaluate",
    "induction_head",
    "pairs_of",
    "probe",
]

PAIRED = ("W_O2", "W_K2", "W_K1", "W_F")
ROLES = {
    "W_O2": "a token and one of the task's outputs",
    "W_K2": "two tokens",
    "W_K1": "a position and one up to it",
    "W_F": "a token and one of the task's outputs",
}


@dataclass(frozen=True, eq=False)
class Probe:
    """The associations one learned matrix is meant to hold: a right answer for every cue.

    >>> import assocmem as am
    >>> task = am.InductionTask(n_tokens=6, length=8, n_triggers=2)
    >>> emb = am.FrozenEmbeddings.orthonormal(task)
    >>> probe = am.probe("W_K2", task, emb)
    >>> probe.recall(probe.wanted()), round(probe.chance, 3)
    (1.0, 0.167)

    Attributes
    ----------
    cues (n, d), answers (m, d)
        The cue is a key of W_O² (an image under W_V²) and a query of W_K¹, W_K².
    targets (n,)
        Index of the right answer to each cue.
    among (m, n) or None
        The admissible answers, all if None.
    by_query : bool
        Whether cues sit on the row side of the matrix.

    Recall is by strict maximum, a tie is an error. Source: [BCBJB2023], Section 4, memory recall
    probes.
    """

    name: str
    cues: Array
    answers: Array
    targets: NDArray[np.int64]
    among: NDArray[np.bool_] | None
    by_query: bool

    def margins(self, weights: AssociativeMemory | ArrayLike) -> Array:
        """Per cue, the right score minus the best admissible wrong one."""
        memory = _as_memory(weights)
        memory = memory.T if self.by_query else memory
        return memory.margin(self.targets, self.among, keys=self.cues, values=self.answers)

    def recall(self, weights: AssociativeMemory | ArrayLike) -> float:
        """Fraction of the cues whose right answer scores strictly highest."""
        return float(np.mean(self.margins(weights) > 0))

    @property
    def chance(self) -> float:
        """Expected recall of a uniform guess among the admissible answers."""
        if self.among is None:
            return 1 / len(self.answers)
        return float(np.mean(1 / self.among.sum(axis=0)))

    def wanted(self) -> AssociativeMemory:
        """The memory that holds exactly these associations, each with coefficient 1."""
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

    Without ``pairs`` they are the task's own, by its method ``pairs()``. Of an `InductionTask` and
    a `BigramTask`: each token that can be an output predicts itself; each trigger attends to what
    follows it; each position but the first and the last (which gets no such signal) attends to the
    one before.

    >>> import assocmem as am
    >>> task = am.InductionTask(n_tokens=6, length=8)
    >>> emb = am.FrozenEmbeddings.orthonormal(task)
    >>> am.probe("W_K1", task, emb).targets  # t to t - 1
    array([0, 1, 2, 3, 4, 5])
    >>> am.probe("W_K1", task, emb, pairs={"W_K1": [(7, 3)]}).chance  # 3, of 0 .. 7
    0.125

    Raises
    ------
    ValueError
        For another name, one that has no pairs, pairs out of range or with two answers to a cue.

    Source: [BCBJB2023], Section 4.
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

    >>> import assocmem as am
    >>> pairs_of(am.InductionTask(n_tokens=4, length=6))["W_K2"]
    array([[0, 0]])

    A task without a method ``pairs`` has none. Raises as `probe`.
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

    >>> import assocmem as am
    >>> task = am.InductionTask(n_tokens=6, length=8)
    >>> emb = am.FrozenEmbeddings.orthonormal(task)
    >>> model = am.FrozenTransformer(emb, **am.induction_head(task, emb, beta=50))
    >>> result = am.evaluate(model, task.sample(600, rng=0))
    >>> print(result.where(result.trigger_position > 0).accuracy.value)
    1.0

    Here W_K1 holds all rows t >= 2, the last one included, and W_O2 all outputs, labels or not. The
    attention on the output token tends to 1 as beta grows, and to 1/2 when the trigger stands
    first: position 1 attends only to itself, so x¹_1 holds Φ₁ w_E(z_1) as x¹_2 does.

    Raises
    ------
    ValueError
        For a beta that is not a finite number.

    Source: [BCBJB2023], Section 4 (the associative-memory construction of the induction head).
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


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How a model does on sequences, one entry each prediction; made by `evaluate`.

    Attributes
    ----------
    trigger_position (B,)
        Position of the trigger's first occurrence, counted from 0 (τ - 1); of other sequences the
        one before that which should be attended to, so that -1 is the first or none.
    attention_on_output (B,)
        Layer-2 attention on the token after it; NaN where there is none to attend to.
    attends_output (B,) bool
        Whether that is the strict maximum of the attention.
    correct (B,) bool
        Whether the label's logit is the strict maximum.
    weights (B,)
        How much each prediction counts, in proportion; None, equally.
    drawn : bool
        Whether the sequences are equally weighted draws, independent or stratified.
    """

    trigger_position: NDArray[np.int64]
    attention_on_output: Array
    attends_output: NDArray[np.bool_]
    correct: NDArray[np.bool_]
    weights: Array | None = None
    drawn: bool = False

    def where(self, mask: NDArray[np.bool_]) -> Evaluation:
        """Return the evaluation of some of the sequences: where the mask (B,) is True."""
        mask = checked_array("mask", mask)
        if mask.dtype != bool or mask.shape != self.correct.shape:
            raise ValueError(
                f"mask: expected booleans of shape {self.correct.shape}, one per sequence; got "
                f"{mask.dtype} of shape {mask.shape}."
            )
        return Evaluation(
            self.trigger_position[mask],
            self.attention_on_output[mask],
            self.attends_output[mask],
            self.correct[mask],
            None if self.weights is None else self.weights[mask],
            self.drawn,
        )

    @property
    def attention(self) -> float:
        """Mean attention on the output token."""
        return float(np.average(self.attention_on_output, weights=self.weights))

    @property
    def attention_argmax(self) -> Rate | Share:
        """How often the output token gets the most attention, as `accuracy`."""
        return self._rate(self.attends_output)

    @property
    def accuracy(self) -> Rate | Share:
        """How often the label is predicted; a tie is an error.

        Of draws, independent or stratified and all weighted equally, it is a `Rate`, whose interval
        holds with the stated confidence: strata only narrow the law of the count (Hoeffding 1956).
        Of anything else it is the weighted `Share`, without an interval.
        """
        return self._rate(self.correct)

    def _rate(self, hits: NDArray[np.bool_]) -> Rate | Share:
        if self.drawn:
            return Rate(int(hits.sum()), len(hits))
        weights = np.ones(len(hits)) if self.weights is None else self.weights
        total = weights.sum()
        return Share(float(weights[hits].sum() / total) if total > 0 else float("nan"))

    def __repr__(self) -> str:
        return (
            f"Evaluation(attention={self.attention:.4f}, argmax={self.attention_argmax.value:.4f}, "
            f"accuracy={self.accuracy!r})"
        )


def evaluate(
    model: FrozenTransformer, batch: Batch, *, attend_to: ArrayLike | None = None
) -> Evaluation:
    """Measure attention and accuracy at the last position of induction sequences, or of any batch.

    The trigger is the last token, and each sequence counts with its weight in the batch.

    Of any other task, ``attend_to`` (B, T) says which position layer 2 should attend to from each
    one, -1 where there is none, or -1 alone for nowhere: then every prediction with a weight is an
    entry, in the order of sequences and positions. The mean attention is over all predictions, and
    NaN if one of them has nothing to attend to; select those that have it with `Evaluation.where`.

    >>> import assocmem as am
    >>> task = am.InductionTask(n_tokens=4, length=5)
    >>> model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
    >>> am.evaluate(model, task.enumerate())  # uniform attention, all logits tie
    Evaluation(attention=0.2000, argmax=0.0000, accuracy=Share(0.0000))
    >>> am.evaluate(model, task.sample(81, rng=0)).accuracy
    Rate(0.0000, 0/81)
    >>> bigrams = am.BigramTask(am.Language.uniform(3), length=5, n_triggers=1, loss="all")
    >>> other = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(bigrams))
    >>> am.evaluate(other, bigrams.sample(9, rng=0), attend_to=-1)
    Evaluation(attention=nan, argmax=0.0000, accuracy=Share(0.0000))

    Raises
    ------
    ValueError
        If the last token of a sequence does not occur before T - 1 in it, its label is not the
        class of the token that followed, or the last position carries no weight.

    Source: [BCBJB2023], Section 4 (attention and in-context accuracy probes).
    """
    checked_kind("model", model, FrozenTransformer)
    checked_kind("batch", batch, Batch, "Use task.sample.")
    if attend_to is not None:
        return _evaluated(model, batch, attend_to)
    batch = InductionBatch.of(batch)
    outputs, targets, weights = model.embeddings.n_outputs, batch.targets[:, -1], batch.weights
    if not weights[:, -1].any() or (targets < 0).any():
        raise ValueError(
            "batch: expected sequences with a label and a weight at the end; got others. Take a "
            "batch of an InductionTask."
        )
    if targets.max() >= outputs:
        raise ValueError(
            f"batch: expected classes below the {outputs} outputs of the model; got "
            f"{targets.max()}. Take a batch of the task that the embeddings were drawn for."
        )
    if (batch.output - targets != model.embeddings.n_tokens - outputs).any():
        raise ValueError(
            "batch: expected the label to be the class of the token after the trigger, as the "
            "outputs of the model number them; got another. Take a batch of the task that the "
            "embeddings were drawn for."
        )
    logits, attention = (
        part[:, 0] for part in model.logits_and_attention(batch.tokens, positions=[-1])
    )
    return Evaluation(
        trigger_position=batch.trigger_position,
        attention_on_output=attention[np.arange(len(batch)), batch.output_position],
        attends_output=margins(attention, batch.output_position) > 0,
        correct=margins(logits, targets) > 0,
        weights=weights[:, -1] if np.ptp(weights[:, -1]) else None,
        drawn=batch.drawn,
    )


def bigram_divergence(model: FrozenTransformer, batch: BigramBatch, language: Language) -> float:
    """Mean of KL(π_b(· | z_t) ‖ p̂_t) over the positions of a batch that hold no trigger, in nats.

    >>> import assocmem as am
    >>> task = am.BigramTask(am.Language.uniform(4), length=8, n_triggers=1)
    >>> model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
    >>> bigram_divergence(model, task.sample(3, rng=0), task.language)    # all weights zero
    0.0

    Raises ValueError if every position holds a trigger, TypeError for another kind of batch.
    """
    checked_kind("model", model, FrozenTransformer)
    checked_kind("batch", batch, BigramBatch, "Use BigramTask.sample.")
    plain = ~batch.is_trigger
    if not plain.any():
        raise ValueError("batch: expected a position without a trigger; got none. Sample more.")
    laws = checked_kind("language", language, Language).bigram[batch.tokens[plain]]
    logits = model.logits(batch.tokens)[plain]
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_predicted = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    log_laws = np.log(np.where(laws > 0, laws, 1))
    return float((laws * (log_laws - log_predicted)).sum(axis=-1).mean())


def _evaluated(model: FrozenTransformer, batch: Batch, attend_to: ArrayLike) -> Evaluation:
    """Measure every prediction of a batch of any task."""
    tokens, where = checked_batch(batch, model.embeddings).tokens, batch.weights > 0
    goal = checked_array("attend_to", attend_to)
    fits = goal.dtype.kind in "iu" and (goal.shape == tokens.shape or goal.ndim == 0)
    goal = np.broadcast_to(goal, tokens.shape) if fits else goal
    if not fits or goal.min() < -1 or (goal > np.arange(tokens.shape[1])).any():
        raise ValueError(
            f"attend_to: expected for each of the tokens {tokens.shape} a position from 0 up to "
            f"its own, or -1 for none; got {goal.dtype} of shape {goal.shape} or a later position, "
            f"which is not seen."
        )
    queries = np.flatnonzero(where.any(axis=0))
    logits, attention = model.logits_and_attention(tokens, positions=queries)
    asked = where[:, queries]
    goal, logits, attention = goal[:, queries][asked], logits[asked], attention[asked]
    weights, seen = batch.weights[where], goal >= 0
    on_goal = np.where(seen, attention[np.arange(len(goal)), goal], np.nan)
    return Evaluation(
        trigger_position=goal - 1,
        attention_on_output=on_goal,
        attends_output=seen & (margins(attention, np.maximum(goal, 0)) > 0),
        correct=margins(logits, batch.targets[where]) > 0,
        weights=weights if np.ptp(weights) else None,
    )


def _as_memory(weights: AssociativeMemory | ArrayLike) -> AssociativeMemory:
    if isinstance(weights, AssociativeMemory):
        return weights
    matrix = checked_table("weights", weights)
    return AssociativeMemory(
        keys=np.eye(matrix.shape[1]), values=np.eye(matrix.shape[0]), coefficients=matrix
    )

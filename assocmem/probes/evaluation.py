"""How a model does: attention, accuracy, and the divergence from the bigrams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import (
    Array,
    checked_array,
    checked_kind,
)
from assocmem._statistics import Rate, Share, margins
from assocmem.model.arguments import checked_batch
from assocmem.model.transformer import FrozenTransformer
from assocmem.tasks import Batch, BigramBatch, InductionBatch, Language


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Attention and correctness of a model, one entry for each prediction; made by `evaluate`.

    Parameters
    ----------
    trigger_position : array of int, shape (B,)
        Position of the trigger's first occurrence, counted from 0 (τ - 1); of other sequences the
        one before that which should be attended to, so that -1 is the first or none.
    attention_on_output : array, shape (B,)
        Layer-2 attention on the token after it; NaN where there is none to attend to.
    attends_output : array of bool, shape (B,)
        Whether that is the strict maximum of the attention.
    correct : array of bool, shape (B,)
        Whether the label's logit is the strict maximum.
    weights : array, shape (B,), or None
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
        """Return the evaluation of some of the predictions.

        Parameters
        ----------
        mask : array of bool, shape (B,)
            Which ones.

        Returns
        -------
        Evaluation
            Of these predictions alone, with their weights.

        Raises
        ------
        ValueError
            For what is no mask of that shape.
        """
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
        """How often the output token gets the most attention, as a rate like `accuracy`."""
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

    Parameters
    ----------
    model : FrozenTransformer
        Whose attention and logits are looked at.
    batch : Batch
        An `InductionBatch`, or of any other task with ``attend_to``.
    attend_to : array_like of int, shape (B, T), or -1, optional
        Which position layer 2 should attend to from each one, -1 where there is none, or -1 alone
        for nowhere: then every prediction with a weight is an entry, in the order of sequences and
        positions.

    Returns
    -------
    Evaluation
        With ``attend_to`` the mean attention is over all predictions, and NaN if one of them has
        nothing to attend to; select those that have it with `Evaluation.where`.

    Raises
    ------
    ValueError
        If the last token of a sequence does not occur before T - 1 in it, its label is not the
        class of the token that followed, or the last position carries no weight.

    References
    ----------
    [BCBJB2023], Section 4 (attention and in-context accuracy probes).

    Examples
    --------
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
    """
    remedy = "Take run.model() of a TopDownRun, and of a SymmetricTransformer its restricted."
    checked_kind("model", model, FrozenTransformer, remedy)
    checked_kind("batch", batch, Batch, "Use task.sample, or patterns.batch.")
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
    r"""Mean divergence of the predictions from the bigrams at non-trigger tokens, in nats.

    It is :math:`\mathrm{KL}(\pi_b(\cdot|z_t) \| \hat p_t)`, averaged over the positions of a batch
    that hold no trigger.

    Parameters
    ----------
    model : FrozenTransformer
        Whose predictions :math:`\hat p_t` are compared.
    batch : BigramBatch
        Every position counts that holds no trigger, with or without loss.
    language : Language
        Whose bigrams :math:`\pi_b` are meant.

    Returns
    -------
    float
        0 for a model that predicts the bigrams.

    Raises
    ------
    ValueError
        If every position holds a trigger.
    TypeError
        For another kind of batch.

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.BigramTask(am.Language.uniform(4), length=8, n_triggers=1)
    >>> model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
    >>> bigram_divergence(model, task.sample(3, rng=0), task.language)    # all weights zero
    0.0
    """
    checked_kind("model", model, FrozenTransformer)
    checked_kind("batch", batch, BigramBatch, "Use BigramTask.sample.")
    plain = ~batch.is_trigger
    if not plain.any():
        raise ValueError("batch: expected a position without a trigger; got none. Sample more.")
    n = len(model.embeddings.tokens)
    if checked_kind("language", language, Language).n_tokens != n:
        raise ValueError(
            f"language: expected that of the {n} tokens of the model; got {language!r}. Pass "
            f"task.language."
        )
    laws = language.bigram[batch.tokens[plain]]
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

"""What a history holds: loss, accuracy, bigrams, memory recall, attention, norms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import Array, checked_kind, checked_mapping
from assocmem._statistics import margins
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.step import EMBEDDINGS, TrainingStep
from assocmem.probes import Probe, pairs_of, probe
from assocmem.tasks import Batch, BigramBatch, BigramTask, Task

EARLY = 64  # positions that every sequence of the experiments has
CHUNK_FLOATS = 2**22  # attention of the sequences that are measured together


class Metrics:
    r"""Function of the weights that measures one row of a history.

    On each test, a task and a batch of it, by name (which the columns end in, unless it is ""):

    ``loss``
        The task's own, at its own positions.
    ``accuracy``
        How often the strict maximum of the logits is the target: of in-context bigrams, at triggers
        that occurred before; of any other task, at the positions with loss, by their weights.
    ``attention_previous``
        Mean layer-1 attention on the token before, over positions from the second on.

    And of in-context bigrams only:

    ``bigram_loss``, ``bigram_kl``
        Cross-entropy of the next token, and :math:`\mathrm{KL}(\pi_b(\cdot|z_t) \| \hat p_t)`,
        averaged over positions that are no triggers.
    ``attention_induction``
        Mean layer-2 attention on tokens that follow an occurrence of the present token, over
        triggers that occurred before.

    Of the weights: ``norm_...``, Frobenius, of each matrix; ``recall_...`` of each memory for which
    there are pairs, those of the task that it learns unless others are given, see `probe`, by
    strict maximum; ``recall_W_K1_64`` asks the first 64 positions only. One layer has neither W_K1
    nor remapped tokens to look for, and no such columns. ``moved_...``: how far each embedding that
    is among the ``trained`` is from where it started, :math:`\|E - E_0\| / \|E_0\|`. Of W_F alone,
    on in-context bigrams: ``recall_W_F``, of the likeliest next token of every token that is no
    fixed trigger, and ``bigram_kl_W_F``, :math:`\mathrm{KL}(\pi_b(\cdot|i) \| \mathrm{softmax}(W_U
    W_F w_E(i)))` averaged over these tokens i by their frequency; compare `bigram_kl`, of the whole
    model.

    A run adds ``train_loss``, the loss on the batch that the next update uses.

    Parameters
    ----------
    task : Task
        The one that is trained on, whose pairs are probed.
    step : TrainingStep
        The model.
    tests : mapping of str to (Task, Batch)
        What is measured on, by name; columns end in the name, unless it is "".
    pairs : mapping of str to array_like, rows (cue, answer), optional
        Taken instead of the task's, see `probe`.
    trained : sequence of str
        What is trained.

    References
    ----------
    [BCBJB2023], Section 5: memory recall and attention probes.
    """

    def __init__(
        self,
        task: Task,
        step: TrainingStep,
        tests: Mapping[str, tuple[Task, Batch]],
        *,
        pairs: Mapping[str, ArrayLike] | None = None,
        trained: Sequence[str] = (),
    ) -> None:
        self.task, self.start = task, checked_kind("step", step, TrainingStep).embeddings
        self.moving = [name for name in EMBEDDINGS if name in trained]
        self.step, self.tests = step, dict(checked_mapping("tests", tests))
        self.pairs = pairs_of(task, pairs)
        if step.layers == 1:
            self.pairs = {name: rows for name, rows in self.pairs.items() if name == "W_O2"}
        self.probes = self._probes(step)

    def __call__(
        self, weights: Mapping[str, Array], step: TrainingStep | None = None
    ) -> dict[str, float]:
        """Return one row: every measured quantity by name.

        ``step`` computes with the present embeddings, if they are others than at the start.
        """
        step = self.step if step is None else step
        probes = self.probes if step is self.step else self._probes(step)
        row: dict[str, float] = {}
        for name, (task, batch) in self.tests.items():
            measured = self._on(task, batch, weights, step)
            row |= {f"{key}_{name}" if name else key: value for key, value in measured.items()}
        for name, each in probes.items():
            row[f"recall_{name}"] = each.recall(weights[each.name])
        if "W_F" in weights and isinstance(self.task, BigramTask):
            row |= _of_W_F(self.task, step.embeddings, weights["W_F"])
        row |= {f"norm_{name}": float(np.linalg.norm(W)) for name, W in weights.items()}
        for name in self.moving:
            begin, now = getattr(self.start, name), getattr(step.embeddings, name)
            row[f"moved_{name}"] = float(np.linalg.norm(now - begin) / np.linalg.norm(begin))
        return row

    def _probes(self, step: TrainingStep) -> dict[str, Probe]:
        """What each learned matrix should hold, over the present embeddings."""
        task, emb = self.task, step.embeddings
        found = {name: probe(name, task, emb, pairs=self.pairs) for name in self.pairs}
        if "W_K1" in self.pairs:
            rows = self.pairs["W_K1"]
            if len(early := rows[rows[:, 0] < EARLY]):
                found["W_K1_64"] = probe("W_K1", task, emb, pairs={"W_K1": early})
        return found

    def _on(
        self, task: Task, batch: Batch, weights: Mapping[str, Array], step: TrainingStep
    ) -> dict[str, float]:
        """Measure on one batch, a few sequences at a time."""
        length = batch.tokens.shape[1]
        counts = _counts(task, batch, step.layers)
        sums = dict.fromkeys(counts, 0.0)
        together = max(1, CHUNK_FLOATS // (length * (length + task.n_tokens)))
        for start in range(0, len(batch), together):
            part = _sums(task, batch, slice(start, start + together), weights, step)
            sums = {name: total + float(part[name]) for name, total in sums.items()}
        # without such positions there is no mean
        return {name: sums[name] / n if n else float("nan") for name, n in counts.items()}


def _counts(task: Task, batch: Batch, layers: int) -> dict[str, int]:
    """How many positions each quantity is a mean over; 1 where the batch's weights are in it."""
    size, length = batch.tokens.shape
    counts = {"loss": 1, "accuracy": 1}
    if isinstance(task, BigramTask) and isinstance(batch, BigramBatch):
        repeated, plain = int(batch.is_repeated.sum()), int((~batch.is_trigger).sum())
        counts["accuracy"] = counts["attention_induction"] = repeated
        counts["bigram_loss"] = counts["bigram_kl"] = plain
    if layers == 2:
        counts["attention_previous"] = size * (length - 1)
    return counts


def _sums(
    task: Task, batch: Batch, rows: slice, weights: Mapping[str, Array], step: TrainingStep
) -> dict[str, Any]:
    """Sum every quantity over the positions of some sequences."""
    from scipy.special import log_softmax

    tokens, length, counted = batch.tokens[rows], batch.tokens.shape[1], batch.weights[rows]
    where = counted > 0
    if isinstance(task, BigramTask) and isinstance(batch, BigramBatch):
        where |= batch.is_repeated[rows] | ~batch.is_trigger[rows]
    logits, attention = step.predict(weights, tokens, where)
    targets, log_p = batch.targets[rows][where], log_softmax(logits.astype(np.float64), axis=1)
    losses = -np.take_along_axis(log_p, targets[:, None], axis=1)[:, 0]
    right = margins(logits, targets) > 0
    sums = {
        "loss": (counted[where] * losses).sum(),
        "accuracy": counted[where][right].sum(),
    }
    if isinstance(task, BigramTask) and isinstance(batch, BigramBatch):
        repeated, plain = batch.is_repeated[rows][where], ~batch.is_trigger[rows][where]
        sums["accuracy"] = right[repeated].sum()
        sums["attention_induction"] = _on_induction(tokens, where, repeated, attention)
        sums["bigram_loss"] = losses[plain].sum()
        sums["bigram_kl"] = _divergence(task.language.bigram[tokens[where][plain]], log_p[plain])
    if step.layers == 2:
        first = step.first_attention(weights, tokens)
        previous = first[:, range(1, length), range(length - 1)]
        sums["attention_previous"] = previous.sum(dtype=np.float64)
    return sums


def _on_induction(tokens: Array, where: Array, repeated: Array, attention: Array) -> Any:
    """Attention of repeated triggers on tokens that follow an occurrence of the present one."""
    sequence, _ = np.nonzero(where)
    present, before = tokens[where][repeated], tokens[sequence[repeated], :-1]
    follows = before == present[:, None]  # (positions, T - 1): the token before is this one
    return attention[repeated, 1:].sum(where=follows, dtype=np.float64)


def _divergence(law: Array, log_p: Array) -> Any:
    """Sum of KL(π_b(· | z_t) ‖ p̂_t) over positions t, a row each."""
    from scipy.special import xlogy

    return (xlogy(law, law) - law * log_p).sum()


def _of_W_F(task: BigramTask, embeddings: FrozenEmbeddings, W_F: Array) -> dict[str, float]:
    """How much of the global bigrams W_F holds by itself, read as a memory over tokens."""
    from scipy.special import log_softmax

    rows, tokens = task.bigram_pairs(), embeddings.tokens
    recall = probe("W_F", task, embeddings, pairs={"W_F": rows}).recall(W_F) if len(rows) else 0.0
    log_p = log_softmax((tokens @ W_F.T @ embeddings.outputs.T).astype(np.float64), axis=1)
    weight = task.language.unigram.copy()
    if not task.random_triggers:
        weight[task.trigger_tokens] = 0
    by_token = [_divergence(law, row) for law, row in zip(task.language.bigram, log_p, strict=True)]
    kl = float(weight @ by_token / weight.sum()) if weight.any() else float("nan")
    return {"recall_W_F": recall, "bigram_kl_W_F": kl}

"""What a history holds: loss, in-context accuracy, bigrams, memory recall, attention, norms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assocmem._checks import checked_kind, checked_mapping, checked_option
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.step import TrainingStep
from assocmem.probes import Probe
from assocmem.tasks import BigramBatch, BigramTask

Array = NDArray[Any]
EARLY = 64  # positions that every sequence of the experiments has
CHUNK_FLOATS = 2**22  # attention of the sequences that are measured together


class Metrics:
    """Measures weights: ``metrics(weights)`` is one row of a history.

    On each test, a task and a batch of it, by name (which the columns end in, unless it is ""):

    ``loss``
        The task's own, at its own positions.
    ``accuracy``
        In-context accuracy: how often the strict maximum of the logits is the right output, at
        triggers that occurred before.
    ``bigram_loss``, ``bigram_kl``
        Cross-entropy of the next token, and KL(π_b(· | z_t) ‖ p̂_t), averaged over positions that
        are no triggers.
    ``attention_previous``
        Mean layer-1 attention on the token before, over positions from the second on.
    ``attention_induction``
        Mean layer-2 attention on tokens that follow an occurrence of the present token, over
        triggers that occurred before.

    Of the weights: ``norm_...``, Frobenius, of each matrix, and ``recall_...`` of each memory, by
    strict maximum, for the triggers of the task that they learn. Of W_O2: every token that can be
    the output of a trigger, whatever the law of outputs, among all. Of W_K2: every trigger (random
    triggers: every token) among all tokens. Of W_K1: every position from the second to the last but
    one, among those up to it; ``recall_W_K1_64`` asks the first 64 positions only. One layer has
    neither W_K1 nor remapped tokens to look for, and no such columns.

    Source: [BCBJB2023], Section 5: memory recall and attention probes.
    """

    def __init__(
        self,
        task: BigramTask,
        embeddings: FrozenEmbeddings,
        step: TrainingStep,
        tests: Mapping[str, tuple[BigramTask, BigramBatch]],
    ) -> None:
        checked_kind("step", step, TrainingStep)
        self.step, self.tests = step, dict(checked_mapping("tests", tests))
        self.probes = memory_probes(task, embeddings, layers=step.layers)

    def __call__(self, weights: Mapping[str, Array]) -> dict[str, float]:
        """Return one row: every measured quantity by name."""
        row: dict[str, float] = {}
        for name, (task, batch) in self.tests.items():
            measured = self._on(task, batch, weights)
            row |= {f"{key}_{name}" if name else key: value for key, value in measured.items()}
        for name, probe in self.probes.items():
            row[f"recall_{name}"] = probe.recall(weights[probe.name])
        return row | {f"norm_{name}": float(np.linalg.norm(W)) for name, W in weights.items()}

    def _on(
        self, task: BigramTask, batch: BigramBatch, weights: Mapping[str, Array]
    ) -> dict[str, float]:
        """Measure on one batch, a few sequences at a time."""
        length = batch.tokens.shape[1]
        repeated, plain = int(batch.is_repeated.sum()), int((~batch.is_trigger).sum())
        counts = {
            "loss": 1,
            "accuracy": repeated,
            "bigram_loss": plain,
            "bigram_kl": plain,
            "attention_induction": repeated,
        }
        if self.step.layers == 2:
            counts["attention_previous"] = len(batch) * (length - 1)
        sums = dict.fromkeys(counts, 0.0)
        together = max(1, CHUNK_FLOATS // (length * (length + task.n_tokens)))
        for start in range(0, len(batch), together):
            part = self._sums(task, batch, slice(start, start + together), weights)
            sums = {name: total + float(part[name]) for name, total in sums.items()}
        # without such positions there is no mean
        return {name: sums[name] / n if n else float("nan") for name, n in counts.items()}

    def _sums(
        self, task: BigramTask, batch: BigramBatch, rows: slice, weights: Mapping[str, Array]
    ) -> dict[str, Any]:
        """Sum over the positions of some sequences."""
        from scipy.special import log_softmax, xlogy

        tokens, length = batch.tokens[rows], batch.tokens.shape[1]
        where = batch.is_repeated[rows] | ~batch.is_trigger[rows] | (batch.weights[rows] > 0)
        logits, attention = self.step.predict(weights, tokens, where)
        repeated, plain = batch.is_repeated[rows][where], ~batch.is_trigger[rows][where]
        targets, log_p = batch.targets[rows][where], log_softmax(logits.astype(np.float64), axis=1)
        losses = -np.take_along_axis(log_p, targets[:, None], axis=1)[:, 0]
        law = task.language.bigram[tokens[where]][plain]  # of the next token, (positions, N)
        sequence, _ = np.nonzero(where)
        present, before = tokens[where][repeated], tokens[sequence[repeated], :-1]
        follows = before == present[:, None]  # (positions, T - 1): the token before is this one
        sums = {
            "loss": (batch.weights[rows][where] * losses).sum(),
            "accuracy": strict_maximum(logits, targets)[repeated].sum(),
            "bigram_loss": losses[plain].sum(),
            "bigram_kl": (xlogy(law, law) - law * log_p[plain]).sum(),
            "attention_induction": attention[repeated, 1:].sum(where=follows, dtype=np.float64),
        }
        if self.step.layers == 2:
            first = self.step.first_attention(weights, tokens)
            previous = first[:, range(1, length), range(length - 1)]
            sums["attention_previous"] = previous.sum(dtype=np.float64)
        return sums


def memory_probes(
    task: BigramTask, embeddings: FrozenEmbeddings, *, layers: int = 2
) -> dict[str, Probe]:
    """Return what each learned matrix is meant to hold, as `Metrics` defines it.

    >>> import assocmem as am
    >>> task = am.BigramTask(length=128, n_triggers=5)
    >>> emb = am.training.published(task, rng=0)["embeddings"]
    >>> {name: len(probe.cues) for name, probe in memory_probes(task, emb).items()}
    {'W_O2': 60, 'W_K2': 5, 'W_K1': 126, 'W_K1_64': 63}
    """
    checked_kind("task", task, BigramTask)
    checked_kind("embeddings", embeddings, FrozenEmbeddings)
    checked_option("layers", layers, (1, 2))
    embeddings.check_fits(task)
    written, triggers = _possible_outputs(task), task.trigger_tokens
    tokens, positions = embeddings.tokens, embeddings.positions
    keys, outputs = embeddings.values[written], embeddings.outputs
    found = {"W_O2": Probe("W_O2", keys, outputs, written, None, by_query=False)}
    if layers == 1:
        return found
    found["W_K2"] = Probe(
        "W_K2", tokens[triggers], embeddings.remapped_tokens, triggers, None, by_query=True
    )
    for name, last in ("W_K1", task.length - 1), ("W_K1_64", min(task.length - 1, EARLY)):
        queries = np.arange(1, last)
        admitted = np.tri(task.length, dtype=bool)[queries].T
        found[name] = Probe("W_K1", positions[queries], positions, queries - 1, admitted, True)
    return found


def _possible_outputs(task: BigramTask) -> NDArray[np.int64]:
    """Tokens that can follow a trigger, were outputs uniform."""
    if task.random_triggers:
        return task.outputs if task.output_tokens is None else np.array(task.output_tokens)
    law = replace(task, trigger_outputs="uniform").output_law(task.trigger_tokens[None])
    return np.flatnonzero(law.any(axis=(0, 1)))


def strict_maximum(scores: Array, index: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the entry of each row at its index is above all others; a tie is an error."""
    chosen = np.take_along_axis(scores, index[:, None], axis=1)
    return np.asarray((scores >= chosen).sum(axis=1) == 1)

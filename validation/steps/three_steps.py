"""The induction head, hand-built and learned, run by the reference transformer."""

from __future__ import annotations

from typing import Any

import numpy as np

import assocmem as am
from validation import reference
from validation.steps.populations import reference_parameters

SIZES = ((32, 32, 1), (64, 64, 1), (32, 64, 2))


MARGINS = (0.5, 10.0, 20.0)


PIECE = 16  # sequences the reference takes at once: larger temporaries leave the cache


def reference_run(
    embeddings: am.FrozenEmbeddings, weights: dict[str, Any], batch: am.Batch
) -> am.Evaluation:
    """Attention and accuracy at the last position, as the reference transformer computes them."""
    params = reference_parameters(embeddings, weights)
    attention, correct = [], []
    for start in range(0, len(batch), PIECE):
        tokens = batch.tokens[start : start + PIECE]
        targets = batch.targets[start : start + PIECE, -1]
        attention.append(reference.attention(params, tokens)[1][:, -1])
        logits = reference.forward(params, tokens)[:, -1]
        right = logits[np.arange(len(tokens)), targets]
        correct.append((logits >= right[:, None]).sum(axis=1) == 1)
    weight, tau = np.concatenate(attention), am.InductionBatch.of(batch).trigger_position
    on_output = weight[np.arange(len(batch)), tau + 1]
    return am.Evaluation(
        trigger_position=tau,
        attention_on_output=on_output,
        attends_output=(weight >= on_output[:, None]).sum(axis=1) == 1,
        correct=np.concatenate(correct),
    )

"""Check of L3: the gradient of one attention layer at zero."""

from __future__ import annotations

from collections.abc import Iterator

import autograd.numpy as anp
import numpy as np
from autograd import grad
from autograd.scipy.special import logsumexp

import assocmem as am
from validation.runner.cases import ROUNDING, Case, Context, agreement


def _gradient_of_attention(
    x: np.ndarray, y: np.ndarray, outputs: np.ndarray, Phi2: np.ndarray
) -> np.ndarray:
    def loss(w: np.ndarray) -> np.ndarray:
        scores = anp.matmul(x, anp.dot(x[:, -1], w)[:, :, None])[:, :, 0]
        weights = anp.exp(scores - logsumexp(scores, axis=1, keepdims=True))
        read = anp.sum(weights[:, :, None] * x, axis=1)
        logits = anp.dot(read, anp.dot(outputs, Phi2).T)
        log_p = logits - logsumexp(logits, axis=1, keepdims=True)
        return -anp.mean(log_p[np.arange(len(y)), y])

    return grad(loss)(np.zeros((x.shape[2], x.shape[2])))


def check(context: Context) -> Iterator[Case]:
    rng = context.rng
    x, y = rng.normal(size=(10, 5, 6)), rng.integers(4, size=10)
    outputs, Phi2 = rng.normal(size=(4, 7)), rng.normal(size=(7, 6))
    closed = am.gradients.attention_step(x, y, outputs, Phi2).matrix
    measured = -_gradient_of_attention(x, y, outputs, Phi2)
    yield agreement("gradient at W = 0, largest difference", closed, measured, ROUNDING)
    yield Case("its largest entry", closed.max(), measured.max(), ROUNDING * closed.max())

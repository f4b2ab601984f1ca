"""The closed forms of `assocmem.gradients` against automatic differentiation of the definitions."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
from autograd import grad
from autograd.scipy.special import logsumexp


# L1, L2, L3: the definitions, differentiated
def _loss_of_linear(
    w: np.ndarray, inputs: np.ndarray, values: np.ndarray, joint: np.ndarray
) -> np.ndarray:
    logits = anp.dot(values, anp.dot(w, inputs.T))
    return -anp.sum(joint * (logits - logsumexp(logits, axis=0, keepdims=True)))


def _gradient_of_linear(
    matrix: np.ndarray, inputs: np.ndarray, values: np.ndarray, joint: np.ndarray
) -> np.ndarray:
    return grad(_loss_of_linear)(matrix, inputs, values, joint)

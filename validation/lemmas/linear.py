"""The closed forms of `assocmem.gradients` against automatic differentiation of the definitions."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
from autograd import grad
from autograd.scipy.special import logsumexp
from numpy.typing import NDArray

Array = NDArray[Any]


# L1, L2, L3: the definitions, differentiated
def _loss_of_linear(w: Array, inputs: Array, values: Array, joint: Array) -> Array:
    logits = anp.dot(values, anp.dot(w, inputs.T))
    return -anp.sum(joint * (logits - logsumexp(logits, axis=0, keepdims=True)))


def _gradient_of_linear(matrix: Array, inputs: Array, values: Array, joint: Array) -> Array:
    return grad(_loss_of_linear)(matrix, inputs, values, joint)

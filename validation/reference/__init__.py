"""The independent transformers: one with frozen embeddings, and one in which everything trains.

They share no code with the library and import none of it: plain NumPy, differentiated by autograd.
"""

from validation.reference.transformer import (
    Parameters,
    attention,
    cross_entropy,
    forward,
    gradients,
    layers,
    log_softmax,
    loss,
    parameters,
    slope_along,
)

__all__ = [
    "Parameters",
    "attention",
    "cross_entropy",
    "forward",
    "gradients",
    "layers",
    "log_softmax",
    "loss",
    "parameters",
    "slope_along",
]

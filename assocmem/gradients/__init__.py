"""The closed forms of what one gradient step writes into each matrix.

One convention of sign: every function whose name ends in ``step`` returns the descent direction
-∇, so that a step of size η adds η times what it returns.

L1, L2, L3 (`linear_step`, `noisy_linear_step`, `attention_step`) are the steps on the building
blocks. S1, S2, S3 (`first_step`, `second_step`, `third_step`) are the three top-down steps on
`InductionTask`; `bigram_step` is the step on any matrix on `BigramTask`, where frequencies differ
and outputs are averaged over. The leads of these steps at any length, a number or a symbol, are in
`assocmem.gradients.conditions`.
"""

from assocmem.gradients import conditions
from assocmem.gradients.bigram_memories import bigram_memory_step
from assocmem.gradients.bigrams import BigramStep, bigram_predictor, bigram_step
from assocmem.gradients.lemmas import attention as attention  # deprecated
from assocmem.gradients.lemmas import attention_step, linear_step, noisy_linear_step
from assocmem.gradients.lemmas import linear as linear  # deprecated
from assocmem.gradients.lemmas import noisy_linear as noisy_linear  # deprecated
from assocmem.gradients.repeats import output_lead, repeat_weight, repeated_share
from assocmem.gradients.sampled import previous_token_step
from assocmem.gradients.slope import Slope
from assocmem.gradients.steps import (
    first_step,
    second_step,
    third_step,
    third_step_error,
    third_step_slope,
)

__all__ = [
    "BigramStep",
    "Slope",
    "attention_step",
    "bigram_memory_step",
    "bigram_predictor",
    "bigram_step",
    "conditions",
    "first_step",
    "linear_step",
    "noisy_linear_step",
    "output_lead",
    "previous_token_step",
    "repeat_weight",
    "repeated_share",
    "second_step",
    "third_step",
    "third_step_error",
    "third_step_slope",
]

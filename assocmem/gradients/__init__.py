"""The closed forms: what one gradient step writes into each matrix.

L1, L2, L3 (`linear`, `noisy_linear`, `attention`) are the gradients of the building blocks. S1, S2,
S3 (`first_step`, `second_step`, `third_step`) are the three top-down steps on `InductionTask`. The
leads of these steps at any length, a number or a symbol, are in `assocmem.gradients.conditions`.
"""

from assocmem.gradients import conditions
from assocmem.gradients.lemmas import attention, linear, noisy_linear
from assocmem.gradients.slope import Slope
from assocmem.gradients.steps import first_step, second_step, third_step, third_step_slope

__all__ = [
    "Slope",
    "attention",
    "conditions",
    "first_step",
    "linear",
    "noisy_linear",
    "second_step",
    "third_step",
    "third_step_slope",
]

"""What the population gradients at zero attention predict about the triggers of a task.

With the global bigrams known, the first steps on W_O2 and W_K2 write with a lead: that of the
right answer to a cue over its largest competitor. W_O2 is shared by all triggers, and a row of W_K2
serves one of them: the larger the lead, the sooner the head answers.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import assocmem as am
from validation.dynamics.experiments import EXPERIMENTS, SCALES

_SETS = 4  # of draws, where triggers and outputs are too many for all of them


@cache
def output_lead(experiment: str, predictor: Literal["uniform", "bigrams"] = "bigrams") -> float:
    """Median lead of W_O2 after one step, while the model predicts by this p̂."""
    task = EXPERIMENTS[experiment].trained_on(SCALES["quick"])
    return am.gradients.bigram_step(task, "W_O2", predictor=predictor, sets=_SETS, rng=0).lead


def global_first(experiment: str) -> float:
    """1 if the gradient on W_O2 points at the head with the bigrams known, and not before; -1 if
    it does before, and not with them; an error else."""
    before, after = (output_lead(experiment, name) > 0 for name in ("uniform", "bigrams"))
    return sign(float(after) - float(before))


@cache
def query_lead(experiment: str, token: int) -> float:
    """Lead of the row of W_K2 that looks for this token, after one step on W_O2."""
    task = EXPERIMENTS[experiment].trained_on(SCALES["quick"])
    step = am.gradients.bigram_step(task, "W_K2", predictor="bigrams", sets=_SETS, rng=0)
    return float(step.leads[token])


def sign(difference: float) -> float:
    """1 or -1; a difference of 0 predicts nothing and is an error."""
    if difference == 0:
        raise ValueError("difference: expected one that is not 0, to predict a sign; got 0.")
    return 1.0 if difference > 0 else -1.0

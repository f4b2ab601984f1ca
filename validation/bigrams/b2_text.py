"""Check of B2-text: on characters the lead of W_O2 is the mass of repeats to within a fourth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import assocmem as am
from validation.runner.cases import Case, Context

LENGTH = 32
RANKS = {  # of the triggers among the most frequent tokens, from 1
    "1": (1,),
    "3": (3,),
    "5": (5,),
    "21": (21,),
    "1 to 5": range(1, 6),
    "2 to 5": range(2, 6),
    "21 to 25": range(21, 26),
    "1 to 20": range(1, 21),
}
WITHIN = 0.25


def check(context: Context) -> Iterator[Case]:
    masses = []
    for name, ranks in RANKS.items():
        task = characters(ranks)
        m = task.n_tokens - task.n_triggers
        mass = repeats(task)
        masses.append(mass)
        if len(ranks) > 5 and not context.full:
            continue
        sets = 32 if context.full else 8
        step = am.gradients.bigram_step(
            task, "W_O2", predictor="bigrams", sets=sets, rng=context.rng
        )
        ratio = step.lead / ((m - 1) / m**2 * mass)
        yield Case(f"lead over (M-1)/M² V, ranks {name}", 1, ratio, WITHIN, evidence="range")
    spread = max(masses) / min(masses)
    yield Case("V varies by more than 100", 1, spread > 100, 0)


def characters(ranks: Sequence[int], *, loss: Any = "all") -> am.BigramTask:
    """The task on the default language with triggers of these ranks."""
    frequent = am.Language.characters().most_frequent()
    triggers = [int(frequent[rank - 1]) for rank in ranks]
    return am.BigramTask(length=LENGTH, triggers=triggers, loss=loss)


def repeats(task: am.BigramTask) -> float:
    """V of the chain in which a trigger draws a new output at each visit."""
    q = task.trigger_tokens
    kernel = task.language.bigram.copy()
    kernel[q] = task.output_law(q[None])[0]
    law, joint, total = task.language.unigram, np.zeros_like(kernel), 0.0
    for t in range(1, task.length + 1):
        total += joint[q, q].sum() / (t * task.length)  # (earlier, current)
        joint = (joint + np.diag(law)) @ kernel
        law = law @ kernel
    return total

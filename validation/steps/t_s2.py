"""Check of T-S2: step 2 recalls from T = 5 on over the content, over all tokens only if C >
C*(T, K)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

import assocmem as am
from assocmem.gradients import conditions
from validation.runner.cases import ROUNDING, Case, Context
from validation.steps.populations import measured_gradient
from validation.steps.sign import signs
from validation.steps.sizes import moments, over_all, to_another_count


def smallest(candidates: range, holds: Callable[[int], bool]) -> float:
    """The first from which on it holds; not a number if it stops to, or never does."""
    answers = [holds(candidate) for candidate in candidates]
    first = answers.index(True) if True in answers else len(answers)
    return float(candidates[first]) if answers[first:] and all(answers[first:]) else math.nan


def check(context: Context) -> Iterator[Case]:
    """T-S2: thresholds and signs, by the tables and by the reference."""
    yield from thresholds(context)
    yield from signs(context)


def thresholds(context: Context) -> Iterator[Case]:
    sizes = [(5, 1), (5, 2), (6, 1), *([(6, 2), (7, 1)] if context.full else [])]
    for length, k in sizes:
        limit = conditions.fewest_content(length, k, moments(length))
        predicted = 1 + math.floor(limit)
        measured = smallest(range(2, predicted + 2), partial(reference_recalls, length, k))
        yield Case(
            f"reference: fewest C, all, T={length} K={k}",
            predicted,
            measured,
            0,
            evidence="enumeration",
            sees=to_another_count(limit),
        ).of("b")
    for length, k in itertools.product((8, 16, 64), (1, 4, 64)):
        limit = conditions.fewest_content(length, k, moments(length))
        predicted = 1 + math.floor(limit)
        around = range(max(2, predicted - 4), predicted + 4)
        measured = smallest(around, lambda content: recalls(over_all(content, length, k)))  # noqa: B023
        name, sees = f"fewest C, all, T={length} K={k}", to_another_count(limit)
        yield Case(name, predicted, measured, 0, sees=sees).of("b")
    for content, k in ((10, 1), (16, 4)):
        predicted, before, limit = 8, 0.0, 0.0
        while limit < content:
            before, limit = limit, conditions.fewest_content(predicted, k, moments(predicted))
            predicted += limit < content
        sees = max(1 - content / limit, content / before - 1)
        around = range(predicted - 8, predicted + 8)
        measured = smallest(around, lambda t: not recalls(over_all(content, t, k)))  # noqa: B023
        name = f"shortest T without a lead, all, C={content} K={k}"
        yield Case(name, predicted, measured, 0, sees=sees).of("b")
    sizes = list(itertools.product(range(2, 14), range(1, 6)))
    positive = {(content, k) for content, k in sizes if recalls(over_all(content, 4, k))}
    expected = {(c, 1) for c in range(2, 12)} | {(c, 2) for c in range(3, 10)}
    yield Case("exceptions at T=4, symmetric difference", 0, len(positive ^ expected), 0).of("b")
    for length in (9, 13, 14, 40, 41, 64):
        tasks = {n: am.InductionTask(n, length, "random", "all") for n in range(4, 12)}
        measured = smallest(range(4, 12), lambda n: recalls(tasks[n]))  # noqa: B023
        predicted = conditions.fewest_tokens_random(length)
        yield Case(f"random triggers, T={length}: lead > 0 from N", predicted, measured, 0).of("c")


def recalls(task: am.InductionTask) -> bool:
    """Whether step 2 has a positive lead, by the closed form."""
    return bool(am.gradients.second_step(task).lead > 0)


def reference_recalls(length: int, k: int, content: int) -> bool:
    """The same for prediction over all tokens, by the sign of J that the reference measures."""
    task = over_all(content, length, k)
    emb = am.FrozenEmbeddings.orthonormal(task)
    first = {"W_O2": measured_gradient(task, "W_O2")}
    matrix = measured_gradient(task, "W_K2", [first])
    wanted = emb.tokens[0] @ matrix @ emb.Phi1 @ emb.tokens[0]
    return bool(wanted > ROUNDING * np.abs(matrix).max())

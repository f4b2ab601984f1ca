"""Check of S3b-bound: the tables of steps 1 and 2 bound the error of S3b at every length."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

import assocmem as am
from validation.runner.cases import Case, Context
from validation.steps.paired import Dropped, dropped_part
from validation.steps.populations import _describe
from validation.steps.s3b import dropped_up_to_symmetry


def check(context: Context) -> Iterator[Case]:
    """What is dropped over its bound, in the row where that is largest."""
    sizes = itertools.product((5, 8), (1, 3), (21, 1000), (0.1, 1.0))
    for length, k, n, lead in (*sizes, (8, 1, 1000, 10.0), (9, 2, 100, 10.0)):
        part = dropped_up_to_symmetry(n, length, k, lead)
        yield _within_bound(am.InductionTask(n, length, k), lead, part)
    for length, lead in itertools.product((16, 32, 64) if context.full else (), (1.0, 10.0)):
        task = am.InductionTask(33, length)
        batch = task.sample(2**19 // length, rng=context.rng)
        yield _within_bound(task, lead, dropped_part(task, lead=lead, batch=batch))


def _within_bound(task: am.InductionTask, lead: float, part: Dropped) -> Case:
    """The bound holds in every row, and in one of them it is within a factor of 10⁵."""
    dropped = np.abs(part.difference).max(axis=1)[1:-1]
    share = (dropped / am.gradients.third_step_error(task, lead)[1:]).max()
    name = f"dropped / bound, {_describe(task)} lead={lead:g}"
    return Case(name, 1, share, 1 - 1e-5, evidence="bound")

"""The sign of the lead of step 2 over the content, and where random triggers have one: for T-S2."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import assocmem as am
from validation.runner.cases import ROUNDING, Case, Context
from validation.steps.populations import _describe, _first, measured_gradient


def _measured_lead(task: am.InductionTask) -> float:
    matrix = measured_gradient(task, "W_K2", [_first(task)])
    probe = am.probe("W_K2", task, am.FrozenEmbeddings.orthonormal(task))
    return float(np.median(probe.margins(matrix)))


def signs(context: Context) -> Iterator[Case]:
    for part, task in (
        ("c", am.InductionTask(4, 6, "random", "all")),
        ("a", am.InductionTask(4, 6)),
        ("a", am.InductionTask(4, 4)),
    ):
        predicted = am.gradients.second_step(task).lead
        tolerance = ROUNDING * np.abs(measured_gradient(task, "W_K2", [_first(task)])).max()
        yield Case(
            f"lead, {_describe(task)}",
            predicted,
            _measured_lead(task),
            tolerance,
            evidence="enumeration",
        ).of(part)
    sizes = [(4, 1), (4, 2), (5, 1), (5, 3)] if context.full else [(4, 1), (4, 2)]
    for n, k in sizes:
        leads = {t: _measured_lead(am.InductionTask(n, t, k)) for t in (3, 4, 5, 6)}
        measured = min((t for t, lead in leads.items() if lead > 0), default=np.nan)
        name = f"smallest T with a positive lead, N={n} K={k}"
        yield Case(name, 5, measured, 0, evidence="enumeration").of("a")
    for n, k in ((10, 1), (1000, 10), (10**6, 1), (10**6, 1000)):
        closed = [am.gradients.second_step(am.InductionTask(n, t, k)).lead for t in range(3, 33)]
        first = 3 + int(np.argmax(np.array(closed) > 0))
        stays = bool((np.array(closed[first - 3 :]) > 0).all())
        name = f"the same for N={n} K={k}, closed form"
        yield Case(name, 5, first if stays else np.nan, 0).of("a")
    for length, predicted in ((5, 38), (6, 11), (7, 8), (8, 7)):
        tasks = (am.InductionTask(n, length, "random", "all") for n in range(4, 64))
        negative = [task.n_tokens for task in tasks if am.gradients.second_step(task).lead <= 0]
        name = f"random triggers, T={length}: lead > 0 from N"
        yield Case(name, predicted, max(negative) + 1, 0).of("c")

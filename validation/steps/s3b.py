"""Check of S3b: step 3 at finite lead: what the closed form drops falls like 1/C^2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

import assocmem as am
from validation import reference
from validation.runner.cases import FALSE_ALARM, ROUNDING, Case, Context, agreement
from validation.steps.paired import dropped_part
from validation.steps.populations import _first, reference_parameters

Array = NDArray[Any]


def check(context: Context) -> Iterator[Case]:
    """Exactly on enumerated populations; in the full profile also by paired sampling, T <= 64."""
    contents = np.array([8, 16, 32, 40])
    exact = []
    for content in contents:
        task = am.InductionTask(int(content) + 1, 5)
        batch = task.enumerate()
        result = dropped_part(task, lead=1.0, batch=batch)
        exact.append(result.relative)
        if content <= 16:
            rounding = ROUNDING * len(batch) ** 0.5
            measured, where = _reference_third_step(task, 1.0), f"C={content} T=5"
            yield agreement(
                f"paired sums are the reference's, {where}", result.exact, measured, rounding
            )
            closed = am.gradients.third_step(task, 1.0)["p", "p"]
            yield agreement(f"closed form is what is kept, {where}", closed, result.kept, rounding)
    # Dropped = (c_0 + c_1/C + c_2/C^2) / C^2 + ...: three sizes give the c, the fourth checks them.
    powers = (1 / contents[:, None]) ** np.arange(3)
    coefficients = np.linalg.solve(powers[:3], (contents**2 * exact)[:3])
    name = "C^2 dropped part, T=5, C=40 from C <= 32"
    last_term = abs(coefficients[2] * powers[3, 2])
    yield Case(name, powers[3] @ coefficients, 40**2 * exact[3], last_term)

    z = norm.isf(FALSE_ALARM / 8)
    for length in (8, 16, 32, 64) if context.full else ():  # small differences: many sequences
        sizes = np.array([8, 32, 32]) * 2**18 // length
        scaled, errors = [], []
        for content, size in zip((16, 32, 64), sizes, strict=True):
            task = am.InductionTask(content + 1, length)
            batch = task.sample(int(size), rng=context.rng)
            result = dropped_part(task, lead=10.0, batch=batch)
            scaled.append(content**2 * result.sub_diagonal)
            errors.append(content**2 * result.sub_diagonal_error)
        # c_0 + c_1/C, from C = 16 and 32 on to 64; half of that step for the terms beyond.
        step = (scaled[1] - scaled[0]) / 2
        tolerance = z * np.linalg.norm(np.array([0.5, 1.5, 1.0]) * errors) + abs(step) / 2
        name = f"C^2 dropped part, T={length}, C=64, sampled"
        yield Case(name, scaled[1] + step, scaled[2], tolerance)


def _reference_third_step(task: am.InductionTask, lead: float) -> Array:
    emb, batch = am.FrozenEmbeddings.orthonormal(task), task.enumerate()
    second = am.gradients.second_step(task)
    params = reference_parameters(emb, {"W_K2": second.memory(emb) * (lead / second.lead)})
    gradient = reference.gradients(
        params, batch.tokens, batch.targets, batch.weights, wrt=["W_K1"], along=[_first(task)]
    )["W_K1"]
    positions = slice(task.n_tokens, task.n_tokens + task.length)
    return -gradient[positions, positions]

"""Check of H1: rotating a head's weights at random is a valid null, with exact moments."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from assocmem.heads import Null
from validation.heads.models import detections, random_model
from validation.runner import tolerances
from validation.runner.cases import Case, Context


def check(context: Context) -> Iterator[Case]:
    """H1: moments over drawn rotations, and p-values of random models, against the uniform law."""
    yield from (case.of("a") for case in rotations(context))
    yield from p_values(context)


def fourth_moment(B: np.ndarray) -> float:
    """E tr(QB)^4 over rotations, as H1 (a) states it."""
    d, square = len(B), np.sum(B**2)
    quartic = np.sum((B.T @ B) ** 2)
    return float(3 * ((d + 1) * square**2 - 2 * quartic) / (d * (d - 1) * (d + 2)))


def rotations(context: Context) -> Iterator[Case]:
    """H1 (a): mean, variance and fourth moment for weights of several ranks.

    Square weights are orthogonal: equal singular values are the farthest from a single one.
    """
    rng, draws = context.rng, 320_000 if context.full else 80_000
    sizes = ((1, 3), (2, 6), (6, 6), (8, 16)) if context.full else ((1, 3), (2, 6), (6, 6))
    tests = 3 * len(sizes)
    for m, d in sizes:
        weights, direction = rng.standard_normal((2, m, d))
        if m == d:
            weights, direction = np.eye(d), stats.ortho_group.rvs(d, random_state=rng)
        null = Null(weights, direction)
        Q = stats.ortho_group.rvs(d, size=draws, random_state=rng)
        D = np.einsum("ak,nkj,aj->n", null.weights, Q, null.direction)
        name = f"rank {m}, d = {d}"
        yield tolerances.sample_mean(f"{name}: mean", 0, D / null.std, tests=tests)
        yield tolerances.sample_mean(f"{name}: mean square", null.std**2, D**2, tests=tests)
        yield tolerances.sample_mean(
            f"{name}: fourth moment", fourth_moment(null.turned), D**4, tests=tests
        )


def p_values(context: Context) -> Iterator[Case]:
    """H1: Kolmogorov's distance of p-values over random models from the uniform law.

    The law of rotations is normal only in the limit; here it is not told from it.
    """
    models, draws = (1500 if context.full else 300), 99
    settings = [(uniform, coherence) for uniform in (False, True) for coherence in (0.0, 0.9)]
    tests = 3 * (2 * len(settings) + 2)
    for uniform, coherence in settings:
        found: dict[tuple[str, str], list[float]] = {}
        for _ in range(models):
            model = random_model(context.rng, uniform=uniform, coherence=coherence)
            for kind, each in detections(model).items():
                share = each.permutation_p_value(draws=draws, rng=context.rng)
                spread = share - context.rng.uniform(0, 1 / (draws + 1))  # of 1/100, ..., 1
                found.setdefault((kind, "permutation"), []).append(spread)
                found.setdefault((kind, "rotation"), []).append(each.p_value())
                if not uniform:
                    found.setdefault((kind, "gaussian"), []).append(each.p_value("gaussian"))
        entries = "uniform" if uniform else "normal"
        for (kind, law), p in found.items():
            case = f"{kind}, {entries} weights, mean cosine {coherence:g}: p by {law}"
            part = {"rotation": "a", "permutation": "b", "gaussian": "c"}[law]
            yield tolerances.law(case, p, stats.uniform.cdf, tests=tests).of(part)

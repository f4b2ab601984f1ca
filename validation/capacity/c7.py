"""Check of C7: the Gaussian approximation of recall errs by at most 1/(2d) at equal weights."""

from __future__ import annotations

from collections.abc import Iterator

from assocmem import capacity
from validation.capacity.draws import law
from validation.runner import tolerances
from validation.runner.cases import Case, Context


def check(context: Context) -> Iterator[Case]:
    """C7: the Gaussian approximation against the exact law, from nearly full recall to little."""
    widths = (8, 16, 32, 64) if context.full else (8, 16, 32)
    draws = 400_000 if context.full else 20_000
    factors = (0.4, 0.7, 1, 2)
    tests = 2 * len(widths) * len(factors)
    within = tolerances.standard_errors(tests)
    for d in widths:
        for classes in (None, 8):
            for factor in factors:
                most = factor * capacity.capacity(d, classes=classes)
                n = 8 * max(1, round(most / 8)) if classes else round(most)
                exact, error = law(n, d, draws, context.rng, classes=classes)
                approximate = capacity.recall_probability(n, d, classes=classes)
                case = f"n = {n}, {f'{classes} classes' if classes else 'one to one'}, d = {d}"
                yield Case(case, approximate, exact, 1 / (2 * d) + within * error, evidence="range")

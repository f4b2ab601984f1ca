"""Check of W3: a width at which the three memories are recalled with probability 1 - delta."""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from typing import Any

import numpy as np
from scipy import optimize

import assocmem as am
from assocmem.width import moments as step_noise
from validation.runner import tolerances
from validation.runner.cases import Case, Context
from validation.width.written import written


def sufficient_width(task: am.InductionTask, delta: float) -> tuple[int, dict[str, Any]]:
    """Smallest d where Cantelli and the union bound leave at most delta; and the memories."""
    memories = am.top_down(task, evaluate_on=None).memories
    moments = step_noise.recall_moments(task, memories)
    limit = am.FrozenEmbeddings.orthonormal(task)
    probes = {name: am.probe(name, task, limit) for name in memories}

    def failure(log_d: float) -> float:
        return sum(
            step_noise.cantelli_failure(moments[name], np.exp(log_d), probe.targets, probe.among)
            for name, probe in probes.items()
        )

    root = optimize.brentq(lambda x: failure(x) - delta, log(10), log(1e12), xtol=1e-3)
    return int(np.ceil(np.exp(root + 1e-3))), memories


# Per size the stated width at delta = 0.1; how many times smaller a width is too small; and the
# share of draws where all is recalled there, at most.
SUFFICIENT = {
    (8, 16, 1): (4.25e4, 100, 0.7),
    (16, 32, 1): (6.82e4, 500, 0.7),
    (16, 64, 1): (1.42e6, 300, 0.2),
}


def all_recalled(
    task: am.InductionTask, memories: dict[str, Any], d: int, draws: int, rng: np.random.Generator
) -> int:
    """In how many draws of the embeddings every cue of every memory is recalled."""
    found = 0
    for _ in range(draws):
        emb = am.FrozenEmbeddings.random(task, width=d, compressed=True, rng=rng)
        found += all(
            am.probe(name, task, emb).recall(written(memory, name, emb)) == 1
            for name, memory in memories.items()
        )
    return found


def check(context: Context) -> Iterator[Case]:
    """W3: the width of the bound, how often a cue fails there, and that far below many do."""
    sizes = list(SUFFICIENT) if context.full else [(8, 16, 1)]
    delta, draws, few = 0.1, 1000 if context.full else 200, 600
    for size in sizes:
        task = am.InductionTask(*size)
        d, memories = sufficient_width(task, delta)
        stated, times, share = SUFFICIENT[size]
        where = f"(N, T, K) = {size}"
        # three digits stated, each half a unit of the last off at most: by 0.5 % or less
        yield Case(
            f"{where}: d off {stated:.3g}, |ln|", 0, abs(log(d / stated)), 0.005, evidence="bound"
        )
        failed = draws - all_recalled(task, memories, d, draws, context.rng)
        yield tolerances.frequency(
            f"{where}, d = {d}: some cue fails", delta, failed, draws, tests=2 * len(sizes)
        )
        found = all_recalled(task, memories, d // times, few, context.rng)
        yield tolerances.frequency(
            f"{where}: all recalled at d/{times}", share, found, few, tests=2 * len(sizes)
        )

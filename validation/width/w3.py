"""Check of W3: at a known width the three memories are recalled with probability 1 - delta."""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from typing import Any

import numpy as np

import assocmem as am
from validation.runner import tolerances
from validation.runner.cases import Case, Context
from validation.width.written import written

# Per size the stated width at delta = 0.1; how many times smaller a width is too small; and the
# share of draws where all is recalled there, at most.
SUFFICIENT = {
    (8, 16, 1): (4.34e4, 100, 0.7),
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
    delta, draws, few = 0.1, 1000 if context.full else 400, 600
    for size in sizes:
        task = am.InductionTask(*size)
        d = am.width.required_width(task, delta)
        memories = am.top_down(task, evaluate_on=None).memories
        stated, times, share = SUFFICIENT[size]
        where = f"(N, T, K) = {size}"
        # three digits stated, each half a unit of the last off at most: by 0.5 % or less
        yield Case(
            f"{where}: d off {stated:.3g}, |ln|",
            0,
            abs(log(d / stated)),
            0.005,
            evidence="identity",
        )
        failed = draws - all_recalled(task, memories, d, draws, context.rng)
        yield tolerances.frequency(
            f"{where}, d = {d}: some cue fails", delta, failed, draws, tests=2 * len(sizes)
        )
        found = all_recalled(task, memories, d // times, few, context.rng)
        yield tolerances.frequency(
            f"{where}: all recalled at d/{times}", share, found, few, tests=2 * len(sizes)
        )

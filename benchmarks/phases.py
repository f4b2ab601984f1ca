"""Where a training step spends its time: seconds, products and bytes of each phase.

Operations are those that are executed: two for each product of numbers, in the blocks and chunks in
which the passes work, repetitions of positions included. Bytes are those of the arrays that the
products of a phase read and write, each counted once. The rate is compared with that of a product
of 4096 x 4096 matrices on as many threads.

    python -m benchmarks.phases             # the smallest setting
    python -m benchmarks.phases 256 128 512

`benchmarks.phases_before` says the same of the first version, in fewer phases.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import Any

import numpy as np

import assocmem as am
from assocmem.model import passes, streams
from assocmem.model.step import TrainingStep
from benchmarks import history
from benchmarks.clock import HEADS, Clock, Work, count, line, product_rate

REPEATS = 7
NAMES = ("W_K1", "W_K2", "W_O2")
PHASES = {  # a phase, and the functions whose time it is
    "layer 1: scores and softmax": [(streams.FirstLayer, "maps")],
    "x1 = x + b V": [(streams.Vectors, "__init__")],
    "layer 2: queries": [(streams.Vectors, "at"), (streams.Vectors, "times")],
    "layer 2: products with x1, forward and back": [(streams.Vectors, "dot")],
    "layer 2: softmax": [(passes.Pass, "_softmax")],
    "layer 2: averages of x1, forward and back": [(streams.Vectors, "sum")],
    "logits, loss, and back": [(passes.Pass, "__init__"), (passes.Pass, "_cross_entropy")],
    "gradients on W_O2, W_K2 and queries": [(passes.Pass, "backward"), (passes.Pass, "_product")],
    "layer 1: products with V": [(streams.Vectors, "remapped")],
    "layer 1: gradient on scores": [(streams.FirstLayer, "add"), (passes.Pass, "_first_backward")],
}


def work(step: TrainingStep, batch: am.Batch) -> Work:
    """Operations and bytes of the products in each phase, from the blocks of each chunk."""
    tables = step._tables(step._checked_weights({}), batch.tokens.shape[1])
    assert tables.first is not None
    n, d, classes = tables.n_tokens, len(tables.K2), len(tables.O)
    found: Work = dict.fromkeys(PHASES, (0.0, 0.0))
    add, names = partial(count, found), list(PHASES)
    for chunk in tables.chunks(batch.tokens, batch.weights > 0):
        (size, length), queries = chunk.tokens.shape, chunk.positions.shape[1]
        flat = size * queries
        for block in tables.first.blocks:
            rows, keys = block.stop - block.start, block.stop
            late = int((chunk.positions < block.start).sum(axis=1).min())
            add(names[0], (size, rows, n, keys))
            add(names[1], (size, rows, keys, d))
            add(names[9], (size, rows, 2 * (queries - late), keys), (size, rows, keys, n))
            add(names[9], (1, n, size * rows, keys))
        add(names[9], (1, n, size * length, n))
        add(names[2], (1, flat, d, d))
        for block, end in chunk.blocks():
            these = block.stop - block.start
            add(names[3], *[(size, these, d, end)] * 2)
            add(names[5], *[(size, these, end, d)] * 2)
            add(names[8], *[(size, these, d, end)] * 3)
        add(names[7], *[(1, flat, d, classes)] * 5, *[(1, flat, d, d)] * 2)
    return found


def measured(step: TrainingStep, weights: dict[str, Any], batch: am.Batch) -> dict[str, float]:
    """Seconds of each phase in the median step, on one thread."""
    clock = Clock()
    kept = [(owner, name, getattr(owner, name)) for some in PHASES.values() for owner, name in some]
    for phase, some in PHASES.items():
        for owner, name in some:
            setattr(owner, name, clock.timed(phase, getattr(owner, name)))
    found: list[dict[str, float]] = []
    try:
        for _ in range(REPEATS + 1):
            clock.seconds = {}
            started = time.thread_time()
            step.loss_and_gradients(weights, batch, NAMES)
            total = time.thread_time() - started
            found.append({**clock.seconds, "total": total})
    finally:
        for owner, name, function in kept:
            setattr(owner, name, function)
    return {phase: float(np.median([one[phase] for one in found[1:]])) for phase in found[-1]}


def main(length: int = 64, width: int = 128, size: int = 128) -> None:
    task, rng = am.BigramTask(length=length), np.random.default_rng(0)
    emb = am.FrozenEmbeddings.random(task, width=width, rng=rng).astype(np.float32)
    weights = {k: am.gaussian(width, width, rng=rng, dtype=np.float32) for k in NAMES}
    step, batch = TrainingStep(emb), task.sample(size, rng=rng)
    found: dict[str, dict[str, float]] = {}
    seconds, done = measured(step, weights, batch), work(step, batch)
    rate = float(np.median([product_rate() for _ in range(REPEATS)]))
    print(
        f"T={length} d={width} batch={size}, one thread; a large product: {rate / 1e9:.0f} GFLOP/s"
    )
    print(HEADS)
    for phase in PHASES:
        spent, (operations, moved) = seconds.get(phase, 0.0), done[phase]
        share = operations / spent / rate if spent else 0.0
        found[phase] = {"seconds": spent, "operations": operations, "bytes": moved, "share": share}
        print(line(phase, spent, operations, moved, share))
    operations, moved = (sum(one[i] for one in done.values()) for i in (0, 1))
    rest = seconds["total"] - sum(seconds.get(phase, 0.0) for phase in PHASES)
    print(f"{'tables, chunks, sums of lanes':46s}{rest * 1e3:8.2f}")
    share = operations / seconds["total"] / rate
    print(line("total", seconds["total"], operations, moved, share))
    name = f"phases, T={length}, d={width}, batch={size}"
    kept = history.keep("phases", {name: {"share": share, "phases": found}}, threads=1)
    print(f"kept in {kept}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

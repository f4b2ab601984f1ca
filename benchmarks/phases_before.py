"""Where the training step of version 0.1 spends its time, beside that of this version.

The phases are those that both versions have: seven, by the functions of either. Operations are
those that are executed, and bytes those of the arrays in products, as in `benchmarks.phases`.

    python -m benchmarks.phases_before FOLDER             # a checkout of the last commit of 0.1
    python -m benchmarks.phases_before FOLDER 256 128 512
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

import assocmem as am
from benchmarks import history
from benchmarks.clock import HEADS, Clock, Work, count, line, product_rate

REPEATS = 7
NAMES = ("W_K1", "W_K2", "W_O2")
FIRST, X1, SECOND, LOGITS, BACK, REMAPPED, SCORES = PHASES = (
    "layer 1: scores and softmax",
    "x1 = x + b V",
    "layer 2: scores, softmax, averages",
    "logits, loss, gradients on W_O2 and W_K2",
    "layer 2, backwards",
    "gradient on x1, or its products with V",
    "layer 1: gradient on scores",
)
OLD = {  # the functions of 0.1 in `assocmem.training.passes`
    "first_layer": FIRST,
    "Pass._first_layer": X1,
    "Pass._second_layer": SECOND,
    "Pass._logits": LOGITS,
    "Pass.backward": LOGITS,
    "Pass._second_backward": BACK,
    "Pass._g_x1": REMAPPED,
    "Pass._first_backward": SCORES,
}
NEW = {  # and of this version in `assocmem.model.passes`
    "FirstLayer.maps": FIRST,
    "Vectors.__init__": X1,
    "Vectors.at": SECOND,
    "Vectors.times": SECOND,
    "Vectors.dot": SECOND,
    "Vectors.sum": SECOND,
    "Pass._softmax": SECOND,
    "Pass.__init__": LOGITS,
    "Pass.backward": LOGITS,
    "Vectors.remapped": REMAPPED,
    "Pass._first_backward": SCORES,
    "FirstLayer.add": SCORES,
}
AGAIN = ("Vectors.dot", "Vectors.sum")  # which the backward pass of this version calls too


def timed(clock: Clock, passes: Any, functions: dict[str, str]) -> list[tuple[Any, Any]]:
    """Let a clock run in the functions; what comes back fills with tables and chunks."""
    chunks, backwards = [], []
    for name, phase in functions.items():
        owner, _, method = name.rpartition(".")
        owner = getattr(passes, owner) if owner else passes
        original = getattr(owner, method)
        run = clock.timed(phase, original)
        if name in AGAIN:
            back = clock.timed(BACK, original)
            run = lambda *given, a=run, b=back: (b if backwards else a)(*given)  # noqa: E731
        setattr(owner, method, run)
    start, backward = passes.Pass.__init__, passes.Pass.backward

    def started(self, tables, chunk, buffers):
        chunks.append((tables, chunk))
        backwards.clear()
        start(self, tables, chunk, buffers)

    def turned(*given):
        backwards.append(True)
        backward(*given)

    passes.Pass.__init__, passes.Pass.backward = started, turned
    return chunks


def work(chunks: list[tuple[Any, Any]], n: int, d: int, classes: int) -> Work:
    """Operations and bytes of each phase, from the blocks of each chunk."""
    found: Work = dict.fromkeys(PHASES, (0.0, 0.0))
    add = partial(count, found)
    for tables, chunk in chunks:
        new = hasattr(tables, "first")
        (size, length), queries = chunk.tokens.shape, chunk.positions.shape[1]
        flat = size * queries
        for block in (tables.first if new else tables).blocks:
            rows, keys = block.stop - block.start, block.stop
            late = int((chunk.positions < block.start).sum(axis=1).min())
            add(FIRST, (size, rows, n, keys))
            add(X1, (size, rows, keys, d))
            add(SCORES, (size, rows, 2 * (queries - late) if new else d, keys))
            add(SCORES, (size, rows, keys, n), (1, n, size * rows, keys))
        add(SCORES, (1, n, size * length, n))
        add(SECOND, (1, flat, d, d))
        for block, end in chunk.blocks():
            product = (size, block.stop - block.start, d, end)
            add(SECOND, *[product] * 2)
            add(BACK, *[product] * 2)
            add(REMAPPED, *[product] * (3 if new else 2))
        add(LOGITS, *[(1, flat, d, classes)] * 3, (1, flat, d, d))  # two forward, g_O; g_W_K2
        add(LOGITS if new else BACK, (1, flat, d, classes))  # g_m
        add(LOGITS if new else REMAPPED, (1, flat, d, classes), (1, flat, d, d))  # g_x1 at L
    return found


def measure(new: bool, length: int, width: int, size: int) -> None:
    """Print the table of the version that is imported."""
    passes = import_module("assocmem.model.passes" if new else "assocmem.training.passes")
    training, clock = import_module("assocmem.training"), Clock()
    chunks = timed(clock, passes, NEW if new else OLD)
    task, rng = am.BigramTask(length=length), np.random.default_rng(0)
    emb = am.FrozenEmbeddings.random(task, width=width, rng=rng).astype(np.float32)
    weights = {k: am.gaussian(width, width, rng=rng, dtype=np.float32) for k in NAMES}
    step, batch, found = training.TrainingStep(emb), task.sample(size, rng=rng), []
    for _ in range(REPEATS + 1):
        clock.seconds = {}
        chunks.clear()
        started = time.thread_time()
        step.loss_and_gradients(weights, batch, NAMES)
        found.append({**clock.seconds, "total": time.thread_time() - started})
    rate = float(np.median([product_rate() for _ in range(3)]))
    done = work(chunks, emb.n_tokens, width, emb.n_outputs)
    done["total"] = tuple(map(sum, zip(*done.values(), strict=True)))
    which = "today" if new else "before"
    print(f"{which}: T={length} d={width} batch={size}, one thread")
    print(HEADS)
    phases = {}
    for phase, (operations, moved) in done.items():
        spent = float(np.median([one[phase] for one in found[1:]]))
        share = operations / spent / rate
        phases[phase] = {"seconds": spent, "operations": operations, "bytes": moved, "share": share}
        print(line(phase, spent, operations, moved, share))
    name = f"phases {which}, T={length}, d={width}, batch={size}"
    case = {"share": phases["total"]["share"], "phases": phases}
    print(f"kept in {history.keep('phases_before', {name: case}, threads=1)}")


def main(folder: str = "", *sizes: int) -> None:
    if not folder:
        return print(__doc__)
    size = sizes or (64, 128, 128)
    for version in (folder, str(history.ROOT)):
        new = int(version != folder)
        code = (
            f"import sys; sys.path[:0] = [{version!r}, {str(history.ROOT)!r}]; "
            f"from benchmarks import phases_before as p; p.measure({new}, *{size})"
        )
        subprocess.run([sys.executable, "-c", code], cwd=version, env=os.environ, check=True)
    return None


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:]))

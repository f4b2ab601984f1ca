"""The three steps and what measures them, at infinite width; and a version before, in turns.

python -m benchmarks.top_down                    # seconds
python -m benchmarks.top_down --before FOLDER    # a checkout of an earlier version: ratios
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable

from benchmarks import history, versions

SIZES = ((64, 128), (65, 256))
SEQUENCES = 10_000
REPEATS = 3


def cases(n: int, length: int, sequences: int) -> dict[str, Callable[[], object]]:
    """What is timed; the calls are those of any version."""
    import numpy as np

    import assocmem as am

    task = am.InductionTask(n, length)
    batch = task.sample(sequences // 10, rng=0)
    model = am.top_down(task, rng=0, evaluate_on=1).model()
    where = f"N={n}, T={length}"
    return {
        f"top_down, {sequences} sequences, {where}": lambda: am.top_down(
            task, rng=np.random.default_rng(0), evaluate_on=sequences
        ),
        f"evaluate, {sequences // 10} sequences, {where}": lambda: am.evaluate(model, batch),
        f"loss, {sequences // 10} sequences, {where}": lambda: model.loss(batch),
        f"logits at 3 positions, {sequences // 10} sequences, {where}": lambda: model.logits(
            batch.tokens, positions=[0, length // 2, -1]
        ),
        f"gradients, {sequences // 10} sequences, {where}": lambda: model.loss_and_memories(batch),
    }


def serve(n: int, length: int, sequences: int) -> None:
    """Time all cases once for each line that comes in."""
    some = cases(n, length, sequences)
    print(len(some), flush=True)
    for _ in sys.stdin:
        for name, function in some.items():
            started = time.perf_counter()
            function()
            print(f"{time.perf_counter() - started}\t{name}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", metavar="FOLDER", help="a checkout of an earlier version")
    parser.add_argument("--sequences", type=int, default=SEQUENCES)
    arguments = parser.parse_args()
    found: dict[str, object] = {}
    for size in SIZES:
        folders = [None, arguments.before] if arguments.before else [None]
        numbers = (*size, arguments.sequences)
        call = f"from benchmarks.top_down import serve; serve{numbers}"
        runners = [versions.started(folder, call) for folder in folders]
        turns = [[versions.turn(runner) for runner in runners] for _ in range(REPEATS)]
        for runner in runners:
            runner.close()
        for name in turns[0][0]:
            ours = statistics.median(one[0][name] for one in turns)
            print(f"{name:52s}{ours:9.3f} s", end="")
            if arguments.before:
                ratio = statistics.median(one[1][name] / one[0][name] for one in turns)
                found[name] = {"ratios": {"assocmem, before": {"wall": ratio}}, "seconds": ours}
                print(f"{ratio:8.1f} x before", end="")
            print(flush=True)
    if found:
        threads = int(os.environ.get("OPENBLAS_NUM_THREADS", os.cpu_count() or 1))
        print(f"kept in {history.keep('top_down', found, threads=threads)}")


if __name__ == "__main__":
    main()

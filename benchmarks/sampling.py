"""Sampling of in-context bigrams: the library against a loop with rng.choice, token by token.

    python -m benchmarks.sampling                    # sequences a second, and times the loop
    python -m benchmarks.sampling --before FOLDER    # and a checkout of an earlier version

A batch is drawn while the one before is still held, as in training; once as memory comes, and once
with an allocator that keeps it, as in `benchmarks.training_step`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import numpy as np

from benchmarks import history, versions

LENGTH, SIZE, FEW, REPEATS = 256, 512, 20, 9


def loop_sample(task, rng: np.random.Generator) -> list[int]:
    """A sequence, token by token."""
    language, n = task.language, task.n_tokens
    law = task.output_law(task.trigger_tokens[None])[0]
    output = {q: rng.choice(n, p=row) for q, row in zip(task.trigger_tokens, law, strict=True)}
    tokens = [rng.choice(n, p=language.unigram)]
    while len(tokens) <= task.length:
        z = tokens[-1]
        tokens.append(output[z] if z in output else rng.choice(n, p=language.bigram[z]))
    return tokens


def serve() -> None:
    """For each line that comes in: seconds of a batch, and of as many sequences by the loop."""
    import assocmem as am

    task, rng = am.BigramTask(length=LENGTH), np.random.default_rng(0)
    batch = task.sample(SIZE, rng=rng)
    print(2, flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        for _ in range(FEW):
            batch = task.sample(SIZE, rng=rng)
        middle = time.perf_counter()
        for _ in range(FEW):
            loop_sample(task, rng)
        ended = time.perf_counter()
        assert len(batch) == SIZE
        print(f"{(middle - started) / FEW}\tours", flush=True)
        print(f"{(ended - middle) / FEW * SIZE}\tloop", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", metavar="FOLDER", help="a checkout of an earlier version")
    before = parser.parse_args().before
    call = "from benchmarks.sampling import serve; serve()"
    runners = {
        "as it comes": versions.started(None, call),
        "memory kept": versions.started(None, call, versions.KEPT),
    }
    if before:
        runners["before"] = versions.started(before, call)
    turns = [
        {name: versions.turn(runner) for name, runner in runners.items()} for _ in range(REPEATS)
    ]
    for runner in runners.values():
        runner.close()
    found: dict[str, object] = {}
    for name in runners:
        ratio = statistics.median(one[name]["loop"] / one[name]["ours"] for one in turns)
        rate = SIZE / statistics.median(one[name]["ours"] for one in turns)
        print(f"sampling, T={LENGTH}, {name}: {rate:.0f} sequences a second, {ratio:.0f} x a loop")
        found[f"sampling, {name}, times the loop"] = ratio
    if before:
        old = statistics.median(t["before"]["ours"] / t["as it comes"]["ours"] for t in turns)
        found["sampling"] = {"ratios": {"assocmem, before": {"wall": old}}}
        print(f"{old:.1f} x before")
    print(f"kept in {history.keep('sampling', found, threads=1)}")


if __name__ == "__main__":
    main()

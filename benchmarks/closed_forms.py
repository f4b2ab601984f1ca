"""The closed forms of S1, S2, S3a, S3b at T = 256: time, memory, and the cost of a larger N.

Prints the time at N = 10^6, its ratio to the time at N = 10^3, the peak memory of the process, and,
as the alternative, one population gradient on W_O2 by sampling at N = 1000 with as many sequences
as fit in the time of all closed forms.
"""

from __future__ import annotations

import resource
import statistics
import time

import assocmem as am

LENGTH, REPEATS = 256, 9


def closed_forms(n_tokens: int) -> None:
    task = am.InductionTask(n_tokens, LENGTH)
    am.gradients.first_step(task)
    second = am.gradients.second_step(task)
    second = second / second.lead
    am.gradients.third_step(task, 0, second=second)
    am.gradients.third_step_slope(task, second=second)
    am.gradients.third_step(task, 10, second=second)


def seconds(n_tokens: int) -> float:
    started = time.perf_counter()
    closed_forms(n_tokens)
    return time.perf_counter() - started


def main() -> None:
    seconds(1000)  # warm-up
    large, small = [], []
    for _ in range(REPEATS):  # interleaved: the machine's speed drifts
        large.append(seconds(10**6))
        small.append(seconds(10**3))
    ratio = statistics.median(a / b for a, b in zip(large, small, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"closed forms, N = 10^6, T = {LENGTH}: {statistics.median(large):.2f} s (median)")
    print(f"ratio to N = 10^3: {ratio:.2f}")
    print(f"peak memory of the process: {peak:.0f} MB")

    task = am.InductionTask(1000, LENGTH)
    model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
    started = time.perf_counter()
    model.loss_and_memories(task.sample(8, rng=0), ("W_O2",))
    each = (time.perf_counter() - started) / 8
    print(f"sequences whose W_O2 gradient takes as long: {statistics.median(large) / each:.0f}")


if __name__ == "__main__":
    main()

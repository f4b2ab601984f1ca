"""The closed forms of S1, S2, S3a, S3b at T = 256: time, memory, and the cost of a larger N.

    python -m benchmarks.closed_forms                    # at N = 10^6, and times those at N = 10^3
    python -m benchmarks.closed_forms --before FOLDER    # and a checkout of an earlier version

The alternative is one population gradient on W_O2 by sampling at N = 1000: as many sequences are
counted as fit in the time of all closed forms.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time

from benchmarks import history, versions

LENGTH, REPEATS = 256, 9
SIZES = {"large": 10**6, "small": 10**3}
CASE = f"closed forms, N=10^6, T={LENGTH}"


def closed_forms(n_tokens: int) -> None:
    import assocmem as am

    task = am.InductionTask(n_tokens, LENGTH)
    am.gradients.first_step(task)
    second = am.gradients.second_step(task)
    second = second / second.lead
    am.gradients.third_step(task, 0, second=second)
    am.gradients.third_step_slope(task, second=second)
    am.gradients.third_step(task, 10, second=second)


def serve() -> None:
    """For each line that comes in: seconds of all closed forms at both N, and the peak memory."""
    closed_forms(1000)  # warm-up
    print(len(SIZES) + 1, flush=True)
    for _ in sys.stdin:
        for name, n_tokens in SIZES.items():
            started = time.perf_counter()
            closed_forms(n_tokens)
            print(f"{time.perf_counter() - started}\t{name}", flush=True)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        print(f"{peak}\tmegabytes", flush=True)


def sequence_seconds() -> float:
    """Of one sequence in a population gradient on W_O2 by sampling."""
    import assocmem as am

    task = am.InductionTask(1000, LENGTH)
    model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
    started = time.perf_counter()
    model.loss_and_memories(task.sample(8, rng=0), ("W_O2",))
    return (time.perf_counter() - started) / 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", metavar="FOLDER", help="a checkout of an earlier version")
    before = parser.parse_args().before
    call = "from benchmarks.closed_forms import serve; serve()"
    runners = {"ours": versions.started(None, call)}
    if before:
        runners["before"] = versions.started(before, call)
    turns = [{name: versions.turn(one) for name, one in runners.items()} for _ in range(REPEATS)]
    for runner in runners.values():
        runner.close()
    ratios = {}
    for name in runners:
        seconds = statistics.median(one[name]["large"] for one in turns)
        growth = statistics.median(one[name]["large"] / one[name]["small"] for one in turns)
        megabytes = turns[-1][name]["megabytes"]
        wall = statistics.median(one[name]["large"] / one["ours"]["large"] for one in turns)
        key = "assocmem" if name == "ours" else "assocmem, before"
        ratios[key] = {"wall": wall, "seconds": seconds, "megabytes": megabytes, "growth": growth}
        print(f"{CASE}, {name}: {seconds:.3f} s (median), {megabytes:.0f} MB")
        print(f"  {growth:.2f} x the time at N = 10^3, {wall:.2f} x ours")
    count = ratios["assocmem"]["seconds"] / sequence_seconds()
    print(f"sequences whose W_O2 gradient takes as long: {count:.0f}")
    print(f"kept in {history.keep('closed_forms', {CASE: {'ratios': ratios}}, threads=1)}")


if __name__ == "__main__":
    main()

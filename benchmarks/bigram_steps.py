"""Steps on in-context bigrams at N = 65, T = 256, K = 5: time, error of the lead, and memory.

Prints, for 8, 16, 32 and 64 sets of draws, the time of one core, the median lead of W_O2 with its
standard error by the jackknife, and what doubling the sets changes: noise and the bias of the
largest competitor together. Then the time of the step on W_K2, and the peak memory.
"""

from __future__ import annotations

import resource
import time

import assocmem as am
from assocmem.gradients import bigram_step

TASKS = {
    "loss on all, bigrams known": ({"loss": "all"}, "bigrams"),
    "loss on repeated triggers": ({"loss": "triggers"}, "uniform"),
}


def main() -> None:
    for name, (options, predictor) in TASKS.items():
        task = am.BigramTask(length=256, n_triggers=5, **options)
        print(f"W_O2, {name}")
        before = float("nan")
        for sets in (8, 16, 32, 64):
            started = time.process_time()
            step = bigram_step(task, "W_O2", predictor=predictor, sets=sets, rng=sets)
            seconds, (error, _) = time.process_time() - started, step.lead_error()
            change = step.lead / before - 1
            print(
                f"  {sets:2} sets {seconds:5.1f} s  lead {step.lead:.3e}  "
                f"error {error / step.lead:.1%}  change {change:+.1%}"
            )
            before = step.lead
        started = time.process_time()
        bigram_step(task, "W_K2", predictor=predictor, first=step, sets=2, rng=0)
        print(f"  W_K2: {(time.process_time() - started) / 2:.1f} s a set")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"peak memory of the process: {peak:.0f} MB")


if __name__ == "__main__":
    main()

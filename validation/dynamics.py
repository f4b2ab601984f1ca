"""Checks of the claims on training dynamics: runs of five seeds against what others gave.

Each claim is a list of quantities, one number a run. The prediction is the mean over the runs that
the record reports; five new runs may differ from it by what normal draws explain. An order is
claimed as a difference whose band leaves out zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from pprint import pformat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from theory.dynamics import MEASURED, RUNS
from validation import experiments
from validation.cases import FALSE_ALARM, Case, Check, Context
from validation.experiments import Curves

SEEDS = 5
RECORDED = 1000  # the seed of the runs of the record
Found = Mapping[str, list[Curves]]
Quantities = dict[str, NDArray[Any]]


def final(runs: list[Curves], column: str) -> NDArray[Any]:
    """The last value of each run."""
    return np.array([curves[column][-1] for curves in runs])


def first(runs: list[Curves], column: str, level: float, *, falls: bool = False) -> NDArray[Any]:
    """When each run crosses the level first, in updates, interpolated; its last if it never does.

    >>> curves = {"step": np.array([0, 10, 20]), "x": np.array([0.0, 0.2, 0.6])}
    >>> first([curves], "x", 0.4).tolist(), first([curves], "x", 0.7).tolist()
    ([15.0], [20.0])
    """
    times = []
    for curves in runs:
        step, value = curves["step"].astype(float), np.asarray(curves[column], dtype=float)
        beyond = value <= level if falls else value >= level
        if not beyond.any():
            times.append(step[-1])
            continue
        i = int(beyond.argmax())
        share = (level - value[i - 1]) / (value[i] - value[i - 1]) if i else 1.0
        times.append(step[max(i - 1, 0)] + share * (step[i] - step[max(i - 1, 0)]))
    return np.array(times)


def depth(found: Found) -> Quantities:
    """D1: accuracy with one layer and with two."""
    two, one = (final(found[name], "accuracy") for name in ("all three", "one layer"))
    return {
        "accuracy, two layers": two,
        "accuracy, one layer": one,
        "accuracy that the second layer adds": two - one,
    }


def order(found: Found) -> Quantities:
    """D2: when each memory is half there."""
    runs = found["all three"]
    times = {name: first(runs, f"recall_{name}", 0.5) for name in ("W_O2", "W_K2", "W_K1")}
    return {f"updates until recall of {name} is 1/2": time for name, time in times.items()} | {
        "updates from W_O2 to W_K2": times["W_K2"] - times["W_O2"],
        "updates from W_O2 to W_K1": times["W_K1"] - times["W_O2"],
        "recall of W_K1 at the end": final(runs, "recall_W_K1"),
    }


def bigrams_first(found: Found) -> Quantities:
    """D3: when the global bigrams are known, and when the induction head works."""
    runs = found["K = 5 fixed"]
    known = first(runs, "bigram_kl", 0.6, falls=True)
    head = first(runs, "accuracy", 0.5)
    return {
        "updates until KL to the bigrams is 0.6 nats": known,
        "updates until accuracy is 1/2": head,
        "updates from the one to the other": head - known,
    }


def triggers(found: Found) -> Quantities:
    """D4: accuracy in the end, by the triggers."""
    at_end = {
        name: final(found[name], "accuracy")
        for name in ("K = 1 fixed", "K = 5 fixed", "K = 20 fixed", "K = 5 rare", "K = 5 random")
    }
    return {f"accuracy, {name}": value for name, value in at_end.items()} | {
        "accuracy lost with random triggers": at_end["K = 5 fixed"] - at_end["K = 5 random"],
        "accuracy lost with 20 triggers for 1": at_end["K = 1 fixed"] - at_end["K = 20 fixed"],
    }


def outputs(found: Found) -> Quantities:
    """D5: accuracy on both tests, by the outputs trained on."""
    scores = {
        f"trained on {trained}, tested on {tested}": final(
            found[f"{trained} outputs"], f"accuracy_{tested}"
        )
        for trained in ("uniform", "bigram")
        for tested in ("uniform", "bigram")
    }
    lost = (
        scores["trained on uniform, tested on uniform"]
        - scores["trained on bigram, tested on uniform"]
    )
    return scores | {"accuracy on uniform outputs lost by bigram training": lost}


def reference(found: Found) -> Quantities:
    """D6: when each memory is half there in the reference, which head ever has it."""
    runs = found[experiments.REFERENCE]
    times = {name: first(runs, f"recall_{name}", 0.5) for name in ("W_O2", "W_K2", "W_K1")}
    return {f"updates until recall of {name} is 1/2": time for name, time in times.items()} | {
        "updates from W_K1 to W_O2": times["W_O2"] - times["W_K1"],
        "accuracy": final(runs, "accuracy"),
        "recall of W_O2 at the end": final(runs, "recall_W_O2"),
        "recall of W_K1 at the end": final(runs, "recall_W_K1"),
    }


CLAIMED: dict[str, tuple[tuple[str, ...], Callable[[Found], Quantities]]] = {
    "D1": (("all three", "one layer"), depth),
    "D2": (("all three",), order),
    "D3": (("K = 5 fixed",), bigrams_first),
    "D4": (("K = 1 fixed", "K = 5 fixed", "K = 20 fixed", "K = 5 rare", "K = 5 random"), triggers),
    "D5": (("uniform outputs", "bigram outputs"), outputs),
    "D6": ((experiments.REFERENCE,), reference),
}


def compared(id: str, quantities: Quantities) -> Iterator[Case]:
    """Means over the runs at hand against those of the record.

    The difference of two means of normal draws, of n and N = RUNS[id] runs, over its standard error
    by the record's standard deviation, follows Student's law with N - 1 degrees of freedom.
    """
    level = FALSE_ALARM / (2 * len(quantities))
    for name, draws in quantities.items():
        mean, deviation = MEASURED[id][name]
        error = deviation * np.sqrt(1 / len(draws) + 1 / RUNS[id])
        yield Case(name, mean, float(np.mean(draws)), stats.t.isf(level, RUNS[id] - 1) * error)


def check(id: str) -> Check:
    """The check of one claim; only the full profile trains."""
    names, measure = CLAIMED[id]

    def cases(context: Context) -> Iterator[Case]:
        if context.full:
            found = experiments.histories(
                names, scale=experiments.SCALES["quick"], seeds=SEEDS, rng=context.rng
            )
            yield from compared(id, measure(found))

    return cases


CHECKS: dict[str, Check] = {id: check(id) for id in CLAIMED}


def measured(folder: Path) -> dict[str, dict[str, tuple[float, float]]]:
    """Mean and standard deviation of every quantity over runs of their own, taken up where left."""
    found = {}
    for id, (names, _) in CLAIMED.items():
        scale, rng = experiments.SCALES["quick"], np.random.default_rng(RECORDED)
        runs = experiments.histories(
            names, scale=scale, seeds=RUNS[id], rng=rng, folder=folder / id
        )
        found[id] = summarised(id, runs)
    return found


def summarised(id: str, found: Found) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of a claim's quantities over the runs, four digits of each."""
    _, quantities = CLAIMED[id]
    return {
        name: (float(f"{draws.mean():.4g}"), float(f"{draws.std(ddof=1):.4g}"))
        for name, draws in quantities(found).items()
    }


if __name__ == "__main__":  # python -m validation.dynamics: what theory.dynamics records
    print(pformat(measured(Path("out") / "dynamics"), sort_dicts=False, width=96))

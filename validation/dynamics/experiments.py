"""The training runs behind the figures and claims on dynamics: by name, in parallel, resumable."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import assocmem as am
from assocmem import sweeps, training
from validation.dynamics import reference_probes
from validation.reference import training as reference_training
from validation.runner.cases import Profile
from validation.runner.pool import one_blas_thread

Curves = dict[str, NDArray[Any]]  # a history: columns by name


@dataclass(frozen=True)
class Scale:
    """Sizes of a run: sequences of T tokens, width d, batches of B, and how many updates.

    Its tokens are the characters of ``text``, a file, and those of the default language without.
    """

    length: int
    width: int
    batch_size: int
    steps: int
    all_steps: int  # with loss on all tokens, where few of them teach the head
    frozen: int = 300  # when frozen matrices begin to move
    rows: int = 30  # of a history
    reference_steps: int = 250  # of the reference, trained by AdamW
    text: str | None = None

    def given(self) -> dict[str, Any]:
        """All of it but what there is none of, as JSON can hold it."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def language(self) -> am.Language:
        """The language of its tokens."""
        if self.text is None:
            return am.Language.characters()
        return am.Language.from_text(Path(self.text))

    def kept_in(self, folder: Path | None) -> Path | None:
        """Where runs are kept: for a text, in a folder of its own for each content."""
        if folder is None or self.text is None:
            return folder
        return folder / hashlib.sha256(Path(self.text).read_bytes()).hexdigest()[:16]


SCALES: dict[Profile, Scale] = {
    "quick": Scale(length=32, width=64, batch_size=64, steps=600, all_steps=600),
    "full": Scale(length=256, width=128, batch_size=512, steps=1000, all_steps=1000),
}


def sized(scale: Scale | Profile, **other: Any) -> Scale:
    """The scale, or that of a profile, with these instead where they are not None."""
    chosen = SCALES[scale] if isinstance(scale, str) else scale
    return replace(chosen, **{name: value for name, value in other.items() if value is not None})


@dataclass(frozen=True)
class Experiment:
    """A run: what differs from the published setting with five fixed triggers.

    ``test`` holds further tasks to measure on, by name, as what differs from the task. Updates are
    those of the scale, times ``longer``.
    """

    task: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    test: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    longer: int = 1  # than the scale says

    def trained_on(self, scale: Scale, **other: Any) -> am.BigramTask:
        """The task, with these of its arguments instead."""
        language, given = scale.language(), {**self.task, **other}
        if callable(triggers := given.get("triggers")):
            given["triggers"] = triggers(language)
        return am.BigramTask(language, length=scale.length, **given)

    def setting(self, scale: Scale, rng: np.random.Generator) -> dict[str, Any]:
        """The arguments of `assocmem.training.train`."""
        task = self.trained_on(scale)
        steps = self.longer * (scale.all_steps if task.loss == "all" else scale.steps)
        frozen = {"frozen_until": dict.fromkeys(self.training.get("late", ()), scale.frozen)}
        changes = {name: value for name, value in self.training.items() if name != "late"}
        preset = training.published(task, width=scale.width, rng=rng, batch_size=scale.batch_size)
        tests = {name: self.trained_on(scale, **other) for name, other in self.test.items()}
        return {
            "task": task,
            "steps": steps,
            "evaluate_every": steps // scale.rows,
            "evaluate_on": 4 * scale.batch_size if scale.batch_size < 128 else scale.batch_size,
            "test": tests or None,
            **preset,
            **frozen,
            **changes,
        }


def _with_feed_forward(test: Mapping[str, Any] | None = None, **task: Any) -> Experiment:
    """Loss on all tokens, which W_F can lower by the global bigrams."""
    changes = {"trained": (*training_matrices(), "W_F")}
    return Experiment({"loss": "all", **task}, changes, test or {})


Triggers = Callable[[am.Language], tuple[int, ...]]


def ranked(*ranks: int) -> Triggers:
    """Triggers by their ranks in a language, 1 for its most frequent token."""
    return lambda language: tuple(int(language.most_frequent()[rank - 1]) for rank in ranks)


def by_rank(*ranks: int) -> tuple[int, ...]:
    """The tokens of these ranks in the default language."""
    return ranked(*ranks)(am.Language.characters())


def asked(**tests: Any) -> dict[str, dict[str, Any]]:
    """Tests of the same head with other triggers: these, or five random ones."""
    return {
        name: {"triggers": triggers} | ({"n_triggers": 5} if triggers == "random" else {})
        for name, triggers in tests.items()
    }


def training_matrices() -> tuple[str, ...]:
    """The three memories, bottom up."""
    return ("W_K1", "W_K2", "W_O2")


def late(*names: str) -> Experiment:
    """These matrices are frozen at first."""
    return Experiment(training={"late": names})


_BOTH = {"uniform": {"trigger_outputs": "uniform"}, "bigram": {"trigger_outputs": "bigram"}}


EXPERIMENTS: dict[str, Experiment] = {
    "all three": Experiment(),
    "W_O2 late": late("W_O2"),
    "W_K2 late": late("W_K2"),
    "W_K1 late": late("W_K1"),
    "W_K1, W_K2 late": late("W_K1", "W_K2"),
    "W_K2, W_O2 late": late("W_K2", "W_O2"),
    "W_K1, W_O2 late": late("W_K1", "W_O2"),
    "one layer": Experiment(training={"layers": 1, "trained": ("W_K2", "W_O2")}),
    "K = 1 fixed": _with_feed_forward(asked(first=ranked(1)), n_triggers=1),
    "K = 5 fixed": _with_feed_forward(asked(third=ranked(3), five=ranked(*range(1, 6)))),
    "K = 20 fixed": _with_feed_forward(
        asked(first=ranked(1), third=ranked(3)), triggers=ranked(*range(1, 21))
    ),
    "K = 5, any output": _with_feed_forward(avoid="nothing"),  # as in the paper
    "K = 5 rare": _with_feed_forward(trigger_offset=10),
    "third alone": _with_feed_forward(asked(third=ranked(3)), triggers=ranked(3)),
    "first and third": _with_feed_forward(asked(third=ranked(3)), triggers=ranked(1, 3)),
    "second and third": _with_feed_forward(asked(third=ranked(3)), triggers=ranked(2, 3)),
    "five of that mass": _with_feed_forward(
        asked(third=ranked(3)), triggers=ranked(3, 4, 5, 6, 13)
    ),
    "K = 5 random": _with_feed_forward(
        asked(random="random", five=ranked(*range(1, 6))), triggers="random"
    ),
    "K = 3 random": _with_feed_forward(asked(random="random"), triggers="random", n_triggers=3),
    "K = 1 random": _with_feed_forward(asked(random="random"), triggers="random", n_triggers=1),
    "uniform outputs": Experiment(_BOTH["uniform"], test=_BOTH, longer=2),
    "bigram outputs": Experiment(_BOTH["bigram"], test=_BOTH, longer=2),
}


REFERENCE = "reference, all trained"  # not the frozen model: layer norm, heads, AdamW


def train(
    experiment: str,
    scale: Scale,
    rng: np.random.Generator,
    folder: Path | None = None,
    *,
    progress: bool = False,
) -> training.TrainingRun:
    """Take one run; with a folder it is saved there on the way, and goes on from there."""
    setting = EXPERIMENTS[experiment].setting(scale, rng)
    saved = None if folder is None else folder / f"{experiment}.{setting['rng']}"
    return training.train(**setting, checkpoint=saved, checkpoint_every=20, progress=progress)


def history(
    experiment: str,
    scale: dict[str, Any],
    seed: int,
    rng: np.random.Generator,
    *,
    folder: str | None,
) -> dict[str, list[float]]:
    """The cell of a sweep: the history of one run; the seed numbers repetitions."""
    if experiment == REFERENCE:
        return reference_history(Scale(**scale), rng)
    run = train(experiment, Scale(**scale), rng, None if folder is None else Path(folder))
    return {name: column.tolist() for name, column in run.history.items()}


def reference_history(scale: Scale, rng: np.random.Generator) -> dict[str, list[float]]:
    """Train the reference, every parameter of it; of each memory the head that recalls it best."""
    task = EXPERIMENTS["all three"].trained_on(scale)
    sizes = reference_training.Architecture(task.n_tokens, scale.length, scale.width)
    start = reference_training.initial(sizes, rng)
    test = task.sample(4 * scale.batch_size, rng=rng)
    samples = (task.sample(scale.batch_size, rng=rng) for _ in range(scale.reference_steps + 1))
    batches = ((batch.tokens, batch.targets, batch.weights) for batch in samples)
    rows = []
    for step, (params, _) in enumerate(reference_training.train(sizes, start, batches)):
        if step % max(scale.reference_steps // scale.rows, 1) == 0:
            recall = reference_probes.recall(sizes, params, task.trigger_tokens)
            row = {f"recall_{name}": np.max(value) for name, value in recall._asdict().items()}
            accuracy = reference_probes.accuracy(sizes, params, test)
            rows.append({"step": step, "accuracy": accuracy, **row})
    columns = {name: [float(row[name]) for row in rows] for name in rows[0]}
    return columns | {"recall_W_K1_64": columns["recall_W_K1"]}


def histories(
    experiments: Sequence[str],
    *,
    scale: Scale,
    seeds: int,
    rng: np.random.Generator,
    folder: Path | None = None,
) -> dict[str, list[Curves]]:
    """Histories of `seeds` runs of each experiment, on all cores.

    With a folder, finished runs and the runs that a kill interrupted are taken from there, and a
    bar shows how far the whole is.
    """
    grid: dict[str, list[Any]] = {
        "experiment": list(experiments),
        "scale": [scale.given()],
        "seed": list(range(seeds)),
    }
    folder = scale.kept_in(folder)
    output = None if folder is None else folder / "runs.jsonl"
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        print(estimate(experiments, scale, seeds), flush=True)
    cell = partial(history, folder=None if folder is None else str(folder))
    seed = int(rng.integers(2**63))
    pool = ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=end_with_parent)
    with pool as executor:
        table = sweeps.run(
            cell, grid, executor=executor, rng=seed, output=output, progress=folder is not None
        )
    found: dict[str, list[Curves]] = {name: [] for name in experiments}
    for row in table.rows:
        columns = {name: value for name, value in row.items() if name not in grid}
        found[row["experiment"]].append({k: np.array(v) for k, v in columns.items()})
    return found


def rows_of(found: Mapping[str, Sequence[Curves]], columns: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each experiment, seed and step, with these columns; NaN where there is none."""
    return [
        {"experiment": name, "seed": seed, "step": int(step)}
        | {key: float(curves[key][i]) if key in curves else np.nan for key in columns}
        for name, runs in found.items()
        for seed, curves in enumerate(runs)
        for i, step in enumerate(curves["step"])
    ]


def curves_of(
    rows: Sequence[Mapping[str, Any]], experiment: str, column: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Steps (n,) and the column's values (runs, n) of one experiment, from its rows."""
    chosen = [row for row in rows if row["experiment"] == experiment]
    steps = list(dict.fromkeys(row["step"] for row in chosen))
    values = [row[column] for row in chosen]
    return np.array(steps), np.reshape(values, (-1, len(steps)))


def estimate(experiments: Sequence[str], scale: Scale, seeds: int) -> str:
    """How long the runs will take, from three updates of each, evaluation left out."""
    total = 0.0
    for name in experiments:
        if name == REFERENCE:
            continue  # at its own, small scale: less than a minute
        setting = EXPERIMENTS[name].setting(scale, np.random.default_rng(0))
        taken = []
        for steps in (1, 4):
            started = time.perf_counter()
            training.train(**{**setting, "steps": steps, "evaluate_every": 4})
            taken.append(time.perf_counter() - started)
        total += seeds * setting["steps"] * max(taken[1] - taken[0], 0) / 3
    cores = os.cpu_count() or 1
    return (
        f"{seeds * len(experiments)} runs on {cores} cores, about {total / cores / 60:.0f} minutes "
        f"in all; what an interruption leaves is taken up again"
    )


def end_with_parent() -> None:
    """Have a worker end with its parent: after `kill -9` it would wait for work for ever."""
    one_blas_thread()

    def watch() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

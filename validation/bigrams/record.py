"""Take the record of top-down steps on in-context bigrams: ``python -m validation.bigrams.record``.

It holds how the model does after each step, beside what training reaches at the quick scale
(from the record of the claims on dynamics, else from runs of its own), for readers: no check
compares with it.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

import assocmem as am
from assocmem._files import csv_text, replaced
from assocmem.model.arguments import Readout
from validation.dynamics.experiments import SCALES, Experiment, by_rank

RECORDS = Path(__file__).parents[1] / "records"
RECORD = RECORDS / "top-down.csv"
SEED, LENGTH = 1000, SCALES["quick"].length
SEQUENCES, FRESH, RUNS = 8000, 1000, 2  # of step 3; that a model is tested on; trained
TRIGGERS: dict[str, Mapping[str, Any]] = {
    "the first": {"n_triggers": 1},
    "five": {},
    "twenty": {"triggers": by_rank(*range(1, 21))},
    "ranks 11 to 15": {"trigger_offset": 10},
    "five random": {"triggers": "random"},
}
TRAINED = {  # experiments of the record on dynamics
    ("the first", "all"): "K = 1 fixed",
    ("five", "all"): "K = 5 fixed",
    ("twenty", "all"): "K = 20 fixed",
    ("ranks 11 to 15", "all"): "K = 5 rare",
    ("five random", "all"): "K = 5 random",
    ("five", "triggers"): "all three",
}


@dataclass(frozen=True)
class Setting:
    """Triggers, where the loss is, whether W_F is there, and the margins of the steps.

    At a fixed trigger an answer has little to beat: the bigrams there are the mean law of the
    outputs. Random triggers are other tokens most of the time, and an answer has to beat the logits
    of their bigrams, which are several units apart: hence its larger margin of W_O2.
    """

    triggers: str
    loss: Literal["all", "triggers"]
    readout: Readout
    margins: tuple[float, float, float] = (0.5, 10.0, 5.0)
    task: am.BigramTask = field(init=False)

    def __post_init__(self) -> None:
        task = am.BigramTask(length=LENGTH, loss=self.loss, **TRIGGERS[self.triggers])
        object.__setattr__(self, "task", task)

    def run(self, *, rng: Any, evaluate_on: int | None = FRESH) -> Any:
        """The steps, taken."""
        return am.top_down(
            self.task,
            margins=self.margins,
            readout=self.readout,
            sequences=SEQUENCES,
            evaluate_on=evaluate_on,
            rng=rng,
        )


SETTINGS = (
    *(Setting(name, "triggers", "attention") for name in TRIGGERS),
    *(Setting(name, "all", "residual") for name in TRIGGERS if name != "five random"),
    Setting("five random", "all", "residual", (5.0, 10.0, 5.0)),
    Setting("five random", "triggers", "residual"),
    *(Setting(name, "all", "attention") for name in ("the first", "five")),
)


def rows(setting: Setting, trained: str) -> Iterator[dict[str, Any]]:
    """One for each step that was taken, and one for the step that was not."""
    rng = np.random.default_rng([SEED, *setting.triggers.encode()])
    run, batch = setting.run(rng=rng), setting.task.sample(FRESH // 4, rng=rng)
    what = {"triggers": setting.triggers, "loss on": setting.loss}
    known = {"bigrams": "known" if setting.readout == "residual" else "unknown"}
    about = {"T": LENGTH, "sequences": FRESH, "seed": SEED, "version": am.__version__}
    empty = dict.fromkeys(("recall", "margin", "attention", "accuracy", "divergence"), "")
    for i, step in enumerate(run.steps, start=1):
        result = {
            "recall": "" if step.name == "W_F" else f"{step.recall:.2f}",
            "margin": "" if step.name == "W_F" else spread(step.margins),
            "attention": f"{step.evaluation.attention:.2f}",
            "accuracy": f"{step.evaluation.accuracy.value:.2f}",
            "divergence": f"{divergence(run.model(i), batch, setting):.2f}",
        }
        last = {"training": trained if i == 4 - (setting.readout == "attention") else ""}
        lead = {"lead": "" if step.name == "W_F" else f"{step.strength:.1e}"}
        yield {**what, **known, "step": step.name, **lead, **result, **last, **about}
    if run.failure:
        name, number = run.failure.split()[3], float(run.failure.split()[6].strip(","))
        failed = {"step": f"{name} not taken", "lead": f"{number:.1e}"}
        yield {**what, **known, **failed, **empty, "training": trained, **about}


def spread(margins: Any) -> str:
    """Median and range over the cues, in score units, to two digits.

    >>> spread(np.array([-0.123, 5.0, 412.0]))
    '5 (-0.12 to 410)'
    """
    median, least, largest = (
        f"{float(f'{each:.2g}'):g}" for each in (np.median(margins), margins.min(), margins.max())
    )
    return f"{median} ({least} to {largest})"


def divergence(model: Any, batch: Any, setting: Setting) -> float:
    """From the bigrams, off the triggers."""
    return float(am.bigram_divergence(model, batch, setting.task.language))


def training(setting: Setting) -> str:
    """Mean and range of the accuracy that training reaches."""
    name = TRAINED.get((setting.triggers, setting.loss))
    if name is not None:
        with (RECORDS / "dynamics.csv").open(encoding="utf-8") as file:
            found = {
                row["run"]: float(row["value"])
                for row in csv.DictReader(file)
                if (row["experiment"], row["quantity"]) == (name, "accuracy")
            }
        values = list(found.values())
    else:
        experiment = Experiment({"loss": setting.loss, **TRIGGERS[setting.triggers]})
        values = []
        for run in range(RUNS):
            rng = np.random.default_rng([SEED, run, *setting.triggers.encode()])
            end = am.training.train(**experiment.setting(SCALES["quick"], rng))
            values.append(end.history["accuracy"][-1])
    return f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    """Take the steps of every setting and write the record."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    lines, reached = [], dict[tuple[str, str], str]()
    for setting in SETTINGS:
        what = setting.triggers, setting.loss
        if what not in reached:
            reached[what] = training(setting)
        lines += list(rows(setting, reached[what]))
        print(what, lines[-1]["step"], lines[-1]["accuracy"], reached[what], flush=True)
        with replaced(RECORD) as file:
            file.write(csv_text(list(lines[0]), (line.values() for line in lines)).encode())


if __name__ == "__main__":
    main()

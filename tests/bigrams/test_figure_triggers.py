"""The figure triggers: its table is the population gradients', and it is drawn from its rows."""

from __future__ import annotations

import numpy as np
import pytest

from assocmem.gradients import bigram_step
from validation.bigrams.b2_text import RANKS, characters
from validation.dynamics.experiments import Scale
from validation.figures import make, triggers
from validation.figures.sheets import read
from validation.runner.cases import Context

TINY = Scale(
    length=12, width=8, batch_size=8, steps=4, all_steps=4, frozen=2, rows=2, reference_steps=4
)


@pytest.mark.slow
def test_the_rows_are_the_leads(tmp_path):
    context = Context(np.random.default_rng(0))
    paths = make("triggers", tmp_path, context, scale=TINY, ranks=["3"], times=(0, 1000), sets=2)
    assert {path.name for path in paths} >= {"triggers.png", "triggers.csv"}
    rows = read(tmp_path / "triggers.csv")
    (known,) = (row for row in rows if row["panel"] == "loss on all, bigrams known")
    step = bigram_step(characters(RANKS["3"]), "W_O2", predictor="bigrams")
    assert float(known["y"]) == pytest.approx(step.lead)
    assert float(known["recall"]) == pytest.approx(64 / 65)
    start, later = (row for row in rows if (row["panel"], row["name"]) == ("flow", "3"))
    (unknown,) = (row for row in rows if row["panel"] == "loss on all, W_F = 0")
    assert float(start["y"]) == pytest.approx(float(unknown["y"]))
    assert float(later["x"]) < float(start["x"])
    assert float(later["y"]) > float(start["y"])
    triggers.draw(rows)  # from the file alone
    assert {row["experiment"] for row in rows if row["panel"] == "training"} == {*triggers.TRAINED}

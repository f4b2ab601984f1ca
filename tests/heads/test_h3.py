"""Planted errors that the check of H3 must see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from assocmem import heads
from assocmem.heads import Detection
from tests.controls import leave_out, seen
from validation.heads import h3, two_heads


def test_H3_sees_recall_left_out(monkeypatch, seed):
    """Every significant table counts: that of the head which prefers near positions does."""
    monkeypatch.setattr(Detection, "recall", 1.0)
    assert seen("H3", "missed or made up", seed), f"{seed=}"


def test_H3_sees_significance_left_out_of_a_wrong_table(monkeypatch, seed):
    """The answers of each cue shifted by one: what is planted is missed."""
    margins = Detection.margins.func

    def shifted(found):
        return margins(replace(found, targets=np.roll(found.targets, 1)))

    monkeypatch.setattr(Detection, "margins", property(shifted))
    assert seen("H3", "missed or made up", seed), f"{seed=}"


def test_H3_sees_a_composition_with_the_wrong_head(monkeypatch, seed):
    """What the head beside it wrote, under the name of the head that is asked."""
    answers = Detection.answers.fget

    def beside(found):
        if found.kind != "induction":
            return answers(found)
        (layer, index), second = found.places
        other = (layer, (index + 1) % len(found.model.layers[0]))
        return answers(replace(found, places=(other, second)))

    monkeypatch.setattr(Detection, "answers", property(beside))
    assert seen("H3", "circuit", seed), f"{seed=}"


@pytest.mark.parametrize("change", ["untrained", "query and key exchanged"])
def test_H3_sees_a_model_that_holds_nothing(change, monkeypatch, seed):
    leave_out(monkeypatch, h3, "planted")
    params = two_heads.training.initial(two_heads.ARCHITECTURE, np.random.default_rng(seed))
    weights = two_heads.named(params)
    if change == "query and key exchanged":
        weights = dict(np.load(two_heads.FILE))
        for l in range(2):
            name = f"layers.{l}.attention.in_proj_weight"
            q, k, v = np.split(weights[name], 3)
            weights[name] = np.concatenate([k, q, v])
    read = heads.read
    monkeypatch.setattr(
        h3.heads,
        "read",
        lambda given, **options: read(weights if given == two_heads.FILE else given, **options),
    )
    assert seen("H3", "trained", seed), f"{seed=}"

"""A width that is proved to be enough: where the bound passes δ, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import assocmem as am
from assocmem import width
from tests.rounding import PRODUCTS

TASK, MARGINS = am.InductionTask(n_tokens=8, length=12), (0.5, 1.0, 5.0)


def test_the_width_is_where_the_bound_passes_delta():
    memories = am.top_down(TASK, margins=MARGINS, evaluate_on=None).memories
    bound = width.RecallBound(TASK, memories)
    for delta in (0.5, 0.01):
        d = width.required_width(TASK, delta, margins=MARGINS)
        assert bound.at(d) <= delta < bound.at(d * 0.997)
    assert bound.at(1e12) < 1e-6
    assert sum(
        width.RecallBound(TASK, {name: memory}).at(d) for name, memory in memories.items()
    ) == pytest.approx(bound.at(d), rel=PRODUCTS)


def test_the_bound_is_cantellis_with_the_moments_of_each_margin():
    memories = am.top_down(TASK, margins=MARGINS, evaluate_on=None).memories
    moments, d = width.recall_moments(TASK, memories), 3000
    total = 0.0
    for name, law in moments.items():
        probe = am.probe(name, TASK, am.FrozenEmbeddings.orthonormal(TASK))
        mean, covariance = law.mean(d), law.covariance(d)
        for cue, right in enumerate(probe.targets):
            for other in range(mean.shape[1]):
                if other == right or (probe.among is not None and not probe.among[other, cue]):
                    continue
                gap = mean[cue, right] - mean[cue, other]
                C = covariance[cue][np.ix_([right, other], [right, other])]
                variance = C[0, 0] + C[1, 1] - 2 * C[0, 1]
                total += variance / (variance + gap**2)
    assert width.RecallBound(TASK, memories).at(d) == pytest.approx(total, rel=PRODUCTS)


def test_margins_of_the_steps_do_not_matter_one_by_one():
    """A memory's recall does not depend on its own scale; that of step 3 does on the second."""
    same = [width.required_width(TASK, margins=(m, 1.0, 5 * m)) for m in (0.5, 2.0)]
    assert same[0] == same[1]
    assert width.required_width(TASK, margins=(0.5, 0.5, 5.0)) != same[0]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: width.required_width(TASK, 1.5), ValueError, r"delta: expected a probability"),
        (lambda: width.required_width(TASK, 0.1, margins=(1, 2)), ValueError, "margins: expected"),
        (
            lambda: width.required_width(am.InductionTask(sympy.Symbol("N"), 12)),
            TypeError,
            r"task: expected an InductionTask.* with numeric sizes",
        ),
        (
            lambda: width.required_width(am.InductionTask(4, 5)),
            ValueError,
            r"delta: .* but the bound is .* there\. At infinite width W_K1 forgets a cue",
        ),
        (
            lambda: width.required_width(am.InductionTask(4, 6, "random", "all")),
            ValueError,
            r"task: expected one where all three steps can be taken.*W_K2 has strength",
        ),
        (lambda: width.RecallBound("task", {}), TypeError, "task: expected an InductionTask"),
        (
            lambda: width.RecallBound(TASK, {"W_O2": np.eye(3)}),
            TypeError,
            r"memories\['W_O2'\]: expected an AssociativeMemory; got ndarray",
        ),
        (lambda: width.RecallBound(TASK, {}).at(0), ValueError, "width: expected a finite number"),
    ],
)
def test_what_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_another_task_is_refused_before_anything_is_computed(monkeypatch):
    def compute(*_given, **_options):
        raise AssertionError

    monkeypatch.setattr("assocmem.width.required.top_down", compute)
    for task in (am.BigramTask(), am.InductionTask(sympy.Symbol("N", positive=True), 8)):
        with pytest.raises(TypeError, match=r"^task: expected an InductionTask"):
            width.required_width(task)


def test_the_guide_to_widths_needs_no_theory():
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs" / "width.md").read_text(encoding="utf-8")
    assert "import theory" not in text
    assert "from theory" not in text
    assert "required_width" in text

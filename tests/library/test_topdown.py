"""The three steps: what they reach, where they stop, and that a run is kept bit for bit."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sympy
from threadpoolctl import threadpool_limits

import assocmem as am
from assocmem.topdown import run as runs
from assocmem.topdown import steps

TASK = am.InductionTask(16, 16)
SMALL = am.InductionTask(5, 6)
STOPS = am.InductionTask(4, 6, "random", predict="all")
RECALLED = {"W_O2": 1.0, "W_K2": 1.0, "W_K1": 1.0}


def bits(run):
    """Every number of a run, as bytes."""
    numbers = [(step.strength, step.size) for step in run.steps]
    for step in run.steps:
        evaluation = step.evaluation
        numbers += [step.memory.keys, step.memory.values, step.memory.coefficients, step.margins]
        numbers += [evaluation.trigger_position, evaluation.attention_on_output]
        numbers += [evaluation.attends_output, evaluation.correct]
    numbers += [run.embeddings.atoms, run.embeddings.values, run.embeddings.outputs]
    return [np.asarray(number).tobytes() for number in numbers]


@pytest.fixture(scope="module")
def run():
    return am.top_down(TASK, evaluate_on=2000, rng=0)


# --- what the steps reach -----------------------------------------------------------------------


def test_closed_form_steps_write_the_induction_head(run):
    assert run.recall == RECALLED
    assert run.failed_step is None
    assert run.failure is None
    late = run.evaluation.where(run.evaluation.trigger_position > 0)
    assert late.accuracy.value == late.attention_argmax.value == 1
    assert [step.name for step in run.steps] == ["W_O2", "W_K2", "W_K1"] == list(run.memories)
    before = run.steps[1].evaluation  # without the previous-token head
    assert before.attention < 1 / 2 < run.attention
    assert before.accuracy.interval(1 - 1e-6)[1] < run.accuracy.interval(1 - 1e-6)[0]


def test_population_steps_write_the_same_memories():
    run = am.top_down(TASK, gradient="population", evaluate_on=500)
    assert run.recall["W_O2"] == run.recall["W_K2"] == 1
    assert run.recall["W_K1"] > am.probe("W_K1", TASK, run.embeddings).chance
    assert run.memories["W_K1"].keys.shape == run.embeddings.positions.shape


def test_closed_form_steps_are_the_closed_forms(run):
    tables = (
        am.gradients.first_step(TASK),
        am.gradients.second_step(TASK),
        am.gradients.third_step(TASK, run.settings.margins[1]),
    )
    for step, table in zip(run.steps, tables, strict=True):
        np.testing.assert_array_equal(step.memory.coefficients, step.size * table.coefficients())


def test_margins_are_the_step_sizes(run):
    for step, margin in zip(run.steps, run.settings.margins, strict=True):
        assert step.size == margin / step.strength
        if step.name != "W_K1":  # at infinite width scores are coefficients
            assert np.median(step.margins) == pytest.approx(margin)
    positions = run.embeddings.positions
    scores = positions @ run.memories["W_K1"].matrix @ positions.T  # row: query
    below = np.diagonal(scores, offset=-1)[:-1]  # rows 2 .. T - 1, counted from 1
    assert np.median(below) == pytest.approx(run.settings.margins[2])


def test_enumerated_first_step_is_the_closed_form():
    closed, population = (
        am.top_down(SMALL, gradient=gradient, evaluate_on=10).steps[0].memory.coefficients
        for gradient in ("closed-form", "population")
    )
    np.testing.assert_allclose(population, closed, rtol=0, atol=1e-12 * abs(closed).max())


def test_enumerated_second_step_tends_to_the_closed_form():
    """J₂ is the derivative at zero step size: the error is of first order in the first margin."""

    def error(margin):
        closed, population = (
            am.top_down(SMALL, margins=(margin, 1, 1), gradient=gradient, evaluate_on=10)
            .memories["W_K2"]
            .coefficients
            for gradient in ("closed-form", "population")
        )
        return abs(population - closed).max() / abs(closed).max()

    assert error(1e-2) / error(1e-3) == pytest.approx(10, rel=0.1)
    assert error(1e-4) < 1e-3


def test_all_blocks_of_the_third_step():
    """The position block of the whole gradient is what the position step takes."""
    options = {"gradient": "population", "evaluate_on": 10}
    whole = am.top_down(SMALL, blocks="all", **options).steps[2].memory.coefficients
    block = am.top_down(SMALL, blocks="position", **options).steps[2].memory.coefficients
    assert whole.shape == (11, 11)
    np.testing.assert_array_equal(whole[5:, 5:], block)
    assert whole[:5].any()


def test_the_model_after_each_step(run):
    tokens = TASK.sample(20, rng=1).tokens
    for taken in range(4):
        model = run.model(taken)
        assert set(model.weights) == set(steps.STEPS[:taken])
    np.testing.assert_array_equal(run.model().logits(tokens), run.model(3).logits(tokens))
    assert run.evaluation is run.steps[-1].evaluation
    assert run.accuracy == run.evaluation.accuracy
    assert run.attention == run.evaluation.attention


def test_at_finite_width():
    emb = am.FrozenEmbeddings.random(SMALL, width=2000, rng=3).compressed()
    run = am.top_down(SMALL, emb, readout="residual", evaluate_on=10)
    assert run.embeddings is emb
    assert run.model().readout == "residual"
    assert run.recall["W_O2"] == run.recall["W_K2"] == 1


# --- where they stop ----------------------------------------------------------------------------


@pytest.mark.parametrize("gradient", ["closed-form", "population"])
def test_a_run_stops_without_a_positive_lead(gradient):
    run = am.top_down(STOPS, gradient=gradient, evaluate_on=50)
    assert am.gradients.second_step(STOPS).lead < 0
    assert run.failed_step == 2
    assert list(run.memories) == ["W_O2"]
    assert run.failure.startswith("the gradient on W_K2 has strength -")
    assert "not positive" in run.failure
    assert "stopped at step 2" in repr(run)
    assert run.accuracy.trials == 50  # of the step that was taken


def test_no_evaluation_without_a_step():
    run = am.TopDownRun(
        STOPS, am.FrozenEmbeddings.orthonormal(STOPS), runs.TopDownSettings(), (), "no lead"
    )
    assert run.failed_step == 1
    with pytest.raises(ValueError, match=r"evaluation: expected .*; got none: no lead"):
        run.accuracy  # noqa: B018


# --- seeds and files ----------------------------------------------------------------------------


@pytest.mark.parametrize("gradient", ["closed-form", "population"])
def test_same_seed_same_bits(gradient):
    sequences = 500 if gradient == "population" else None
    options = {"gradient": gradient, "sequences": sequences, "evaluate_on": 100}
    first, again = (am.top_down(SMALL, rng=7, **options) for _ in range(2))
    other = am.top_down(SMALL, rng=8, **options)
    assert bits(first) == bits(again)
    assert bits(first) != bits(other)


@pytest.mark.parametrize("task", [SMALL, STOPS], ids=str)
def test_a_run_is_read_back_bit_for_bit(task, tmp_path):
    emb = am.FrozenEmbeddings.random(task, width=60, family="sphere", rng=2).compressed()
    run = am.top_down(task, emb, margins=(0.3, 7, 4), evaluate_on=100, rng=5)
    run.save(tmp_path / "run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.json", "run.npz"]
    loaded = am.TopDownRun.load(tmp_path / "run")
    assert bits(loaded) == bits(run)
    assert (loaded.task, loaded.settings, loaded.failure) == (run.task, run.settings, run.failure)
    assert repr(loaded.embeddings) == repr(emb)
    assert repr(loaded) == repr(run)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["recall"] == run.recall
    with np.load(tmp_path / "run.npz", allow_pickle=False) as stored:  # no pickle inside
        assert all(stored[name].dtype != object for name in stored)


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"margins": (1, 2)}, r"margins: expected three positive numbers; got \(1, 2\)"),
        ({"margins": (1, 0, 3)}, r"margins: expected three positive numbers; got 0"),
        ({"margins": (1, np.nan, 3)}, r"margins: expected three positive numbers; got nan"),
        (
            {"gradient": "analytic"},
            r"gradient: expected one of .*; got 'analytic'",
        ),
        ({"blocks": "tokens"}, r"blocks: expected one of .*; got 'tokens'"),
        ({"blocks": "all"}, r"blocks: .* got 'all'\. Pass gradient='population'"),
        ({"readout": "logits"}, r"readout: expected one of .*; got 'logits'"),
        ({"sequences": 0}, "sequences: expected at least 1; got 0"),
        (
            {"sequences": 10},
            r"sequences: expected None with gradient='closed-form'.* got 10\. Pass",
        ),
        (
            {"margins": {1.0, 2.0, 3.0}},
            r"margins: expected three positive numbers; got \{1.*a list",
        ),
        ({"evaluate_on": 1.5}, r"evaluate_on: expected an integer; got 1\.5"),
    ],
)
def test_bad_options(options, text):
    with pytest.raises((TypeError, ValueError), match=text):
        am.top_down(SMALL, **options)


def test_bad_tasks_and_embeddings():
    with pytest.raises(TypeError, match="task: expected an InductionTask or a Bigram"):
        am.top_down(am.InductionTask(sympy.Symbol("N", positive=True), 5))
    with pytest.raises(TypeError, match=r"task: .* got 'induction'"):
        am.top_down("induction")
    with pytest.raises(ValueError, match=r"embeddings: expected \(N, T, M\) = \(5, 6, 4\)"):
        am.top_down(SMALL, am.FrozenEmbeddings.orthonormal(TASK))


def test_names_with_decimals_are_names_of_their_own(tmp_path):
    task = am.InductionTask(4, 5)
    for m_3 in (5.0, 7.0):
        am.top_down(task, margins=(0.5, 10, m_3), rng=0, evaluate_on=5).save(tmp_path / f"m{m_3}")
    assert am.TopDownRun.load(tmp_path / "m5.0").settings.margins[2] == 5
    assert am.TopDownRun.load(tmp_path / "m7.0").settings.margins[2] == 7
    with pytest.raises(ValueError, match="path: expected a folder that exists"):
        am.TopDownRun.load(tmp_path / "missing" / "run")


def test_as_many_outputs_as_positions():
    """The table of W_O2 is then T rows high, as the position block of W_K1 is."""
    run = am.top_down(am.InductionTask(17, 16), rng=0, evaluate_on=10)
    assert run.failure is None
    assert run.recall["W_O2"] == 1


@pytest.mark.parametrize("options", [{}, {"compressed": True}, {"family": "orthonormal"}])
def test_bits_of_embeddings_do_not_depend_on_the_threads_of_blas(options):
    task, found = am.InductionTask(24, 48), []
    for threads in 1, 2, 1:  # sizes that BLAS shares out
        with threadpool_limits(threads, user_api="blas"):
            emb = am.FrozenEmbeddings.random(task, width=300, rng=0, **options)
            arrays = emb.atoms, emb.values, emb.compressed().Phi1
            found.append([array.tobytes() for array in arrays])
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("gradient", ["closed-form", "population"])
def test_bits_do_not_depend_on_the_threads_of_blas(gradient):
    task, found = am.InductionTask(12, 10, 2), []
    for threads in 1, 2, 1:
        with threadpool_limits(threads, user_api="blas"):
            emb = am.FrozenEmbeddings.random(task, width=400, rng=0)
            found.append(bits(am.top_down(task, emb, gradient=gradient, evaluate_on=300, rng=0)))
    assert found[0] == found[1] == found[2]

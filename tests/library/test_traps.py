"""The public interface says what it does: each test failed on an interface that misled."""

from __future__ import annotations

import inspect
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import sympy

import assocmem as am
from tests.library.test_checks import ROOMS, public
from tests.rounding import PRODUCTS

# --- one convention of sign ---------------------------------------------------------------------


def test_old_names_keep_their_signs_and_warn():
    rng = np.random.default_rng()
    inputs, values, W = rng.normal(size=(4, 3)), rng.normal(size=(5, 2)), rng.normal(size=(2, 3))
    joint = rng.dirichlet(np.ones(20)).reshape(5, 4)
    for name in ("linear", "noisy_linear"):
        with pytest.warns(DeprecationWarning, match=rf"gradients\.{name}_step.*descent"):
            gradient = getattr(am.gradients, name)(inputs, values, joint, matrix=W)
        step = getattr(am.gradients, f"{name}_step")(inputs, values, joint, matrix=W)
        np.testing.assert_array_equal(gradient.matrix, -step.matrix)
    x, Phi2 = rng.normal(size=(2, 3, 3)), rng.normal(size=(2, 3))
    with pytest.warns(DeprecationWarning, match=r"gradients\.attention_step.*the same"):
        old = am.gradients.attention(x, [0, 4], values, Phi2)
    new = am.gradients.attention_step(x, [0, 4], values, Phi2)
    np.testing.assert_array_equal(old.matrix, new.matrix)


# --- the core types behave as the arrays they stand for ------------------------------------------


def test_a_product_with_a_vector_does_not_form_the_matrix():
    d = 2**16  # the matrix would take 32 GiB
    ones = np.ones((1, d), np.float32)
    W = am.AssociativeMemory(keys=ones, values=ones)
    np.testing.assert_array_equal(W @ ones[0], d * ones[0])
    assert (W @ ones[0]).dtype == np.float32


@pytest.mark.parametrize("matrix", ["W_O2", "W_K2", "W_K1"])
def test_a_table_behaves_as_its_coefficients(matrix):
    task = am.InductionTask(n_tokens=5, length=5, n_triggers=2)
    forms = {
        "W_O2": am.gradients.first_step,
        "W_K2": am.gradients.second_step,
        "W_K1": lambda task: am.gradients.third_step(task, 0),
    }
    G = forms[matrix](task)
    H = 3 * G
    C = G.coefficients()
    for measured, expected in [
        (np.asarray(G), C),
        (np.asarray(-G), -C),
        (np.asarray(G + G), C + C),
        (np.asarray(G - H), C - 3 * C),
        (np.asarray(sum([G, H, -G])), C + 3 * C - C),
    ]:
        np.testing.assert_array_equal(measured, expected)
    assert (G + G).matrix == matrix


def test_a_block_that_one_table_lacks_counts_as_zero():
    task = am.InductionTask(n_tokens=5, length=5)
    G = am.gradients.second_step(task)
    part = am.BlockTable(task, "W_K2", {("positions", "positions"): G["positions", "positions"]})
    for total in (G - part, -(part - G)):
        np.testing.assert_array_equal(total["positions", "positions"], 0)
        np.testing.assert_array_equal(total["tokens", "tokens"].same, G["tokens", "tokens"].same)


@pytest.mark.parametrize(
    "other",
    [
        am.gradients.first_step(am.InductionTask(6, 5)),
        am.gradients.second_step(am.InductionTask(5, 5)),
    ],
    ids=["another task", "another matrix"],
)
def test_tables_of_different_things_have_no_sum(other):
    with pytest.raises(ValueError, match=r"\+: expected two tables of one matrix and one task"):
        am.gradients.first_step(am.InductionTask(5, 5)) + other


def test_a_table_is_no_matrix_even_where_its_shape_fits():
    """Its entries stand over atoms: in the coordinates of embeddings they would mean nothing."""
    task = am.InductionTask(n_tokens=5, length=4)
    table = am.gradients.second_step(task)
    emb = am.FrozenEmbeddings.random(task, width=len(np.asarray(table)), rng=0)
    step, probe = am.training.TrainingStep(emb), am.probe("W_K2", task, emb)
    tokens = task.sample(1, rng=0).tokens
    for name, call in {
        "W_K2": lambda W: am.FrozenTransformer(emb, W_K2=W),
        "weights": probe.margins,
        r"W_K2 ": lambda W: step.first_attention({"W_K1": None, "W_K2": W}, tokens),
        r"initial\['W_K2'\]": lambda W: am.training.train(
            task, emb, initial={"W_K2": W}, steps=1, test=None
        ),
    }.items():
        with pytest.raises(TypeError, match=rf"^{name.strip()}: .* BlockTable.*memory\(embeddings"):
            call(table)
        call(table.memory(emb) if name != "W_K2 " else table.memory(emb).matrix)


def test_what_has_the_answer_is_told_where_it_has_it():
    task = am.InductionTask(n_tokens=5, length=4)
    model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
    batch = task.sample(2, rng=0)
    for call, said in [
        (lambda: model.logits(batch), r"tokens: .*got InductionBatch\. Pass batch\.tokens"),
        (lambda: model.attention(batch), r"tokens: .*got InductionBatch\. Pass batch\.tokens"),
        (lambda: am.evaluate(am.SymmetricTransformer(task), batch), r"model: .*its restricted"),
        (
            lambda: am.evaluate(am.top_down(task, evaluate_on=None), batch),
            r"model: .*run\.model\(\)",
        ),
        (lambda: am.evaluate(model, task.patterns()), r"batch: .*patterns\.batch"),
    ]:
        with pytest.raises(TypeError, match=said):
            call()


# --- block keys are the names of the embeddings ---------------------------------------------------


def test_block_keys_agree_with_attributes_of_the_embeddings():
    from assocmem import model

    names = (
        model.OUTPUTS,
        model.TOKENS,
        model.POSITIONS,
        model.REMAPPED_TOKENS,
        model.REMAPPED_POSITIONS,
    )
    task = am.InductionTask(n_tokens=5, length=4)
    emb = am.FrozenEmbeddings.random(task, width=40, rng=None)
    table = am.gradients.second_step(task)
    assert {name for key in table for name in key} == set(names) - {model.OUTPUTS}
    matrix = sum(
        getattr(emb, row).T @ table.block(row, column) @ getattr(emb, column)
        for row, column in table
    )
    np.testing.assert_allclose(table.memory(emb).matrix, matrix, rtol=0, atol=PRODUCTS)
    assert {name for key in am.gradients.first_step(task) for name in key} == set(names)


def test_the_block_keys_of_before_warn():
    table = am.gradients.first_step(am.InductionTask(n_tokens=5, length=4))
    with pytest.warns(DeprecationWarning, match=r"'Phi1 p'.*'outputs', 'remapped_positions'"):
        old = table["w_U", "Phi1 p"]
    np.testing.assert_array_equal(old, table["outputs", "remapped_positions"])
    with pytest.warns(DeprecationWarning, match="'outputs', 'tokens'"):
        table.block("w_U", "w_E")
    with pytest.warns(DeprecationWarning, match="'positions', 'positions'"):
        table = am.BlockTable(table.task, "W_K1", {("p", "p"): np.eye(4)})
    assert list(table) == [("positions", "positions")]


# --- one return type for one method --------------------------------------------------------------


def test_the_population_up_to_symmetry_has_a_method_of_its_own():
    task = am.InductionTask(n_tokens=10**6, length=5)
    patterns = task.patterns()
    assert isinstance(patterns, am.Patterns)
    with pytest.warns(DeprecationWarning, match=r"task\.patterns\(\)"):
        old = task.enumerate(up_to_symmetry=True)
    np.testing.assert_array_equal(old.batch.tokens, patterns.batch.tokens)
    np.testing.assert_array_equal(old.batch.weights, patterns.batch.weights)
    assert patterns.representatives == task.representatives


def test_a_symbolic_length_is_told_where_it_works():
    T = sympy.Symbol("T", positive=True)
    with pytest.raises(TypeError, match=r"am\.gradients\.conditions\.moments\(T, H_T, H_T2\).*phi"):
        am.InductionTask(n_tokens=8, length=T)
    x, y = sympy.harmonic(T), sympy.harmonic(T, 2)
    symbolic = am.gradients.conditions.moments(T, x, y).phi
    for length in (4, 5, 9):
        exact = am.gradients.conditions.moments(
            Fraction(length), *am.gradients.conditions.harmonic_numbers(length)
        ).phi
        assert sympy.Rational(exact) == symbolic.subs(T, length).doit()


# --- one quantity, one name ----------------------------------------------------------------------


def test_a_lead_is_a_lead_and_margins_count_in_strengths():
    task = am.InductionTask(n_tokens=8, length=8)
    margins = (0.5, 10.0, 5.0)
    run = am.top_down(task, margins=margins, evaluate_on=None)
    first, second = am.gradients.first_step(task), am.gradients.second_step(task)
    tables = (first, second, am.gradients.third_step(task, margins[1]))
    for table, step, margin in zip(tables, run.steps, margins, strict=True):
        assert step.strength == pytest.approx(table.strength, rel=PRODUCTS)
        assert step.size == margin / step.strength
        with pytest.warns(DeprecationWarning, match="write strength"):
            assert step.lead == step.strength
    assert first.lead == first.strength
    assert tables[2].lead < tables[2].strength  # the coefficient itself, and its lead over the row


def test_the_second_margin_is_an_argument_of_the_third_step():
    task = am.InductionTask(n_tokens=8, length=8)
    with pytest.warns(DeprecationWarning, match="margin="):
        old = am.gradients.third_step(task, lead=3.0)
    new = am.gradients.third_step(task, margin=3.0)
    np.testing.assert_array_equal(np.asarray(old), np.asarray(new))


def test_nothing_is_drawn_where_nothing_is_evaluated(tmp_path):
    task, rng = am.InductionTask(n_tokens=8, length=8), np.random.default_rng(1)
    run = am.top_down(task, evaluate_on=None, rng=rng)
    assert rng.random() == np.random.default_rng(1).random()
    evaluated = am.top_down(task, evaluate_on=20, rng=rng)
    assert run.recall == evaluated.recall
    with pytest.raises(ValueError, match=r"evaluation: .*evaluate_on=None.*am\.evaluate"):
        run.accuracy  # noqa: B018
    assert "not evaluated" in repr(run)
    run.save(tmp_path / "run")
    again = am.TopDownRun.load(tmp_path / "run")
    assert again.steps[2].evaluation is None
    assert again.recall == run.recall


# --- rooms are attributes, and load on first use -------------------------------------------------


@pytest.mark.parametrize("name", ROOMS[1:])
def test_a_room_is_an_attribute_that_lists_its_names(name):
    program = f"import assocmem as am; print(*am.{name}.__all__)"
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    room = getattr(am, name)
    assert done.stdout.split() == room.__all__
    assert room.__doc__
    assert all(hasattr(room, each) for each in room.__all__)
    assert name in am.__all__


# --- one rule for randomness ---------------------------------------------------------------------


def test_whoever_draws_takes_rng_by_name_and_draws_anew_without():
    """SPEC 7 of the Scientific Python community: keyword-only, None by default."""
    found, drawing = list(public()), 0
    for name, function in found:
        parameters = inspect.signature(function).parameters
        assert not {"random_state", "generator", "random"} & set(parameters), name
        if "rng" in parameters:
            rng = parameters["rng"]
            assert rng.kind is inspect.Parameter.KEYWORD_ONLY, name
            assert rng.default is None, name
            assert rng.annotation == "Seed", name
            drawing += 1
    assert drawing > 20
    assert len(found) > 150

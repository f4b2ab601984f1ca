"""The closed forms: L1, L2, L3 against autograd, S1, S2, S3 against the reference transformer.

The promised tolerances, of the largest entry: 1e-12 for S1, 1e-9 for S2 and S3a.
"""

from __future__ import annotations

from functools import cache, partial
from itertools import product

import autograd.numpy as anp
import numpy as np
import pytest
import sympy
from autograd import grad
from autograd.scipy.special import logsumexp
from hypothesis import given, settings
from hypothesis import strategies as st

import assocmem as am
from assocmem.gradients import (
    attention_step,
    first_step,
    linear_step,
    noisy_linear_step,
    second_step,
    third_step,
    third_step_error,
    third_step_slope,
)
from assocmem.model.families import TokenBlock
from tests.rounding import RUNS, assert_close
from validation import reference
from validation.steps.populations import reference_parameters

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 5)
modest = settings(max_examples=30, deadline=None)


# --- L1, L2, L3: the building blocks ------------------------------------------------------------


def cross_entropy(W, inputs, values, joint):
    """Σ p(y, x) · (-log softmax(values W x)_y)."""
    logits = anp.dot(anp.dot(values, W), inputs.T)
    return anp.sum(joint * (logsumexp(logits, axis=0, keepdims=True) - logits))


def draw_distribution(rng, *shape):
    joint = rng.random(shape)
    return joint / joint.sum()


@pytest.mark.parametrize("closed_form", [linear_step, noisy_linear_step])
@modest
@given(seed=seeds, n=sizes, m=st.integers(2, 5), d_k=sizes, d_v=sizes, at_zero=st.booleans())
def test_linear_layers(closed_form, seed, n, m, d_k, d_v, at_zero):
    rng = np.random.default_rng(seed)
    inputs, values, W = rng.normal(size=(n, d_k)), rng.normal(size=(m, d_v)), np.zeros((d_v, d_k))
    joint = draw_distribution(rng, m, n)
    if not at_zero:
        W = rng.normal(size=(d_v, d_k))
    memory = closed_form(inputs, values, joint, matrix=None if at_zero else W)
    expected = -grad(cross_entropy)(W, inputs, values, joint)
    scale = abs(inputs).max() * abs(values).max()  # of the terms of the mean that a gradient is
    assert abs(memory.matrix - expected).max() <= 1e-12 * scale
    elsewhere = -grad(cross_entropy)(W + 1, inputs, values, joint)
    if abs(elsewhere - expected).max() > 1e-9 * scale:
        assert abs(memory.matrix - elsewhere).max() > 1e-12 * scale


@modest
@given(seed=seeds, n=sizes, m=st.integers(2, 5))
def test_noisy_linear_pairs_each_label_with_a_mean(seed, n, m):
    rng = np.random.default_rng(seed)
    inputs, values = rng.normal(size=(n, 3)), np.eye(m)
    joint, W = draw_distribution(rng, m, n), rng.normal(size=(m, 3))
    memory = noisy_linear_step(inputs, values, joint, matrix=W)
    label, posterior = joint.sum(axis=1), np.exp(inputs @ W.T)
    posterior /= posterior.sum(axis=1, keepdims=True)
    for k in range(m):
        mean = joint[k] @ inputs / label[k]
        predicted_mean = (joint.sum(axis=0) * posterior[:, k]) @ inputs / label[k]
        np.testing.assert_allclose(memory.keys[k], mean - predicted_mean, rtol=0, atol=RUNS)
    np.testing.assert_array_equal(memory.coefficients, np.diag(label))


@modest
@given(seed=seeds, size=sizes, length=sizes, m=st.integers(2, 5), weighted=st.booleans())
def test_one_attention_layer(seed, size, length, m, weighted):
    rng = np.random.default_rng(seed)
    x, outputs, Phi2 = (  # of limited size: a softmax that saturates has no gradient but rounding
        rng.uniform(-1, 1, size=shape) for shape in ((size, length, 4), (m, 3), (3, 4))
    )
    y = rng.integers(m, size=size)
    weights = draw_distribution(rng, size) if weighted else np.full(size, 1 / size)

    def loss(W):
        total = 0
        for sequence, label, weight in zip(x, y, weights, strict=True):
            scores = anp.dot(sequence, anp.dot(W.T, sequence[-1]))  # x_Tᵀ W x_s
            mixed = anp.dot(anp.exp(scores - logsumexp(scores)), sequence)
            logits = anp.dot(outputs, anp.dot(Phi2, mixed))
            total = total + weight * (logsumexp(logits) - logits[label])
        return total

    memory = attention_step(x, y, outputs, Phi2, weights=weights if weighted else None)
    expected = -grad(loss)(np.zeros((4, 4)))
    scale = abs(x).max() ** 3 * abs(outputs @ Phi2).max()
    assert abs(memory.matrix - expected).max() <= 1e-12 * scale
    if length > 1:  # a single position has nothing to choose: the gradient is zero
        assert abs(memory.matrix.T - expected).max() > 1e-12 * scale
        assert abs(memory.matrix + expected).max() > 1e-12 * scale


E, SEQUENCE = np.eye(2), np.ones((1, 3, 2))  # two vectors; one sequence of three


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: linear_step(E, np.eye(3), np.full((2, 3), 1 / 6)), r"joint.* shape \(3, 2\)"),
        (lambda: linear_step(E, E, np.ones((2, 2))), "joint: expected a sum of 1.*got 4"),
        (lambda: linear_step(E, E, [[2, -1], [0, 0]]), r"joint: .* at least 0; got -1"),
        (lambda: linear_step(E, E, [[np.nan, 1], [0, 0]]), r"joint: expected finite.*; got NaN"),
        (lambda: noisy_linear_step(E, E, [[1, 0], [0, 0]]), "every label to occur"),
        (lambda: attention_step(E, [0], E, E), r"inputs.* \(B, T, d\) and"),
        (lambda: attention_step(SEQUENCE, [-1], E, E), r"targets: .*0\.\.1"),
        (lambda: attention_step(SEQUENCE, [2], E, E), r"targets: .*0\.\.1"),
        (lambda: attention_step(SEQUENCE[:, :0], [0], E, E), "at least one seq"),
        (
            lambda: attention_step(SEQUENCE, [0], E, E, weights=[0.5, 0.5]),
            r"weights: expected shape \(1,\); got \(2,\)",
        ),
        (lambda: attention_step(np.ones((2, 3, 2)), [0], E, E), r"\(2, 3, 2\) and \(1,\)"),
        (lambda: attention_step(np.ones((1, 3, 4)), [0], E, E), r"Phi2.* \(2, 4\)"),
    ],
)
def test_bad_building_blocks(call, text):
    with pytest.raises(ValueError, match=text):
        call()


# --- S1, S2, S3 against the reference -----------------------------------------------------------


def positions(table):
    """The block between positions, all that the closed form of step 3 has."""
    return table["positions", "positions"]


def all_tasks(n_tokens):
    """Every valid (K, T, predict) with T <= 6."""
    fixed = product(range(1, n_tokens - 1), ("content", "all"))
    for (triggers, predict), length in product([*fixed, ("random", "all")], range(3, 7)):
        yield am.InductionTask(n_tokens, length, triggers, predict=predict)


class Oracle:
    """Population gradients of the reference, all sequences enumerated, at infinite width."""

    def __init__(self, task):
        self.embeddings = emb = am.FrozenEmbeddings.orthonormal(task)
        self.task, batch = task, task.enumerate()
        self.data = batch.tokens, batch.targets, batch.weights
        self.params = reference_parameters(emb, {})
        self.positions = slice(task.n_tokens, task.n_tokens + task.length)

    def descent(self, name, *along, **weights):
        """-∇ on a matrix, differentiated along directions, at the given weights."""
        params = {**self.params, **weights}
        return -reference.gradients(params, *self.data, wrt=[name], along=along)[name]

    def position_block(self, *along, **weights):
        return self.descent("W_K1", *along, **weights)[self.positions, self.positions]

    def third_step(self, lead):
        """At W_K2 with this lead, to first order in W_O2."""
        first, second = first_step(self.task), second_step(self.task)
        W_K2 = (second * (lead / second.lead)).memory(self.embeddings).matrix
        return self.position_block({"W_O2": first.memory(self.embeddings).matrix}, W_K2=W_K2)


SMALL = [*all_tasks(3), *all_tasks(4)]
LARGER = [pytest.param(task, marks=pytest.mark.slow) for task in all_tasks(5)]


@pytest.mark.parametrize("task", SMALL + LARGER, ids=str)
def test_steps_equal_the_reference(task):
    oracle = Oracle(task)
    first, second = first_step(task).memory(oracle.embeddings), second_step(task)
    G1, J2 = first.matrix, second.memory(oracle.embeddings).matrix
    assert_close(G1, oracle.descent("W_O2"), 1e-12)
    assert_close(J2, oracle.descent("W_K2", {"W_O2": G1}), 1e-9)
    value, slope = third_step(task, 0.0, second=second), third_step_slope(task, second=second)
    assert_close(positions(value), oracle.position_block({"W_O2": G1}), 1e-9)
    assert_close(positions(slope), oracle.position_block({"W_O2": G1}, {"W_K2": J2}), 1e-9)
    for wrong in (1.000001 * G1, -G1):
        with pytest.raises(AssertionError, match="differs by"):
            assert_close(wrong, oracle.descent("W_O2"), 1e-12)


def test_the_scale_of_the_second_step_is_its_own():
    """Ĵ₂ leads by 1 unless it is given; a multiple of it multiplies the slope."""
    task = am.InductionTask(6, 8, 2)
    second = second_step(task)
    assert second.lead > 0
    unit = second / second.lead
    for step in third_step_slope, partial(third_step, margin=3.0):
        np.testing.assert_array_equal(positions(step(task)), positions(step(task, second=unit)))
    tripled = third_step(task, 1.0, second=3 * unit)
    assert_close(positions(tripled), positions(third_step(task, 3.0)), 1e-12)


@pytest.mark.parametrize(
    "task",
    [
        am.InductionTask(7, 9, 2),
        am.InductionTask(16, 16, 1, predict="all"),
        am.InductionTask(9, 6, "random", predict="all"),
    ],
    ids=str,
)
def test_third_step_starts_at_the_value_with_the_slope(task):
    """Remainder of value + λ slope: of second order in λ; of first order for a wrong slope."""
    second = second_step(task)
    second = second / abs(second.lead)
    slope = positions(third_step_slope(task, second=second))

    def at(lead):
        return positions(third_step(task, lead, second=second))

    def order(slope):
        near, far = (abs(at(h) - at(0.0) - h * slope).max() for h in (1e-5, 1e-3))
        return np.log10(far / near) / 2

    assert order(slope) == pytest.approx(2, abs=0.1)  # 2 + O(λ)
    assert order(2 * slope) < 1.5


def test_what_the_third_step_drops_falls_with_n():
    """At finite λ, against all sequences: the relative error falls at least as N^-3."""
    tokens, dropped = np.array([6, 8, 10, 14]), []
    for n in tokens:
        task = am.InductionTask(int(n), 5)
        exact = Oracle(task).third_step(1.0)
        closed_forms = np.array([positions(third_step(task, lead)) for lead in (1.0, 1.1)])
        dropped.append(abs(closed_forms - exact).max(axis=(1, 2)) / abs(exact).max())
    orders = np.diff(np.log(dropped), axis=0) / np.diff(np.log(tokens))[:, None]
    assert (orders[:, 0] < -3).all()
    assert not (orders[:, 1] < -3).all()  # the control: another lead


def test_the_error_of_the_third_step_is_bounded_and_vanishes_at_zero():
    task = am.InductionTask(7, 6, 2)
    oracle = Oracle(task)
    for lead in (0.01, 0.3):
        exact = oracle.third_step(lead)
        error = abs(positions(third_step(task, lead)) - exact)[1:-1].max(axis=1)
        bound = third_step_error(task, lead)[1:]
        assert (error < bound).all()
        assert (error > 1e-5 * bound).any()
    assert (third_step_error(task, 0) == 0).all()
    with pytest.raises(ValueError, match="margin: expected"):
        third_step_error(task, -1)
    with pytest.raises(TypeError, match="sizes that are numbers"):
        third_step_error(am.InductionTask(N, 5), 1.0)


# --- known numbers ------------------------------------------------------------------------------


# --- symbols and size ---------------------------------------------------------------------------


def numbers(table):
    """All numbers of a block table, in a fixed order."""
    for name in table:
        block = table[name]
        for array in block if isinstance(block, TokenBlock) else (block,):
            yield from np.ravel(array)


_, N, K = sympy.field("N, K", sympy.QQ)


second_once = cache(second_step)


def third_value(task):
    return third_step(task, margin=0, second=second_once(task))


def third_slope(task):
    return third_step_slope(task, second=second_once(task))  # the lead needs numbers


@pytest.mark.parametrize(("triggers", "predict"), [(2, "content"), (2, "all"), ("random", "all")])
@pytest.mark.parametrize("step", [first_step, second_once, third_value, third_slope])
def test_symbols_give_the_numbers(step, triggers, predict):
    symbolic = am.InductionTask(N, 5, K if triggers == 2 else "random", predict=predict)
    numeric = am.InductionTask(7, 5, triggers, predict=predict)
    values = [f.numer(7, 2) / f.denom(7, 2) for f in numbers(step(symbolic))]
    assert_close(values, list(numbers(step(numeric))), 1e-12)


def test_plain_symbols_are_exact():
    n, k = sympy.symbols("N K", positive=True)
    for formula in numbers(first_step(am.InductionTask(n, 5, k, predict="all"))):
        assert not formula.has(sympy.Float)


def test_nothing_depends_on_the_number_of_tokens():
    """Tables of a million tokens have the shape of small ones and agree where N drops out."""
    small, large = (am.InductionTask(n, 8, 2, predict="all") for n in (10, 10**6))
    for step in (first_step, second_step, third_step, third_step_slope):
        shapes = [[np.shape(entry) for entry in numbers(step(task))] for task in (small, large)]
        assert shapes[0] == shapes[1]
        assert np.isfinite(np.array(list(numbers(step(large))), float)).all()


@pytest.mark.parametrize(
    ("lead", "error", "text"),
    [
        (-1.0, ValueError, r"margin.* 0 or more; got -1\.0"),
        (np.nan, ValueError, "margin.* got nan"),
        (np.inf, ValueError, "margin.* got inf"),
    ],
)
def test_bad_lead(lead, error, text):
    with pytest.raises(error, match=text):
        third_step(am.InductionTask(6, 5), lead)


def test_no_softmax_of_symbols():
    with pytest.raises(TypeError, match=r"margin.* 0 with SymPy sizes"):
        third_step(am.InductionTask(N, 5), 1.0)
    with pytest.raises(TypeError, match=r"lead: expected numeric sizes, as it takes a maximum"):
        third_step_slope(am.InductionTask(N, 5))


def test_a_step_that_does_not_lead_is_not_scaled_by_its_lead():
    """Dividing by a negative lead would turn the second step around."""
    task = am.InductionTask(4, 4)
    for step in (third_step, third_step_slope):
        with pytest.raises(ValueError, match=r"task: .*positive lead.*Pass second="):
            step(task)
    assert np.isfinite(positions(third_step(task, 0))).all()  # which needs no second step


def test_second_must_belong_to_the_task():
    task, other = am.InductionTask(4, 6), am.InductionTask(9, 6)
    for second in (second_step(other), first_step(task)):
        with pytest.raises(ValueError, match=r"second: expected a multiple of second_step"):
            third_step(task, second=second)

"""The closed forms: L1, L2, L3 against autograd, S1, S2, S3 against the reference transformer.

The promised tolerances, of the largest entry: 1e-12 for S1, 1e-9 for S2 and S3a.
"""

from __future__ import annotations

from functools import partial
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
from tests.rounding import FEW, RUNS
from validation import reference

EPS = np.finfo(float).eps

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 5)
modest = settings(max_examples=30, deadline=None)


def assert_close(measured, expected, tolerance):
    """The largest difference is within the tolerance, relative to the largest entry."""
    measured, expected = np.asarray(measured, float), np.asarray(expected, float)
    assert measured.shape == expected.shape
    error = abs(measured - expected).max()
    assert error <= tolerance * abs(expected).max(), f"differs by {error:.1e}"


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


def test_noise_is_dropped_in_one_step():
    """x = w_E(y) + p_t, y uniform on N, t independent of y: weight (N-1)/N² on the pair k, k,
    -1/N² on others, none on a position."""
    n, length = 5, 3
    atoms = np.eye(n + length)
    pairs = list(product(range(n), range(length)))
    inputs = np.array([atoms[y] + atoms[n + t] for y, t in pairs])
    joint = np.array([[(y == k) / len(pairs) for y, _ in pairs] for k in range(n)])
    step = noisy_linear_step(inputs, np.eye(n), joint).matrix
    expected = np.hstack([np.eye(n) / n - 1 / n**2, np.zeros((n, length))])
    np.testing.assert_allclose(step, expected, rtol=0, atol=len(pairs) * EPS)


@modest
@given(seed=seeds, size=sizes, length=sizes, m=st.integers(2, 5), weighted=st.booleans())
def test_one_attention_layer(seed, size, length, m, weighted):
    rng = np.random.default_rng(seed)
    x, outputs, Phi2 = (
        rng.normal(size=(size, length, 4)),
        rng.normal(size=(m, 3)),
        rng.normal(size=(3, 4)),
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


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: linear_step(np.eye(2), np.eye(3), np.full((2, 3), 1 / 6)),
            r"joint.* shape \(3, 2\)",
        ),
        (
            lambda: linear_step(np.eye(2), np.eye(2), np.ones((2, 2))),
            "joint: expected a sum of 1.*got 4",
        ),
        (
            lambda: linear_step(np.eye(2), np.eye(2), [[2, -1], [0, 0]]),
            r"joint: .* at least 0; got -1",
        ),
        (
            lambda: linear_step(np.eye(2), np.eye(2), [[np.nan, 1], [0, 0]]),
            r"joint: expected finite numbers; got NaN",
        ),
        (lambda: noisy_linear_step(np.eye(2), np.eye(2), [[1, 0], [0, 0]]), "every label to occur"),
        (lambda: attention_step(np.eye(3), [0], np.eye(2), np.eye(2)), r"inputs.* \(B, T, d\) and"),
        (
            lambda: attention_step(np.ones((1, 3, 2)), [-1], np.eye(2), np.eye(2)),
            r"targets: .*0\.\.1",
        ),
        (
            lambda: attention_step(np.ones((1, 3, 2)), [2], np.eye(2), np.eye(2)),
            r"targets: .*0\.\.1",
        ),
        (lambda: attention_step(np.ones((1, 0, 2)), [0], np.eye(2), np.eye(2)), "at least one seq"),
        (
            lambda: attention_step(
                np.ones((1, 3, 2)), [0], np.eye(2), np.eye(2), weights=[0.5, 0.5]
            ),
            r"weights: expected shape \(1,\); got \(2,\)",
        ),
        (
            lambda: attention_step(np.ones((2, 3, 4)), [0], np.eye(4), np.eye(4)),
            r"\(2, 3, 4\) and \(1,\)",
        ),
        (lambda: attention_step(np.ones((1, 3, 4)), [0], np.eye(2), np.eye(2)), r"Phi2.* \(2, 4\)"),
    ],
)
def test_bad_building_blocks(call, text):
    with pytest.raises(ValueError, match=text):
        call()


# --- S1, S2, S3 against the reference -----------------------------------------------------------


def all_tasks(n_tokens):
    """Every valid (K, T, predict) with T <= 6."""
    fixed = product(range(1, n_tokens - 1), ("content", "all"))
    for (triggers, predict), length in product([*fixed, ("random", "all")], range(3, 7)):
        yield am.InductionTask(n_tokens, length, triggers, predict=predict)


class Oracle:
    """Population gradients of the reference, all sequences enumerated, at infinite width."""

    def __init__(self, task):
        self.embeddings = emb = am.FrozenEmbeddings.orthonormal(task)
        batch = task.enumerate()
        self.data = batch.tokens, batch.targets, batch.weights
        self.params = reference.parameters(
            emb.tokens, emb.positions, emb.outputs, emb.Phi1, emb.W_V2
        )
        self.positions = slice(task.n_tokens, task.n_tokens + task.length)

    def descent(self, name, *along, **weights):
        """-∇ on a matrix, differentiated along directions, at the given weights."""
        params = {**self.params, **weights}
        return -reference.gradients(params, *self.data, wrt=[name], along=along)[name]

    def position_block(self, *along, **weights):
        return self.descent("W_K1", *along, **weights)[self.positions, self.positions]


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
    assert_close(value["positions", "positions"], oracle.position_block({"W_O2": G1}), 1e-9)
    expected = oracle.position_block({"W_O2": G1}, {"W_K2": J2})
    assert_close(slope["positions", "positions"], expected, 1e-9)
    for wrong in (1.000001 * G1, -G1):
        with pytest.raises(AssertionError, match="differs by"):
            assert_close(wrong, oracle.descent("W_O2"), 1e-12)


def test_the_scale_of_the_second_step_is_its_own():
    """Ĵ₂ leads by 1 unless it is given; a multiple of it multiplies the slope."""
    task = am.InductionTask(6, 8, 2)
    second = second_step(task)
    assert second.lead > 0
    unit = second / second.lead
    np.testing.assert_array_equal(
        third_step_slope(task)["positions", "positions"],
        third_step_slope(task, second=unit)["positions", "positions"],
    )
    np.testing.assert_array_equal(
        third_step(task, 3.0)["positions", "positions"],
        third_step(task, 3.0, second=unit)["positions", "positions"],
    )
    assert_close(
        third_step(task, 1.0, second=3 * unit)["positions", "positions"],
        third_step(task, 3.0)["positions", "positions"],
        1e-12,
    )


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
    value, slope = third_step(task, 0.0, second=second), third_step_slope(task, second=second)

    def order(slope):
        remainders = [
            abs(
                third_step(task, h, second=second)["positions", "positions"]
                - value["positions", "positions"]
                - h * slope
            ).max()
            for h in (1e-3, 1e-5)
        ]
        return np.log10(remainders[0] / remainders[1]) / 2

    assert order(slope["positions", "positions"]) == pytest.approx(2, abs=0.1)  # 2 + O(λ)
    assert order(2 * slope["positions", "positions"]) < 1.5


def test_what_the_third_step_drops_falls_with_n():
    """At finite λ, against all sequences: the relative error falls at least as N^-3."""
    lead, dropped, planted = 1.0, [], []
    tokens = np.array([6, 8, 10, 14])
    for n in tokens:
        task = am.InductionTask(int(n), 5)
        oracle, second = Oracle(task), second_step(task)
        second = second / second.lead
        exact = oracle.position_block(
            {"W_O2": first_step(task).memory(oracle.embeddings).matrix},
            W_K2=lead * second.memory(oracle.embeddings).matrix,
        )
        closed_form = third_step(task, lead)["positions", "positions"]
        dropped.append(abs(closed_form - exact).max() / abs(exact).max())
        planted.append(
            abs(third_step(task, 1.1 * lead)["positions", "positions"] - exact).max()
            / abs(exact).max()
        )
    assert (np.diff(np.log(dropped)) / np.diff(np.log(tokens)) < -3).all()
    assert not (np.diff(np.log(planted)) / np.diff(np.log(tokens)) < -3).all()


@pytest.mark.parametrize(
    ("task", "lead", "error"),
    [(am.InductionTask(9, 5), 1.0, 5.3e-3), (am.InductionTask(6, 7, 1, "all"), 1.0, 9.0e-5)],
    ids=str,
)
def test_the_whole_first_order_is_kept(task, lead, error):
    """Largest error over the largest entry, rows t < T, as an independent calculation had it."""
    oracle, second = Oracle(task), second_step(task)
    weights = {"W_K2": second.memory(oracle.embeddings).matrix * (lead / second.lead)}
    direction = {"W_O2": first_step(task).memory(oracle.embeddings).matrix}
    exact = oracle.position_block(direction, **weights)[:-1]
    found = third_step(task, lead)["positions", "positions"][:-1]
    assert abs(found - exact).max() / abs(exact).max() == pytest.approx(error, rel=0.01)


def test_the_error_of_the_third_step_is_bounded_and_vanishes_at_zero():
    task = am.InductionTask(9, 6, 2)
    oracle, second = Oracle(task), second_step(task)
    direction = {"W_O2": first_step(task).memory(oracle.embeddings).matrix}
    for lead in (0.01, 0.3):
        weights = {"W_K2": second.memory(oracle.embeddings).matrix * (lead / second.lead)}
        exact = oracle.position_block(direction, **weights)
        error = abs(third_step(task, lead)["positions", "positions"] - exact)[1:-1].max(axis=1)
        bound = third_step_error(task, lead)[1:]
        assert (error < bound).all()
        assert (error > 1e-5 * bound).any()
    assert (third_step_error(task, 0) == 0).all()
    with pytest.raises(ValueError, match="margin: expected"):
        third_step_error(task, -1)
    with pytest.raises(TypeError, match="sizes that are numbers"):
        third_step_error(am.InductionTask(N, 5), 1.0)


# --- known numbers ------------------------------------------------------------------------------


def test_first_step_with_every_token_a_trigger():
    table = first_step(am.InductionTask(4, 6, "random", predict="all"))
    block = table["outputs", "tokens"]
    assert block.same[0] == pytest.approx(1 / 48, rel=FEW)
    assert block.different[0, 0] == pytest.approx(-1 / 144, rel=FEW)
    for positions in ("positions", "remapped_positions"):
        assert abs(table["outputs", positions]).max() <= EPS


@pytest.mark.parametrize("triggers", [1, 3])
def test_positions_learn_the_label_distribution(triggers):
    """Nothing when labels are uniform over the classes; (p(y=k) - 1/M)/T when they are not."""
    content = first_step(am.InductionTask(6, 5, triggers))
    assert abs(content["outputs", "positions"][-1]).max() <= EPS
    assert abs(content["outputs", "remapped_positions"][-1]).max() <= EPS
    everything = first_step(am.InductionTask(6, 5, triggers, predict="all"))["outputs", "positions"]
    expected = [[-1 / 6 / 5] * 5, [(1 / (6 - triggers) - 1 / 6) / 5] * 5]
    assert_close(everything, expected, 4 * EPS)


def test_second_lead_at_large_length():
    """u (2 ln T + 2γ - 4 - π²/6) / (K T²), with u the lead of the first step; 9.41 at T = 1024."""

    def measured(length, triggers):
        task = am.InductionTask(10**6, length, triggers)
        return second_step(task).lead * triggers * length**2 / first_step(task).lead

    def predicted(length):
        return 2 * np.log(length) + 2 * np.euler_gamma - 4 - np.pi**2 / 6

    assert measured(1024, 1) == pytest.approx(9.41, abs=0.005)
    gaps = [measured(length, 1) - predicted(length) for length in (128, 256, 512)]
    # what is left falls with T, about as ln T / T
    assert gaps[0] > gaps[1] > gaps[2] > 0
    assert gaps[2] / gaps[1] == pytest.approx(np.log(512) / 512 / (np.log(256) / 256), rel=0.1)
    assert measured(512, 2) - predicted(512) < gaps[1]


def test_second_lead_can_be_negative():
    assert second_step(am.InductionTask(4, 6, "random", predict="all")).lead < 0
    assert second_step(am.InductionTask(4, 6)).lead > 0


# --- symbols and size ---------------------------------------------------------------------------


def numbers(table):
    """All numbers of a block table, in a fixed order."""
    for name in table:
        block = table[name]
        for array in block if isinstance(block, TokenBlock) else (block,):
            yield from np.ravel(array)


_, N, K = sympy.field("N, K", sympy.QQ)


def third_slope(task):
    return third_step_slope(task, second=second_step(task))  # the lead needs numbers


@pytest.mark.parametrize(("triggers", "predict"), [(2, "content"), (2, "all"), ("random", "all")])
@pytest.mark.parametrize(
    "step", [first_step, second_step, partial(third_step, margin=0), third_slope]
)
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
    assert np.isfinite(
        third_step(task, 0)["positions", "positions"]
    ).all()  # the value path needs no second step


def test_second_must_belong_to_the_task():
    task, other = am.InductionTask(4, 6), am.InductionTask(9, 6)
    for second in (second_step(other), first_step(task)):
        with pytest.raises(ValueError, match=r"second: expected a multiple of second_step"):
            third_step(task, second=second)

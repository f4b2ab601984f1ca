"""The moments behind the closed forms against all sequences of small tasks, one by one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import assocmem as am
from assocmem.gradients.roles import FREE, OUTPUT, TRIGGER, C, O, Q, Roles, TokenFunction, X
from tests.rounding import EPS

TASKS = [
    am.InductionTask(4, 5, 1),
    am.InductionTask(5, 5, 3),
    am.InductionTask(5, 4, 2, predict="all"),
    am.InductionTask(3, 6, 1),
    am.InductionTask(4, 4, "random", predict="all"),
]
cases = pytest.mark.parametrize("task", TASKS, ids=str)

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=5, deadline=None)


def sequences(task):
    """(q, o, τ from 0, tokens) of every sequence; all are equally likely."""
    for tokens in task.enumerate().tokens:
        tau = int(np.flatnonzero(tokens == tokens[-1])[0])
        yield tokens[-1], tokens[tau + 1], tau, tokens


def token_role(task, q, o, token):
    if token in (q, o):
        return Q if token == q else O
    return X if not task.random_triggers and token < task.n_triggers else C


def token_class(task, token):
    return int(not task.random_triggers and token >= task.n_triggers)


def assert_same(measured, expected, terms, size=1.0):
    """Up to the rounding of sums of that many terms whose absolute values add to size."""
    error = np.max(np.abs(np.asarray(measured, float) - np.asarray(expected, float)))
    assert error <= terms * EPS * size


@cases
def test_positions_have_one_role_each(task):
    roles = Roles(task)
    assert (roles.at.sum(axis=2) == 1).all()
    for _, _, tau, _ in sequences(task):
        expected = [FREE] * task.length
        expected[tau] = expected[-1] = TRIGGER
        expected[tau + 1] = OUTPUT
        np.testing.assert_array_equal(roles.at[tau].argmax(axis=1), expected)
    np.testing.assert_array_equal(roles.mean, roles.at.mean(axis=0))


@cases
def test_occurs_counts_sequences(task):
    roles, counts, totals = Roles(task), np.zeros((4, 3)), np.zeros((4, 3))
    for q, o, tau, tokens in sequences(task):
        for token, position in product(range(task.n_tokens), range(task.length)):
            cell = token_role(task, q, o, token), roles.at[tau, position].argmax()
            counts[cell] += tokens[position] == token
            totals[cell] += 1
    expected = counts / np.maximum(totals, 1)
    assert_same(roles.occurs, expected, terms=2)
    assert_same(roles.in_content, (expected[:, FREE] > 0), terms=0)


@cases
@few
@given(seed=seeds)
def test_averages_over_trigger_and_output(task, seed):
    """A number that depends on the roles of one token, or of two, averaged by their classes."""
    roles, rng = Roles(task), np.random.default_rng(seed)
    single, pair, same = rng.random(4), rng.random((4, 4)), rng.random(4)
    pairs = {(int(q), int(o)) for q, o, _, _ in sequences(task)}  # all equally likely
    block, by_class = roles.by_pair(pair, same), roles.by_class(single)
    for i, j in product(range(task.n_tokens), repeat=2):
        at = [(token_role(task, q, o, i), token_role(task, q, o, j)) for q, o in pairs]
        a, b = token_class(task, i), token_class(task, j)
        assert_same(by_class[a], np.mean([single[k] for k, _ in at]), terms=2 * len(at))
        if i == j:
            assert_same(block.same[a], np.mean([same[k] for k, _ in at]), terms=2 * len(at))
        else:
            expected = np.mean([pair[k] for k in at])
            assert_same(block.different[a, b], expected, terms=2 * len(at))
    wrong = np.roll(pair, 1, axis=0)  # the roles of the first token mixed up
    mixed_up = abs(roles.by_pair(wrong, same).different - block.different).max()
    assert mixed_up > 2 * len(pairs) * EPS  # more than rounding, as the numbers are random


@cases
@few
@given(seed=seeds)
def test_bilinear_moments(task, seed):
    """E f(z)ᵀ M g(z): means of independent tokens, plus covariances at the free positions."""
    roles, rng = Roles(task), np.random.default_rng(seed)
    f, g = rng.random(4), rng.random(4)
    form = rng.random((task.length, task.length))
    total, count = 0.0, 0
    for q, o, _, tokens in sequences(task):
        at = [token_role(task, q, o, token) for token in tokens]
        total, count = total + f[at] @ form @ g[at], count + 1
    tf, tg = TokenFunction(roles, f), TokenFunction(roles, g)
    covariance = tf.covariance @ (np.array([0, 1, roles.content - 1, 0]) * g)  # one o, C - 1 c's
    means = tf.at_roles @ roles.bilinear(form) @ tg.at_roles
    expected, terms = total / count, count + task.length**2
    assert_same(means + roles.free_trace(form) * covariance, expected, terms, size=form.sum())
    if task.length > 3:  # there are free positions, and a free position has a variance
        assert abs(means - expected) > terms * EPS * form.sum()


@cases
@few
@given(seed=seeds)
def test_token_functions(task, seed):
    roles, f = Roles(task), np.random.default_rng(seed).random(4)
    q, o, _, _ = next(sequences(task))
    content = [t for t in range(task.n_tokens) if token_role(task, q, o, t) in (O, C)]
    values = np.array([f[token_role(task, q, o, t)] for t in content])
    function = TokenFunction(roles, f)
    assert_same(function.at_roles, [values.mean(), f[Q], f[O]], terms=8)
    assert_same(function.surplus, f[O] - values.mean(), terms=8)
    expected = np.zeros(4)
    for token in content:
        indicator = np.array([t == token for t in content])
        expected[token_role(task, q, o, token)] = np.cov(values, indicator, bias=True)[0, 1]
    assert_same(function.covariance, expected, terms=8)


@cases
def test_means_over_the_past(task):
    roles, x = Roles(task), np.arange(1.0, task.length + 1)
    expected = [x[: t + 1].mean() for t in range(task.length)]
    assert_same(roles.causal_mean @ x, expected, terms=2 * task.length, size=task.length)
    np.testing.assert_array_equal(roles.identity, np.eye(task.length))


@pytest.mark.parametrize("triggers", [2, "random"])
def test_symbols_give_the_same_moments(triggers):
    N, K = sympy.symbols("N K", positive=True)
    symbolic = Roles(am.InductionTask(N, 5, K if triggers == 2 else "random", predict="all"))
    numeric = Roles(am.InductionTask(7, 5, triggers, predict="all"))
    form = np.arange(25).reshape(5, 5)

    def moments(roles):
        block = roles.by_pair(roles.array(np.arange(16).reshape(4, 4)), roles.array(range(4)))
        arrays = roles.occurs, roles.mean, roles.causal_mean, *block, roles.bilinear(form)
        return [np.asarray(array).ravel() for array in arrays]

    for entries, expected in zip(moments(symbolic), moments(numeric), strict=True):
        values = [sympy.sympify(entry).subs({N: 7, K: 2}) for entry in entries]
        assert_same(values, expected, terms=50, size=abs(expected).max())

"""Probes, the hand-built induction head, and evaluation, against loops over their definitions."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import assocmem as am
from tests.rounding import OPERATION, PRODUCTS

TASKS = [
    am.InductionTask(5, 6, 1),
    am.InductionTask(6, 5, 3),
    am.InductionTask(5, 6, 2, predict="all"),
    am.InductionTask(4, 6, "random", predict="all"),
]
NAMES = ("W_O2", "W_K2", "W_K1")
cases = pytest.mark.parametrize("task", TASKS, ids=str)

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=10, deadline=None)


def questions(name, task, emb, W):
    """(scores of the admissible answers, index of the right one) of every cue, by definition."""
    N, T = task.n_tokens, task.length
    if name == "W_O2":
        for k in task.contents:
            cue = emb.W_V2 @ emb.tokens[k]
            yield [w_U @ W @ cue for w_U in emb.outputs], list(task.outputs).index(k)
    elif name == "W_K2":
        for q in task.triggers:
            yield [emb.tokens[q] @ W @ (emb.Phi1 @ emb.tokens[i]) for i in range(N)], q
    else:
        for t in range(1, T - 1):  # but the last, counted from 0
            yield [emb.positions[t] @ W @ emb.positions[s] for s in range(t + 1)], t - 1


@cases
@pytest.mark.parametrize("name", NAMES)
@few
@given(seed=seeds)
def test_probe_asks_the_questions(task, name, seed):
    rng = np.random.default_rng(seed)
    emb = am.FrozenEmbeddings.random(task, width=9, rng=rng)
    W, probe = rng.normal(size=(9, 9)), am.probe(name, task, emb)
    margins, chances = [], []
    for scores, right in questions(name, task, emb, W):
        margins.append(scores[right] - max(np.delete(scores, right)))
        chances.append(1 / len(scores))
    rounding = 1e-12 * abs(W).sum() * abs(emb.atoms).max() ** 2
    np.testing.assert_allclose(probe.margins(W), margins, rtol=0, atol=rounding)
    assert probe.recall(W) == np.mean(probe.margins(W) > 0)
    assert probe.chance == pytest.approx(np.mean(chances))
    memory = am.AssociativeMemory(keys=np.eye(9), values=W.T)  # the same matrix
    np.testing.assert_allclose(probe.margins(memory), margins, rtol=0, atol=rounding)
    assert abs(probe.margins(W.T) - margins).max() > rounding


@cases
@pytest.mark.parametrize("name", NAMES)
def test_the_wanted_memory_is_recalled(task, name):
    emb = am.FrozenEmbeddings.orthonormal(task)
    probe = am.probe(name, task, emb)
    assert probe.recall(probe.wanted()) == 1
    np.testing.assert_array_equal(probe.margins(probe.wanted()), 1)
    assert probe.recall(-probe.wanted()) == 0
    assert probe.recall(0 * probe.wanted()) == 0  # a tie is an error


def test_there_is_no_probe_of_a_frozen_matrix():
    task = TASKS[0]
    message = r"name: expected one of 'W_O2', 'W_K2', 'W_K1', 'W_F'; got 'Phi1'"
    with pytest.raises(ValueError, match=message):
        am.probe("Phi1", task, am.FrozenEmbeddings.orthonormal(task))


# --- the hand-built induction head --------------------------------------------------------------


def head(task, beta):
    emb = am.FrozenEmbeddings.orthonormal(task)
    model = am.FrozenTransformer(emb, **am.induction_head(task, emb, beta=beta))
    return am.evaluate(model, task.enumerate())


@cases
@pytest.mark.parametrize("beta", [10.0, 20.0])
def test_induction_head_attends_to_the_output(task, beta):
    """Both softmaxes let (T - 1) exp(-beta) through, and a leak moves a score by beta times it."""
    result, T = head(task, beta), task.length
    leak = (1 + beta) * 2 * (T - 1) * math.exp(-beta)
    first = result.trigger_position == 0
    assert (result.attention_on_output[~first] >= 1 - leak).all()
    assert (result.attention_on_output[~first] < 1 - math.exp(-beta) / 2).all()  # and not closer
    assert (abs(result.attention_on_output[first] - 1 / 2) <= leak).all()
    assert result.where(~first).accuracy.value == 1
    assert result.where(~first).attention_argmax.value == 1


def test_bad_beta():
    task = TASKS[0]
    with pytest.raises(ValueError, match="beta: expected a finite number; got inf"):
        am.induction_head(task, am.FrozenEmbeddings.orthonormal(task), beta=math.inf)


# --- evaluation ---------------------------------------------------------------------------------


@cases
@few
@given(seed=seeds)
def test_evaluation_sequence_by_sequence(task, seed):
    rng = np.random.default_rng(seed)
    emb, batch = am.FrozenEmbeddings.random(task, width=12, rng=rng), task.sample(30, rng=rng)
    weights = {name: 3 * rng.normal(size=(12, 12)) for name in NAMES}
    model = am.FrozenTransformer(emb, **weights)
    result = am.evaluate(model, batch)
    logits, attention = (
        part[:, 0] for part in model.logits_and_attention(batch.tokens, positions=[-1])
    )
    for i, tokens in enumerate(batch.tokens):
        tau, label = list(tokens).index(tokens[-1]), batch.targets[i, -1]
        assert result.trigger_position[i] == tau
        assert result.attention_on_output[i] == attention[i, tau + 1]
        assert result.attends_output[i] == (
            attention[i, tau + 1] > np.delete(attention[i], tau + 1).max()
        )
        assert result.correct[i] == (logits[i, label] > np.delete(logits[i], label).max())
    assert result.attention == result.attention_on_output.mean()
    assert result.accuracy == am.Rate(int(result.correct.sum()), 30)
    assert result.attention_argmax == am.Rate(int(result.attends_output.sum()), 30)
    some = result.where(result.correct)
    assert some.accuracy.trials == result.accuracy.successes == some.accuracy.successes


def test_ties_are_errors():
    task = am.InductionTask(4, 5)
    emb = am.FrozenEmbeddings.orthonormal(task)
    zero = am.evaluate(am.FrozenTransformer(emb), task.enumerate())
    assert zero.accuracy.value == zero.attention_argmax.value == 0
    assert (zero.attention_on_output == 1 / 5).all()


@pytest.mark.parametrize(
    "tokens",
    [
        [[0, 1, 2, 3]],  # the last token is new
        [[0, 1, 2, 2]],  # it has no successor but itself
        [[0, 1, 0, 2], [0, 1, 2, 3]],  # only one of two sequences repeats, and not the last token
    ],
)
def test_only_repeats_can_be_evaluated(tokens):
    model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(am.InductionTask(4, 4)))
    weights = np.zeros(np.shape(tokens))
    weights[:, -1] = 1 / len(tokens)
    batch = am.Batch(tokens=tokens, targets=np.zeros_like(tokens), weights=weights)
    with pytest.raises(
        ValueError, match=r"batch: expected sequences whose last token occurs before"
    ):
        am.evaluate(model, batch)


def test_a_label_is_needed():
    task = am.InductionTask(4, 4)
    batch = task.enumerate()
    weights, targets = np.roll(batch.weights, 1, axis=1), np.roll(batch.targets, 1, axis=1)
    unlabelled = am.Batch(tokens=batch.tokens, targets=targets, weights=weights)
    model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
    with pytest.raises(ValueError, match="with a label and a weight at the end"):
        am.evaluate(model, unlabelled)


@given(
    trials=st.integers(1, 10**6), fraction=st.fractions(0, 1), confidence=st.floats(0.5, 0.999999)
)
def test_interval_is_clopper_pearson(trials, fraction, confidence):
    """The limits are the rates at which so many successes, or so few, have half the error rate.

    SciPy's search ends within 2e-12 of them, which is not small against a limit near 0.
    """
    successes = math.floor(fraction * trials)
    low, high = am.Rate(successes, trials).interval(confidence)
    half = (1 - confidence) / 2
    for limit, end, tail in (
        (low, 0, lambda p: stats.binom.sf(successes - 1, trials, p)),
        (high, 1, lambda p: stats.binom.cdf(successes, trials, p)),
    ):
        if successes == end * trials:
            assert limit == end
        else:
            tails = sorted(tail(np.clip([limit - 3e-12, limit + 3e-12], 0, 1)))
            assert tails[0] <= half * (1 + 1e-6)
            assert tails[1] >= half * (1 - 1e-6)
    assert low <= am.Rate(successes, trials).value <= high


def test_rate():
    assert am.Rate(1, 8).value == Fraction(1, 8)
    assert math.isnan(am.Rate(0, 0).value)
    assert repr(am.Rate(1, 8)) == "Rate(0.1250, 1/8)"


def test_embeddings_and_batches_of_another_task():
    task, everything = am.InductionTask(4, 6), am.InductionTask(4, 6, predict="all")
    emb = am.FrozenEmbeddings.orthonormal(everything)
    for use in (
        lambda: am.probe("W_K2", task, emb),
        lambda: am.induction_head(task, emb, beta=1),
        lambda: am.top_down(task, emb),
    ):
        with pytest.raises(ValueError, match=r"embeddings: expected .* \(4, 6, 3\), .*; got"):
            use()
    with pytest.raises(ValueError, match="batch: expected the label to be the class of the token"):
        am.evaluate(am.FrozenTransformer(emb), task.enumerate())


# --- weights ------------------------------------------------------------------------------------


def test_patterns_are_evaluated_with_their_weights():
    """Three in four patterns have a right answer, two in three sequences."""
    task = am.InductionTask(n_tokens=10**6, length=8)
    patterns = task.patterns()
    small = am.top_down(task, gradient="exact", evaluate_on=None).model().restricted
    result = am.evaluate(small, patterns.batch)
    assert result.accuracy.value == pytest.approx(patterns.mean(result.correct), abs=PRODUCTS)
    assert result.attention == pytest.approx(
        patterns.mean(result.attention_on_output), abs=PRODUCTS
    )
    assert result.correct.mean() - result.accuracy.value > 0.05
    late = result.where(result.trigger_position > 0)
    expected = patterns.mean(result.correct, where=result.trigger_position > 0)
    assert late.accuracy.value == pytest.approx(expected, abs=PRODUCTS)
    with pytest.raises(ValueError, match="interval: expected a rate over equally weighted draws"):
        late.accuracy.interval()


def test_any_weights_are_used():
    task, rng = am.InductionTask(4, 5), np.random.default_rng(0)
    model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
    batch = task.enumerate()
    weights = np.where(batch.weights > 0, rng.random(batch.weights.shape), 0)
    weighted = dataclasses.replace(batch, weights=weights / weights.sum())
    result = am.evaluate(model, weighted)
    assert result.attention == pytest.approx(0.2, abs=OPERATION)  # uniform, so any weights agree
    own = weighted.weights[:, -1]
    first = result.where(result.trigger_position == 0)
    assert first.weights.sum() == pytest.approx(own[batch.trigger_position == 0].sum())
    plain = am.Batch(tokens=batch.tokens, targets=batch.targets, weights=weighted.weights)
    assert (am.evaluate(model, plain).trigger_position == batch.trigger_position).all()
    with pytest.raises(ValueError, match="drawn: expected equal weights"):
        dataclasses.replace(weighted, drawn=True)
    targets = np.where(batch.targets < 0, 0, batch.targets)
    elsewhere = np.full((81, 5), 1 / 405) * [1, 1, 1, 2, 0]
    with pytest.raises(ValueError, match="batch: expected sequences with a label and a weight"):
        am.evaluate(model, dataclasses.replace(batch, targets=targets, weights=elsewhere))


def test_only_draws_have_an_interval():
    task = am.InductionTask(4, 5)
    model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
    drawn = am.evaluate(model, task.sample(50, rng=0))
    assert drawn.accuracy.interval()[0] == 0
    batch = task.sample(50, rng=0)
    some = am.evaluate(model, batch.select(batch.trigger_position > 0))
    assert some.accuracy.interval()[0] == 0  # draws given that the trigger is not first
    for other in (
        task.enumerate(),
        batch.select([0, 1, 2, 0]),  # 0 twice says no more than once
        am.Batch(**{k: getattr(task.sample(9, rng=0), k) for k in FIELDS}),
    ):
        with pytest.raises(ValueError, match="interval: expected"):
            am.evaluate(model, other).attention_argmax.interval()


FIELDS = ("tokens", "targets", "weights")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"trigger_position": [0.5] * 81}, TypeError, "trigger_position: expected integers"),
        ({"trigger_position": [0]}, ValueError, r"trigger_position: expected shape \(81,\)"),
        ({"trigger_position": [3] * 81}, ValueError, "places from 0 to T - 3 = 2"),
        ({"trigger_position": [2] * 81}, ValueError, "expected the token that stands last"),
    ],
)
def test_the_trigger_must_stand_where_it_is_said(change, error, message):
    with pytest.raises(error, match=message):
        dataclasses.replace(am.InductionTask(4, 5).enumerate(), **change)

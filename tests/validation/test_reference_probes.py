"""Probes of the trained reference: on an induction head built by hand, and on a learned one."""

from __future__ import annotations

import numpy as np
import pytest

from assocmem.tasks import BigramTask, Language
from tests.rounding import PRODUCTS
from validation.dynamics import reference_probes
from validation.reference import training as reference_training

N, T = 6, 12
WIDTH = N + T + N  # tokens, positions, and what layer 0 writes; outputs read the tokens
TASK = BigramTask(Language.uniform(N), length=T, n_triggers=2)


def built(beta=200.0):
    """Two heads a layer: head 0 looks one position back and copies, head 1 of each does nothing.

    In layer 1 head 0 compares the token with the copied one, and writes the token to the outputs.
    Half of the width belongs to each head.
    """
    architecture = reference_training.Architecture(N, T, 2 * WIDTH, n_heads=2, layer_norm=False)
    shapes = reference_training.initial(architecture, np.random.default_rng(0))
    params = {name: np.zeros_like(value) for name, value in shapes.items()}
    token, place, copy = np.arange(N), N + np.arange(T), N + T + np.arange(N)
    params["W_E"][:, token] = params["W_U"][:, WIDTH + token] = np.eye(N)
    params["W_P"][:, place] = np.eye(T)
    params["W_Q.0"][place[:-1], place[1:]] = beta
    params["W_K.0"][place, place] = 1
    params["W_V.0"][token, token] = params["W_O.0"][copy, token] = 1
    params["W_Q.1"][token, token] = beta
    params["W_K.1"][token, copy] = 1
    params["W_V.1"][token, token] = params["W_O.1"][WIDTH + token, token] = 1
    return architecture, params


def rows(batch, mask):
    """Some of the sequences of a batch."""
    weights = batch.weights[mask]
    return type(batch)(
        tokens=batch.tokens[mask],
        targets=batch.targets[mask],
        weights=weights / weights.sum(),
        triggers=batch.triggers[mask],
        outputs=batch.outputs[mask],
    )


def test_an_induction_head_built_by_hand_has_all_three_memories():
    architecture, params = built()
    recall = reference_probes.recall(architecture, params, TASK.trigger_tokens)
    assert recall.W_K1.tolist() == [1, 0]
    assert recall.W_K2.tolist() == [[1, 0], [0, 0]]
    assert recall.W_O2 == 1
    batch = TASK.sample(200, rng=0)
    # position 0 copies itself: a trigger that stands there shares the attention with its output
    piece = rows(batch, (batch.tokens[:, :1] != batch.triggers).all(axis=1))
    attention = reference_probes.attention(architecture, params, piece)
    assert attention.previous[0] > 1 - 1e-6
    assert attention.output[0] > 1 - 1e-6
    # a head that does nothing looks everywhere: 1 / (t + 1) on each position up to t
    uniform = np.mean([1 / (t + 1) for t in range(1, T)])
    np.testing.assert_allclose(attention.previous[1], uniform, rtol=PRODUCTS)
    assert attention.output[1] < 0.9
    assert reference_probes.accuracy(architecture, params, piece) == 1


@pytest.mark.parametrize(
    ("name", "lost"), [("W_Q.0", "W_K1"), ("W_V.0", "W_K2"), ("W_K.1", "W_K2"), ("W_O.1", "W_O2")]
)
def test_a_memory_that_is_taken_out_is_missed(name, lost):
    architecture, params = built()
    whole = reference_probes.recall(architecture, params, TASK.trigger_tokens)
    params[name] = np.roll(params[name], 1, axis=1)
    recall = reference_probes.recall(architecture, params, TASK.trigger_tokens)
    for memory in recall._fields:
        same = np.array_equal(getattr(recall, memory), getattr(whole, memory))
        assert same == (memory != lost)
    assert np.max(getattr(recall, lost)) < 1
    batch = TASK.sample(200, rng=0)
    assert reference_probes.accuracy(architecture, params, batch) < 0.9


def test_ties_are_errors():
    architecture, params = built()
    nothing = {name: np.zeros_like(value) for name, value in params.items()}
    batch = TASK.sample(20, rng=0)
    assert reference_probes.accuracy(architecture, nothing, batch) == 0
    recall = reference_probes.recall(architecture, nothing, TASK.trigger_tokens)
    assert np.max(recall.W_K1) == np.max(recall.W_K2) == recall.W_O2 == 0


@pytest.mark.slow
def test_the_trained_reference_learns_the_task():
    """About 20 s: several heads and layer norm, all of it trained; values far from the bounds."""
    task, rng = BigramTask(length=32), np.random.default_rng(0)
    architecture = reference_training.Architecture(65, 32, 64)
    params = reference_training.initial(architecture, rng)
    samples = (task.sample(64, rng=rng) for _ in range(250))
    batches = ((batch.tokens, batch.targets, batch.weights) for batch in samples)
    test = task.sample(200, rng=rng)
    before = reference_probes.accuracy(architecture, params, test)
    *_, (params, _) = reference_training.train(architecture, params, batches)
    recall = reference_probes.recall(architecture, params, task.trigger_tokens)
    attention = reference_probes.attention(architecture, params, test)
    assert before < 0.1
    assert reference_probes.accuracy(architecture, params, test) > 0.9
    assert attention.output.min() > 0.8
    assert recall.W_K1.max() > 0.5
    assert recall.W_K2.max() > 0.5
    assert recall.W_O2 > 0.5

"""The model against the reference on every enumerated population with N <= 5 and T <= 6."""

import numpy as np
import pytest

import assocmem as am
from tests.rounding import RUNS
from validation import reference
from validation.steps.populations import small_tasks

TASKS = small_tasks()
AGREE = RUNS  # relative to the largest entry


@pytest.mark.parametrize(
    "task",
    [
        pytest.param(task, marks=[pytest.mark.slow] if task.n_sequences > 300 else [], id=str(task))
        for task in TASKS
    ],
)
@pytest.mark.parametrize("readout", ["attention", "residual"])
@pytest.mark.parametrize("kind", ["gaussian", "orthonormal"])
def test_model_equals_the_reference(task, kind, readout):
    rng = np.random.default_rng()
    if kind == "gaussian":
        emb = am.FrozenEmbeddings.random(task, width=24, rng=rng)
    else:
        emb = am.FrozenEmbeddings.orthonormal(task)
    names = ["W_K1", "W_K2", "W_O2"] + ["W_F"] * (readout == "residual")
    scale = emb.width**-0.5  # scores of order 1: no softmax saturates
    weights = {name: scale * rng.normal(size=(emb.width, emb.width)) for name in names}
    batch = task.enumerate()
    data = (batch.tokens, batch.targets, batch.weights)
    params = reference.parameters(
        emb.tokens, emb.positions, emb.outputs, emb.Phi1, emb.W_V2, **weights
    )
    model = am.FrozenTransformer(emb, readout=readout, **weights)
    loss, gradients = model.loss_and_gradients(batch, tuple(names))
    assert loss == pytest.approx(reference.loss(params, *data, readout=readout), rel=AGREE)
    logits = reference.forward(params, batch.tokens, readout=readout)
    assert np.abs(model.logits(batch.tokens) - logits).max() <= AGREE * np.abs(logits).max()
    theirs = reference.gradients(params, *data, wrt=names, readout=readout)
    for name in names:
        worst = np.abs(gradients[name] - theirs[name]).max()
        assert worst <= AGREE * np.abs(theirs[name]).max(), name


def test_every_population_is_there():
    sizes = {(t.n_tokens, t.length, t.n_triggers, t.predict) for t in TASKS}
    fixed = sum(2 * (n - 2) for n in (3, 4, 5)) * 4  # K = 1..N-2, two vocabularies, T = 3..6
    assert len(sizes) == fixed + 3 * 4  # and random triggers

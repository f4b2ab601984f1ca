"""Gradients on the embeddings, and runs that train them."""

from __future__ import annotations

import numpy as np
import pytest

from assocmem import Batch, BigramTask, FrozenEmbeddings, InductionTask, Language
from assocmem.training import Adam, TrainingRun, TrainingStep, published, train
from assocmem.training.start import BATCH, stream
from tests.rounding import CHAINS, SOLVED

TASK = BigramTask(Language.zipf(5, rng=1), length=7, n_triggers=2, loss="all")
NAMES = ("tokens", "positions", "outputs")
MADE_OF = (*NAMES, "Phi1", "W_V2")


def moved(embeddings, **changes):
    """The embeddings with some of their matrices replaced, and all images made anew."""
    arrays = {name: getattr(embeddings, name) for name in MADE_OF} | changes
    return FrozenEmbeddings.from_matrices(**arrays, side="left")


def setting(kind, layers, readout, rng):
    """Embeddings, weights, options and a batch; all matrices are random, so nothing is flat."""
    task = InductionTask(5, 7, predict="all") if kind == "induction" else TASK
    emb = FrozenEmbeddings.random(task, width=6, rng=rng)
    names = {"W_K2", "W_O2"} | ({"W_K1"} if layers == 2 and kind != "uniform" else set())
    names |= {"W_F"} if readout == "residual" else set()
    weights = {name: rng.normal(size=(6, 6)) / 3 for name in sorted(names)}
    batch = task.sample(6, rng=rng)
    if kind == "shorter":  # than the embeddings have positions
        parts = {"tokens": batch.tokens[:, :5], "targets": batch.targets[:, :5]}
        batch = Batch(**parts, weights=np.full((6, 5), 1 / 30))
    return emb, weights, {"layers": layers, "scale": 0.7, "readout": readout}, batch


@pytest.mark.parametrize("kind", ["bigrams", "induction", "shorter", "uniform"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("readout", ["residual", "attention"])
def test_gradients_are_the_derivatives_of_the_loss(kind, layers, readout):
    """By central differences of order h⁴, along a random direction and the gradient's own.

    Their error is some 1e-11 of the gradient; a ten-thousandth of the slope, which is about the
    gradient's norm, is seen.
    """
    rng = np.random.default_rng()
    emb, weights, options, batch = setting(kind, layers, readout, rng)
    _, gradients = TrainingStep(emb, **options).loss_and_gradients(weights, batch, NAMES)
    h = 3e-4
    for name in NAMES:
        gradient = gradients[name]
        size = np.linalg.norm(gradient)
        direction = gradient / size + rng.normal(size=gradient.shape) / np.sqrt(gradient.size)
        near, far = (
            [
                TrainingStep(
                    moved(emb, **{name: getattr(emb, name) + step * h * direction}), **options
                ).loss_and_gradients(weights, batch, ())[0]
                for step in steps
            ]
            for steps in ((1, -1), (2, -2))
        )
        found = (8 * (near[0] - near[1]) - (far[0] - far[1])) / (12 * h)
        expected = (gradient * direction).sum()
        assert abs(found - expected) < 1e-8 * size
        assert abs(1.0001 * expected - found) > 1e-8 * size  # the comparison can fail


@pytest.mark.parametrize("layers", [1, 2])
def test_gradients_on_matrices_are_the_same_beside_them(layers):
    rng = np.random.default_rng()
    emb, weights, options, batch = setting("bigrams", layers, "residual", rng)
    step = TrainingStep(emb, **options)
    matrices = tuple(weights)
    loss, alone = step.loss_and_gradients(weights, batch, matrices)
    both, beside = step.loss_and_gradients(weights, batch, (*matrices, *NAMES))
    assert loss == both
    for name in matrices:
        np.testing.assert_array_equal(alone[name], beside[name])


def short(steps=6, checkpoint=None, **changes):
    options = published(TASK, width=8, rng=0, dtype=np.float64, batch_size=8, evaluate_every=3)
    options |= {"trained": ("W_K1", "W_O2", *NAMES), "evaluate_on": 8} | changes
    return train(TASK, **options, steps=steps, checkpoint=checkpoint, checkpoint_every=2)


def test_a_run_is_sgd_on_matrices_and_embeddings():
    run, begin = short(momentum=0.5), short(steps=0)
    emb, weights = begin.embeddings, dict(begin.weights)
    velocity, names = {}, begin.settings.trained
    options = {"scale": run.settings.scale}
    for i in range(6):
        batch = TASK.sample(8, rng=stream(run.settings.seed, BATCH, i))
        _, gradients = TrainingStep(emb, **options).loss_and_gradients(weights, batch, names)
        changes = {}
        for name in names:
            array = weights[name] if name in weights else getattr(emb, name)
            velocity[name] = 0.5 * velocity.get(name, 0) + gradients[name] + 1e-4 * array
            changes[name] = array - 0.2 * velocity[name]
        emb = moved(emb, **{name: changes.pop(name) for name in NAMES})
        weights |= changes
    for name in NAMES:
        expected = getattr(emb, name)
        np.testing.assert_allclose(getattr(run.embeddings, name), expected, rtol=0, atol=CHAINS)
        change = np.linalg.norm(expected - getattr(begin.embeddings, name))
        assert change > 1e-4
        distance = change / np.linalg.norm(getattr(begin.embeddings, name))
        assert run.history[f"moved_{name}"][-1] == pytest.approx(distance, rel=SOLVED)
    np.testing.assert_allclose(run.embeddings.values, emb.values, rtol=0, atol=CHAINS)
    assert run.history["moved_tokens"][0] == 0


def test_only_those_that_train_move_and_have_a_column():
    run, begin = short(trained=("W_O2", "outputs")), short(steps=0)
    assert [name for name in run.history if name.startswith("moved")] == ["moved_outputs"]
    np.testing.assert_array_equal(run.embeddings.tokens, begin.embeddings.tokens)
    late = short(steps=3, frozen_until=dict.fromkeys(NAMES, 3))
    assert late.history["moved_outputs"].tolist() == [0, 0]
    assert not any(name.startswith("moved") for name in short(trained=("W_O2",)).history)


@pytest.mark.parametrize("changes", [{}, {"optimizer": Adam(), "momentum": None}, {"workers": 2}])
def test_a_resumed_run_has_the_same_bits(changes, tmp_path):
    short(4, tmp_path / "run", **changes)
    resumed, whole = short(9, tmp_path / "run", **changes), short(9, **changes)
    for name in MADE_OF:
        np.testing.assert_array_equal(
            getattr(resumed.embeddings, name), getattr(whole.embeddings, name)
        )
    for name in whole.weights:
        np.testing.assert_array_equal(resumed.weights[name], whole.weights[name])
    for name in whole.history:
        np.testing.assert_array_equal(resumed.history[name], whole.history[name])
    loaded = TrainingRun.load(tmp_path / "run")
    tokens = TASK.sample(3, rng=0).tokens
    np.testing.assert_array_equal(loaded.model().logits(tokens), whole.model().logits(tokens))


def test_recall_is_of_the_present_embeddings():
    run = short(12)
    emb, row = run.embeddings, run.history.at(12)
    scores = emb.outputs @ run.weights["W_O2"] @ emb.values[[2, 3, 4]].T
    right = [np.argmax(column) == k for k, column in zip((2, 3, 4), scores.T, strict=True)]
    assert row["recall_W_O2"] == np.mean(right)


def test_embeddings_are_not_among_the_weights():
    emb = FrozenEmbeddings.random(TASK, width=6, rng=0)
    batch = TASK.sample(3, rng=0)
    with pytest.raises(ValueError, match="weights: expected names among W_K1"):
        TrainingStep(emb).loss_and_gradients({"tokens": np.eye(6)}, batch)
    with pytest.raises(TypeError, match="embeddings: expected float64; got float32"):
        TrainingStep(emb).with_embeddings(emb.astype(np.float32))

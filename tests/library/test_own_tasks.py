"""Any task: what the library asks of it, pairs to recall, runs, steps and evaluations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import assocmem as am
from assocmem.training import train
from assocmem.training.start import TEST, stream
from tests.rounding import FEW, PRODUCTS, SOLVED


@dataclass(frozen=True)
class Copying:
    """| s_1 ... s_n | s_1 ... s_n, token 0 the delimiter; loss on the second string."""

    n_symbols: int = 9
    size: int = 4

    n_tokens = property(lambda self: self.n_symbols + 1)
    length = property(lambda self: 2 * self.size + 1)
    outputs = property(lambda self: np.arange(1, self.n_tokens))

    def sample(self, size, *, rng=None):
        rng = np.random.default_rng(rng)
        symbols = np.tile(self.outputs, (size, 1))
        string = rng.permuted(symbols, axis=1)[:, : self.size]
        bar = np.zeros((size, 1), dtype=int)
        tokens = np.concatenate([bar, string, bar, string[:, :-1]], axis=1)
        targets = np.full(tokens.shape, -1)
        targets[:, self.size + 1 :] = string - 1
        return am.Batch(tokens=tokens, targets=targets, weights=(targets >= 0) / (size * self.size))


class Paired(Copying):
    """With pairs of its own."""

    def pairs(self):
        tokens = np.arange(self.n_tokens)
        return {"W_O2": np.stack([tokens[1:], tokens[1:]], axis=1), "W_K1": [(2, 1), (3, 2)]}


EMB = am.FrozenEmbeddings.random(Copying(), width=24, rng=0)
SHORT = {"steps": 4, "batch_size": 16, "evaluate_every": 2, "evaluate_on": 30, "rng": 0}


def test_it_is_a_task():
    assert isinstance(Copying(), am.Task)
    assert not isinstance(am.Language.uniform(3), am.Task)


def test_a_history_without_pairs_has_no_recall():
    history = train(Copying(), EMB, **SHORT).history
    names = {"step", "loss", "accuracy", "attention_previous", "train_loss"}
    assert set(history) == names | {f"norm_{name}" for name in ("W_K1", "W_K2", "W_O2")}


def test_loss_and_accuracy_are_weighted_means_over_the_predictions():
    run = train(Copying(), EMB, **SHORT)
    batch = Copying().sample(30, rng=stream(run.settings.seed, TEST))
    logits = run.model().logits(batch.tokens)
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    where = batch.weights > 0
    chosen = np.take_along_axis(p, batch.targets[..., None] % 9, axis=-1)[..., 0]
    row = run.history.at(4)
    assert row["loss"] == pytest.approx(-(batch.weights[where] * np.log(chosen[where])).sum())
    right = p.argmax(axis=-1) == batch.targets
    assert row["accuracy"] == pytest.approx(right[where].mean())


def test_pairs_of_the_task_or_of_the_caller():
    own = train(Paired(), EMB, **SHORT)
    assert {"recall_W_O2", "recall_W_K1", "recall_W_K1_64"} <= set(own.history)
    assert "recall_W_K2" not in own.history
    pairs = {"W_K2": [(1, 2), (3, 4), (0, 0)]}
    given = train(Paired(), EMB, **SHORT, pairs=pairs)
    assert "recall_W_O2" not in given.history
    weights, emb = given.weights["W_K2"], given.embeddings
    scores = emb.tokens[[1, 3, 0]] @ weights @ emb.remapped_tokens.T
    found = np.mean(scores.argmax(axis=1) == [2, 4, 0])
    assert given.history["recall_W_K2"][-1] == found
    one = train(Paired(), EMB, **SHORT, layers=1)
    assert [name for name in one.history if name.startswith("recall")] == ["recall_W_O2"]


def test_wanted_memories_are_recalled_by_their_probes():
    pairs = {"W_O2": [(3, 1), (0, 2)], "W_K2": [(3, 1), (0, 2)], "W_K1": [(5, 2), (2, 2)]}
    emb = am.FrozenEmbeddings.orthonormal(Copying())
    for name in pairs:
        probe = am.probe(name, Copying(), emb, pairs=pairs)
        assert probe.recall(probe.wanted()) == 1
        assert (probe.margins(probe.wanted()) == 1).all()
    assert am.probe("W_K1", Copying(), emb, pairs=pairs).chance == (1 / 6 + 1 / 3) / 2


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ({"W_Q": [(0, 0)]}, r"pairs: expected names among W_O2, W_K2, W_K1"),
        ({"W_O2": [(1, 0)]}, r"pairs\['W_O2'\]: .* outputs; got \(1, 0\)"),
        ({"W_O2": [(10, 1)]}, r"got \(10, 1\)"),
        ({"W_K2": [(0, -1)]}, r"pairs\['W_K2'\]: .* two tokens; got \(0, -1\)"),
        ({"W_K1": [(2, 3)]}, r"pairs\['W_K1'\]: .* one up to it; got \(2, 3\)"),
        ({"W_K1": [(9, 3)]}, r"got \(9, 3\)"),
        ({"W_K1": [(2, 1), (2, 0)]}, r"one answer a cue; got a cue twice"),
        ({"W_K1": np.empty((0, 2), dtype=int)}, r"one at least; got"),
        ({"W_K1": [1, 2]}, r"got int64 of shape \(2,\)"),
        ({"W_K1": [(1.0, 0.0)]}, r"got dtype float64"),
    ],
)
def test_bad_pairs(pairs, text):
    for use in (
        lambda: train(Copying(), EMB, **SHORT, pairs=pairs),
        lambda: am.top_down(Copying(), EMB, gradient="population", pairs=pairs, evaluate_on=10),
    ):
        with pytest.raises((ValueError, TypeError), match=text):
            use()


def test_a_matrix_without_pairs_has_no_probe():
    with pytest.raises(ValueError, match=r"pairs: expected those of W_K2; got pairs of W_O2, W_K1"):
        am.probe("W_K2", Paired(), EMB)


def test_the_induction_task_is_trained_as_any_other():
    task = am.InductionTask(6, 8)
    emb = am.FrozenEmbeddings.random(task, width=24, rng=0)
    run = train(task, emb, **SHORT, readout="attention")
    assert {f"recall_{name}" for name in ("W_O2", "W_K2", "W_K1")} <= set(run.history)


class Wrong(Copying):
    def sample(self, size, *, rng=None):
        return super().sample(size, rng=rng).tokens


def test_what_is_no_task_or_draws_no_batches():
    with pytest.raises(TypeError, match=r"task.sample: expected a Batch; got ndarray"):
        train(Wrong(), EMB, **SHORT)
    with pytest.raises(TypeError, match="task: expected a Task, which has n_tokens, length"):
        am.probe("W_K2", EMB, EMB)
    with pytest.raises(TypeError, match=r"task: expected an InductionTask"):
        am.top_down(Copying(), EMB)
    with pytest.raises(TypeError, match="task: expected a Task, which has"):
        am.top_down(3, gradient="population")


# --- the three steps ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def steps():
    options = {"sequences": 500, "evaluate_on": 200, "rng": 0, "gradient": "population"}
    return am.top_down(Paired(), am.FrozenEmbeddings.orthonormal(Paired()), **options)


def test_the_steps_are_gradients_scaled_to_their_margins(steps):
    first, second = steps.steps[:2]
    emb = steps.embeddings
    probe = am.probe("W_O2", Paired(), emb)
    assert np.median(probe.margins(first.memory)) == pytest.approx(0.5, rel=SOLVED)
    assert second.recall != second.recall  # there are no pairs of W_K2: no recall
    assert second.memory.coefficients.max() == pytest.approx(10, rel=SOLVED)
    assert second.size * second.strength == pytest.approx(10, rel=SOLVED)
    assert first.evaluation.accuracy.value <= 1


def test_the_first_step_is_the_gradient_at_zero(steps):
    """Of another formula: L2 with causal means for x, which is what attention at zero gives."""
    batch = Paired().sample(200, rng=1)
    emb = am.FrozenEmbeddings.orthonormal(Paired())
    found = -am.FrozenTransformer(emb).loss_and_gradients(batch, ("W_O2",))[1]["W_O2"]
    expected = np.zeros_like(found)
    for tokens, targets, weights in zip(batch.tokens, batch.targets, batch.weights, strict=True):
        x = emb.tokens[tokens] + emb.positions
        count = np.arange(1, 10)[:, None]
        mean = np.cumsum(x, axis=0) / count
        x1 = x + mean @ emb.Phi1.T
        o = np.cumsum(x1, axis=0) / count @ emb.W_V2.T
        for t in np.flatnonzero(weights):
            error = -np.full(9, 1 / 9)
            error[targets[t]] += 1
            expected += weights[t] * np.outer(emb.outputs.T @ error, o[t])
    np.testing.assert_allclose(found, expected, rtol=0, atol=FEW)


def test_a_run_of_another_task_is_saved_and_read_back(steps, tmp_path):
    steps.save(tmp_path / "run")
    loaded = am.TopDownRun.load(tmp_path / "run", task=Paired())
    assert repr(loaded) == repr(steps)
    np.testing.assert_array_equal(
        loaded.memories["W_O2"].coefficients, steps.memories["W_O2"].coefficients
    )
    for other in (None, Copying(), Paired(size=5)):
        with pytest.raises(ValueError, match=r"task: expected .* the one of the saved run; got"):
            am.TopDownRun.load(tmp_path / "run", task=other)


def test_a_model_after_more_steps_than_were_taken_is_refused(steps):
    taken = len(steps.steps)
    assert len(steps.model(after=taken).weights) == taken
    for after in (taken + 1, 10**9):
        with pytest.raises(ValueError, match=f"after: expected at most the {taken} steps"):
            steps.model(after=after)
    with pytest.raises(ValueError, match="after: expected at least 0; got -1"):
        steps.model(after=-1)


# --- evaluation ---------------------------------------------------------------------------------


def test_any_batch_is_evaluated_prediction_by_prediction():
    """Against a slow loop; with a goal for some of the predictions only."""
    rng = np.random.default_rng()
    batch, shape = Copying().sample(20, rng=rng), (24, 24)
    weights = {name: rng.normal(size=shape) for name in ("W_K1", "W_K2", "W_O2")}
    model = am.FrozenTransformer(EMB, **weights)
    goal = np.where((batch.weights > 0) & (rng.random(batch.tokens.shape) < 0.7), 3, -1)
    uneven = np.where(batch.weights > 0, rng.random(batch.tokens.shape), 0)
    batch = am.Batch(tokens=batch.tokens, targets=batch.targets, weights=uneven / uneven.sum())
    result = am.evaluate(model, batch, attend_to=goal)
    logits, (_, attention) = model.logits(batch.tokens), model.attention(batch.tokens)
    places = [(b, t) for b in range(20) for t in range(9) if batch.weights[b, t] > 0]
    assert len(result.correct) == len(places)
    for i, (b, t) in enumerate(places):
        assert result.correct[i] == (logits[b, t].argmax() == batch.targets[b, t])
        if goal[b, t] < 0:
            assert np.isnan(result.attention_on_output[i])
            assert not result.attends_output[i]
        else:
            assert result.attention_on_output[i] == pytest.approx(attention[b, t, 3], abs=PRODUCTS)
            assert result.attends_output[i] == (attention[b, t].argmax() == 3)
    share = sum(batch.weights[b, t] * result.correct[i] for i, (b, t) in enumerate(places))
    assert result.accuracy.value == pytest.approx(share)
    assert np.isnan(am.evaluate(model, batch, attend_to=-1).attention)
    some = result.where(result.trigger_position >= 0)
    assert 0 < some.attention < 1


@pytest.mark.parametrize("goal", [9, -2, [[0] * 9], 0.5, "x", np.full((20, 9), 7)])
def test_bad_goals(goal):
    batch = Copying().sample(20, rng=0)
    with pytest.raises(ValueError, match="attend_to: expected for each of the tokens"):
        am.evaluate(am.FrozenTransformer(EMB), batch, attend_to=goal)


def test_an_induction_batch_may_be_told_where_it_looks():
    """What `evaluate` finds by itself, said."""
    task = am.InductionTask(6, 8)
    emb = am.FrozenEmbeddings.random(task, width=24, rng=0)
    rng = np.random.default_rng()
    weights = {name: rng.normal(size=(24, 24)) for name in ("W_K1", "W_K2", "W_O2")}
    model, batch = am.FrozenTransformer(emb, **weights), task.sample(40, rng=rng)
    goal = np.full(batch.tokens.shape, -1)
    goal[:, -1] = batch.output_position
    known, told = am.evaluate(model, batch), am.evaluate(model, batch, attend_to=goal)
    assert (known.correct == told.correct).all()
    np.testing.assert_allclose(told.attention_on_output, known.attention_on_output)
    assert (told.trigger_position == known.trigger_position).all()

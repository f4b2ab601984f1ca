"""The numbers of a run: its steps against slow ones, each metric against its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assocmem import FrozenTransformer, probe
from assocmem.tasks import BigramTask, Language
from assocmem.training import Metrics, TrainingStep, published
from assocmem.training.start import BATCH, TEST, stream
from tests.library.runs import LANGUAGE, RATES, TASK, bits, short
from tests.rounding import PRODUCTS, RUNS

# --- a run, against a slow one ------------------------------------------------------------------


@pytest.fixture(scope="module")
def run():
    return short(evaluate_every=1)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("loss", ["triggers", "all"])
def test_a_run_is_sgd_on_the_loss_of_its_batches(layers, loss):
    task = BigramTask(LANGUAGE, length=12, n_triggers=2, loss=loss)
    names = ("W_K2", "W_O2", "W_F") if layers == 1 else ("W_K1", "W_K2", "W_O2", "W_F")
    run = short(task, layers=layers, trained=names, **RATES)
    begin = short(task, layers=layers, trained=names, steps=0)
    weights = dict(begin.weights)
    velocity = {name: 0 * weights[name] for name in names}
    options = {"scale": run.settings.scale, "readout": "residual"}
    for i in range(6):
        batch = task.sample(8, rng=stream(run.settings.seed, BATCH, i))
        model = FrozenTransformer(begin.model().embeddings, **options, **weights)
        _, gradients = model.loss_and_gradients(batch, names)
        for name in names:
            velocity[name] = 0.9 * velocity[name] + gradients[name] + 0.01 * weights[name]
            weights[name] = weights[name] - 0.1 * velocity[name]
    for name in names:
        np.testing.assert_allclose(
            run.weights[name], weights[name], rtol=0, atol=1e-10 * abs(weights[name]).max()
        )
        assert abs(run.weights[name] - begin.weights[name]).max() > 1e-4


def slow_row(run, task, batch):
    """The metrics of one batch, position by position."""
    model = run.model()
    logits = model.logits(batch.tokens)
    first, second = model.attention(batch.tokens)
    seen = {name: [] for name in ("accuracy", "induction", "previous", "bigram", "kl")}
    loss = 0.0
    for b, tokens in enumerate(batch.tokens):
        triggers, met = set(batch.triggers[b]), set()
        for t, token in enumerate(tokens):
            p = np.exp(logits[b, t]) / np.exp(logits[b, t]).sum()
            target = batch.targets[b, t]
            loss -= batch.weights[b, t] * math.log(p[target])
            if t > 0:
                seen["previous"].append(first[b, t, t - 1])
            if token in triggers & met:
                ranked = sorted(range(len(p)), key=lambda k: -logits[b, t, k])
                seen["accuracy"].append(ranked[0] == target)
                follow = [s for s in range(1, t + 1) if tokens[s - 1] == token]
                seen["induction"].append(sum(second[b, t, s] for s in follow))
            if token not in triggers:
                law = task.language.bigram[token]
                seen["bigram"].append(-math.log(p[target]))
                seen["kl"].append(sum(q * math.log(q / r) for q, r in zip(law, p, strict=True)))
            met.add(token)
    return {"loss": loss} | {name: np.mean(values) for name, values in seen.items()}


@pytest.mark.parametrize("triggers", ["fixed", "random"])
def test_metrics_are_what_their_names_say(triggers):
    task = BigramTask(LANGUAGE, length=12, n_triggers=2, triggers=triggers)
    run = short(task)
    batch = task.sample(20, rng=stream(run.settings.seed, TEST))
    row, slow = run.history.at(6), slow_row(run, task, batch)
    for name, key in {
        "loss": "loss",
        "accuracy": "accuracy",
        "attention_induction": "induction",
        "attention_previous": "previous",
        "bigram_loss": "bigram",
        "bigram_kl": "kl",
    }.items():
        assert row[name] == pytest.approx(slow[key], rel=RUNS), name
    for name, matrix in run.weights.items():
        assert row[f"norm_{name}"] == pytest.approx(math.sqrt((matrix**2).sum()))


def test_metrics_do_not_depend_on_how_many_sequences_go_together(monkeypatch):
    whole = short().history
    monkeypatch.setattr("assocmem.training.metrics.CHUNK_FLOATS", 1)
    single = short().history
    for name in whole:
        np.testing.assert_allclose(single[name], whole[name], rtol=PRODUCTS)


def test_recall_is_a_strict_argmax_over_rows(run):
    emb, weights, row = run.embeddings, run.weights, run.history.at(6)

    def recalled(scores, right):
        return [s[k] > max(np.delete(s, k)) for s, k in zip(scores, right, strict=True)]

    written = [k for k in range(7) if k not in TASK.trigger_tokens]  # triggers are no outputs
    scores = (emb.outputs @ weights["W_O2"] @ emb.values[written].T).T
    assert row["recall_W_O2"] == np.mean(recalled(scores, written))
    triggers = TASK.trigger_tokens
    scores = emb.tokens[triggers] @ weights["W_K2"] @ emb.remapped_tokens.T
    assert row["recall_W_K2"] == np.mean(recalled(scores, triggers))
    scores = emb.positions @ weights["W_K1"] @ emb.positions.T
    right = [recalled([scores[t, : t + 1]], [t - 1])[0] for t in range(1, 11)]
    assert row["recall_W_K1"] == row["recall_W_K1_64"] == np.mean(right)


def test_recall_of_hand_built_memories_is_complete():
    """And a wrong association costs exactly its share."""
    task = BigramTask(LANGUAGE, length=100, n_triggers=2)
    emb = published(task, width=500, rng=0)["embeddings"]
    probes = {name: probe(name, task, emb) for name in ("W_O2", "W_K2", "W_K1")}
    metrics = Metrics(task, TrainingStep(emb), {"": (task, task.sample(10, rng=0))})
    assert {name: len(each.cues) for name, each in metrics.probes.items()} == {
        "W_O2": 5,
        "W_K2": 2,
        "W_K1": 98,
        "W_K1_64": 63,
    }
    weights = {name: probes[name].wanted().matrix for name in ("W_O2", "W_K2", "W_K1")}
    weights["W_K1"] += 2 * np.outer(emb.positions[90], emb.positions[3])
    row = metrics({name: matrix / 500 for name, matrix in weights.items()})
    assert row["recall_W_O2"] == row["recall_W_K2"] == row["recall_W_K1_64"] == 1
    assert row["recall_W_K1"] == 97 / 98


def test_ties_are_errors():
    row = short(initial="zero", readout="attention", steps=0).history.at(0)
    assert row["loss"] == pytest.approx(math.log(7))
    assert [v for k, v in row.items() if k.startswith("recall") or k == "accuracy"] == [0] * 5


def test_which_memories_are_asked_for():
    emb = published(TASK, width=16)["embeddings"]
    everything = BigramTask(LANGUAGE, length=12, n_triggers=2, avoid="nothing")
    random = BigramTask(LANGUAGE, length=12, n_triggers=2, triggers="random")
    some = BigramTask(LANGUAGE, length=12, n_triggers=2, output_tokens=[3, 5])
    cues = [
        [len(probe(name, task, emb).cues) for name in ("W_O2", "W_K2")]
        for task in (TASK, everything, random, some)
    ]
    assert cues == [[5, 2], [7, 2], [7, 7], [2, 2]]
    assert list(Metrics(TASK, TrainingStep(emb, layers=1), {}).probes) == ["W_O2"]


def test_a_row_belongs_to_one_set_of_weights(run):
    """The row of step i is measured on the weights after i updates, train_loss too."""
    for i in (0, 3, 6):
        after = short(steps=i)
        model = after.model()
        row = run.history.at(i)
        batch = TASK.sample(8, rng=stream(run.settings.seed, BATCH, i))
        assert row["train_loss"] == pytest.approx(model.loss(batch), rel=PRODUCTS)
        held_out = TASK.sample(20, rng=stream(run.settings.seed, TEST))
        assert row["loss"] == pytest.approx(model.loss(held_out), rel=PRODUCTS)
        assert row["norm_W_O2"] == np.linalg.norm(after.weights["W_O2"])
    assert len(set(run.history["loss"])) == 7


def test_other_tasks_to_test_on():
    bigram = BigramTask(LANGUAGE, length=12, n_triggers=2, trigger_outputs="bigram")
    plain, both, other = (short(test=test) for test in (None, {"bigram": bigram}, bigram))
    assert bits(plain)[:6] == bits(both)[:6] == bits(other)[:6]  # the training is the same
    for name in ("loss", "accuracy", "bigram_kl", "attention_induction"):
        np.testing.assert_array_equal(both.history[name], plain.history[name])
        np.testing.assert_array_equal(both.history[f"{name}_bigram"], other.history[name])
        assert (other.history[name] != plain.history[name]).any()


def test_recall_is_that_of_the_task_it_learns():
    rare = BigramTask(LANGUAGE, length=12, triggers=[5, 6])
    for name in ("recall_W_K2", "recall_W_O2"):
        np.testing.assert_array_equal(short(test=rare).history[name], short().history[name])


def test_accuracy_without_a_repeated_trigger_is_not_a_number():
    task = BigramTask(Language.uniform(60), length=3, n_triggers=1, loss="all")
    row = short(task, evaluate_on=1, steps=0).history.at(0)
    batch = task.sample(1, rng=stream(short(task, steps=0).settings.seed, TEST))
    assert not batch.is_repeated.any()
    assert math.isnan(row["accuracy"])
    assert math.isnan(row["attention_induction"])

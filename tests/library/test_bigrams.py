"""The bigram task: exact enumeration, what holds for every sequence, and errors."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from assocmem import training
from assocmem.tasks import Batch, BigramBatch, BigramTask, Language, Task, bigrams
from assocmem.tasks.bigram_batch import repeated
from tests.library.bigrams import (
    FALSE_ALARM,
    LANGUAGE,
    TINY,
    brute_force,
    keys,
    loss_mask,
    modest,
    output_law,
    seeds,
    sequences,
)
from tests.rounding import EPS, PRODUCTS


@pytest.mark.parametrize("task", TINY)
def test_enumeration_is_the_definition(task):
    law, batch = brute_force(task), task.enumerate()
    assert abs(sum(law.values()) - 1) <= len(law) * EPS
    rows = keys(batch)
    assert len(set(rows)) == len(rows)
    assert set(rows) == set(law)
    weights = np.array([law[row] * np.array(loss_mask(task, row[2], row[0])) for row in rows])
    # products of T + 3 numbers in another order, over a sum that is as far from its own
    np.testing.assert_allclose(
        batch.weights, weights / weights.sum(), rtol=2 * (len(law) + task.length + 3) * EPS, atol=0
    )
    assert isinstance(batch, BigramBatch)
    assert (batch.targets[:, :-1] == batch.tokens[:, 1:]).all()


def test_enumeration_is_refused_with_its_size():
    task = TINY[0]
    n_bytes = 3 * 3**4 * (4 + 2) * 8  # outputs x words x (tokens, trigger, output) x int64
    task.enumerate(max_bytes=n_bytes)
    with pytest.raises(
        ValueError, match=r"enumerate: .*max_bytes=11663; .*10\^4\.1 bytes\. Use sam"
    ):
        task.enumerate(max_bytes=n_bytes - 1)
    with pytest.raises(ValueError, match=r"need about 10\^478\.3 bytes"):
        BigramTask().enumerate()


# --- what holds for every sequence ---------------------------------------------------------------


@st.composite
def tasks(draw):
    n = draw(st.integers(2, 12))
    rng = draw(seeds)
    language = draw(
        st.sampled_from([Language.uniform(n), Language.zipf(n, concentration=0.5, rng=rng)])
    )
    triggers = draw(st.sampled_from(["fixed", "random"]) | st.just(tuple(range(0, n, 2))))
    options = {name: draw(st.sampled_from(bigrams._OPTIONS[name])) for name in bigrams._OPTIONS}
    n_triggers = draw(st.integers(1, n))
    offset = draw(st.integers(0, n - n_triggers)) if triggers == "fixed" else 0
    subset = draw(st.none() | st.permutations(range(n)).map(lambda order: order[: 1 + n // 2]))
    try:
        return BigramTask(
            language,
            length=draw(st.integers(1, 40)),
            n_triggers=n_triggers,
            triggers=triggers,
            trigger_offset=offset,
            output_tokens=subset,
            **options,
        )
    except ValueError as error:
        assume("output_tokens" not in str(error))
        raise


def sample(task, size, seed):
    """A sample, or none where no trigger comes twice."""
    try:
        return task.sample(size, rng=seed)
    except ValueError as error:
        assume("no trigger occurs twice" not in str(error))
        raise


@modest
@given(task=tasks(), size=st.integers(1, 40), seed=seeds)
def test_invariants(task, size, seed):
    batch = sample(task, size, seed)
    z = sequences(batch)
    assert z.shape == (size, task.length + 1)
    assert z.min() >= 0
    assert z.max() < task.n_tokens
    assert batch.triggers.shape == batch.outputs.shape == (size, task.n_triggers)
    assert (batch.targets[:, :-1] == batch.tokens[:, 1:]).all()
    masks = []
    for row, triggers, outputs in zip(
        z.tolist(), batch.triggers.tolist(), batch.outputs.tolist(), strict=True
    ):
        assert len(set(triggers)) == len(triggers)
        assert set(triggers) <= set(task.trigger_tokens.tolist())
        follow = dict(zip(triggers, outputs, strict=True))
        for q, o in follow.items():
            assert output_law(task, q, triggers)[o] > 0
        assert task.language.unigram[row[0]] > 0
        for a, b in itertools.pairwise(row):
            assert (follow[a] == b) if a in follow else task.language.bigram[a, b] > 0
        masks.append(loss_mask(task, row, triggers))
    np.testing.assert_array_equal(batch.weights, np.array(masks) / np.sum(masks))
    in_triggers = [[q in t for q in row] for row, t in zip(z[:, :-1], batch.triggers, strict=True)]
    np.testing.assert_array_equal(batch.is_trigger, in_triggers)
    if task.loss == "triggers":
        np.testing.assert_array_equal(batch.is_repeated, batch.weights > 0)


@modest
@given(task=tasks(), size=st.integers(1, 40), piece=st.integers(1, 15), seed=seeds)
def test_pieces_keep_their_triggers(task, size, piece, seed):
    batch = sample(task, size, seed)
    pieces = list(batch.split(piece))
    assert all(isinstance(part, BigramBatch) for _, part in pieces)
    assert abs(sum(share for share, _ in pieces) - 1) <= size * task.length * EPS
    kept = [s for s in range(0, size, piece) if batch.weights[s : s + piece].any()]
    for start, (share, part) in zip(kept, pieces, strict=True):
        rows = slice(start, start + piece)
        for field in dataclasses.fields(BigramBatch):
            expected = getattr(batch, field.name)[rows]
            if field.name == "weights":
                expected = expected / share
            np.testing.assert_array_equal(getattr(part, field.name), expected)


@modest
@given(task=tasks(), size=st.integers(1, 40), seed=seeds, numbers=st.integers(1, 2000))
def test_the_same_seed_gives_the_same_bits(task, size, seed, numbers):
    one = sample(task, size, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bigrams, "_AT_ONCE", numbers)  # how many are drawn together must not show
        same = task.sample(size, rng=np.random.default_rng(seed))
    for field in dataclasses.fields(BigramBatch):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(same, field.name))


def test_a_generator_moves_on():
    rng, task = np.random.default_rng(0), BigramTask()
    assert not np.array_equal(task.sample(2, rng=rng).tokens, task.sample(2, rng=rng).tokens)


def has_cycle(triggers, outputs):
    """Whether some trigger leads back to itself over triggers alone."""
    follow = dict(zip(triggers, outputs, strict=True))
    for q in triggers:
        token = follow[q]
        for _ in triggers:
            if token == q:
                return True
            token = follow.get(token)
    return False


@pytest.mark.parametrize("avoid", ["nothing", "trigger", "triggers"])
@pytest.mark.parametrize("trigger_outputs", ["uniform", "bigram"])
def test_the_probability_of_a_trap(trigger_outputs, avoid):
    """The outputs have a cycle with probability 1 - det(I - P), P their law among triggers."""
    task = BigramTask(trigger_outputs=trigger_outputs, avoid=avoid)
    batch = task.sample(4000, rng=1)
    cycles = [
        has_cycle(q, o)
        for q, o in zip(batch.triggers.tolist(), batch.outputs.tolist(), strict=True)
    ]
    triggers = task.trigger_tokens.tolist()
    P = np.array([output_law(task, q, triggers)[triggers] for q in triggers])
    chance = 1 - np.linalg.det(np.eye(5) - P)
    if avoid == "triggers":
        assert not any(cycles)
        assert chance == 0
    else:
        assert stats.binomtest(sum(cycles), 4000, chance).pvalue > FALSE_ALARM
        assert stats.binomtest(sum(cycles), 4000, chance / 4).pvalue < FALSE_ALARM or chance < 0.01
    # a sequence that ends in more than K triggers has met a cycle
    trapped = batch.is_trigger[:, -6:].all(axis=1)
    assert (trapped <= np.array(cycles)).all()
    if trigger_outputs == "uniform" and avoid == "nothing":
        assert abs(chance - 5 / 65) < PRODUCTS


def test_a_task_and_its_defaults():
    task = BigramTask()
    assert isinstance(task, Task)
    assert task.outputs.tolist() == list(range(65))
    assert (task.length, task.n_triggers, task.avoid) == (256, 5, "triggers")
    assert task == BigramTask()
    assert task != BigramTask(length=255)
    assert BigramTask(triggers=[3, 2]).n_triggers == 2
    replaced = dataclasses.replace(BigramTask(triggers=[3, 2]), triggers=[1, 2, 3])
    assert replaced.n_triggers == 3
    assert issubclass(BigramBatch, Batch)


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"language": "abc"}, TypeError, r"language: expected a Language; got str\. .*from_text"),
        ({"length": 0}, ValueError, r"length: expected at least 1; got 0"),
        ({"length": 2.5}, TypeError, r"length: expected an integer; got 2\.5"),
        ({"n_triggers": 0}, ValueError, r"n_triggers: expected at least 1; got 0"),
        ({"n_triggers": 6}, ValueError, r"n_triggers: expected at most 5 triggers.*got 6"),
        ({"trigger_offset": 4}, ValueError, r"n_triggers: expected at most 1 triggers.*got 2"),
        ({"trigger_offset": -1}, ValueError, r"trigger_offset: expected at least 0; got -1"),
        (
            {"triggers": "random", "trigger_offset": 1},
            ValueError,
            r"trigger_offset: expected 0 unless triggers='fixed'.*got 1",
        ),
        ({"triggers": "rare"}, ValueError, r"triggers: expected 'fixed', 'random' or .*got 'rare'"),
        ({"triggers": 3}, TypeError, r"triggers: expected a sequence of token ids; got 3"),
        ({"triggers": [0, 5]}, ValueError, r"triggers: expected different .* 0 \.\. 4.*\(0, 5\)"),
        ({"triggers": [1, 1]}, ValueError, r"triggers: expected different token ids.*\(1, 1\)"),
        ({"triggers": []}, ValueError, r"triggers: expected .* one at least; got \(\)"),
        ({"output_tokens": [-1]}, ValueError, r"output_tokens: expected at least 0; got -1"),
        ({"output_tokens": [0.5]}, TypeError, r"output_tokens: expected a sequence of token ids"),
        (
            {"avoid": "all"},
            ValueError,
            r"avoid: expected one of 'nothing', .*'triggers'; got 'all'",
        ),
        ({"trigger_outputs": "zipf"}, ValueError, r"trigger_outputs: .*'bigram'; got 'zipf'"),
        ({"loss": "last"}, ValueError, r"loss: expected one of 'triggers', 'all'; got 'last'"),
        ({"output_tokens": [0, 1]}, ValueError, r"output_tokens: .*got 2 tokens, all of which"),
        ({"output_tokens": [1], "avoid": "trigger"}, ValueError, r"avoid='trigger' can rule out"),
        (
            {"triggers": "random", "output_tokens": [3, 4]},
            ValueError,
            r"with 2 triggers\. Admit mo",
        ),
        (
            {"n_triggers": 5},
            ValueError,
            r"got 5 tokens, all of which avoid='triggers'.* 5 triggers",
        ),
    ],
)
def test_wrong_arguments_are_named(options, error, message):
    arguments = {"language": LANGUAGE, "n_triggers": 2} | options
    with pytest.raises(error, match=message):
        BigramTask(**arguments)


def test_wrong_sizes_and_batches_without_loss():
    task = BigramTask(LANGUAGE, length=1, n_triggers=2)
    with pytest.raises(
        ValueError, match=r"loss: expected a position with loss.*any of its 7 seq.*1"
    ):
        task.sample(7, rng=0)
    with pytest.raises(ValueError, match=r"no trigger occurs twice"):
        task.enumerate()
    with pytest.raises(ValueError, match=r"size: expected at least 1; got 0"):
        task.sample(0)
    with pytest.raises(TypeError, match=r"size: expected an integer; got 1\.0"):
        task.sample(1.0)
    batch = {"tokens": [[0, 1]], "targets": [[1, 1]], "weights": [[0, 1]]}
    with pytest.raises(ValueError, match=r"outputs: expected shape \(1, K\).*got \(1, 2\)"):
        BigramBatch(**batch, triggers=[[0]], outputs=[[1, 2]])
    with pytest.raises(ValueError, match=r"triggers: expected shape \(1, K\).*got \(2, 1\)"):
        BigramBatch(**batch, triggers=[[0], [1]], outputs=[[1], [2]])
    with pytest.raises(TypeError, match=r"triggers: expected token ids; got dtype float64"):
        BigramBatch(**batch, triggers=[[0.0]], outputs=[[1]])


# --- batches without loss -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 16])
@pytest.mark.parametrize("offset", [4, 20])
def test_a_rare_trigger_has_batches_with_loss(size, offset, monkeypatch):
    """A batch in which no trigger occurs twice is drawn again, and others are as they were."""
    monkeypatch.setattr(bigrams, "_MORE", 2**16)  # one sequence in 100 has loss, or more
    task = BigramTask(length=16, n_triggers=1, trigger_offset=offset)
    batches = [task.sample(size, rng=i) for i in range(30)]
    assert all(batch.weights.any() for batch in batches)
    found = {}
    for i in range(30):
        words, triggers, _ = task._words(size, np.random.default_rng(i))
        found[i] = np.array_equal(words[:, :-1], batches[i].tokens)
        assert found[i] == repeated(words[:, :-1], triggers).any()
    assert size > 1 or not all(found.values())


def test_a_training_gets_past_a_batch_without_loss(tmp_path):
    """300 steps of batches of 16, of which some have no trigger twice."""
    task = BigramTask(length=16, n_triggers=1, trigger_offset=4)
    setting = training.published(task, width=8, rng=0, batch_size=16, evaluate_every=100)
    run = training.train(task, **setting, steps=300, evaluate_on=16, checkpoint=tmp_path / "run")
    assert run.step == 300

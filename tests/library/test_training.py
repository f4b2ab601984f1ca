"""Training: the schedule, the data of each step, and what a history says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from assocmem import probe, training
from assocmem.tasks import BigramTask
from assocmem.training import History, published, train
from assocmem.training.start import BATCH, stream
from tests.library.runs import LANGUAGE, RATES, SHORT, TASK, bits, short
from tests.rounding import OPERATION, SOLVED


@pytest.fixture(scope="module")
def run():
    return short(evaluate_every=1)


# --- the schedule -------------------------------------------------------------------------------


def test_a_frozen_matrix_does_not_move_until_it_does():
    weights = [short(steps=i, frozen_until={"W_K1": 3, "W_O2": 99}).weights for i in range(6)]
    moved = [
        [(a[k] != b[k]).any() for a, b in itertools.pairwise(weights)]
        for k in ("W_K1", "W_K2", "W_O2")
    ]
    assert np.array(moved).tolist() == [
        [False, False, False, True, True],
        [True] * 5,
        [False] * 5,
    ]


def test_a_matrix_starts_without_momentum():
    """Its first move is a plain gradient step: v = g + λ W."""
    frozen = {"frozen_until": {"W_K1": 3}}
    before, after = (short(steps=i, **frozen, **RATES) for i in (3, 4))
    assert "W_K1" not in before.state
    batch = TASK.sample(8, rng=stream(before.settings.seed, BATCH, 3))
    _, gradients = before.model().loss_and_gradients(batch)
    velocity = gradients["W_K1"] + 0.01 * before.weights["W_K1"]
    np.testing.assert_allclose(
        after.state["W_K1"]["velocity"], velocity, rtol=SOLVED, atol=OPERATION
    )
    assert before.state["W_K2"]["velocity"].any()


def test_only_trained_matrices_move():
    start, end = short(trained=("W_O2",), steps=0), short(trained=("W_O2",))
    assert set(end.weights) == {"W_K1", "W_K2", "W_O2"}
    assert set(end.state) == {"W_O2"}
    for name in ("W_K1", "W_K2"):
        np.testing.assert_array_equal(end.weights[name], start.weights[name])
    assert (end.weights["W_O2"] != start.weights["W_O2"]).all()


def test_where_matrices_start():
    zero = short(steps=0, initial="zero")
    assert not any(matrix.any() for matrix in zero.weights.values())
    random = short(steps=0)
    assert all(abs(matrix).max() <= 1 / 4 for matrix in random.weights.values())  # 1/√16
    assert all(matrix.std() > 1 / 8 for matrix in random.weights.values())  # 1/√48 = 0.144
    given = np.random.default_rng(0).normal(size=(16, 16))
    memory = probe("W_K2", TASK, random.embeddings).wanted()
    mixed = short(steps=0, initial={"W_O2": given, "W_K2": memory}, trained=("W_O2",))
    np.testing.assert_array_equal(mixed.weights["W_O2"], given)
    np.testing.assert_array_equal(mixed.weights["W_K2"], memory.matrix)
    assert not mixed.weights["W_K1"].any()
    kept = given.copy()
    short(initial={"W_O2": given})
    np.testing.assert_array_equal(given, kept)
    alone = short(steps=0, layers=1)  # a start does not depend on what else the model has
    np.testing.assert_array_equal(alone.weights["W_K2"], random.weights["W_K2"])


# --- seeds --------------------------------------------------------------------------------------


def test_same_seed_same_bits():
    assert bits(short(rng=1)) == bits(short(rng=1))
    assert bits(short(rng=1)) != bits(short(rng=2))


def test_a_longer_run_begins_like_a_shorter_one(run):
    assert bits(short(steps=3))[:6] != bits(run)[:6]
    assert bits(short(steps=3, evaluate_every=1))[6:] == [
        (name, column[:4].tobytes()) for name, column in sorted(run.history.items())
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_number_of_workers_gives_the_same_bits(dtype):
    """At a size of several chunks a batch, so that workers do share it."""
    task = BigramTask(length=48, n_triggers=5)
    setting = published(task, width=64, rng=0, dtype=dtype, batch_size=200)
    one, two, three = (
        train(task, **setting, steps=3, evaluate_every=2, workers=workers) for workers in (1, 2, 3)
    )
    assert bits(one) == bits(two) == bits(three)


# --- the history --------------------------------------------------------------------------------


def test_a_history_is_arrays_by_name(run):
    history = run.history
    assert history["step"].tolist() == list(range(7))
    assert next(iter(history)) == "step"
    assert all(column.shape == (7,) for column in history.values())
    assert short().history["step"].tolist() == [0, 3, 6]
    assert short(steps=4).history["step"].tolist() == [0, 3, 4]  # the end, on the grid or not
    assert repr(run).startswith("TrainingRun(step 6 of 6, History(7 rows, steps 0..6: loss, ")


def test_a_history_refuses_what_does_not_fit(run):
    with pytest.raises(ValueError, match=r"columns: expected 'step' and others of its length"):
        History({"step": np.arange(3), "loss": np.arange(2)})
    with pytest.raises(ValueError, match=r"columns: expected 'step'"):
        History({"loss": np.arange(2)})
    with pytest.raises(ValueError, match=r"row: expected the names \['step', 'loss'\]"):
        History.of({"step": 0, "loss": 1}).with_row({"step": 1})
    with pytest.raises(ValueError, match=r"step: expected an evaluated one, .*; got 7"):
        run.history.at(7)


# --- progress and bad input ---------------------------------------------------------------------


def test_a_progress_bar_shows_loss_and_recall(capsys):
    assert bits(short(progress=True)) == bits(short())
    shown = capsys.readouterr().err
    for text in ("6/6", "loss=", "accuracy=", "recall_W_K2="):
        assert text in shown


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"trained": ("W_K3",)}, r"trained: expected names among .*; got \('W_K3',\)"),
        ({"trained": "W_K1"}, r"trained: expected names .*; got 'W_K1'"),
        ({"trained": ("W_K1", "W_K1")}, r"trained: expected names among .*, each once"),
        ({"trained": ("W_K1",), "layers": 1}, r"trained: .* got \('W_K1',\)"),
        ({"trained": ("W_F",), "readout": "attention"}, r"trained: .* got \('W_F',\)"),
        ({"frozen_until": {"W_k1": 3}}, r"frozen_until: expected names among .*; got \('W_k1',\)"),
        (
            {"trained": ("W_O2",), "frozen_until": {"W_K1": 3}},
            r"frozen_until: expected names among W_O2, each once; got \('W_K1',\)",
        ),
        ({"frozen_until": {"W_K1": -1}}, r"frozen_until\['W_K1'\]: expected at least 0; got -1"),
        ({"initial": {"W_Q": np.eye(16)}}, r"initial: expected names among .*; got \('W_Q',\)"),
        ({"initial": "normal"}, r"initial: expected one of 'zero', 'random'; got 'normal'"),
        ({"initial": {"W_K1": np.eye(3)}}, r"initial\['W_K1'\]: .* shape \(16, 16\)"),
        ({"initial": {"W_K1": np.full((16, 16), np.nan)}}, r"initial\['W_K1'\]: expected finite"),
        ({"steps": -1}, "steps: expected at least 0; got -1"),
        ({"batch_size": 0}, "batch_size: expected at least 1; got 0"),
        ({"evaluate_every": 0}, "evaluate_every: expected at least 1; got 0"),
        ({"evaluate_on": 0}, "evaluate_on: expected at least 1; got 0"),
        ({"workers": 0}, "workers: expected at least 1; got 0"),
        ({"checkpoint_every": 0}, "checkpoint_every: expected at least 1; got 0"),
        ({"batch_size": 10**9}, "batch_size: expected sequences that take at most"),
        ({"evaluate_on": 10**9}, "evaluate_on: expected sequences that take at most"),
        ({"learning_rate": -0.1}, r"learning_rate: expected a number in \[0, inf\); got -0.1"),
        ({"learning_rate": np.nan}, "learning_rate: expected a number"),
        ({"momentum": 1}, r"momentum: expected a number in \[0, 1\); got 1"),
        ({"weight_decay": -1}, "weight_decay: expected a number"),
        ({"layers": 3}, "layers: expected one of 1, 2; got 3"),
        ({"scale": np.inf}, "scale: expected a finite number; got inf"),
        ({"readout": "logits"}, "readout: expected one of 'residual', 'attention'; got 'logits'"),
        (
            {"test": BigramTask(LANGUAGE, length=9)},
            "test: expected the 7 tokens, 7 outputs and length 12",
        ),
        ({"rng": None, "checkpoint": "run"}, "rng: expected a seed along with a checkpoint"),
    ],
)
def test_bad_options(changes, text):
    setting = published(TASK, width=16, rng=0, dtype=np.float64) | SHORT
    with pytest.raises(ValueError, match=text):
        train(TASK, **(setting | changes))


def test_bad_tasks_and_embeddings():
    emb = published(TASK, width=16)["embeddings"]
    with pytest.raises(TypeError, match=r"task: expected a Task, which has .*; got a Language"):
        train(LANGUAGE, emb)
    with pytest.raises(TypeError, match="embeddings: expected FrozenEmbeddings; got ndarray"):
        train(TASK, np.eye(16))
    with pytest.raises(TypeError, match=r"test\['x'\]: expected a Task, .*; got a Language"):
        train(TASK, emb, test={"x": LANGUAGE})
    with pytest.raises(ValueError, match=r"embeddings: expected .* the sizes of the task"):
        train(BigramTask(LANGUAGE, length=9), emb)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("learning_rate", [1e8, 1e30])
def test_a_run_that_diverges_says_so(dtype, learning_rate):
    setting = published(
        TASK, width=16, rng=0, dtype=dtype, learning_rate=learning_rate, batch_size=8
    )
    with pytest.raises(ValueError, match=r"learning_rate: expected .* that stays finite; .* Take"):
        train(TASK, **setting, steps=300, evaluate_every=1000)


# --- the published setting ----------------------------------------------------------------------

ALARM = 1e-8  # of each of the five comparisons below


def test_the_published_embeddings_have_the_published_laws():
    """Kolmogorov-Smirnov for independent entries; Φ₁, whose entries depend, by its mean square.

    E |AB|² = d² · d · (1/3d)² = d/9, so over independent draws the mean of |Φ₁|² / (d/9) is 1 up to
    Student's t of its own standard error. The chance of a false alarm is below 1e-6 in all. The
    controls, twice the entries, are 0.16 and more from the law in Kolmogorov's distance, where 0.05
    is enough for an alarm: with 4096 entries they miss with probability exp(-2 · 4096 · 0.11²).
    """
    from scipy import stats

    task = BigramTask(length=64)
    emb = published(task, width=64, rng=None, dtype=np.float64)["embeddings"]
    uniform = stats.uniform(-1 / 8, 1 / 4).cdf
    for array, law in (
        (emb.tokens, stats.norm.cdf),
        (emb.positions, stats.norm.cdf),
        (emb.outputs, uniform),
        (emb.W_V2, uniform),
    ):
        assert stats.kstest(array.ravel(), law).pvalue > ALARM
        assert stats.kstest(2 * array.ravel(), law).pvalue < ALARM  # the test can fail
    squares = [
        9 / 16 * (published(TASK, width=16, rng=None, dtype=float)["embeddings"].Phi1 ** 2).sum()
        for _ in range(100)
    ]
    assert stats.ttest_1samp(squares, 1).pvalue > ALARM
    assert stats.ttest_1samp(np.multiply(2, squares), 1).pvalue < ALARM


def test_the_published_numbers():
    setting = published(TASK, width=100, rng=0)
    assert setting["scale"] == 0.1
    rates = [setting[k] for k in ("batch_size", "learning_rate", "momentum", "weight_decay")]
    assert rates == [512, 0.2, 0.9, 1e-4]
    assert setting["initial"] == "random"
    assert setting["embeddings"].dtype == np.float32
    again, other = published(TASK, width=100, rng=0), published(TASK, width=100, rng=1)
    assert again["rng"] == setting["rng"] != other["rng"]
    np.testing.assert_array_equal(again["embeddings"].values, setting["embeddings"].values)
    assert published(TASK, rng=0, momentum=0.5)["momentum"] == 0.5


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_induction_head_is_learned(seed):
    """T = 64, d = 128, batch 128, K = 5 fixed: the accuracies of the published setting.

    Over seeds 0 to 6 they were 0.982 to 0.993 after 300 steps and 0.993 to 0.999 after 1000; the
    512 test sequences hold some 6000 predictions, a standard error of 0.0016 at 0.985.
    """
    task = BigramTask(length=64, n_triggers=5)
    setting = published(task, width=128, rng=seed, batch_size=128)
    run = train(task, **setting, steps=1000, evaluate_every=100, evaluate_on=512, workers=2)
    assert run.history.at(300)["accuracy"] >= 0.97
    assert run.history.at(1000)["accuracy"] >= 0.99
    early, late = run.history.at(100), run.history.at(1000)
    assert early["recall_W_K1_64"] < late["recall_W_K1_64"]  # long after the other two
    assert late["recall_W_K2"] == late["recall_W_O2"] == 1
    assert run.history.at(0)["accuracy"] < 0.1


# --- names of before ----------------------------------------------------------------------------


def test_former_names_warn_and_do_what_they_did(run):
    with pytest.warns(DeprecationWarning, match="velocities is deprecated .* write state"):
        velocities = run.velocities
    np.testing.assert_array_equal(velocities["W_K2"], run.state["W_K2"]["velocity"])
    with pytest.warns(DeprecationWarning, match=r"memory_probes is deprecated .* am\.probe"):
        probes = training.memory_probes(TASK, run.embeddings)
    assert {name: len(each.cues) for name, each in probes.items()} == {
        "W_O2": 5,
        "W_K2": 2,
        "W_K1": 10,
        "W_K1_64": 10,
    }
    one, velocity, gradient = ({"W": np.array([[x]])} for x in (2.0, 10.0, 1.0))
    rates = {"learning_rate": 0.5, "momentum": 0.9, "weight_decay": 0.25}
    with pytest.warns(DeprecationWarning, match=r"momentum_step is deprecated .* SGD"):
        moved, now = training.momentum_step(one, velocity, gradient, **rates)
    assert (moved["W"][0, 0], now["W"][0, 0]) == (-3.25, 10.5)

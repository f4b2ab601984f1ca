"""Whatever a public call is given, it works or says "name: expected ...; got ..."."""

from __future__ import annotations

import inspect
import re
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

import assocmem as am
from assocmem import _checks as checks
from assocmem import capacity, gradients, plots, sweeps, testing, training, width

REFUSAL = re.compile(r"[^:\n]+: expected .*; got ", re.DOTALL)
NAN = float("nan")
WRONG = [
    None, "no", "4", 2.5, NAN, -3, 0, True, 10**30, 1j, object(), {}, {1}, [], [None],
    [[1], [2, 3]], np.zeros((2, 3, 4)), np.full((2, 2), NAN), lambda: 3, am.Language.uniform(3),
    am.InductionTask(3, 4), am.AssociativeMemory(keys=np.eye(2), values=np.eye(2)),
]  # fmt: skip

TASK = am.InductionTask(4, 6)
EMB = am.FrozenEmbeddings.random(TASK, width=24, rng=0)
MODEL = am.FrozenTransformer(EMB)
STEP = training.TrainingStep(EMB)
BATCH = TASK.sample(12, rng=0)
PATTERNS = TASK.patterns()
BIGRAMS = am.BigramTask(am.Language.uniform(4), length=8, n_triggers=1)
BIGRAM_EMB = am.FrozenEmbeddings.random(BIGRAMS, width=8, rng=0)
BIGRAM_MODEL = am.FrozenTransformer(BIGRAM_EMB)
WIDE, TINY = am.InductionTask(8, 12), am.InductionTask(3, 3)
MEMORIES = {
    "W_O2": gradients.first_step(TASK).memory(am.FrozenEmbeddings.orthonormal(TASK)),
    "W_K2": gradients.second_step(TASK).memory(am.FrozenEmbeddings.orthonormal(TASK)),
    "W_K1": gradients.third_step(TASK, 0).memory(am.FrozenEmbeddings.orthonormal(TASK)),
}
MOMENTS = width.recall_moments(TASK, MEMORIES)["W_K2"]
LIMIT = width.Deviations(TASK, MEMORIES).limit
FIRST, SECOND = gradients.first_step(TASK), gradients.second_step(TASK)
EYE, ALL = np.eye(3), np.ones((3, 3), bool)
W = am.AssociativeMemory(keys=EYE, values=EYE)
PROBE = am.probe("W_K2", TASK, EMB)
AXES = Figure().subplots()
RATES = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0}
SIZES = {"steps": 1, "batch_size": 8, "evaluate_every": 1, "evaluate_on": 8}
ROW = {"step": 0, "loss": 1.0}
ARRAYS = {name: getattr(EMB, name) for name in ("tokens", "positions", "outputs", "Phi1", "W_V2")}


def cell(n, rng):
    return {"square": n * n}


def train(**arguments):
    return training.train(**arguments, **SIZES | {"steps": 0})


def response(**arguments):
    return width.linear_response(lambda emb: {"x": emb.tokens[0]}, **arguments)


# Calls that work. Each argument is replaced by each wrong value.
CALLS = [
    *[(draw, {"n": 3, "d": 8, "rng": 0}) for draw in (am.gaussian, am.sphere, am.rademacher)],
    (am.orthonormal, {"n": 3, "d": 8, "rng": 0}),
    (am.gram, {"u": EYE, "v": EYE}),
    (am.coherence, {"u": EYE}),
    (am.coherence_bound, {"n": 3, "d": 8, "delta": 0.1, "family": "sphere"}),
    (am.coherence_band, {"n": 3, "d": 8, "delta": 0.1, "family": "sphere"}),
    (am.coherence_quantile, {"q": 0.5, "n": 3, "d": 8, "family": "sphere"}),
    (am.how_many_fit, {"d": 8, "coherence": 0.5, "delta": 0.1, "family": "sphere"}),
    (am.overlap_law, {"d": 8, "family": "sphere"}),
    (am.overlap_moment, {"order": 4, "d": 8, "family": "rademacher"}),
    (am.welch_bound, {"n": 9, "d": 8}),
    (am.AssociativeMemory, {"keys": EYE, "values": EYE, "coefficients": EYE}),
    (am.AssociativeMemory.from_matrix, {"matrix": EYE, "keys": EYE, "values": EYE}),
    (W.margin, {"targets": [0, 1, 2], "among": ALL, "keys": EYE, "values": EYE}),
    (W.chance, {"among": ALL}),
    (W.store, {"key": EYE, "value": EYE}),
    (W.__mul__, {"scalar": 2.0}),
    (am.Batch, {"tokens": [[0, 1]], "targets": [[-1, 1]], "weights": [[0, 1]]}),
    (am.InductionTask, {"n_tokens": 4, "length": 6, "n_triggers": 1, "predict": "all"}),
    (TASK.enumerate, {"max_bytes": 2**20}),
    (TASK.sample, {"size": 12, "rng": 0}),
    (am.BigramTask, {"length": 8, "n_triggers": 1, "triggers": "fixed", "trigger_offset": 0}),
    (
        am.BigramTask,
        {"language": am.Language.uniform(4), "avoid": "trigger", "loss": "all", "n_triggers": 1},
    ),
    (BIGRAMS.output_law, {"triggers": [[0]]}),
    (BIGRAMS.sample, {"size": 20, "rng": 0}),
    (am.Language, {"unigram": [0.5, 0.5], "bigram": [[0.5, 0.5], [0.5, 0.5]], "names": "ab"}),
    (am.Language.zipf, {"n": 3, "exponent": 1.0, "concentration": 20.0, "rng": 0}),
    (am.Language.from_text, {"text": "abab", "smoothing": 0.0}),
    (PATTERNS.mean, {"values": PATTERNS.n_different, "where": PATTERNS.n_different > 1}),
    (am.BlockTable, {"task": TASK, "matrix": "W_O2", "blocks": {}}),
    (
        am.BlockTable.averaged,
        {
            "task": TASK,
            "matrix": "W_O2",
            "coefficients": FIRST.coefficients(),
            "representatives": TASK,
        },
    ),
    (FIRST.on, {"task": TASK}),
    (FIRST.block, {"row": "outputs", "column": "tokens"}),
    (FIRST.coefficients, {"max_bytes": 2**20}),
    (FIRST.memory, {"embeddings": EMB}),
    (FIRST.__mul__, {"factor": 2.0}),
    (am.FrozenEmbeddings.from_matrices, {**ARRAYS, "family": "mine"}),
    (am.FrozenEmbeddings.orthonormal, {"task": TASK}),
    (am.FrozenEmbeddings.random, {"task": TASK, "width": 30, "family": "sphere", "rng": 0}),
    (EMB.astype, {"dtype": "float32"}),
    (
        am.FrozenTransformer,
        {"embeddings": EMB, "W_K1": np.eye(24), "scale": 1.0, "readout": "residual"},
    ),
    (MODEL.logits, {"tokens": BATCH.tokens, "positions": [1]}),
    (MODEL.loss, {"batch": BATCH}),
    (
        MODEL.loss_and_memories,
        {"batch": BATCH, "wrt": ("W_O2",), "multiplicities": np.ones((12, 3))},
    ),
    (am.probe, {"name": "W_K2", "task": TASK, "embeddings": EMB}),
    (PROBE.margins, {"weights": np.eye(24)}),
    (am.induction_head, {"task": TASK, "embeddings": EMB, "beta": 2.0}),
    (am.evaluate, {"model": MODEL, "batch": BATCH}),
    (am.evaluate(MODEL, BATCH).where, {"mask": np.ones(12, bool)}),
    (am.Rate, {"successes": 3, "trials": 5}),
    (am.Rate(3, 5).interval, {"confidence": 0.9}),
    (am.SymmetricTransformer, {"task": TASK, "W_K2": SECOND}),
    (am.SymmetricTransformer(TASK).loss_and_tables, {"patterns": PATTERNS, "wrt": ("W_O2",)}),
    (am.top_down, {"task": TASK, "margins": (1, 2, 3), "gradient": "exact", "blocks": "all"}),
    (
        am.top_down,
        {"task": TASK, "embeddings": EMB, "margins": (1, 2, 3), "gradient": "population", "rng": 0},
    ),
    (am.top_down, {"task": TASK, "gradient": "population", "sequences": 30, "evaluate_on": 20}),
    (capacity.score_moments, {"coefficients": EYE, "d": 8, "family": "sphere"}),
    (capacity.margin_moments, {"coefficients": EYE, "d": 8, "targets": [0, 1, 2]}),
    (capacity.recall_probability, {"n": 10, "d": 8, "classes": 5}),
    (capacity.recall_probability, {"n": 3, "d": 8, "weights": [1, 2, 3], "item": 1}),
    (capacity.capacity, {"d": 20, "classes": 4, "recall": 0.5}),
    (capacity.zipf_recall, {"x": [1, 2], "exponent": 1.0}),
    (capacity.sampled_recall, {"n": 10, "d": 8, "classes": 5, "rule": "gradient step", "rng": 0}),
    (capacity.storage_bound, {"d": 8, "delta": 0.1}),
    (
        capacity.memorise,
        {"keys": EYE, "values": EYE, "targets": [0, 1, 2], "rule": "outer products"},
    ),
    (gradients.linear_step, {"keys": EYE, "values": EYE, "joint": EYE / 3, "matrix": EYE}),
    (gradients.noisy_linear_step, {"inputs": EYE, "values": EYE, "joint": EYE / 3}),
    (
        gradients.attention_step,
        {"inputs": EYE[None], "targets": [0], "outputs": EYE, "Phi2": EYE, "weights": [1.0]},
    ),
    (gradients.first_step, {"task": TASK}),
    (gradients.third_step, {"task": TASK, "margin": 1.0, "second": SECOND}),
    (gradients.third_step_error, {"task": TASK, "margin": 1.0, "second": SECOND}),
    (gradients.third_step_slope, {"task": TASK, "second": SECOND}),
    (training.History, {"columns": {"step": np.array([0])}}),
    (training.History.of(ROW).with_row, {"row": ROW}),
    (training.History.of(ROW).at, {"step": 0}),
    (
        training.Settings,
        dict(
            **SIZES,
            optimizer=training.SGD(0.5),
            learning_rate=0.1,
            weight_decay=0.0,
            trained=("W_O2",),
            frozen_until={},
            layers=2,
            scale=1.0,
            seed=0,
        ),
    ),
    (training.TrainingStep, {"embeddings": EMB, "layers": 2, "scale": 1.0, "readout": "residual"}),
    (STEP.loss_and_gradients, {"weights": {}, "batch": BATCH, "wrt": ("W_O2",)}),
    (STEP.predict, {"weights": {}, "tokens": BATCH.tokens, "where": BATCH.weights > 0}),
    (training.SGD, {"momentum": 0.5}),
    (training.Adam, {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-8}),
    (training.SignDescent, {"momentum": 0.5}),
    (training.Muon, {"momentum": 0.5}),
    (
        training.Schedule,
        {"peak": 0.1, "steps": 9, "warmup": 1, "decay": "linear", "last": 0.0},
    ),
    (training.published, {"task": BIGRAMS, "width": 8, "rng": 0}),
    (
        train,
        {
            "task": BIGRAMS,
            "embeddings": BIGRAM_EMB,
            "rng": 0,
            "initial": "zero",
            "frozen_until": None,
        },
    ),
    (train, dict(task=BIGRAMS, embeddings=BIGRAM_EMB, **RATES, trained=("W_O2",), test=BIGRAMS)),
    (plots.attention_map, {"weights": EYE, "tokens": "abc", "marked": [(0, 1)], "ax": AXES}),
    (
        plots.memory,
        {"scores": EYE, "rows": "abc", "columns": "abc", "marked": [(0, 1)], "ax": AXES},
    ),
    (plots.recall_curve, {"x": [1, 2], "mean": [3, 4], "low": [2, 3], "high": [4, 5], "ax": AXES}),
    (plots.learning_curve, {"steps": [1, 2], "runs": [[3, 4]], "ax": AXES}),
    (plots.phase_map, {"values": EYE, "rows": "abc", "columns": "abc", "failed": ALL, "ax": AXES}),
    (plots.trajectory, {"stages": "ab", "series": {"x": [0, 1]}, "ax": AXES}),
    (testing.embeddings, {"family": "sphere", "n": 3, "d": 8}),
    (testing.memories, {"family": "sphere", "n": 3, "d": 8, "m": 2}),
    (testing.random_memory, {"n": 3, "d": 8, "m": 2, "rng": 0}),
    (testing.induction_tasks, {"max_sequences": 200, "max_tokens": 5, "max_length": 5}),
    (testing.assert_near_orthogonal, {"u": np.eye(1000)[:3], "delta": 0.1, "family": "sphere"}),
    (testing.assert_recalls, {"memory": W, "targets": [0, 1, 2], "among": ALL}),
    (testing.check_mean, {"predicted": 1.0, "draws": [1.0, 1.5], "delta": 0.1}),
    (
        testing.check_gradient,
        {
            "task": am.InductionTask(4, 5),
            "name": "W_O2",
            "predicted": {("outputs", "tokens"): np.zeros((3, 4))},
            "sequences": 64,
            "delta": 0.1,
            "rng": 0,
        },
    ),
    (width.required_width, {"task": WIDE, "delta": 0.1, "margins": (0.5, 1.0, 5.0)}),
    (width.RecallBound, {"task": TASK, "memories": MEMORIES}),
    (width.RecallBound(TASK, MEMORIES).at, {"width": 100}),
    (width.recall_moments, {"task": TASK, "memories": MEMORIES}),
    (
        width.head_moments,
        {"task": TASK, "coefficients": np.eye(6), "tokens": BATCH.tokens[0], "rows": [1, 2]},
    ),
    (width.cantelli_failure, {"moments": MOMENTS, "d": 50, "targets": [0]}),
    (width.gaussian_recall, {"moments": MOMENTS, "d": 50, "targets": [0], "rng": 0, "draws": 9}),
    (
        width.output_scores,
        {"task": TASK, "coefficients": np.ones((3, 20)), "d": 30, "draws": 2, "rng": 0},
    ),
    (
        width.trigger_scores,
        {"task": TASK, "coefficients": np.ones((20, 20)), "d": 30, "draws": 2, "rng": 0},
    ),
    (
        width.head_scores,
        {"coefficients": np.eye(6), "d": 30, "tokens": BATCH.tokens[0], "draws": 2, "rng": 0},
    ),
    (width.AttentionLaw, {"task": TASK, "memories": MEMORIES, "tokens": BATCH.tokens[0]}),
    (
        width.AttentionLaw(TASK, MEMORIES, BATCH.tokens[0]).attends,
        {"d": 50, "draws": 3, "rng": 0},
    ),
    (width.Deviations, {"task": TASK, "memories": MEMORIES}),
    (width.Deviations(TASK, MEMORIES).at, {"d": 50}),
    (width.guarantee, {"limit": LIMIT, "tolerance": LIMIT, "tokens": BATCH.tokens}),
    (width.true_steps, {"task": TASK, "sizes": [1, 2, 3]}),
    (response, {"task": TINY, "step": 1e-4, "family": "sphere"}),
    (
        gradients.bigram_step,
        {"task": BIGRAMS, "matrix": "W_O2", "predictor": "uniform", "sets": 2, "rng": 0},
    ),
    (
        gradients.bigram_memory_step,
        {"name": "W_O2", "model": BIGRAM_MODEL, "task": BIGRAMS, "sets": 2, "rng": 0},
    ),
    (
        gradients.previous_token_step,
        {"model": BIGRAM_MODEL, "task": BIGRAMS, "sequences": 8, "sets": 2, "rng": 0},
    ),
    (gradients.bigram_predictor, {"task": BIGRAMS, "predictor": "bigrams", "rng": 0}),
    (sweeps.run, {"function": cell, "grid": {"n": [1]}, "rng": 0}),
]


@pytest.fixture(autouse=True)
def no_figure_left():
    """ax=None means the current axes of pyplot."""
    yield
    plt.close("all")


def name_of(function):
    return getattr(function, "__qualname__", type(function).__name__)


def refusal(function, arguments):
    """What a call says that it refuses; nothing if it works."""
    try:
        function(**arguments)
    except (TypeError, ValueError) as error:
        return str(error)
    except AssertionError:
        assert function in (testing.assert_recalls, testing.assert_near_orthogonal)
    return None


@pytest.mark.parametrize(
    ("function", "arguments"), CALLS, ids=[name_of(function) for function, _ in CALLS]
)
def test_a_wrong_argument_works_or_is_refused_by_name(function, arguments):
    assert refusal(function, arguments) is None
    for name in arguments:
        for wrong in WRONG:
            said = refusal(function, arguments | {name: wrong})
            assert said is None or REFUSAL.match(said), (name, wrong)


def test_an_error_of_python_is_no_refusal():
    assert not REFUSAL.match(refusal(lambda n: n < 1, {"n": "4"}))


def seeded():
    """The names of all public functions and methods that take a seed."""
    for module in (am, capacity, gradients, sweeps, testing, training, width):
        for found in vars(module).values():
            if inspect.isclass(found) and not getattr(found, "_is_protocol", False):
                yield from seeds_of(getattr(found, each) for each in vars(found) if each[0] != "_")
            elif inspect.isfunction(found) and found is not checks.generator:
                yield from seeds_of([found])


def seeds_of(functions):
    for function in filter(callable, functions):
        name = name_of(function)
        if "rng" in inspect.signature(function).parameters and not name.startswith("_"):
            yield name


def test_every_function_with_a_seed_is_among_the_calls():
    called = {name_of(function) for function, arguments in CALLS if "rng" in arguments}
    assert {"sphere", "train", "InductionTask.sample", "run"} < called
    assert set(seeded()) == called


@pytest.mark.parametrize(
    ("function", "arguments"),
    [(function, arguments) for function, arguments in CALLS if "rng" in arguments],
    ids=lambda given: name_of(given) if callable(given) else "",
)
@pytest.mark.parametrize("rng", ["a", 2.5, True, [1, 2], -1])
def test_a_seed_of_another_kind_is_refused(function, arguments, rng):
    text = re.escape(f"rng: expected None, an integer, a SeedSequence or a Generator; got {rng!r}")
    with pytest.raises(ValueError if rng == -1 else TypeError, match=text):
        function(**arguments | {"rng": rng})


def test_a_seed_makes_the_generator_of_numpy():
    first = np.random.default_rng(3).random()
    for seed in (3, np.int64(3), np.random.SeedSequence(3), np.random.PCG64(3)):
        assert checks.generator(seed).random() == first
    mine = np.random.default_rng(3)
    assert checks.generator(mine) is mine
    assert checks.generator(None).random() != checks.generator(None).random()


def test_numbers():
    for given in (1, 1.0, np.float32(1), np.int64(1), Fraction(1)):
        number = checks.checked_number("x", given)
        assert (number, type(number)) == (1.0, float)
    for wrong, error in [
        ("1", TypeError),
        (True, TypeError),
        (NAN, ValueError),
        (10**400, ValueError),
    ]:
        with pytest.raises(error, match="x: expected a finite number; got "):
            checks.checked_number("x", wrong)


def test_options():
    for given in ("a", np.str_("a")):
        assert checks.checked_option("x", given, ("a", "b")) == "a"
    assert checks.checked_option("x", np.int64(2), (1, 2)) == 2
    for wrong in (True, 1.0, "c", ["a"], np.array(["a", "b"])):
        with pytest.raises(ValueError, match="x: expected one of 1, 'a'; got "):
            checks.checked_option("x", wrong, (1, "a"))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: capacity.memorise(1, 2), r"keys: expected a non-empty 2-d array; got shape \(\)"),
        (lambda: capacity.score_moments(EYE, "4"), "d: expected a width of at least 1; got '4'"),
        (
            lambda: am.FrozenEmbeddings.random(TASK, width=8, family="orthonormal", rng=0),
            r"width: expected at least n = 13 for orthonormal rows; got width = 8\.",
        ),
        (lambda: am.gaussian(10**6, 10**6, rng=0), "n, d: expected an array of at most 1.7e.10 b"),
        (lambda: am.sphere(3, 8, rng=0, dtype="int"), "dtype: expected float32 or float64"),
        (lambda: am.gram([[1], [2, 3]]), "u: expected rows of one length; got others"),
        (lambda: TASK.sample(10**12), "size: expected sequences that take at most 1.7e.10 bytes"),
        (lambda: am.InductionTask(4, 10**6), "length: expected at most 65536; got 1000000"),
        (lambda: am.FrozenEmbeddings.orthonormal(3), "task: expected a Task, .* got int without"),
        (lambda: training.published(BIGRAMS, width=10**6), r"width: .*; got width 1000000"),
        (lambda: FIRST.on(am.InductionTask(4, 7)), "task: expected tasks that differ in th"),
        (
            lambda: training.train(BIGRAMS, BIGRAM_EMB, checkpoint=3, rng=0),
            "checkpoint: expected a path; got 3",
        ),
        (lambda: am.TopDownRun.load(3), "path: expected a path; got 3"),
        (lambda: sweeps.run(3, {"n": [1]}), "function: expected a function; got 3"),
        (lambda: am.overlap_moment(1000, 8), "order: expected at most 500; got 1000"),
        (lambda: am.Rate(3, 2), "successes: expected at most 2, the trials; got 3"),
    ],
)  # fmt: skip
def test_refusals(call, text):
    with pytest.raises((TypeError, ValueError), match=text):
        call()


def test_a_file_of_another_kind_is_no_run(tmp_path):
    (tmp_path / "run.npz").write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match=r"path: expected a saved run in .*run; got "):
        training.TrainingRun.load(tmp_path / "run")

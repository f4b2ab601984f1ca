"""Whatever a public call is given, it works or says "name: expected ...; got ..."."""

from __future__ import annotations

import importlib
import inspect
import re
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pytest

import assocmem as am
from assocmem import _checks as checks
from assocmem import capacity, gradients, heads, sweeps, testing, training
from tests.library.public_calls import (
    BATCH,
    BIGRAM_EMB,
    BIGRAM_MODEL,
    BIGRAMS,
    BSTEP,
    CALLS,
    EYE,
    FIRST,
    HEADS,
    LAYOUT,
    LIMIT,
    MODEL,
    MOMENTS,
    TASK,
    W,
)

REFUSAL = re.compile(r"[^:\n]+: expected .*; got ", re.DOTALL)
NAN = float("nan")
WRONG = [
    None, "no", "4", 2.5, NAN, -3, 0, True, 10**30, 1j, object(), {}, {1}, [], [None],
    [[1], [2, 3]], np.zeros((2, 3, 4)), np.full((2, 2), NAN), lambda: 3, am.Language.uniform(3),
    am.InductionTask(3, 4), am.AssociativeMemory(keys=np.eye(2), values=np.eye(2)),
]  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_left(tmp_path, monkeypatch):
    """ax=None means the current axes of pyplot, and "no" is a path like any other."""
    monkeypatch.chdir(tmp_path)
    yield
    plt.close("all")


def name_of(function):
    return getattr(function, "__qualname__", type(function).__name__)


def refusal(function, arguments):
    """What a call says that it refuses; nothing if it works."""
    try:
        function(**arguments)
    except (TypeError, ValueError, OSError) as error:
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


ROOMS = (
    *("", "capacity", "gradients", "heads", "model", "plots", "sweeps", "tasks", "testing"),
    *("training", "vectors", "width"),
)
# What functions of the library return or call, and nobody else makes or calls.
INNER = {
    "BigramBatch", "BigramStep", "Comparison", "Detection", "Evaluation", "Findings",
    "FrozenEmbeddings", "Guarantee", "Head", "Heads", "InductionBatch", "Null", "Patterns", "Probe",
    "ScoreMoments", "ScoreTables", "Segment", "Slope", "Specimen", "SweepError", "Table", "Term",
    "TokenBlock", "TopDownRun", "TrainingRun", "CheckpointError", "Metrics", "Optimizer", "Task",
    "Share.interval", "Patterns.of", "InductionBatch.of", "Settings.moving", "Settings.rate",
    "Settings.restored", "TrainingRun.going_on", "Task.sample",
    *(f"Slope.{name}" for name in ("signal", "coefficient", "ahead")),
    *(f"Layout.{name}" for name in ("name", "stripped", "n_layers", "is_feed_forward")),
    *("Layout.is_ignored", "Norm.linear", "Norm.folded"),
    *(f"{name}.direction" for name in ("SGD", "Adam", "SignDescent", "Muon", "Optimizer")),
    # tested where torch, safetensors and TransformerLens are
    *("from_torch", "to_torch", "to_transformer_lens", "load", "save"),
}  # fmt: skip
# Names of before, what matplotlib checks, and functions and objects that may do anything.
OTHERS = {
    "up_to_symmetry",
    "lead",
    "line",
    "image",
    "text",
    "gradient",
    "settings",
    "changes",
    "quantities",
}


def public():
    """All functions, classes and methods that the rooms list, and the names of their arguments."""
    for room in ROOMS:
        module = importlib.import_module(f"assocmem.{room}".rstrip("."))
        for name in module.__all__:
            found = getattr(module, name)
            if inspect.isclass(found) and found.__module__.startswith("assocmem"):
                yield name, found
                for each in vars(found):
                    method = getattr(found, each)
                    if each[0] != "_" and (inspect.isfunction(method) or inspect.ismethod(method)):
                        yield method.__qualname__, method
            elif inspect.isfunction(found):
                yield name, found


def arguments_of(function):
    return [name for name in inspect.signature(function).parameters if name != "self"]


def test_every_argument_of_the_interface_is_among_the_calls():
    called = {}
    for function, arguments in CALLS:
        called.setdefault(name_of(function), set()).update(arguments)
    asked = {name: arguments_of(function) for name, function in public() if name not in INNER}
    assert len(asked) > 130
    assert {
        f"{name}({argument})"
        for name, arguments in asked.items()
        for argument in set(arguments) - OTHERS - called.get(name, set())
    } == {"random_memory(family)"}  # a function of yours
    assert set(called) >= {name for name, arguments in asked.items() if "rng" in arguments}


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


@pytest.mark.parametrize(
    ("name", "wrong", "call"),
    [
        ("size", -3, lambda x: next(BATCH.split(x), None)),
        ("coefficient", 1j, lambda x: W.store([0, 1, 0], [0, 1, 0], x)),
        ("law", "no", lambda x: heads.find(HEADS, law=x)),
        ("wide", "no", lambda x: heads.head_weights(MODEL, wide=x)),
        ("needs_rotary", 1, lambda x: heads.Layout(**LAYOUT, needs_rotary=x)),
        ("prefixes", "module.", lambda x: heads.Layout(**LAYOUT, prefixes=x)),
        ("ignored", [3], lambda x: heads.Layout(**LAYOUT, ignored=x)),
        ("base", NAN, lambda x: heads.Rotary(2, x)),
        ("distance", -1, lambda x: heads.Rotary(2).between(x)),
        ("kind", "batch", lambda x: heads.Norm(x, np.ones(3), np.ones(3))),
        ("gain", 3, lambda x: heads.Norm("rms", x, np.ones(3))),
        ("noise", -1, lambda x: heads.specimen(noise=x)),
        ("beta", -1, lambda x: heads.specimen(beta=x)),  # the weights were NaN
        ("value", 3, am.Share),
        ("d", "4", lambda x: MOMENTS.mean(x)),
        ("d", 0, lambda x: MOMENTS.covariance(x)),
        ("targets", -3, lambda x: MOMENTS.margins(9, x)),
        ("factor", NAN, lambda x: LIMIT.times(x)),
        ("share", 1.5, lambda x: gradients.repeat_weight(9, x)),
        ("length", -3, lambda x: gradients.repeated_share([0.5], x)),
        ("length", 2**16 + 1, lambda x: gradients.repeat_weight(x, 0.2)),
        ("n_tokens", 1, lambda x: gradients.output_lead([0.5], x, 9)),
        ("frequencies", {0.5}, lambda x: gradients.output_lead(x, 4, 9)),
        ("sequences", "no", lambda x: gradients.bigram_memory_step("W_O2", BIGRAM_MODEL, BIGRAMS,
                                                                   sequences=x)),
        ("cues", "no", lambda x: BSTEP.lead_error(x)),
        ("reference", None, testing.reference_gradient),
    ],
)  # fmt: skip
def test_what_was_taken_in_silence_is_refused(name, wrong, call):
    with pytest.raises((TypeError, ValueError), match=f"{name}: expected .*; got "):
        call(wrong)


@pytest.mark.parametrize("matrix", ["W_O2", "W_K2"])
def test_a_name_is_known_by_its_letters(matrix):
    """A name that is put together at run time is another object than the one in the source."""
    same = "".join(list(matrix))
    known, found = (gradients.bigram_step(BIGRAMS, name) for name in (matrix, same))
    np.testing.assert_array_equal(found.coefficients, known.coefficients)
    np.testing.assert_array_equal(found.leads, known.leads)
    n = BIGRAMS.n_tokens
    by_position = np.full((BIGRAMS.length, n, n), 1 / n)
    for name in (matrix, same) if matrix == "W_K2" else ():
        with pytest.raises(ValueError, match=r"expected an \(N, N\) table with W_K2"):
            gradients.bigram_step(BIGRAMS, name, predictor=by_position)


def test_a_file_of_another_kind_is_no_run(tmp_path):
    (tmp_path / "run.npz").write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match=r"path: expected a saved run in .*run; got "):
        training.TrainingRun.load(tmp_path / "run")

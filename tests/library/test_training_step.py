"""The fast training step against the reference, FrozenTransformer, finite differences, one layer.

Two programs that round differently agree to 1e-10 of the largest entry in float64, and to 1e-4 in
float32. That the comparison can fail is shown by the planted errors of ``tests/mutants.py``.
"""

from __future__ import annotations

import math
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assocmem as am
from assocmem import _checks
from assocmem._statistics import softmax
from assocmem.model import engine, passes, streams
from assocmem.model.step import TrainingStep
from tests.rounding import PRODUCTS, RUNS
from validation import reference
from validation.steps.populations import reference_parameters

N, M, D, LONGEST = 5, 4, 8, 70  # tokens, outputs, width, positions
READOUTS = ("residual", "attention")
TOLERANCE = {np.float64: 1e-10, np.float32: 1e-4}

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=20, deadline=None)


def draw_embeddings(rng, dtype=np.float64):
    sizes = SimpleNamespace(n_tokens=N, length=LONGEST, outputs=range(M))
    return am.FrozenEmbeddings.random(sizes, width=D, rng=rng).astype(dtype)


def names_of(readout, layers=2):
    names = ("W_K1",) * (layers == 2) + ("W_K2", "W_O2")
    return (*names, "W_F") if readout == "residual" else names


def draw_weights(rng, names, size=1.0):
    return {name: size * rng.normal(size=(D, D)) / math.sqrt(D) for name in names}


def draw_batch(rng, size, length, share):
    """Any tokens and targets, and weight on a share of the positions of each sequence."""
    weights = rng.random((size, length)) * (rng.random((size, length)) < share)
    weights[rng.integers(size), rng.integers(length)] = 1
    targets = np.where(weights > 0, rng.integers(M, size=weights.shape), -1)
    tokens = rng.integers(N, size=weights.shape)
    return am.Batch(tokens=tokens, targets=targets, weights=weights / weights.sum())


def assert_close(measured, expected, tolerance):
    """The largest difference is within the tolerance, relative to the largest of all entries."""
    assert list(measured) == list(expected)
    largest = max(abs(array).max() for array in expected.values())
    for name, array in expected.items():
        assert measured[name].shape == array.shape
        error = abs(measured[name] - array).max() / largest
        assert error <= tolerance, f"{name} differs by {error:.1e} of the largest entry"


@pytest.fixture(params=[None, 3], ids=["blocks as they are", "tiny blocks"])
def _blocks(request):
    """With tiny blocks and chunks, short sequences have every kind of boundary."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param:
            for name in ("ROWS", "QUERIES", "KEYS"):
                patch.setattr(streams, name, request.param)
            for module in engine, passes:
                patch.setattr(module, "LANES", 2)
        yield


# --- the same numbers --------------------------------------------------------------------------


def assert_gradients_are_the_reference_s(gradients, emb, weights, batch, **options):
    """On matrices and embeddings, differentiated by autograd in a program that shares no code."""
    data = batch.tokens, batch.targets, batch.weights
    names = (*weights, "W_E", "W_P", "W_U")
    params = reference_parameters(emb, weights)
    found = reference.gradients(params, *data, wrt=names, **options).values()
    assert_close(gradients, dict(zip(gradients, found, strict=True)), TOLERANCE[np.float64])
    return reference.loss(params, *data, **options)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("readout", READOUTS)
@few
@given(
    seed=seeds,
    length=st.integers(1, 20),
    share=st.sampled_from([0.1, 1.0]),
    scale=st.sampled_from([0.5, 1.0]),
)
def test_equals_the_reference(readout, seed, length, share, scale):
    rng, names = np.random.default_rng(seed), names_of(readout)
    emb, batch = draw_embeddings(rng), draw_batch(rng, 5, length, share)
    weights, options = draw_weights(rng, names), {"scale": scale, "readout": readout}
    own = (*names, "tokens", "positions", "outputs")
    loss, gradients = TrainingStep(emb, **options).loss_and_gradients(weights, batch, own)
    expected = assert_gradients_are_the_reference_s(gradients, emb, weights, batch, **options)
    assert loss == pytest.approx(expected, rel=1e-10)
    largest = max(gradients, key=lambda name: abs(gradients[name]).max())
    off = gradients | {largest: (1 + 2e-10) * gradients[largest]}  # the control
    with pytest.raises(AssertionError, match="of the largest entry"):
        assert_gradients_are_the_reference_s(off, emb, weights, batch, **options)


@pytest.mark.parametrize("few", [[4, 5], [3], [0, 5], [5]])
def test_a_sequence_with_fewer_queries_than_its_chunk(few, seed, monkeypatch):
    """It is filled up with queries that must not stand for earlier ones."""
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(streams, "ROWS", 3)
    for module in engine, passes:
        monkeypatch.setattr(module, "LANES", 2)  # all sequences in one chunk
    weights = np.zeros((4, 6))
    weights[1:, [0, 4, 5]] = weights[0, few] = 1 / 9
    targets = np.where(weights > 0, rng.integers(M, size=weights.shape), -1)
    batch = am.Batch(
        tokens=rng.integers(N, size=weights.shape), targets=targets, weights=weights / weights.sum()
    )
    emb, matrices = draw_embeddings(rng), draw_weights(rng, names_of("residual"))
    own = (*matrices, "tokens", "positions", "outputs")
    _, gradients = TrainingStep(emb).loss_and_gradients(matrices, batch, own)
    assert_gradients_are_the_reference_s(gradients, emb, matrices, batch, readout="residual")


# a factor on W_K1 with which scores overflow unless they are shifted
LARGE = {np.float64: 500.0, np.float32: 40.0}


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("readout", READOUTS)
@few
@given(
    seed=seeds,
    size=st.integers(1, 9),
    length=st.integers(1, LONGEST),
    share=st.sampled_from([0.1, 0.5, 1.0]),
    scale=st.sampled_from([0.5, 1.0]),
    large=st.booleans(),
)
def test_equals_the_transformer(dtype, readout, seed, size, length, share, scale, large):
    rng, names = np.random.default_rng(seed), names_of(readout)
    emb, batch = draw_embeddings(rng, dtype), draw_batch(rng, size, length, share)
    weights = draw_weights(rng, names)
    weights["W_K1"] *= LARGE[dtype] if large else 1
    model = am.FrozenTransformer(emb.astype(np.float64), **weights, scale=scale, readout=readout)
    expected_loss, expected = model.loss_and_gradients(batch, names)
    fast = TrainingStep(emb, scale=scale, readout=readout)
    loss, gradients = fast.loss_and_gradients(weights, batch, names)
    # a difference of scores: one near zero is off by as much as any other
    assert loss == pytest.approx(expected_loss, rel=TOLERANCE[dtype], abs=TOLERANCE[dtype])
    assert {gradients[name].dtype for name in names} == {np.dtype(dtype)}
    assert_close(gradients, expected, TOLERANCE[dtype])


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("zero", [("W_K1",), ("W_K2",), ("W_O2",), ("W_K1", "W_K2", "W_O2")])
@few
@given(seed=seeds, length=st.integers(1, 20))
def test_zero_weights_need_not_be_given(zero, seed, length):
    """Where training starts; W_K1 = 0 takes a way of its own."""
    rng, names = np.random.default_rng(seed), names_of("residual")
    emb, batch = draw_embeddings(rng), draw_batch(rng, 7, length, 0.5)
    weights = draw_weights(rng, set(names) - set(zero))
    expected = am.FrozenTransformer(emb, **weights, readout="residual").loss_and_gradients(
        batch, names
    )
    for given_zero in {}, dict.fromkeys(zero), {name: np.zeros((D, D)) for name in zero}:
        loss, gradients = TrainingStep(emb).loss_and_gradients(weights | given_zero, batch, names)
        assert loss == pytest.approx(expected[0], rel=RUNS)
        assert_close(gradients, expected[1], 1e-10)


@few
@given(seed=seeds, data=st.data())
def test_part_of_the_gradients(seed, data):
    """Fewer names need less work and give the same bits."""
    rng, names = np.random.default_rng(seed), names_of("residual")
    emb, batch = draw_embeddings(rng), draw_batch(rng, 5, 12, 0.5)
    weights, fast = draw_weights(rng, names), TrainingStep(emb)
    loss, gradients = fast.loss_and_gradients(weights, batch, names)
    some = data.draw(st.lists(st.sampled_from(names), unique=True))
    partial_loss, part = fast.loss_and_gradients(weights, batch, some)
    assert partial_loss == loss
    assert list(part) == some
    for name in some:
        np.testing.assert_array_equal(part[name], gradients[name])


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("layers", [1, 2])
@few
@given(seed=seeds)
def test_gradients_are_the_slope_of_the_loss(layers, readout, seed):
    """Central differences of step h are off by h² times a third derivative, and by rounding / h."""
    rng, names = np.random.default_rng(seed), names_of(readout, layers)
    emb, batch = draw_embeddings(rng), draw_batch(rng, 4, 9, 0.5)
    weights, fast = draw_weights(rng, names), TrainingStep(emb, layers=layers, readout=readout)
    gradients = fast.loss_and_gradients(weights, batch, names)[1]
    for name in names:
        direction = rng.normal(size=(D, D)) / D

        def loss(h, name=name, direction=direction):
            moved = weights | {name: weights[name] + h * direction}
            return fast.loss_and_gradients(moved, batch, ())[0]

        h = np.finfo(float).eps ** (1 / 3)
        slope = (loss(h) - loss(-h)) / (2 * h)
        # both errors are of order eps^(2/3) = 4e-11, times at most a few powers of what scores are
        assert slope == pytest.approx((gradients[name] * direction).sum(), abs=1e-7)


def explicit_one_layer(emb, weights, batch, scale, readout):
    """The loss of a model of one layer, position by position."""
    x = emb.tokens[batch.tokens] + emb.positions[: batch.tokens.shape[1]]
    total = 0.0
    for b, t in np.argwhere(batch.weights > 0):
        a = softmax(scale * x[b, t] @ weights["W_K2"] @ x[b, : t + 1].T)
        read = weights["W_O2"] @ emb.W_V2 @ (a @ x[b, : t + 1])
        stream = x[b, t] + read
        stream = read if readout == "attention" else stream + weights["W_F"] @ stream
        p = softmax(emb.outputs @ stream)[batch.targets[b, t]]
        total -= batch.weights[b, t] * math.log(p)
    return total


@pytest.mark.parametrize("readout", READOUTS)
@few
@given(seed=seeds, length=st.integers(1, 40))
def test_one_layer(readout, seed, length):
    rng, names = np.random.default_rng(seed), names_of(readout, layers=1)
    emb, batch = draw_embeddings(rng), draw_batch(rng, 6, length, 0.5)
    weights = draw_weights(rng, names)
    fast = TrainingStep(emb, layers=1, scale=0.7, readout=readout)
    loss, gradients = fast.loss_and_gradients(weights, batch, names)
    assert loss == pytest.approx(explicit_one_layer(emb, weights, batch, 0.7, readout), rel=RUNS)
    assert list(gradients) == list(names)


# --- predictions -------------------------------------------------------------------------------


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("readout", READOUTS)
@few
@given(
    seed=seeds,
    size=st.integers(0, 9),
    length=st.integers(1, LONGEST),
    share=st.sampled_from([0.0, 0.3, 1.0]),
    first=st.booleans(),
)
def test_predictions_equal_the_transformer(readout, seed, size, length, share, first):
    rng = np.random.default_rng(seed)
    emb, weights = draw_embeddings(rng), draw_weights(rng, names_of(readout))
    if not first:
        del weights["W_K1"]
    tokens = rng.integers(N, size=(size, length))
    where = rng.random(tokens.shape) < share
    model = am.FrozenTransformer(emb, **weights, readout=readout)
    expected_logits, _ = model.logits_and_attention(tokens)
    expected_first, expected_attention = model.attention(tokens)
    fast = TrainingStep(emb, readout=readout, workers=2)
    logits, attention = fast.predict(weights, tokens, where)
    np.testing.assert_allclose(logits, expected_logits[where], rtol=RUNS, atol=RUNS)
    np.testing.assert_allclose(attention, expected_attention[where], rtol=RUNS, atol=PRODUCTS)
    measured = fast.first_attention(weights, tokens)
    np.testing.assert_allclose(measured, expected_first, rtol=RUNS, atol=PRODUCTS)


def test_predictions_of_one_layer():
    rng = np.random.default_rng(0)
    emb, weights = draw_embeddings(rng), draw_weights(rng, ("W_K2",))
    tokens = rng.integers(N, size=(2, 9))
    _, attention = TrainingStep(emb, layers=1).predict(weights, tokens, np.ones((2, 9), bool))
    x = emb.tokens[tokens] + emb.positions[:9]
    scores = x @ weights["W_K2"] @ x.transpose(0, 2, 1)
    expected = softmax(np.where(np.tri(9, dtype=bool), scores, -np.inf))
    np.testing.assert_allclose(attention, expected.reshape(18, 9), rtol=RUNS)


@settings(max_examples=6, deadline=None)
@given(seed=seeds, size=st.integers(4, 12), late=st.integers(1, 3))
def test_a_batch_is_the_sum_of_its_sequences(seed, size, late):
    """Whatever the others ask for: a few sequences late and often, all others early and once."""
    rng, names = np.random.default_rng(seed), names_of("residual")
    emb, weights = draw_embeddings(rng), draw_weights(rng, names)
    tokens, classes = rng.integers(N, size=(size, LONGEST)), rng.integers(M, size=LONGEST)
    asked = np.zeros((size, LONGEST), bool)
    asked[:, rng.integers(3)] = True
    asked[:late, rng.integers(streams.ROWS, LONGEST, size=3)] = True
    fast, total, sums = TrainingStep(emb), 0.0, dict.fromkeys(names, 0.0)
    for each in (asked, *(asked & (np.arange(size) == i)[:, None] for i in range(size))):
        targets = np.where(each, classes, -1)
        part = am.Batch(tokens=tokens, targets=targets, weights=each / each.sum())
        loss, gradients = fast.loss_and_gradients(weights, part, names)
        share = -each.sum() / asked.sum() if each is not asked else 1
        total += share * loss
        sums = {name: sums[name] + share * gradients[name] for name in names}
    assert abs(total) < TOLERANCE[np.float64]
    for name in names:
        assert np.abs(sums[name]).max() < TOLERANCE[np.float64]


# --- the same bits -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_bits_depend_neither_on_workers_nor_on_what_ran_before(dtype):
    rng, names = np.random.default_rng(), names_of("residual")
    emb, weights = draw_embeddings(rng, dtype), draw_weights(rng, names)
    batch = draw_batch(rng, 100, LONGEST, 0.3)
    expected_loss, expected = TrainingStep(emb).loss_and_gradients(weights, batch, names)
    for workers in 1, 2, 3, 40:
        fast = TrainingStep(emb, workers=workers)
        for other in range(3):
            loss, gradients = fast.loss_and_gradients(weights, batch, names)
            assert loss == expected_loss
            for name in names:
                np.testing.assert_array_equal(gradients[name], expected[name])
            # buffers of other sizes, with other content
            fast.loss_and_gradients(weights, draw_batch(rng, 5, 9 + 30 * other, 0.5))
            fast.predict(weights, batch.tokens, batch.weights == 0)


def test_workers_work_at_the_same_time(monkeypatch):
    """As many passes as workers wait for each other: one thread alone would wait for ever."""
    rng = np.random.default_rng()
    emb, batch = draw_embeddings(rng), draw_batch(rng, 8 * passes.LANES, LONGEST, 0.5)
    for workers in 2, 3:
        together = threading.Barrier(workers, timeout=20)
        seen: set[int] = set()

        def forward(*arguments, together=together, seen=seen, original=engine.Pass):
            if threading.get_ident() not in seen:
                seen.add(threading.get_ident())
                together.wait()
            return original(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(engine, "Pass", forward)
            TrainingStep(emb, workers=workers).loss_and_gradients({}, batch)
        assert len(seen) == workers
        assert threading.get_ident() not in seen


def test_chunks_hold_every_prediction_once():
    rng = np.random.default_rng()
    where = rng.random((53, 20)) < 0.3
    tokens = rng.integers(N, size=where.shape)
    fast = TrainingStep(draw_embeddings(rng), workers=7)
    chunks = list(fast._tables(fast._checked_weights({}), 20).chunks(tokens, where))
    seen = np.zeros_like(where, dtype=int)
    for chunk in chunks:
        rows = np.broadcast_to(chunk.sequences[:, None], chunk.positions.shape)[chunk.real]
        np.add.at(seen, (rows, chunk.positions[chunk.real]), 1)
    np.testing.assert_array_equal(seen, where)


# --- what is refused ---------------------------------------------------------------------------

EMB = draw_embeddings(np.random.default_rng(0))
BATCH = draw_batch(np.random.default_rng(0), 3, 6, 0.5)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layers": 3}, ValueError, r"layers: expected one of 1, 2; got 3"),
        ({"readout": "both"}, ValueError, r"readout: expected one of 'attention', 'residual'; got"),
        ({"scale": math.nan}, ValueError, r"scale: expected a finite number; got nan"),
        ({"workers": 0}, ValueError, r"workers: expected at least 1; got 0"),
        ({"workers": 1.5}, TypeError, r"workers: expected an integer; got 1.5"),
    ],
)
def test_options_are_checked(options, error, message):
    with pytest.raises(error, match=message):
        TrainingStep(EMB, **options)


def test_embeddings_are_checked(monkeypatch):
    with pytest.raises(TypeError, match="embeddings: expected FrozenEmbeddings; got int"):
        TrainingStep(3)
    monkeypatch.setattr(_checks, "MOST_BYTES", 400)
    with pytest.raises(ValueError, match=r"embeddings: expected four tables .* Take fewer tokens"):
        TrainingStep(EMB)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([np.eye(D)], TypeError, "weights: expected a mapping; got list. Give each"),
        ({"W_K3": np.eye(D)}, ValueError, r"weights: expected names among W_K1, .* got \['W_K3'\]"),
        ({"W_K2": np.eye(D + 1)}, ValueError, r"W_K2: expected shape \(8, 8\)"),
        ({"W_O2": np.eye(D) * 1j}, TypeError, r"W_O2: expected real numbers; got dtype complex128"),
        ({"W_K1": np.full((D, D), np.nan)}, ValueError, "W_K1: expected finite numbers; got NaN"),
    ],
)
def test_weights_are_checked(weights, error, message):
    fast = TrainingStep(EMB)
    for call in (
        lambda: fast.loss_and_gradients(weights, BATCH),
        lambda: fast.predict(weights, BATCH.tokens, BATCH.weights > 0),
        lambda: fast.first_attention(weights, BATCH.tokens),
    ):
        with pytest.raises(error, match=message):
            call()


def test_scores_must_be_finite():
    weights = {"W_K1": np.full((D, D), 1e38)}
    with pytest.raises(ValueError, match="W_K1: expected finite scores in float32; got infinity"):
        TrainingStep(EMB.astype(np.float32), scale=100).first_attention(weights, BATCH.tokens)


@pytest.mark.parametrize(
    ("options", "wrt"),
    [({"layers": 1}, ["W_K1"]), ({"readout": "attention"}, ["W_F"]), ({}, ["W_V"]), ({}, "W_K1")],
)
def test_names_are_checked(options, wrt):
    fast = TrainingStep(EMB, **options)
    with pytest.raises(ValueError, match=r"wrt: expected names among .* got .*W_"):
        fast.loss_and_gradients({}, BATCH, wrt)


def test_data_are_checked():
    fast, where = TrainingStep(EMB), BATCH.weights > 0
    with pytest.raises(TypeError, match="batch: expected a Batch; got ndarray"):
        fast.loss_and_gradients({}, BATCH.tokens)
    for tokens, message in (
        (BATCH.tokens + N, r"tokens: expected ids from 0 to 4"),
        (BATCH.tokens - 9, r"tokens: expected ids from 0 to 4"),
        (BATCH.tokens * 1.0, r"tokens: expected integers; got dtype float64"),
        (np.zeros((1, LONGEST + 1), int), r"tokens: expected 1 to 70 columns.* got 71"),
        (BATCH.tokens[0], r"tokens: expected a \(B, T\) array of integers; got shape"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            fast.predict({}, tokens, where)
        with pytest.raises((TypeError, ValueError), match=message):
            fast.first_attention({}, tokens)
    for marks in where * 1, where[:2]:
        with pytest.raises(ValueError, match=r"where: expected booleans of the shape \(3, 6\)"):
            fast.predict({}, BATCH.tokens, marks)
    targets = np.where(where, M, -1)
    wrong = am.Batch(tokens=BATCH.tokens, targets=targets, weights=BATCH.weights)
    with pytest.raises(ValueError, match=r"batch.targets: expected classes below 4.* got 4"):
        fast.loss_and_gradients({}, wrong)
    wrong = am.Batch(tokens=BATCH.tokens + N, targets=BATCH.targets, weights=BATCH.weights)
    with pytest.raises(ValueError, match=r"tokens: expected ids from 0 to 4"):
        fast.loss_and_gradients({}, wrong)
    with pytest.raises(ValueError, match="first_attention: expected a model of 2 layers"):
        TrainingStep(EMB, layers=1).first_attention({}, BATCH.tokens)

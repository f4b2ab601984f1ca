"""FrozenTransformer against the reference transformer, and what no transformer may break.

The tolerance is the promise of the library: 1e-10 of the largest entry. That the comparison can
fail is tested here; that each test can fail, by the planted errors of ``tests/mutants.py``.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assocmem as am
from assocmem.model import passes, transformer
from tests.rounding import RUNS, assert_close
from validation import reference
from validation.steps.populations import reference_parameters

N, T, M, B = 4, 5, 3, 6  # tokens, positions, outputs, sequences
TASK = am.InductionTask(N, T)
KINDS = ("one-hot", "wide gaussian", "narrow gaussian", "positional", "tokens as keys")
READOUTS = ("attention", "residual")

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=20, deadline=None)


def draw_embeddings(rng, kind):
    if kind in ("one-hot", "positional", "tokens as keys"):
        return am.FrozenEmbeddings.orthonormal(TASK)
    return am.FrozenEmbeddings.random(TASK, width=30 if kind == "wide gaussian" else 7, rng=rng)


def draw_weights(rng, emb, kind="one-hot", readout="attention"):
    """Random matrices of norm about 1 to 2; W_K1 with positions for queries when asked for."""
    names = transformer.MATRICES if readout == "residual" else transformer.MATRICES[:3]
    d = emb.width
    weights = {name: rng.normal(size=(d, d)) / math.sqrt(d) for name in names}
    if kind in ("positional", "tokens as keys"):
        keys = emb.positions if kind == "positional" else emb.tokens
        weights["W_K1"] = emb.positions.T @ rng.normal(size=(T, len(keys))) @ keys
    return weights


def draw_batch(rng, length=T):
    """Any tokens and targets, weight on some positions of each sequence; -1 where there is none."""
    targets = rng.integers(M, size=(B, length))
    weights = rng.random((B, length)) * (rng.random((B, length)) < 0.5)
    weights[0, -1] = 1
    targets[weights == 0] = -1
    tokens = rng.integers(N, size=(B, length))
    return am.Batch(tokens=tokens, targets=targets, weights=weights / weights.sum())


# --- the reference -----------------------------------------------------------------------------


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("kind", KINDS)
@few
@given(seed=seeds, scale=st.sampled_from([1.0, 0.3]), length=st.integers(1, T))
def test_equals_the_reference(kind, readout, seed, scale, length):
    rng = np.random.default_rng(seed)
    emb, batch = draw_embeddings(rng, kind), draw_batch(rng, length)
    weights, options = draw_weights(rng, emb, kind, readout), {"scale": scale, "readout": readout}
    model = am.FrozenTransformer(emb, **weights, **options)
    params = reference_parameters(emb, weights)
    data = (batch.tokens, batch.targets, batch.weights)

    assert_close(model.logits(batch.tokens), reference.forward(params, batch.tokens, **options))
    maps = reference.attention(params, batch.tokens, scale=scale)
    for measured, expected in zip(model.attention(batch.tokens), maps, strict=True):
        assert_close(measured, expected)
    loss, gradients = model.loss_and_gradients(batch, wrt=tuple(weights))
    expected_loss = reference.loss(params, *data, **options)
    assert_close(loss, expected_loss)
    assert_close(model.loss(batch), expected_loss)
    for name, expected in reference.gradients(params, *data, wrt=weights, **options).items():
        if abs(expected).max() > 0:  # of W_K1 and W_K2 it is zero when there is one position
            assert_close(gradients[name], expected)
        else:
            assert not gradients[name].any()


def test_the_comparison_can_fail():
    expected = np.random.default_rng().normal(size=(5, 5))
    with pytest.raises(AssertionError, match="differs by"):
        assert_close(expected * (1 + 2 * RUNS), expected)
    with pytest.raises(AssertionError):
        assert_close(expected[:1], expected)  # no broadcasting


@few
@given(seed=seeds)
def test_gradients_are_taken_one_by_one_as_together(seed):
    rng = np.random.default_rng(seed)
    emb, batch = draw_embeddings(rng, "one-hot"), draw_batch(rng)
    model = am.FrozenTransformer(
        emb, **draw_weights(rng, emb, readout="residual"), readout="residual"
    )
    _, together = model.loss_and_memories(batch, transformer.MATRICES)
    for name in transformer.MATRICES:
        _, alone = model.loss_and_memories(batch, (name,))
        assert list(alone) == [name]
        assert np.array_equal(alone[name].coefficients, together[name].coefficients)


# --- invariances -------------------------------------------------------------------------------


def atoms_of(emb, name):
    """Values and keys of the memories that the gradients on a matrix are made of."""
    return {
        "W_K1": (emb.inputs, emb.inputs),
        "W_K2": (emb.atoms, emb.atoms),
        "W_O2": (emb.outputs, emb.values),
    }[name]


def memories(emb, coefficients):
    return {
        name: am.AssociativeMemory(
            values=atoms_of(emb, name)[0], keys=atoms_of(emb, name)[1], coefficients=table
        )
        for name, table in coefficients.items()
    }


def draw_coefficients(rng, emb):
    sizes = {name: [len(part) for part in atoms_of(emb, name)] for name in transformer.MATRICES[:3]}
    return {name: rng.normal(size=size) for name, size in sizes.items()}


@few
@given(seed=seeds)
def test_memories_are_their_matrices(seed):
    rng = np.random.default_rng(seed)
    emb, batch = draw_embeddings(rng, "wide gaussian"), draw_batch(rng)
    weights = memories(emb, draw_coefficients(rng, emb))
    weights["W_F"] = am.AssociativeMemory(keys=emb.atoms, values=emb.atoms)
    matrices = {name: memory.matrix for name, memory in weights.items()}
    model = am.FrozenTransformer(emb, **weights, readout="residual")
    other = am.FrozenTransformer(emb, **matrices, readout="residual")
    assert_close(model.logits(batch.tokens), other.logits(batch.tokens))
    gradients = other.loss_and_gradients(batch, transformer.MATRICES)[1]
    for name, gradient in model.loss_and_gradients(batch, transformer.MATRICES)[1].items():
        assert_close(gradient, gradients[name])


@pytest.mark.parametrize("readout", READOUTS)
@few
@given(seed=seeds)
def test_compression_is_exact(readout, seed):
    rng = np.random.default_rng(seed)
    emb, batch = am.FrozenEmbeddings.random(TASK, width=50, rng=rng), draw_batch(rng)
    narrow, coefficients = emb.compressed(), draw_coefficients(rng, emb)
    assert narrow.width < emb.width
    wide_model, narrow_model = (
        am.FrozenTransformer(e, **memories(e, coefficients), readout=readout) for e in (emb, narrow)
    )
    assert_close(narrow_model.logits(batch.tokens), wide_model.logits(batch.tokens))
    wide = wide_model.loss_and_memories(batch)[1]
    for name, memory in narrow_model.loss_and_memories(batch)[1].items():
        assert_close(memory.coefficients, wide[name].coefficients)


@few
@given(seed=seeds)
def test_chunks_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    emb, batch = draw_embeddings(rng, "wide gaussian"), draw_batch(rng)
    model = am.FrozenTransformer(emb, **draw_weights(rng, emb))
    whole = model.logits(batch.tokens), *model.attention(batch.tokens), model.loss(batch)
    gradients = model.loss_and_gradients(batch)[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "CHUNK_FLOATS", 1)  # sequence by sequence
        assert len(list(model._tables(T).chunks(batch.tokens, batch.weights >= 0))) == B
        pieces = model.logits(batch.tokens), *model.attention(batch.tokens), model.loss(batch)
        for piece, expected in zip(pieces, whole, strict=True):
            assert_close(piece, expected)
        for name, gradient in model.loss_and_gradients(batch)[1].items():
            assert_close(gradient, gradients[name])


@few
@given(seed=seeds)
def test_single_precision(seed):
    """Rounding of a sum of p terms is at most p eps times the sum of their absolute values.

    In attention the weights sum to 1; a score's error moves a softmax by at most twice that error.
    """
    rng = np.random.default_rng(seed)
    emb, batch = draw_embeddings(rng, "one-hot"), draw_batch(rng)
    weights = draw_weights(rng, emb)
    double = am.FrozenTransformer(emb, **weights)
    single = am.FrozenTransformer(emb.astype(np.float32), **weights)
    eps = np.finfo(np.float32).eps
    # x¹ has two inputs and two averages of inputs: absolute values sum to 4, products of two to 16
    score1, score2, value = (
        scale * abs(weights[name]).max() for name, scale in (("W_K1", 4), ("W_K2", 16), ("W_O2", 4))
    )
    attention1 = (emb.width + T) * eps * (1 + 2 * score1)
    attention2 = (emb.width + T) * eps * (1 + 2 * score2) + 2 * 2 * score2 * attention1
    tolerance = (emb.width * eps + attention1 + attention2) * value
    assert single.logits(batch.tokens).dtype == np.float32
    error = abs(single.logits(batch.tokens) - double.logits(batch.tokens)).max()
    assert 0 < error <= tolerance
    loss, gradients = single.loss_and_gradients(batch)
    assert abs(loss - double.loss(batch)) <= 2 * tolerance + eps * M * loss
    assert all(gradient.dtype == np.float32 for gradient in gradients.values())
    negative = am.FrozenTransformer(emb, **{**weights, "W_O2": 2 * weights["W_O2"]})
    assert abs(negative.logits(batch.tokens) - double.logits(batch.tokens)).max() > tolerance


# --- what no transformer may break -------------------------------------------------------------


@few
@given(seed=seeds)
def test_attention_is_causal_and_sums_to_one(seed):
    rng = np.random.default_rng(seed)
    emb, tokens = draw_embeddings(rng, "wide gaussian"), draw_batch(rng).tokens
    model = am.FrozenTransformer(emb, **draw_weights(rng, emb))
    for attention in model.attention(tokens):
        assert_close(attention.sum(axis=2), np.ones((B, T)))
        assert not attention[:, *np.triu_indices(T, k=1)].any()
        assert (attention[:, *np.tril_indices(T)] > 0).all()
    changed = tokens.copy()
    changed[:, -1] = (tokens[:, -1] + 1) % N
    before, after = model.logits(tokens), model.logits(changed)
    assert np.array_equal(before[:, :-1], after[:, :-1])
    assert not np.array_equal(before[:, -1], after[:, -1])


@few
@given(seed=seeds, positions=st.lists(st.integers(-T, T - 1), min_size=1, max_size=2 * T))
def test_positions_select(seed, positions):
    rng = np.random.default_rng(seed)
    emb, tokens = draw_embeddings(rng, "wide gaussian"), draw_batch(rng).tokens
    model = am.FrozenTransformer(
        emb, **draw_weights(rng, emb, readout="residual"), readout="residual"
    )
    logits, attention = model.logits_and_attention(tokens, positions=positions)
    first, second = model.attention(tokens)
    assert_close(logits, model.logits(tokens)[:, positions])
    assert_close(attention, second[:, positions])
    assert_close(model.attention(tokens, positions=positions)[0], first)


def test_a_zero_model_knows_nothing():
    rng = np.random.default_rng()
    model = am.FrozenTransformer(draw_embeddings(rng, "wide gaussian"))
    assert model.loss(draw_batch(rng)) == pytest.approx(math.log(M), rel=RUNS)


def test_extreme_scores_do_not_overflow():
    rng = np.random.default_rng()
    emb, batch = draw_embeddings(rng, "one-hot"), draw_batch(rng)
    weights = {name: 1e6 * matrix for name, matrix in draw_weights(rng, emb).items()}
    with np.errstate(over="raise"):
        loss, gradients = am.FrozenTransformer(emb, **weights).loss_and_gradients(batch)
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())


def test_repr_says_what_the_model_is():
    emb = am.FrozenEmbeddings.orthonormal(TASK)
    model = am.FrozenTransformer(emb, W_O2=np.eye(emb.width), scale=0.5)
    assert repr(model) == (
        "FrozenTransformer(FrozenEmbeddings(one-hot, N=4, T=5, M=3, width=21), "
        "non-zero=['W_O2'], scale=0.5, readout='attention')"
    )


# --- bad input ---------------------------------------------------------------------------------

EMB = am.FrozenEmbeddings.orthonormal(TASK)
D = EMB.width


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"W_K1": np.eye(D + 1)},
            rf"W_K1: expected shape \({D}, {D}\), .*; got \({D + 1}, {D + 1}\)\.",
        ),
        ({"W_O2": np.zeros(D)}, rf"W_O2: expected .*; got \({D},\)"),
        ({"W_K2": np.full((D, D), np.nan)}, "W_K2: expected finite numbers; got NaN"),
        (
            {"W_K2": am.AssociativeMemory(keys=np.eye(2), values=np.eye(2))},
            r"W_K2: expected .*; got \(2, 2\)",
        ),
        ({"readout": "logits"}, r"readout: expected one of 'attention', 'residual'; got 'logits'"),
        ({"W_F": np.eye(D)}, 'W_F: expected None .*; got a matrix. Pass readout="residual"'),
        ({"scale": np.nan}, "scale: expected a finite number; got nan"),
    ],
)
def test_bad_models(options, text):
    with pytest.raises(ValueError, match=text):
        am.FrozenTransformer(EMB, **options)


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ([0, 1, 2], r"tokens: .*\(B, T\).*; got shape \(3,\).*tokens\[None, :\]"),
        ([[0.0, 1.0]], "tokens: expected integers; got dtype float64"),
        ([[0] * (T + 1)], f"tokens: expected 1 to {T} columns.*; got {T + 1}"),
        ([[0, N]], rf"tokens: expected ids from 0 to {N - 1}; got 0 to {N}\. .*count from 0"),
        ([[-1, 0]], r"tokens: expected .*; got -1 to 0"),
    ],
)
def test_bad_tokens(tokens, text):
    with pytest.raises((TypeError, ValueError), match=text):
        am.FrozenTransformer(EMB).logits(tokens)


@pytest.mark.parametrize(
    ("positions", "text"),
    [
        ([T], rf"positions: .* from -{T} to {T - 1}; got \[{T}\]"),
        ([-T - 1], rf"positions: expected .*; got \[-{T + 1}\]"),
        ([0.5], r"positions: expected integers; got dtype float64"),
        (0, "positions: expected a list of integers; got 0"),
    ],
)
def test_bad_positions(positions, text):
    with pytest.raises((TypeError, ValueError), match=text):
        am.FrozenTransformer(EMB).attention([[0] * T], positions=positions)


@pytest.mark.parametrize("wrt", [("W_Q",), ("W_O2", "W_F")])
def test_bad_wrt(wrt):
    with pytest.raises(ValueError, match=r"wrt: .* among W_K1, W_K2, W_O2, each once; got \('W_"):
        am.FrozenTransformer(EMB).loss_and_gradients(TASK.enumerate(), wrt)


def test_targets_beyond_the_outputs():
    batch = TASK.enumerate()
    fewer = replace(EMB, outputs=EMB.outputs[:-1])
    with pytest.raises(ValueError, match=rf"targets: expected .* below {M - 1}, .*; got {M - 1}"):
        am.FrozenTransformer(fewer).loss(batch)


def test_complex_and_overflowing_weights():
    eye, single = np.eye(D), EMB.astype(np.float32)
    with pytest.raises(TypeError, match="W_O2: expected real numbers; got dtype complex128"):
        am.FrozenTransformer(EMB, W_O2=1j * eye)
    with pytest.raises(ValueError, match="W_K1: expected finite scores in float32"):
        am.FrozenTransformer(single, W_K1=1e300 * eye)
    for name in ("W_K1", "W_K2"):  # each score is finite, but not times the scale
        with pytest.raises(ValueError, match=f"{name}: expected finite scores in float32"):
            am.FrozenTransformer(single, **{name: 1e38 * eye}, scale=100)


def test_arguments_of_another_class():
    model, tokens = am.FrozenTransformer(EMB), TASK.enumerate().tokens
    for call, text in (
        (lambda: am.FrozenTransformer(None), "embeddings: expected FrozenEmbeddings; got NoneType"),
        (lambda: model.loss(tokens), "batch: expected a Batch; got ndarray"),
        (lambda: am.evaluate(model, tokens), "batch: expected a Batch; got ndarray"),
        (lambda: am.gradients.first_step(None), "task: expected an InductionTask; got NoneType"),
        (lambda: am.probe("W_K2", None, EMB), "task: expected a Task"),
        (lambda: am.BlockTable.from_coefficients(None, "W_K1", [[1.0]]), "task: expected an Indu"),
    ):
        with pytest.raises(TypeError, match=text):
            call()

"""Frozen embeddings: orthonormal, random and by hand, compressed or rotated."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import linalg, stats

import assocmem as am
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.vectors.families import (
    FAMILIES,
    coherence,
    gaussian,
    gram,
)
from tests.library.vectors import FALSE_ALARM, TASK, draw, is_unlikely, rounding, seeds
from tests.rounding import OPERATION, PRODUCTS

# --- frozen embeddings --------------------------------------------------------------------------

task_sizes = st.builds(
    lambda n, t, m: SimpleNamespace(n_tokens=n, length=t, outputs=np.arange(m)),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 6),
)
ARRAYS = ["tokens", "positions", "outputs", "remapped_tokens", "remapped_positions", "values"]
MATRICES = ["Phi1", "W_V2"]


def spectral(a: np.ndarray) -> float:
    return float(np.linalg.norm(a, 2))


def assert_images(emb: FrozenEmbeddings) -> None:
    """Phi1 maps inputs to remapped inputs and W_V2 atoms to values, to rounding."""
    n = emb.inputs.shape[0]
    assert emb.atoms.shape == (2 * n, emb.width)
    assert_array_equal(emb.atoms[:n], emb.inputs)
    for matrix, given_rows, image in [
        (emb.Phi1, emb.inputs, emb.atoms[n:]),
        (emb.W_V2, emb.atoms, emb.values),
    ]:
        scale = spectral(given_rows) * spectral(matrix)
        error = np.abs(given_rows @ matrix.T - image).max()
        assert error <= rounding(emb.width, dtype=emb.dtype.type) * scale


@given(task=task_sizes)
def test_orthonormal_embeddings_are_one_hot(task):
    emb = FrozenEmbeddings.orthonormal(task)
    n, t, m = task.n_tokens, task.length, len(task.outputs)
    d = 2 * (n + t) + m
    assert (emb.n_tokens, emb.length, emb.n_outputs, emb.width) == (n, t, m, d)
    assert_array_equal(np.vstack([emb.atoms, emb.outputs]), np.eye(d))
    assert_array_equal(emb.values, emb.atoms)
    assert_array_equal(emb.W_V2, np.eye(d))
    assert_array_equal(emb.tokens @ emb.Phi1.T, emb.remapped_tokens)
    assert_array_equal(emb.positions @ emb.Phi1.T, emb.remapped_positions)
    # A partial isometry: Phi1' Phi1 projects on the inputs, Phi1 Phi1' on their images.
    on_inputs, on_images = emb.Phi1.T @ emb.Phi1, emb.Phi1 @ emb.Phi1.T
    assert_array_equal(np.diagonal(on_inputs), np.arange(d) < n + t)
    assert_array_equal(np.diagonal(on_images), (np.arange(d) >= n + t) & (np.arange(d) < d - m))
    assert np.count_nonzero(on_inputs) == np.count_nonzero(on_images) == n + t
    assert emb.compressed() is emb


@given(
    task=task_sizes, extra=st.integers(0, 20), seed=seeds, family=st.sampled_from(sorted(FAMILIES))
)
def test_random_embeddings_fit_together(task, extra, seed, family):
    n, t, m = task.n_tokens, task.length, len(task.outputs)
    d = n + t + m + extra
    emb = FrozenEmbeddings.random(task, width=d, family=family, rng=seed)
    assert (emb.n_tokens, emb.length, emb.n_outputs, emb.width) == (n, t, m, d)
    assert emb.family == family
    assert_images(emb)
    again = FrozenEmbeddings.random(task, width=d, family=family, rng=seed)
    for name in ARRAYS + MATRICES:
        assert_array_equal(getattr(emb, name), getattr(again, name))
    rows = np.vstack([emb.inputs, emb.outputs])
    if family == "orthonormal":
        assert np.abs(gram(rows) - np.eye(n + t + m)).max() <= rounding(d, n + t + m)
    else:
        assert_array_equal(rows, draw(family, n + t + m, d, seed))
    # One generator, in the order rows, Phi1, W_V2: independent, and Gaussian in every family.
    rng = np.random.default_rng(seed)
    FAMILIES[family](n + t + m, d, rng=rng)
    assert_array_equal(emb.Phi1, gaussian(d, d, rng=rng))
    assert_array_equal(emb.W_V2, gaussian(d, d, rng=rng))


def test_random_matrices_are_gaussian_with_variance_1_over_d(seed):
    d = 200
    emb = FrozenEmbeddings.random(TASK, width=d, family="sphere", rng=seed)
    total = d * np.sum(emb.Phi1**2) + d * np.sum(emb.W_V2**2)
    assert not is_unlikely(total, 2 * d * d, FALSE_ALARM / 2)
    assert is_unlikely(1.06 * total, 2 * d * d, FALSE_ALARM / 2)
    # Independent: a sum of d^2 products of variance 1/d^2, hence N(0, 1).
    threshold = stats.norm.isf(FALSE_ALARM / 2 / 2)
    assert abs(np.sum(emb.Phi1 * emb.W_V2)) <= threshold
    assert abs(np.sum(emb.Phi1 * emb.Phi1)) > threshold


def gram_error(narrow: FrozenEmbeddings, wide: FrozenEmbeddings) -> float:
    """Largest error of a cosine in the two Gram matrices that the model depends on."""
    error = 0.0
    for of in (lambda e: np.vstack([e.atoms, e.outputs]), lambda e: e.values):
        norms = np.linalg.norm(of(wide).astype(float), axis=1)
        difference = gram(of(narrow).astype(float)) - gram(of(wide).astype(float))
        error = max(error, np.abs(difference / np.outer(norms, norms)).max())
    return error


@given(
    task=task_sizes,
    extra=st.integers(1, 60),
    seed=seeds,
    family=st.sampled_from(sorted(FAMILIES)),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_compression_is_exact(task, extra, seed, family, dtype):
    n = 2 * (task.n_tokens + task.length) + len(task.outputs)
    wide = FrozenEmbeddings.random(task, width=n + extra, family=family, rng=seed).astype(dtype)
    narrow = wide.compressed()
    assert (narrow.width, narrow.family, narrow.dtype) == (n, family, dtype)
    assert narrow.Phi1.shape == narrow.W_V2.shape == (n, n)
    tolerance = rounding(n + extra, n, dtype=dtype)
    assert gram_error(narrow, wide) <= tolerance
    assert_images(narrow)
    # Minimal norm: nothing off the span of the inputs, or of the atoms, is mapped anywhere.
    for matrix, rows in ((narrow.Phi1, narrow.inputs), (narrow.W_V2, narrow.atoms)):
        off_span = linalg.null_space(rows.astype(float))
        assert spectral(matrix @ off_span) <= tolerance * spectral(matrix) * np.linalg.cond(rows)
    assert narrow.compressed() is narrow
    # The control: one atom that is off by more than rounding.
    tokens = narrow.tokens.copy()
    tokens[0] *= 1 + 2 * tolerance
    assert gram_error(replace(narrow, tokens=tokens), wide) > tolerance


@pytest.mark.parametrize("width", [1, 20, 21])
def test_compression_returns_self_when_it_saves_nothing(width):
    emb = FrozenEmbeddings.random(TASK, width=width, rng=0)
    assert emb.compressed() is emb
    assert FrozenEmbeddings.random(TASK, width=22, rng=0).compressed().width == 21


@settings(max_examples=20)
@given(seed=seeds)
def test_compression_of_dependent_atoms_keeps_the_images(seed):
    wide = FrozenEmbeddings.random(TASK, width=40, rng=seed)
    tokens = wide.tokens.copy()
    tokens[1] = tokens[0] - wide.positions[2]
    matrices = {name: getattr(wide, name) for name in ["positions", "outputs", *MATRICES]}
    wide = FrozenEmbeddings.from_matrices(tokens=tokens, **matrices)
    narrow = wide.compressed()
    assert gram_error(narrow, wide) <= rounding(40, 21)
    assert_images(narrow)


def test_astype_repr_and_immutability():
    emb = FrozenEmbeddings.random(TASK, width=64, rng=0)
    assert repr(emb) == "FrozenEmbeddings(gaussian, N=5, T=4, M=3, width=64)"
    single = emb.astype(np.float32)
    assert single.dtype == single.Phi1.dtype == single.atoms.dtype == np.float32
    assert_array_equal(single.values, emb.values.astype(np.float32))
    assert single.compressed().dtype == np.float32
    with pytest.raises(FrozenInstanceError):
        emb.tokens = emb.positions


def test_from_matrices_takes_integers_and_the_widest_precision():
    eye = np.eye(4, dtype=int)
    rows = {"tokens": eye, "positions": eye[:3], "outputs": eye[:2]}
    emb = FrozenEmbeddings.from_matrices(**rows, Phi1=2 * eye, W_V2=eye)
    assert emb.dtype == np.float64
    assert_array_equal(emb.remapped_tokens, 2 * eye)
    rows = {name: array.astype(np.float32) for name, array in rows.items()}
    single = np.eye(4, dtype=np.float32)
    assert FrozenEmbeddings.from_matrices(**rows, Phi1=single, W_V2=single).dtype == np.float32
    assert FrozenEmbeddings.from_matrices(**rows, Phi1=single, W_V2=np.eye(4)).dtype == np.float64


@pytest.mark.parametrize("name", [name for name in ARRAYS + MATRICES if name != "tokens"])
def test_embeddings_by_hand_must_fit_together(name):
    emb = FrozenEmbeddings.random(TASK, width=64, rng=0)
    array = getattr(emb, name)
    shape = rf"{name}: expected shape \({len(emb.values) if name == 'values' else '[0-9]+'}, 64\)"
    with pytest.raises(ValueError, match=shape + r" and dtype float64, .*; got .*63"):
        replace(emb, **{name: array[:, :-1]})
    with pytest.raises(ValueError, match=shape + r".* and float32\. Let from_matrices derive"):
        replace(emb, **{name: array.astype(np.float32)})
    if name not in ("positions", "outputs"):  # whose number of rows is free
        with pytest.raises(ValueError, match=shape):
            replace(emb, **{name: array[:-1]})
    spoilt = array.copy()
    spoilt[0, 0] = np.nan
    with pytest.raises(ValueError, match=rf"{name}: expected finite numbers; got NaN"):
        replace(emb, **{name: spoilt})
    with pytest.raises(TypeError, match=rf"{name}: expected float32 or float64; got int64"):
        replace(emb, **{name: array.astype(np.int64)})


def test_tokens_that_the_rest_does_not_fit():
    emb = FrozenEmbeddings.random(TASK, width=64, rng=0)
    with pytest.raises(ValueError, match=r"remapped_tokens: expected shape \(4, 64\)"):
        replace(emb, tokens=emb.tokens[:-1])
    with pytest.raises(ValueError, match=r"tokens: expected a non-empty 2-d array"):
        replace(emb, tokens=emb.tokens[0])


@pytest.mark.parametrize("n_tokens", [3, 4])
def test_matrices_that_multiply_from_the_right(n_tokens):
    """A model written as x @ W: the same logits, and others when the side is not said."""
    rng = np.random.default_rng()
    task = am.InductionTask(n_tokens=n_tokens, length=5, predict="all")
    rows = {"tokens": n_tokens, "positions": 5, "outputs": n_tokens}
    rows = {name: rng.normal(size=(size, 6)) for name, size in rows.items()}
    OV1, V2, QK1, QK2, O2 = rng.normal(size=(5, 6, 6)) / 2
    tokens = task.sample(2, rng=rng).tokens

    def softmax(scores):
        past = np.exp(np.where(np.tri(5, dtype=bool), scores - scores.max(), -np.inf))
        return past / past.sum(axis=-1, keepdims=True)

    x = rows["tokens"][tokens] + rows["positions"]
    x = x + softmax(x @ QK1 @ x.swapaxes(1, 2)) @ x @ OV1
    logits = softmax(x @ QK2 @ x.swapaxes(1, 2)) @ x @ V2 @ O2 @ rows["outputs"].T
    found = {}
    for side in ("right", "left"):
        emb = FrozenEmbeddings.from_matrices(**rows, Phi1=OV1, W_V2=V2, side=side)
        model = am.FrozenTransformer(emb, W_K1=QK1, W_K2=QK2, W_O2=O2.T)
        found[side] = np.abs(model.logits(tokens) - logits).max()
    size = np.abs(logits).max()
    assert found["right"] < PRODUCTS * size
    assert found["left"] > 1e-3 * size
    with pytest.raises(ValueError, match="side: expected one of 'left', 'right'; got 'top'"):
        FrozenEmbeddings.from_matrices(**rows, Phi1=OV1, W_V2=V2, side="top")


def test_from_matrices_refuses_what_does_not_fit():
    good = dict.fromkeys(["tokens", "positions", "outputs", "Phi1", "W_V2"], np.eye(4))
    for name in good.keys() - {"tokens"}:
        with pytest.raises(ValueError, match=rf"{name}: expected shape \(\d, 4\).* got \(5, 5\)"):
            FrozenEmbeddings.from_matrices(**good | {name: np.eye(5)})
        with pytest.raises(ValueError, match=rf"{name}: expected finite numbers"):
            FrozenEmbeddings.from_matrices(**good | {name: np.full((4, 4), np.inf)})
    with pytest.raises(TypeError, match="tokens: expected real numbers; got dtype object"):
        FrozenEmbeddings.from_matrices(**good | {"tokens": np.eye(4).astype(object)})


def test_tasks_and_widths_must_have_whole_sizes():
    bad = SimpleNamespace(n_tokens=5.0, length=4, outputs=np.arange(3))
    for build in (
        FrozenEmbeddings.orthonormal,
        lambda task: FrozenEmbeddings.random(task, width=64, rng=0),
    ):
        with pytest.raises(TypeError, match=r"task\.n_tokens: expected an integer; got 5\.0"):
            build(bad)
        with pytest.raises(ValueError, match=r"task\.length: expected at least 1; got 0"):
            build(SimpleNamespace(n_tokens=5, length=0, outputs=np.arange(3)))
        with pytest.raises(ValueError, match=r"len\(task\.outputs\): expected at least 1; got 0"):
            build(SimpleNamespace(n_tokens=5, length=4, outputs=np.arange(0)))
    with pytest.raises(TypeError, match=r"width: expected an integer; got 64\.0"):
        FrozenEmbeddings.random(TASK, width=64.0, rng=0)
    with pytest.raises(TypeError, match=r"dtype: expected float32 or float64; got float16"):
        FrozenEmbeddings.random(TASK, width=64, rng=0).astype(np.float16)


def test_nothing_overflows():
    assert gram(np.array([[100, 100]], dtype=np.int8))[0, 0] == 20_000
    assert gram([[2**40]])[0, 0] == 2.0**80
    assert gram(np.array([[2**63]], dtype=np.uint64))[0, 0] == 2.0**126
    assert coherence([[2**40, 0], [2**40, 1]], normalised=False) == 2.0**80
    for size in (1e200, 1e-200):
        assert coherence([[3 * size, 4 * size], [size, 0.0]]) == pytest.approx(0.6, rel=OPERATION)
    assert coherence(np.float32([[3e30, 4e30], [1e30, 0]])) == pytest.approx(0.6, rel=1e-6)


def test_widths_that_do_not_fit_are_refused():
    task = SimpleNamespace(n_tokens=4, length=4, outputs=range(3))
    with pytest.raises(
        ValueError, match=r"width: expected Phi1 and W_V2 to take at most .*; got width"
    ):
        FrozenEmbeddings.random(task, width=10**6, rng=0)
    huge = SimpleNamespace(n_tokens=10**6, length=4, outputs=range(3))
    with pytest.raises(ValueError, match=r"task: expected Phi1 and W_V2 to take at most"):
        FrozenEmbeddings.orthonormal(huge)

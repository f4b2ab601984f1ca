"""Whatever an array is made of, its numbers count as they are, or it is refused by name."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

import assocmem as am
from assocmem import plots
from assocmem._checks import checked_array, checked_flag, checked_integers, checked_laws
from tests.rounding import PRODUCTS, SOLVED, SUMS

TASK = am.InductionTask(4, 6)
EMB = am.FrozenEmbeddings.orthonormal(TASK)
MODEL = am.FrozenTransformer(EMB)
BATCH = TASK.sample(6, rng=0)
EYE = np.eye(3)
W = am.AssociativeMemory(keys=EYE, values=EYE)
SQUARE = np.full((3, 3), 1 / 9)
UNIGRAM, BIGRAM = np.full(3, 1 / 3), np.full((3, 3), 1 / 3)


def axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


# One call for each way in: what it is given, and a right value.
CALLS = [
    ("u", lambda x: am.gram(x), EYE),
    ("v", lambda x: am.gram(EYE, x), EYE),
    ("u", lambda x: am.coherence(x), EYE),
    ("keys", lambda x: am.AssociativeMemory(keys=x, values=EYE), EYE),
    ("values", lambda x: am.AssociativeMemory(keys=EYE, values=x), EYE),
    ("coefficients", lambda x: am.AssociativeMemory(keys=EYE, values=EYE, coefficients=x), EYE),
    ("matrix", lambda x: am.AssociativeMemory.from_matrix(x, EYE, EYE), EYE),
    ("keys", lambda x: W.scores(keys=x), EYE),
    ("key", lambda x: W.store(x, [0, 1, 0]), np.ones(3)),
    ("value", lambda x: W.store([0, 1, 0], x), np.ones(3)),
    ("coefficient", lambda x: W.store(EYE, EYE, x), np.ones(3)),
    ("targets", lambda x: W.recall(x), np.arange(3)),
    ("among", lambda x: W.recall(among=x), np.ones((3, 3), bool)),
    ("among", lambda x: W.chance(x), np.ones((3, 3), bool)),
    ("joint", lambda x: am.gradients.linear_step(EYE, EYE, x), SQUARE),
    ("inputs", lambda x: am.gradients.noisy_linear_step(x, EYE, SQUARE), EYE),
    ("inputs", lambda x: am.gradients.attention_step(x, [0], EYE, EYE), EYE[None]),
    ("targets", lambda x: am.gradients.attention_step(EYE[None], x, EYE, EYE), np.zeros(1, int)),
    (
        "weights",
        lambda x: am.gradients.attention_step(EYE[None], [0], EYE, EYE, weights=x),
        np.ones(1),
    ),
    ("tokens", lambda x: MODEL.logits(x), BATCH.tokens),
    ("positions", lambda x: MODEL.logits(BATCH.tokens, positions=x), np.arange(3)),
    ("W_K1", lambda x: am.FrozenTransformer(EMB, W_K1=x), np.eye(EMB.width)),
    (
        "tokens",
        lambda x: am.Batch(tokens=x, targets=BATCH.targets, weights=BATCH.weights),
        BATCH.tokens,
    ),
    (
        "targets",
        lambda x: am.Batch(tokens=BATCH.tokens, targets=x, weights=BATCH.weights),
        BATCH.targets,
    ),
    (
        "weights",
        lambda x: am.Batch(tokens=BATCH.tokens, targets=BATCH.targets, weights=x),
        BATCH.weights,
    ),
    ("mask", lambda x: am.evaluate(MODEL, BATCH).where(x), np.ones(6, bool)),
    ("unigram", lambda x: am.Language(unigram=x, bigram=BIGRAM), UNIGRAM),
    ("bigram", lambda x: am.Language(unigram=UNIGRAM, bigram=x), BIGRAM),
    ("counts", lambda x: am.Language.from_counts(x), np.ones((3, 3))),
    ("weights", lambda x: am.capacity.recall_probability(3, 8, weights=x), np.ones(3)),
    ("x", lambda x: am.capacity.zipf_recall(x, 1), np.ones(3)),
    ("scores", lambda x: plots.memory(x, ax=axes()), EYE),
    ("weights", lambda x: plots.attention_map(x, ax=axes()), EYE),
]
OPTIONAL = ["v", "keys", "coefficients", "targets", "among", "weights", "positions", "W_K1"]
cases = pytest.mark.parametrize(("name", "call", "good"), CALLS)


@cases
def test_masked_entries_are_refused_everywhere(name, call, good):
    """And an array of which nothing is masked is one like any other."""
    call(np.ma.array(good, mask=False))
    call(np.ma.array(good))
    mask = np.zeros(good.shape, bool)
    mask.flat[-1] = True
    masked = np.ma.array(good, mask=mask)
    given = [masked]
    if good.ndim == 2:
        given += [list(masked), tuple(masked)]
    if good.ndim == 1 and len(good) > 1:
        given.append([*good[:-1].tolist(), np.ma.masked])
    for each in given:
        with pytest.raises(ValueError, match=rf"{name}: expected a value at every .*filled"):
            call(each)


@cases
def test_sparse_tables_are_refused_everywhere(name, call, good):
    if good.ndim != 2:
        pytest.skip("SciPy's sparse tables are 2-d")
    call(good)
    for kind in (sparse.csr_array, sparse.coo_matrix, sparse.dok_array):
        with pytest.raises(TypeError, match=rf"{name}: expected a dense .* sparse .*toarray"):
            call(kind(good))


@cases
@pytest.mark.parametrize("given", [None, {1, 2}, {"a": 1}, object(), (each for each in "ab")])
def test_what_is_no_array_is_refused_everywhere(name, call, good, given):
    if given is None and name in OPTIONAL:
        pytest.skip("it may be left out")
    with pytest.raises((TypeError, ValueError), match=f"{name}.*: expected"):
        call(given)


NOT_FINITE_REALS = [
    None, float("nan"), float("inf"), -float("inf"), "1", b"1", 1j, 10**400, Decimal(1),
    Decimal("nan"), pd.NA, pd.NaT, sympy.oo, sympy.nan, sympy.zoo, [1], {}, np.datetime64("2020"),
]  # fmt: skip


@cases
@pytest.mark.parametrize("wrong", NOT_FINITE_REALS, ids=repr)
def test_an_array_of_objects_holds_finite_reals_or_expressions(name, call, good, wrong):
    if name in ("scores", "counts") or call is CALLS[-1][1]:
        pytest.skip("it holds other things, or is drawn with gaps")
    objects = good.astype(object)
    objects.flat[-1] = wrong
    with pytest.raises((TypeError, ValueError), match=f"{name}: expected .*; got"):
        call(objects)
    if good.ndim == 2 and not isinstance(wrong, list):
        with pytest.raises((TypeError, ValueError), match=f"{name}: expected .*; got"):
            call(pd.DataFrame(objects))


def test_an_array_of_objects_may_hold_any_exact_number():
    for number in (2, Fraction(2), sympy.Rational(2), sympy.sqrt(4), np.float64(2), np.int8(2)):
        table = np.array([[number, 0]], dtype=object)
        memory = am.AssociativeMemory(keys=table, values=table)
        assert memory.matrix.tolist() == [[4, 0], [0, 0]]


@cases
def test_narrow_and_wide_dtypes_mean_the_same(name, call, good):
    """Each that holds the values exactly, unless they have to be booleans."""
    if good.dtype == bool:
        pytest.skip("a mask has one dtype")
    for dtype in (np.uint8, np.int8, np.uint16, np.int32, np.uint64, np.float16, np.float32):
        exact = good.astype(dtype)
        if (exact.astype(float) != good).any() or (
            good.dtype.kind == "i" and exact.dtype.kind == "f"
        ):
            continue
        result, expected = call(exact), call(good)
        if isinstance(expected, am.AssociativeMemory):
            result, expected = result.matrix, expected.matrix
        if isinstance(expected, np.ndarray | float):
            np.testing.assert_allclose(result, expected, rtol=1e-6)


# Half floats and small integers


@given(st.integers(1, 100_000), st.sampled_from([np.float16, np.int8, np.float32, np.float64]))
def test_coherence_of_a_sign_vector_with_itself(d, dtype):
    signs = (1 - 2 * (np.arange(d) % 3 % 2)).astype(dtype)
    assert am.coherence([signs, -signs]) == pytest.approx(1, abs=1e-6)
    assert am.gram([signs]).item() == d


@given(
    st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.uint8]),
    st.floats(1, 120),
    st.integers(1, 1000),
)
def test_recall_does_not_overflow_in_narrow_dtypes(dtype, size, d):
    keys = np.zeros((2, 2 * d), dtype)
    keys[0, :d], keys[1, d:] = size, size
    memory = am.AssociativeMemory(keys=keys, values=keys)
    assert memory.recall() == 1
    value = float(keys[0, 0])
    # two sums of d terms that are all rounded alike: each is off by d eps / 2 at most
    rounding = (d + 8) * float(np.finfo(np.float32).eps)
    assert memory.margin() == pytest.approx((d * value**2) ** 2, rel=rounding)


@pytest.mark.parametrize("length", [200, 255, 256, 257, 400])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.uint64, np.int64])
def test_positions_of_any_dtype(length, dtype):
    task = am.InductionTask(3, length)
    model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
    tokens = task.sample(2, rng=0).tokens
    positions = [0, 7, min(length - 1, np.iinfo(dtype).max)]
    expected = model.logits(tokens, positions=positions)
    found = model.logits(tokens.astype(np.uint8), positions=np.array(positions, dtype))
    np.testing.assert_array_equal(found, expected)


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int8, np.uint32, np.int64, np.uint64]), st.integers(1, 5)
    )
)
def test_integers_are_what_they_were_or_refused(array):
    if int(array.max()) < 2**63:
        assert checked_integers("n", array).tolist() == array.tolist()
    else:
        with pytest.raises(ValueError, match=r"n: expected integers below 2\^63; got"):
            checked_integers("n", array)


def test_large_unsigned_targets_are_refused():
    wrapped = BATCH.targets.astype(np.uint64)  # -1, of positions without loss, is 2^64 - 1
    with pytest.raises(ValueError, match=r"targets: expected integers below 2\^63; got 184467"):
        am.Batch(tokens=BATCH.tokens, targets=wrapped, weights=BATCH.weights)
    with pytest.raises(ValueError, match=r"targets: expected integers.* below 2\^63"):
        W.recall(np.array([0, 1, 2**64 - 2], np.uint64))


# Scale


scales = st.sampled_from([1e-300, 1e-200, 1e-160, 1e-50, 1e-5, 1.0, 1e5, 1e50, 1e160, 1e300])


@given(scales, scales, scales, st.integers(0, 2**32))
def test_recall_does_not_depend_on_the_scale(of_keys, of_values, of_coefficients, seed):
    u, v = am.sphere(12, 5, rng=seed), am.sphere(12, 5, rng=seed + 1)
    expected = am.AssociativeMemory(keys=u, values=v)
    memory = am.AssociativeMemory(
        keys=u * of_keys, values=v * of_values, coefficients=np.eye(12) * of_coefficients
    )
    assert memory.recall() == expected.recall()
    total = np.log10(of_keys) * 2 + np.log10(of_values) * 2 + np.log10(of_coefficients)
    if abs(total) < 290:
        largest, of_expected = (np.abs(each.scores()).max() for each in (memory, expected))
        assert np.log10(largest) == pytest.approx(np.log10(of_expected) + total, abs=1e-6)
        np.testing.assert_allclose(
            memory.scores() / largest, expected.scores() / of_expected, rtol=0, atol=PRODUCTS
        )
    elif total > 320:
        with pytest.raises(ValueError, match="scores: expected products that float64 holds"):
            memory.scores()


@given(st.sampled_from([-100, -40, 0, 27, 40, 100]), st.integers(0, 2**32))
def test_recall_in_float32_does_not_overflow(exponent, seed):
    """By a power of two, which changes no digit: a margin near zero keeps its sign."""
    u, scale = am.sphere(12, 40, rng=seed, dtype=np.float32), 2.0**exponent
    expected = am.AssociativeMemory(keys=u, values=u)
    large = (u * scale).astype(np.float32)
    memory = am.AssociativeMemory(keys=large, values=large)
    assert memory.recall() == expected.recall()
    np.testing.assert_allclose(memory.scores() / scale**4, expected.scores(), atol=1e-4)


def test_a_memory_of_zeros_has_scores_at_any_scale():
    memory = am.AssociativeMemory(keys=[[1e300]], values=[[1e300]], coefficients=[[0.0]])
    assert memory.scores().tolist() == [[0]]
    assert memory.matrix.tolist() == [[0]]


@given(scales, st.integers(2, 100), st.integers(1, 50))
def test_recall_probability_does_not_depend_on_the_scale(scale, n, d):
    weights = np.linspace(1, 2, n)
    expected = am.capacity.recall_probability(n, d, weights=weights)
    found = am.capacity.recall_probability(n, d, weights=weights * scale)
    assert found == pytest.approx(expected, rel=SOLVED)
    assert found <= 1
    sampled = am.capacity.sampled_recall(n, d, weights=weights * scale, draws=20, rng=0)
    assert sampled == am.capacity.sampled_recall(n, d, weights=weights, draws=20, rng=0)


def test_recall_probability_at_the_scales_that_were_wrong():
    right = am.capacity.recall_probability(100, 20)
    for scale in (1e-200, 1e160, 5e-324, 1e308):
        found = am.capacity.recall_probability(100, 20, weights=np.full(100, scale))
        assert found == pytest.approx(right, rel=SOLVED)


@given(st.sampled_from([1e-300, 1e-20, 1.0, 1e100, 1e305]))
def test_counts_of_any_scale(scale):
    expected = am.Language.from_counts([[1.0, 3.0], [2.0, 2.0]])
    found = am.Language.from_counts(np.array([[1.0, 3.0], [2.0, 2.0]]) * scale)
    np.testing.assert_allclose(found.bigram, expected.bigram, rtol=PRODUCTS)
    np.testing.assert_allclose(found.unigram, expected.unigram, rtol=PRODUCTS)


@given(st.integers(1, 30), st.integers(0, 2**32), st.sampled_from([np.float32, np.float64]))
def test_coherence_never_exceeds_1(d, seed, dtype):
    u = am.sphere(1, d, rng=seed).astype(dtype)
    for scale in (1.0, 3.0, 1e-30, 1e30):
        assert am.coherence(np.concatenate([u, -u * dtype(scale)])) <= 1


def test_inner_products_that_overflow_are_refused():
    with pytest.raises(ValueError, match="u: expected inner products that float64 holds"):
        am.coherence(np.full((2, 2), 1e200), normalised=False)


@pytest.mark.parametrize("lead", [1.0, 1e3, 1e100, 1e200, 1e300, 1e308])
@pytest.mark.parametrize("task", [am.InductionTask(32, 12), am.InductionTask(64, 8, 3)], ids=str)
def test_the_third_step_is_finite_or_refused(lead, task):
    if lead > 1e307:
        with pytest.raises(
            ValueError, match=r"margin: expected one whose step .* holds; got 1e\+308"
        ):
            am.gradients.third_step(task, lead)
        return
    table = am.gradients.third_step(task, lead)
    assert np.isfinite(table["positions", "positions"]).all()
    assert np.isfinite(table.lead)


# Flags, sequences and laws


FLAGS = [
    ("normalised", lambda flag: am.coherence(np.eye(2), normalised=flag)),
    ("normalised", lambda flag: am.coherence_bound(9, 9, normalised=flag)),
    ("sharp", lambda flag: am.coherence_bound(9, 9, sharp=flag)),
    ("normalised", lambda flag: am.overlap_moment(2, 9, normalised=flag)),
    ("sharp", lambda flag: am.how_many_fit(9, 0.5, sharp=flag)),
    ("compressed", lambda flag: am.FrozenEmbeddings.random(TASK, width=90, compressed=flag, rng=0)),
    ("band", lambda flag: plots.recall_curve([1], [0.5], [0.4], [0.6], band=flag, ax=axes())),
    ("progress", lambda flag: am.sweeps.run(lambda n, rng: {}, {"n": [1]}, progress=flag)),
    ("progress", lambda flag: am.training.train(TASK, EMB, steps=1, rng=0, progress=flag)),
]


@pytest.mark.parametrize(("name", "call"), FLAGS)
@pytest.mark.parametrize("flag", ["no", "", 0, 1, None, 0.0, [], np.array([True])])
def test_a_flag_is_true_or_false(name, call, flag):
    with pytest.raises(TypeError, match=f"{name}: expected True or False; got"):
        call(flag)


@given(st.booleans())
def test_flags_of_numpy(value):
    assert checked_flag("flag", np.bool_(value)) is value


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("margins", lambda x: am.top_down(TASK, EMB, margins=x, rng=0)),
        ("triggers", lambda x: am.BigramTask(triggers=x)),
        ("output_tokens", lambda x: am.BigramTask(output_tokens=x)),
        ("names", lambda x: am.Language(unigram=UNIGRAM, bigram=BIGRAM, names=x)),
        ("grid", lambda x: am.sweeps.run(lambda n, rng: {}, {"n": x}, rng=0)),
    ],
)
@pytest.mark.parametrize("given", [{3, 1, 2}, frozenset([1, 2, 3]), {1: 2, 3: 4, 5: 6}])
def test_what_has_no_order_is_no_sequence(name, call, given):
    with pytest.raises((TypeError, ValueError), match=f"{name}: expected"):
        call(given)


@given(st.integers(2, 300), st.integers(0, 2**32), st.sampled_from([np.float16, np.float32]))
def test_the_remedy_for_a_narrow_law_helps(n, seed, dtype):
    law = np.random.default_rng(seed).random(n).astype(dtype)
    law = law / law.sum()
    bigram = np.full((n, n), 1 / n)
    if abs(law.astype(float).sum() - 1) > PRODUCTS:
        text = rf"Convert it by .astype\(float\), as {np.dtype(dtype)} rounds by more"
        with pytest.raises(ValueError, match=text):
            am.Language(unigram=law, bigram=bigram)
    law = law.astype(float)
    found = am.Language(unigram=law / law.sum(), bigram=bigram)
    assert abs(found.unigram.sum() - 1) < SUMS


@given(
    hnp.arrays(float, st.tuples(st.integers(1, 4), st.integers(1, 50)), elements=st.floats(0, 1))
)
def test_laws_divided_by_their_sum_are_laws(table):
    table[:, 0] += 1e-3
    laws = table / table.sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(checked_laws("laws", laws), laws)
    with pytest.raises(ValueError, match="laws: expected a sum of 1 for each law"):
        checked_laws("laws", laws * (1 + 1e-12))


def test_an_array_is_taken_as_it_is():
    """No copy without need, and SymPy stays."""
    import sympy

    array = np.arange(6.0).reshape(2, 3)
    assert checked_array("a", array) is array
    assert checked_array("a", sympy.Symbol("x")).item() == sympy.Symbol("x")
    assert checked_array("a", 10**30).item() == 10**30

    @dataclass
    class Tensor:
        data: object

        def __array__(self, dtype=None, copy=None):
            return np.array(self.data, dtype=dtype)

    assert checked_array("a", Tensor([1, 2])).tolist() == [1, 2]

"""Families of random vectors: their laws, how nearly orthogonal they are, the bounds on that."""

from __future__ import annotations

from itertools import combinations
from math import comb, cos, exp, log, pi, sqrt
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import linalg, stats

from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.vectors.families import (
    FAMILIES,
    coherence,
    coherence_bound,
    gaussian,
    gram,
    orthonormal,
    rademacher,
    sphere,
    welch_bound,
)
from tests.library.vectors import (
    FALSE_ALARM,
    INDEPENDENT,
    LAWS,
    TASK,
    deltas,
    draw,
    is_unlikely,
    rounding,
    seeds,
    sizes,
)
from tests.rounding import PRODUCTS, SOLVED

# --- families -----------------------------------------------------------------------------------


@given(n=sizes, d=sizes, seed=seeds, family=st.sampled_from(sorted(FAMILIES)))
def test_a_family_is_reproducible_in_both_precisions(n, d, seed, family):
    assume(family != "orthonormal" or n <= d)
    u = draw(family, n, d, seed)
    assert u.shape == (n, d)
    assert u.dtype == np.float64
    assert np.isfinite(u).all()
    assert_array_equal(u, draw(family, n, d, seed))
    assert_array_equal(u, FAMILIES[family](n, d, rng=np.random.default_rng(seed)))
    single = draw(family, n, d, seed, dtype=np.float32)
    assert single.dtype == np.float32
    assert_array_equal(single, u.astype(np.float32))


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_generator_moves_on_and_seeds_differ(family):
    rng = np.random.default_rng(3)
    first = FAMILIES[family](4, 32, rng=rng)
    assert not np.array_equal(first, FAMILIES[family](4, 32, rng=rng))
    assert not np.array_equal(first, FAMILIES[family](4, 32, rng=4))


@given(n=sizes, d=sizes, seed=seeds)
def test_rows_have_the_norm_their_family_promises(n, d, seed):
    norms = np.linalg.norm(sphere(n, d, rng=seed), axis=1)
    assert np.abs(norms - 1).max() <= rounding(d)
    assert_array_equal(np.abs(rademacher(n, d, rng=seed)), np.full((n, d), 1 / sqrt(d)))
    if n <= d:
        assert np.abs(gram(orthonormal(n, d, rng=seed)) - np.eye(n)).max() <= rounding(d, n)


def test_gaussian_entries_have_variance_1_over_d(seed):
    n, d = 300, 200
    total = d * np.sum(gaussian(n, d, rng=seed) ** 2)
    assert not is_unlikely(total, n * d)
    assert is_unlikely(1.1 * total, n * d)  # a variance wrong by 10 % is seen


def first_signs_are_fair(draws: list[np.ndarray]) -> bool:
    positive = sum(bool(u[0, 0] > 0) for u in draws)
    return bool(stats.binomtest(positive, len(draws)).pvalue > FALSE_ALARM)


def test_orthonormal_is_haar_where_plain_qr_is_not(seed):
    rng = np.random.default_rng(seed)
    assert first_signs_are_fair([orthonormal(2, 4, rng=rng) for _ in range(200)])
    # LAPACK's reflections fix the sign of Q's first entry: the control must be caught.
    plain = [np.linalg.qr(rng.standard_normal((4, 2))).Q.T for _ in range(200)]
    assert not first_signs_are_fair(plain)


# --- Gram and coherence -------------------------------------------------------------------------


@given(n=sizes, m=sizes, d=sizes, seed=seeds)
def test_gram_holds_all_inner_products(n, m, d, seed):
    rng = np.random.default_rng(seed)
    u, v = rng.integers(-9, 10, (n, d)), rng.integers(-9, 10, (m, d))
    assert gram(u, v).tolist() == [
        [sum(a * b for a, b in zip(x, y, strict=True)) for y in v] for x in u
    ]
    assert_array_equal(gram(u), gram(u, u))


@given(n=st.integers(2, 12), d=sizes, seed=seeds)
def test_coherence_is_the_largest_cosine_of_two_different_rows(n, d, seed):
    u = gaussian(n, d, rng=seed)
    pairs = list(combinations(u, 2))
    inner = max(abs(x @ y) for x, y in pairs)
    cosine = max(abs(x @ y) / np.linalg.norm(x) / np.linalg.norm(y) for x, y in pairs)
    scale = np.linalg.norm(u, axis=1).max() ** 2
    assert abs(coherence(u, normalised=False) - inner) <= rounding(d) * scale
    assert abs(coherence(u) - cosine) <= rounding(d)


def test_coherence_of_one_row_is_zero():
    assert coherence([[3.0, 4.0]]) == 0.0
    assert coherence([[3.0, 4.0]], normalised=False) == 0.0


@pytest.mark.parametrize("pair", [(0, 1), (7, 2999), (1023, 1024), (1024, 2047), (2998, 2999)])
def test_coherence_sees_every_pair_of_a_large_family(pair):
    n = 3000
    u = np.zeros((n, 2))
    u[:, 0] = 1e-3  # all inner products are 1e-6 ...
    u[list(pair), 1] = 0.5, -0.5  # ... but one
    assert coherence(u, normalised=False) == pytest.approx(0.25 - 1e-6, rel=rounding(2))


# --- bounds on coherence ------------------------------------------------------------------------


@given(n=st.integers(2, 50), delta=deltas)
def test_sharp_sphere_bound_where_the_law_is_elementary(n, delta):
    tail = delta / comb(n, 2)  # of |cos|: uniform angle for d = 2, uniform cosine for d = 3
    assert coherence_bound(n, 1, delta=delta, sharp=True) == 1
    expected = {2: cos(pi * tail / 2), 3: 1 - tail}
    for d, bound in expected.items():
        assert coherence_bound(n, d, delta=delta, sharp=True) == pytest.approx(bound, rel=PRODUCTS)
        gaussian_bound = coherence_bound(n, d, delta=delta, family="gaussian", sharp=True)
        assert gaussian_bound == coherence_bound(n, d, delta=delta, sharp=True)


@given(n=st.integers(2, 50), delta=st.floats(1e-3, 0.999))
def test_sharp_gaussian_inner_product_bound_where_the_norm_is_exponential(n, delta):
    square_norm = log(2 * n / delta)  # d = 2: |u|^2 is exponential of mean 1
    deviation = -NormalDist().inv_cdf(delta / 4 / comb(n, 2)) / sqrt(2)
    bound = coherence_bound(n, 2, delta=delta, family="gaussian", normalised=False, sharp=True)
    assert bound == pytest.approx(deviation * sqrt(square_norm), rel=SOLVED)


def test_plain_bounds_where_the_logarithm_is_a_whole_number():
    for family in ("sphere", "rademacher", "gaussian"):
        assert coherence_bound(2, 4, delta=2 * exp(-2), family=family) == pytest.approx(1)
    bound = coherence_bound(2, 4, delta=4 * exp(-4), family="gaussian", normalised=False)
    assert bound == pytest.approx(sqrt((1 + 2 + 2) * 2 * 4 / 4))


@given(law=st.sampled_from(LAWS), n=st.integers(2, 10**9), d=st.integers(1, 10**9), delta=deltas)
def test_sharp_bound_is_below_the_plain_bound_at_any_size(law, n, d, delta):
    family, normalised = law

    def bound(n: int, d: int, delta: float, sharp: bool) -> float:
        options = {"delta": delta, "family": family, "normalised": normalised}
        return coherence_bound(n, d, sharp=sharp, **options)

    plain, sharp = bound(n, d, delta, False), bound(n, d, delta, True)
    assert 0 <= sharp <= plain * (1 + rounding(1))
    assert bound(2 * n, d, delta, False) > plain > bound(n, 2 * d, delta, False)
    assert bound(n, d, delta / 2, False) > plain
    assert bound(2 * n, d, delta / 2, True) >= sharp * (1 - rounding(1))


def test_coherence_bound_without_pairs_or_randomness_is_zero():
    assert coherence_bound(1, 10) == 0
    assert coherence_bound(10, 10, family="orthonormal") == 0
    assert coherence(orthonormal(10, 10, rng=None)) <= rounding(10, 10)


@given(n=st.integers(2, 12), d=sizes, seed=seeds, family=st.sampled_from(INDEPENDENT))
def test_nothing_beats_the_welch_bound(n, d, seed, family):
    assert coherence(draw(family, n, d, seed)) >= welch_bound(n, d) * (1 - rounding(d))


@given(d=st.integers(1, 40))
def test_a_simplex_attains_the_welch_bound(d):
    simplex = linalg.helmert(d + 1).T
    assert coherence(simplex) == pytest.approx(welch_bound(d + 1, d), rel=rounding(d))
    assert welch_bound(d, d) == 0
    # The control: any vector moved leaves the bound behind.
    simplex[0] += 0.1 * simplex[1]
    assert d == 1 or coherence(simplex) > welch_bound(d + 1, d) * 1.01


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_families_refuse_what_is_not_a_size_or_a_precision(family):
    with pytest.raises(
        TypeError, match=r"n: expected an integer; got 2\.0 of type float\. Convert"
    ):
        FAMILIES[family](2.0, 4, rng=0)
    with pytest.raises(TypeError, match=r"d: expected an integer; got '4' of type str\. Convert"):
        FAMILIES[family](2, "4", rng=0)
    with pytest.raises(TypeError, match=r"n: expected an integer; got True of type bool"):
        FAMILIES[family](True, 4, rng=0)
    with pytest.raises(ValueError, match=r"n: expected at least 1; got 0\. Ask for one or more"):
        FAMILIES[family](0, 4, rng=0)
    with pytest.raises(ValueError, match=r"d: expected at least 1; got -3"):
        FAMILIES[family](2, -3, rng=0)
    for dtype in (int, np.float16, complex):
        with pytest.raises(
            TypeError, match=r"dtype: expected float32 or float64; got .*\. Convert"
        ):
            FAMILIES[family](2, 4, rng=0, dtype=dtype)
    with pytest.raises(TypeError, match="positional"):
        FAMILIES[family](2, 4, 0)  # a seed goes by name
    assert not np.array_equal(FAMILIES[family](20, 40), FAMILIES[family](20, 40))  # drawn anew


def test_orthonormal_rows_need_room():
    message = r"d: expected at least n = 5 for orthonormal rows; got d = 4\. Widen the space"
    with pytest.raises(ValueError, match=message):
        orthonormal(5, 4, rng=0)
    with pytest.raises(ValueError, match=message):
        coherence_bound(5, 4, family="orthonormal")
    with pytest.raises(ValueError, match=r"width: expected at least n = 12 for .* width = 11"):
        FrozenEmbeddings.random(TASK, width=11, family="orthonormal", rng=0)


@pytest.mark.parametrize("delta", [0, 1, -0.1, 1.5, float("nan")])
def test_delta_must_be_a_probability(delta):
    with pytest.raises(
        ValueError, match=rf"delta: expected a probability in \(0, 1\); got {delta}"
    ):
        coherence_bound(10, 10, delta=delta)


@pytest.mark.parametrize("bound", [coherence_bound, welch_bound])
def test_bounds_refuse_what_is_not_a_size(bound):
    with pytest.raises(TypeError, match=r"n: expected an integer; got 1000000000\.0 of type float"):
        bound(1e9, 10)
    with pytest.raises(ValueError, match=r"d: expected at least 1; got 0"):
        bound(10, 0)


def test_an_unknown_family_is_told_the_known_ones():
    known = "'gaussian', 'sphere', 'rademacher', 'orthonormal'"
    message = rf"family: expected one of {known}; got 'cauchy'"
    with pytest.raises(ValueError, match=message):
        coherence_bound(10, 10, family="cauchy")
    with pytest.raises(ValueError, match=message):
        FrozenEmbeddings.random(TASK, width=64, family="cauchy", rng=0)


@pytest.mark.parametrize("function", [gram, coherence])
def test_gram_and_coherence_refuse_what_is_not_a_family_of_vectors(function):
    with pytest.raises(ValueError, match=r"u: expected a non-empty 2-d array .* got shape \(3,\)"):
        function(np.ones(3))
    with pytest.raises(
        ValueError, match=r"u: expected a non-empty 2-d array .* got shape \(0, 3\)"
    ):
        function(np.ones((0, 3)))
    with pytest.raises(
        ValueError, match=r"u: expected finite numbers; got NaN or infinity\. Check"
    ):
        function([[1.0, np.nan]])
    with pytest.raises(
        TypeError, match=r"u: expected real numbers; got dtype complex128\. Convert"
    ):
        function(np.ones((2, 2), dtype=complex))


def test_gram_needs_one_width_and_coherence_needs_directions():
    with pytest.raises(ValueError, match=r"v: expected rows as wide .*, 3; got shape \(2, 4\)"):
        gram(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(
        ValueError, match=r"u: expected no zero rows, .* got one as row 1\. Drop it"
    ):
        coherence([[1.0, 2.0], [0.0, 0.0]])

"""`assocmem.testing` on vectors: near-orthogonality of families, the library's and your own."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from scipy import stats

import assocmem as am
from assocmem.testing import (
    assert_near_orthogonal,
    embeddings,
    memories,
    random_memory,
)
from assocmem.testing.gram import eigenvalue_bound, mean_cosine_bound
from assocmem.testing.properties import SHARE
from assocmem.vectors.families import FAMILIES
from tests.library.vectors import FALSE_ALARM, INDEPENDENT
from tests.rounding import PRODUCTS

EXAMPLES = 20


# --- near-orthogonality


@pytest.mark.parametrize("family", INDEPENDENT)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_vectors_of_a_family_pass(family, data):
    u = data.draw(embeddings(family, n=range(2, 60), d=range(100, 400)))
    assert_near_orthogonal(u, delta=FALSE_ALARM / (len(INDEPENDENT) * EXAMPLES), family=family)


@given(u=embeddings("orthonormal", n=range(2, 30), d=range(2, 60)))
def test_orthonormal_vectors_pass_up_to_rounding(u):
    assert_near_orthogonal(u, family="orthonormal")
    assert_near_orthogonal(u.astype(np.float32), family="orthonormal")
    rotated = u.copy()
    rotated[0] += 1e-5 * rotated[1]
    with pytest.raises(AssertionError, match=r"rows 0 and 1 have cosine .*within 0 with prob"):
        assert_near_orthogonal(rotated, family="orthonormal")


@given(d=st.integers(2, 12), seed=st.integers(0, 2**63))
def test_a_bound_that_is_attained_passes(d, seed):
    """Sign vectors reach the bound exactly, half of the time it is rounded up."""
    u = am.rademacher(2, d, rng=seed)
    delta = 0.3
    bound = am.coherence_bound(2, d, delta=delta * (1 - 2 * SHARE), family="rademacher", sharp=True)
    measured = abs(round(float(u[0] @ u[1]) * d)) / d
    if bound == 1:
        return
    if measured <= bound:
        assert_near_orthogonal(3 * u, delta=delta, family="rademacher")
    else:
        with pytest.raises(AssertionError, match="rows 0 and 1"):
            assert_near_orthogonal(3 * u, delta=delta, family="rademacher")


def test_98_copies_of_one_vector_up_to_sign_fail():
    copies = np.resize([1.0, -1.0], (98, 1)) * am.sphere(1, 1000, rng=None)
    assert abs((copies @ copies.T)[~np.eye(98, dtype=bool)].mean()) < 0.02  # a mean sees nothing
    with pytest.raises(AssertionError, match=r"u: rows \d+ and \d+ have cosine -?1; 98 vec"):
        assert_near_orthogonal(copies)


@pytest.mark.parametrize("family", INDEPENDENT)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_vector_drawn_twice_fails(family, dtype, seed):
    u = FAMILIES[family](50, 500, rng=seed, dtype=dtype)
    u[31] = -2 * u[7]  # norms do not matter
    with pytest.raises(AssertionError) as failure:
        assert_near_orthogonal(u, family=family)
    delta = 1e-9 * (1 - 2 * SHARE)
    bound = am.coherence_bound(50, 500, delta=delta, family=family, sharp=True)
    assert str(failure.value) == (
        f'u: rows 7 and 31 have cosine -1; 50 vectors of the family "{family}" in dimension 500 '
        f"stay within {bound:.6g} with probability 1 - 1e-09. These are not independent draws: "
        f"look for rows that are repeated, negated or correlated."
    )


def test_a_common_direction_fails(seed):
    """Biased vectors: a shift b gives every cosine b^2 / (1 + b^2), here 0.5 against 0.3."""
    rng = np.random.default_rng(seed)
    u, shift = am.sphere(50, 1000, rng=rng), am.sphere(1, 1000, rng=rng)
    assert_near_orthogonal(u)
    with pytest.raises(AssertionError, match="correlated"):
        assert_near_orthogonal(u + shift)


def test_it_fails_by_chance_as_rarely_as_it_says(seed):
    n, d, delta, draws = 6, 16, 0.2, 1500
    rng = np.random.default_rng(seed)
    failed = 0
    for _ in range(draws):
        try:
            assert_near_orthogonal(am.sphere(n, d, rng=rng), delta=delta)
        except AssertionError:
            failed += 1
    assert failed <= stats.binom.isf(FALSE_ALARM / 2, draws, delta)
    # Not far below, either (NO2): a looser bound would let errors pass.
    sharp = delta * (1 - 2 * SHARE)
    assert failed >= stats.binom.isf(1 - FALSE_ALARM / 2, draws, sharp - sharp**2 / 2)


def sign_vectors_with(mean, n, d, rng):
    """Signs that are 1 a little more often in each column, so that all pairs lean to each other."""
    lean = np.sqrt(mean) * np.where(rng.random(d) < 0.5, 1, -1)
    return np.where(rng.random((n, d)) < (1 + lean) / 2, 1.0, -1.0)


@pytest.mark.parametrize("mean", [0.01, 0.05, 0.197])
def test_a_mean_that_no_pair_gives_away_fails(mean, seed):
    n, d = 400, 256
    u = sign_vectors_with(mean, n, d, np.random.default_rng(seed))
    if mean < 0.05:  # no pair is beyond what a pair of independent ones can be
        assert am.coherence(u) < am.coherence_bound(n, d, delta=1e-9, family="rademacher")
    bound = mean_cosine_bound(n, d, SHARE * 1e-9, "rademacher")
    text = rf"u: the mean cosine is 0\.\d+; .* below {bound:.6g} with"
    with pytest.raises(AssertionError, match=text if mean < 0.15 else "u: "):
        assert_near_orthogonal(u, family="rademacher")
    centred = u - u.mean(axis=0)
    assert_near_orthogonal(centred, family="rademacher")


@pytest.mark.parametrize("family", INDEPENDENT)
def test_rows_near_few_dimensions_fail(family, seed):
    """Signed copies of a common part: no mean, no pair, but an eigenvalue."""
    n, d, share = 600, 400, 0.04
    rng = np.random.default_rng(seed)
    u = FAMILIES[family](n, d, rng=rng)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    assert_near_orthogonal(u, family=family)
    common = am.sphere(1, d, rng=rng) * rng.choice([-1.0, 1.0], size=(n, 1))
    mixed = np.sqrt(1 - share) * u + np.sqrt(share) * common
    with pytest.raises(AssertionError, match=r"u: the largest eigenvalue of the Gram matrix is \d"):
        assert_near_orthogonal(mixed, family=family)


def all_signs(n, d):
    bits = np.arange(2 ** (n * d))[:, None] >> np.arange(n * d) & 1
    return (2.0 * bits - 1).reshape(-1, n, d) / np.sqrt(d)


@pytest.mark.parametrize(("n", "d"), [(2, 6), (3, 4), (4, 3), (6, 2), (12, 1)])
def test_the_bounds_hold_for_signs_exactly(n, d):
    """Over all matrices of signs, at every level of delta."""
    gram = np.einsum("sid,sjd->sij", all_signs(n, d), all_signs(n, d))
    mean = (gram.sum(axis=(1, 2)) - n) / (n * (n - 1))
    largest = np.linalg.eigvalsh(gram)[:, -1]
    for delta in np.geomspace(1e-9, 0.9, 30):
        for values, bound in (
            (mean, mean_cosine_bound(n, d, delta, "rademacher")),
            (largest, eigenvalue_bound(n, d, delta, "rademacher")),
        ):
            assert np.mean(values > bound + 1e-12) <= delta


@pytest.mark.parametrize(("n", "d"), [(2, 3), (5, 20), (40, 8)])
@pytest.mark.parametrize("family", ["sphere", "gaussian", "rademacher"])
def test_the_bounds_hold_as_often_as_they_say(n, d, family, seed):
    rng, draws = np.random.default_rng(seed), 1000
    u = np.stack([FAMILIES[family](n, d, rng=rng) for _ in range(draws)])
    u /= np.linalg.norm(u, axis=2, keepdims=True)
    gram = np.einsum("sid,sjd->sij", u, u)
    mean = (gram.sum(axis=(1, 2)) - n) / (n * (n - 1))
    largest = np.linalg.eigvalsh(gram)[:, -1]
    for delta in (0.01, 0.1, 0.5):
        for values, bound in (
            (mean, mean_cosine_bound(n, d, delta, family)),
            (largest, eigenvalue_bound(n, d, delta, family)),
        ):
            allowed = stats.binom.isf(FALSE_ALARM / 60, draws, delta)
            assert np.sum(values > bound) <= allowed


def test_the_bound_of_the_mean_is_that_of_chi_square():
    """Of normal vectors |S|²/n is exactly χ²: the bound is beyond its quantile, by a constant."""
    for d in (1, 4, 64, 1024):
        for delta in (1e-12, 1e-6, 0.1):
            level = (1 + 9 * mean_cosine_bound(10, d, delta, "rademacher")) * d
            assert stats.chi2.isf(delta, d) <= level <= stats.chi2.isf(delta / 100, d) * 1.1 + 3


def test_the_mean_length_is_that_of_a_normal_vector():
    from assocmem.testing.gram import _square_length

    for d in (1, 2, 3, 50, 10**6):
        assert _square_length(d, "sphere") == pytest.approx(stats.chi(d).mean() ** 2, rel=1e-8)


# --- your own generators


def biased(n, d, *, rng):
    return am.gaussian(n, d, rng=rng) + 0.5


@settings(max_examples=20)
@given(u=embeddings(biased, n=3, d=range(4, 9)), v=embeddings(am.sphere, n=2, d=5))
def test_a_function_draws(u, v):
    assert u.shape[0] == 3
    assert v.shape == (2, 5)
    assert abs(np.linalg.norm(v, axis=1) - 1).max() < PRODUCTS


@settings(max_examples=20)
@given(memory=memories(biased, n=range(2, 5), d=6, m=3))
def test_a_function_draws_memories(memory):
    assert memory.values.shape == (3, 6)
    assert random_memory(2, 5, family=biased, rng=0).keys.shape == (2, 5)


def test_a_function_is_reported_as_the_call_that_it_was():
    @settings(max_examples=30, database=None)
    @given(u=embeddings(biased, n=2, d=4))
    def fails(u):
        assert u.mean() < -10

    with pytest.raises(AssertionError) as failure:
        fails()
    assert re.search(r"biased\(n=2, d=4, rng=\d+\)", "".join(failure.value.__notes__))


@pytest.mark.parametrize("wrong", [lambda n, d, *, rng: np.eye(n, d + 1), lambda n, d, *, rng: 3])
def test_a_function_that_draws_something_else_is_named(wrong):
    for strategy in (embeddings(wrong, n=2, d=4), memories(wrong, n=2, d=4)):
        with pytest.raises(ValueError, match=r"family: expected "):
            find(strategy, lambda value: True, settings=settings(database=None))


def test_where_it_could_not_fail_it_refuses():
    with pytest.raises(ValueError, match=r"u: expected at least two rows, .* got one"):
        assert_near_orthogonal(am.sphere(1, 8, rng=0))
    with pytest.raises(ValueError, match=r"u: expected more dimensions; got 4 vectors in dim.* 1,"):
        assert_near_orthogonal(np.ones((4, 1)))
    with pytest.raises(ValueError, match=r"u: expected more dimensions; got 9 .* at delta = 1e-09"):
        assert_near_orthogonal(am.rademacher(9, 16, rng=0), family="rademacher")


def test_what_is_no_family_of_vectors_is_refused():
    u = am.sphere(4, 100, rng=0)
    with pytest.raises(ValueError, match="u: expected finite numbers"):
        assert_near_orthogonal(np.where(u > 0.1, np.nan, u))
    with pytest.raises(ValueError, match="u: expected a non-empty 2-d array"):
        assert_near_orthogonal(u[0])
    with pytest.raises(ValueError, match=r"u: expected no zero rows, .*; got one as row 2"):
        assert_near_orthogonal(u * [[1], [1], [0], [1]])
    with pytest.raises(ValueError, match=r"delta: expected a probability in \(0, 1\); got 0"):
        assert_near_orthogonal(u, delta=0)
    with pytest.raises(ValueError, match="family: expected one of"):
        assert_near_orthogonal(u, family="cauchy")


def test_integers_are_vectors():
    assert_near_orthogonal(np.eye(4, dtype=int)[:2].repeat(30, axis=1))

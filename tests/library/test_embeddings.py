"""Families of random vectors, how nearly orthogonal they are, and the frozen embeddings."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from fractions import Fraction
from itertools import combinations
from math import comb, cos, exp, log, pi, sqrt
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import linalg, stats

import assocmem as am
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
from tests.rounding import OPERATION, PRODUCTS, SOLVED

FALSE_ALARM = 1e-6  # of each statistical test as a whole, all its cases and examples together
INDEPENDENT = ["gaussian", "sphere", "rademacher"]  # families with independent rows
LAWS = [  # (family, normalised) with a coherence bound above 0
    ("gaussian", True),
    ("gaussian", False),
    ("sphere", True),
    ("rademacher", True),
]
seeds = st.integers(0, 2**63 - 1)
sizes = st.integers(1, 12)
deltas = st.floats(1e-12, 0.999)


def rounding(*lengths: int, dtype: type = np.float64) -> float:
    """Relative error of sums and Householder steps of these lengths: a small constant times the
    product of the lengths (Higham, Accuracy and Stability of Numerical Algorithms, Thm 19.4)."""
    return float(8 * np.prod(lengths) * np.finfo(dtype).eps)


@pytest.fixture
def seed() -> int:
    """Fresh at every run, and printed when the test fails. (Hypothesis would begin with 0.)"""
    return int(np.random.default_rng().integers(2**63))


def draw(family: str, n: int, d: int, seed: int, **options: object) -> np.ndarray:
    return FAMILIES[family](n, d, rng=seed, **options)


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


def is_unlikely(square_norm: float, degrees: int, level: float = FALSE_ALARM) -> bool:
    """Whether a chi-square variable is in the two tails of total probability `level`."""
    return not (
        stats.chi2.isf(1 - level / 2, degrees) <= square_norm <= stats.chi2.isf(level / 2, degrees)
    )


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


# Mean 1/d of <u, v>^2 in every family (claim NO1), and its fourth moment, for the standard error.
FOURTH_MOMENTS = {
    "gaussian": lambda d: 3 * (d + 2) / d**3,
    "sphere": lambda d: 3 / (d * (d + 2)),
    "rademacher": lambda d: (3 * d - 2) / d**3,
}


def second_moment_z(family: str, inner: np.ndarray, d: int) -> float:
    variance = FOURTH_MOMENTS[family](d) - 1 / d**2
    return float((np.mean(inner**2) - 1 / d) / sqrt(variance / len(inner)))


@pytest.mark.parametrize("family", INDEPENDENT)
def test_squared_inner_products_average_1_over_d(family, seed):
    n, d = 100_000, 16
    rng = np.random.default_rng(seed)
    inner = np.sum(FAMILIES[family](n, d, rng=rng) * FAMILIES[family](n, d, rng=rng), axis=1)
    # A tenth of each family's share: the skewness of a mean of 10^5 squares costs a factor < 2.
    threshold = stats.norm.isf(FALSE_ALARM / len(INDEPENDENT) / 10 / 2)
    assert abs(second_moment_z(family, inner, d)) <= threshold
    assert abs(second_moment_z(family, 1.03 * inner, d)) > threshold  # norms wrong by 1.5 %


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


@given(n=st.integers(2, 12), d=sizes, seed=seeds)
def test_coherence_ignores_rotations_and_the_scale_of_rows(n, d, seed):
    rng = np.random.default_rng(seed)
    u = gaussian(n, d, rng=rng)
    rotated = u @ orthonormal(d, d, rng=rng)
    scale = np.linalg.norm(u, axis=1).max() ** 2
    assert abs(coherence(rotated) - coherence(u)) <= rounding(d, d)
    change = coherence(rotated, normalised=False) - coherence(u, normalised=False)
    assert abs(change) <= rounding(d, d) * scale
    assert abs(coherence(u * rng.uniform(-9, -1, (n, 1))) - coherence(u)) <= rounding(d)


# --- bounds on coherence ------------------------------------------------------------------------

CASES = [(*law, sharp) for law in LAWS for sharp in (False, True)]
EXAMPLES = 10


@pytest.mark.parametrize(("family", "normalised", "sharp"), CASES)
@settings(max_examples=EXAMPLES)
@given(n=st.integers(2, 40), d=st.integers(400, 600), seed=seeds)
def test_fresh_vectors_are_nearly_orthogonal(family, normalised, sharp, n, d, seed):
    delta = FALSE_ALARM / (len(CASES) * EXAMPLES)
    bound = coherence_bound(
        n, d, delta=delta, family=family, normalised=normalised, sharp=sharp
    ) * (1 + rounding(d))
    u = draw(family, n, d, seed)
    assert coherence(u, normalised=normalised) <= bound
    doubled = np.vstack([u[1:], -u[-1:]])  # the control: one vector twice
    assert coherence(doubled, normalised=normalised) > bound


N_LAW, D_LAW, DRAWS = 8, 24, 2000


@pytest.mark.parametrize(("family", "normalised", "sharp"), CASES)
def test_a_bound_is_exceeded_as_rarely_as_it_says(family, normalised, sharp, seed):
    delta, level = 0.2, FALSE_ALARM / (2 * len(CASES))
    options = {"delta": delta, "family": family, "normalised": normalised, "sharp": sharp}
    bound = coherence_bound(N_LAW, D_LAW, **options) * (1 + rounding(D_LAW))
    rng = np.random.default_rng(seed)
    draws = (FAMILIES[family](N_LAW, D_LAW, rng=rng) for _ in range(DRAWS))
    measured = np.array([coherence(u, normalised=normalised) for u in draws])
    exact_law = sharp and normalised
    at_most = stats.binom.isf(level, DRAWS, delta)
    assert np.sum(measured > bound) <= at_most
    assert np.sum(measured > (0.85 if exact_law else 0.4) * bound) > at_most  # the control
    if exact_law:
        # The pairs are pairwise independent, so Bonferroni's inequality bounds from below too.
        pairs = comb(N_LAW, 2)
        tail = float(lattice_tail(D_LAW, bound)) if family == "rademacher" else delta / pairs
        at_least = stats.binom.isf(1 - level, DRAWS, pairs * tail - (pairs * tail) ** 2 / 2)
        assert np.sum(measured > bound) >= at_least
        assert np.sum(measured > 1.25 * bound) < at_least  # the control


def lattice_tail(d: int, t: float) -> Fraction:
    """P(|<u, v>| > t) for Rademacher rows, by counting the d-bit strings."""
    strings = sum(comb(d, k) for k in range(d + 1) if abs(2 * k - d) > t * d * (1 + rounding(1)))
    return Fraction(strings, 2**d)


@given(n=st.integers(2, 10**9), d=st.integers(1, 200), delta=deltas)
def test_sharp_rademacher_bound_is_the_smallest_that_holds(n, d, delta):
    bound = coherence_bound(n, d, delta=delta, family="rademacher", sharp=True)
    allowed = 2 * Fraction(delta) / (n * (n - 1)) * Fraction(1 + rounding(d))
    assert lattice_tail(d, bound) <= allowed
    if bound > 1 / d:  # one step of the lattice below, it does not hold
        assert lattice_tail(d, bound - 2 / d) > allowed * Fraction(1 - 2 * rounding(d))


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


# --- frozen embeddings --------------------------------------------------------------------------

task_sizes = st.builds(
    lambda n, t, m: SimpleNamespace(n_tokens=n, length=t, outputs=np.arange(m)),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 6),
)
TASK = SimpleNamespace(n_tokens=5, length=4, outputs=np.arange(3))
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


@settings(max_examples=20)
@given(seed=seeds)
def test_a_rotated_basis_gives_the_same_gram_matrices(seed):
    rng = np.random.default_rng(seed)
    emb = FrozenEmbeddings.random(TASK, width=30, rng=rng)
    r = orthonormal(30, 30, rng=rng)
    rows = {name: getattr(emb, name) @ r.T for name in ("tokens", "positions", "outputs")}
    turned = FrozenEmbeddings.from_matrices(
        **rows, Phi1=r @ emb.Phi1 @ r.T, W_V2=r @ emb.W_V2 @ r.T
    )
    # Four products in dimension 30 per image, each amplified by at most the matrices' norms.
    scale = max(1.0, spectral(emb.Phi1)) ** 2 * max(1.0, spectral(emb.W_V2)) ** 2
    for name in ("atoms", "outputs", "values"):
        u, v = getattr(turned, name), getattr(emb, name)
        assert (
            np.abs(gram(u) - gram(v)).max() <= rounding(30, 30) * scale * np.square(v).sum(1).max()
        )


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
    assert found["right"] < PRODUCTS
    assert found["left"] > 1e-3
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

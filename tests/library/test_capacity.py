"""Moments of scores, laws of recall, capacity and rules: reductions, symmetries, refusals."""

from __future__ import annotations

import math
import secrets
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

import assocmem as am
from assocmem import capacity as lib
from tests.rounding import FEW, PRODUCTS, SOLVED, SUMS
from validation.memory.variances import score_variance

FALSE_ALARM = 1e-6
RULES = ("outer products", "gradient step", "pseudo-inverse", "cross-entropy")


@pytest.fixture
def rng():
    return np.random.default_rng(secrets.randbits(32))


# --- moments


@settings(max_examples=30)
@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 50),
    st.sampled_from(["gaussian", "sphere", "rademacher"]),
    st.integers(0, 2**32 - 1),
)
def test_the_variance_is_the_double_sum(m, n, d, family, seed):
    """Rounding: sums of at most 36 positive terms, less the square of the mean."""
    C = np.random.default_rng(seed).standard_normal((m, n))
    mean, variance = lib.score_moments(C, d, family=family)
    rounding = 100 * np.finfo(float).eps * (1 + 2 / d) ** 2 * np.sum(C**2)
    np.testing.assert_array_equal(mean, C)
    np.testing.assert_allclose(variance, score_variance(C, d, d, family), atol=rounding, rtol=0)


def test_symbols_and_numbers_give_the_same(rng):
    numbers = rng.integers(-3, 4, size=(3, 4))
    symbols = sympy.symbols("c:12")
    table, d = np.array(symbols, dtype=object).reshape(3, 4), sympy.Symbol("d")
    values = dict(zip(symbols, map(int, numbers.ravel()), strict=True)) | {d: 7}
    for function, args in ((lib.score_moments, ()), (lib.margin_moments, ([0, 2, 2, 1],))):
        for symbolic, found in zip(
            function(table, d, *args), function(numbers, 7, *args), strict=True
        ):
            at = np.vectorize(lambda e: float(sympy.sympify(e).subs(values)))(symbolic)
            np.testing.assert_allclose(at, found, rtol=PRODUCTS, atol=PRODUCTS)


def test_moments_of_signs_are_those_of_all_signs(rng):
    """Two keys and values of width 2: all 2^8 families of signs, so that nothing is sampled."""
    C = rng.standard_normal((2, 2))
    signs = np.array(list(product((-1, 1), repeat=8))) / np.sqrt(2)
    keys, values = signs[:, :4].reshape(-1, 2, 2), signs[:, 4:].reshape(-1, 2, 2)
    scores = np.stack(
        [
            am.AssociativeMemory(keys=u, values=v, coefficients=C).scores()
            for u, v in zip(keys, values, strict=True)
        ]
    )
    margins = scores[:, [0, 1], [0, 1]][:, None] - scores
    for found, (mean, variance) in (
        (scores, lib.score_moments(C, 2, family="rademacher")),
        (margins, lib.margin_moments(C, 2, family="rademacher")),
    ):
        np.testing.assert_allclose(found.mean(axis=0), mean, atol=SUMS)
        np.testing.assert_allclose(found.var(axis=0), variance, atol=PRODUCTS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], 10), r"coefficients: expected a non-empty 2-d array; got shape \(2,\)"),
        (([[np.nan]], 10), r"coefficients: expected finite numbers; got nan"),
        (([[1]], 0), r"d: expected a width of at least 1; got 0\. Pass"),
        (([[1]], np.nan), r"d: expected a width of at least 1; got nan"),
    ],
)
def test_moments_refuse(arguments, message):
    for function in (lib.score_moments, lib.margin_moments):
        with pytest.raises(ValueError, match=message):
            function(*arguments)


def test_moments_refuse_families_without_a_law():
    with pytest.raises(
        ValueError, match=r"family: expected one of 'gaussian', .* got 'orthonormal'\. Ort"
    ):
        lib.score_moments([[1]], 10, family="orthonormal")
    with pytest.raises(ValueError, match=r"targets: expected indices of values from 0 to 0"):
        lib.margin_moments([[1]], 10, [1])


# --- recall


@given(st.integers(1, 10**6), st.integers(1, 100))
def test_with_one_rival_the_integral_is_a_normal_tail(d, r):
    """Two classes of r keys; r = 1 is two pairs, one to one."""
    right, wrong = d * r + r, d * (1 + r) + r - 1  # times d^2
    exact = stats.norm.cdf((1 - 1 / (2 * d)) * d / np.sqrt(right + wrong))
    assert lib.recall_probability(2 * r, d, classes=2) == pytest.approx(exact, rel=PRODUCTS)
    if r == 1:
        assert lib.recall_probability(2, d) == pytest.approx(exact, rel=PRODUCTS)


@settings(max_examples=20)
@given(st.integers(3, 30), st.integers(2, 200))
def test_equal_weights_are_no_weights(n, d):
    plain = lib.recall_probability(n, d)
    for same in (
        lib.recall_probability(n, d, weights=np.full(n, 3.0), item=n - 1),
        lib.recall_probability(n, d, classes=n),
    ):
        assert same == pytest.approx(plain, rel=SOLVED)


@settings(max_examples=30)
@given(st.integers(4, 10**4), st.integers(1, 10**5), st.none() | st.integers(2, 4))
def test_recall_falls_with_pairs_and_rises_with_width(n, d, classes):
    recall = lib.recall_probability(n, d, classes=classes)
    assert 0 <= recall <= 1 + 1e-12
    assert lib.recall_probability(2 * n, d, classes=classes) <= recall + 1e-12
    assert lib.recall_probability(n, 2 * d, classes=classes) >= recall - 1e-12


def test_heavier_items_are_recalled_more_often():
    weights = np.arange(1.0, 50) ** -1
    recall = [lib.recall_probability(49, 64, weights=weights, item=i) for i in range(49)]
    assert np.all(np.diff(recall) < 0)


WEIGHTS = np.array([2.0, 1.0, 0.7, 1.5])


def drawn(name, gram):
    """Coefficients of the values for one question: C G, or the rule's own, (draws, values)."""
    if name == "weights":
        return WEIGHTS * gram[:, :, 1]
    if name == "classes":
        return gram[:, :, 0].reshape(-1, 2, 3).sum(axis=2)
    if name == "gradient step":
        return gram[:, :, 0] - gram[:, :, 0].mean(axis=1, keepdims=True)
    projection = np.linalg.pinv(gram, rcond=1e-9, hermitian=True) @ gram
    return projection[:, :, 0]


@pytest.mark.parametrize(
    ("name", "n", "m", "options"),
    [
        ("weights", 4, 4, {"weights": WEIGHTS, "item": 1}),
        ("classes", 6, 2, {"classes": 2}),
        ("gradient step", 4, 4, {"rule": "gradient step"}),
        ("pseudo-inverse", 5, 5, {"rule": "pseudo-inverse"}),
    ],
)
@pytest.mark.parametrize("d", [2, 4])
def test_sampled_recall_is_that_of_drawn_memories_at_tiny_sizes(name, n, m, options, d, rng):
    """40 000 draws of either kind, by einsum."""
    draws, right = 40_000, options.get("item", 0)
    u = rng.standard_normal((draws, n, d)) / np.sqrt(d)
    v = rng.standard_normal((draws, m, d)) / np.sqrt(d)
    b = drawn(name, np.einsum("aid,ajd->aij", u, u))
    scores = np.einsum("akd,ajd,aj->ak", v, v, b)
    hits = int(np.sum(scores.argmax(axis=1) == right))
    sampled = lib.sampled_recall(n, d, **options, draws=draws, rng=rng)
    table = [[hits, draws - hits], [sampled.successes, draws - sampled.successes]]
    assert stats.chi2_contingency(table).pvalue > FALSE_ALARM / 8


def test_for_zipf_weights_the_error_is_larger_at_small_widths_only(rng):
    """Items where it is largest, n = 200: 0.087 at d = 64, below 0.01 at d = 1024."""
    weights, draws = 1 / np.arange(1, 201), 20_000
    sampling = stats.norm.isf(FALSE_ALARM / 4) * 0.5 / np.sqrt(draws)
    for d, item, low, high in ((64, 16, 0.085, 0.09), (1024, 60, 0, 0.01)):
        p = lib.recall_probability(200, d, weights=weights, item=item)
        rate = lib.sampled_recall(200, d, weights=weights, item=item, draws=draws, rng=rng)
        assert low - sampling < abs(rate.value - p) < high + sampling


def test_sampled_recall_at_extreme_sizes(rng):
    full = lib.sampled_recall(1000, 10**9, draws=100, rng=rng)
    assert full == am.Rate(100, 100)  # margin 10^9 / sqrt(2 10^9) in standard deviations
    assert lib.sampled_recall(5, 5, rule="pseudo-inverse", draws=10, rng=0).trials == 10
    a, b = (lib.sampled_recall(30, 8, draws=500, rng=7) for _ in range(2))
    assert a == b


def test_draws_in_parts_are_all_counted(monkeypatch, rng):
    monkeypatch.setattr(lib.laws, "_ENTRIES", 100)  # 2 draws at a time
    assert lib.sampled_recall(50, 10**6, draws=7, rng=rng) == am.Rate(7, 7)


@pytest.mark.parametrize("function", [lib.recall_probability, lib.sampled_recall])
@pytest.mark.parametrize(
    ("n", "d", "options", "error", "message"),
    [
        (1, 8, {}, ValueError, r"n: expected at least 2 pairs; got 1\. One pair"),
        (4, 0, {}, ValueError, r"d: expected at least 1; got 0"),
        (4, 2.5, {}, TypeError, r"d: expected an integer; got 2\.5"),
        (4, 8, {"classes": 8}, ValueError, r"classes: expected from 2 to n = 4.* got 8\."),
        (4, 8, {"classes": 1}, ValueError, r"classes: expected from 2 to n = 4.* got 1\."),
        (4, 8, {"item": 1}, ValueError, r"item: expected 0 for equal weights"),
        (4, 8, {"weights": [1, 2]}, ValueError, r"weights: expected 4 positive .* shape \(2,\)"),
        (2, 8, {"weights": [1, np.nan]}, ValueError, r"weights: expected finite numbers"),
        (2, 8, {"weights": [1, 0]}, ValueError, r"weights: expected 2 positive numbers"),
        (2, 8, {"weights": [1, 1], "item": 2}, ValueError, r"item: expected an index from 0 to 1"),
        (2, 8, {"weights": [1, 1], "classes": 2}, ValueError, r"weights: expected None with"),
    ],
)
def test_recall_refuses(function, n, d, options, error, message):
    seed = {"rng": 0} if function is lib.sampled_recall else {}
    with pytest.raises(error, match=message):
        function(n, d, **options, **seed)


@pytest.mark.parametrize("function", [lib.recall_probability, lib.sampled_recall])
@given(st.integers(2, 9), st.integers(-2, 12))
def test_the_item_is_one_of_the_weights(function, n, item):
    seed = {"rng": 0, "draws": 2} if function is lib.sampled_recall else {}
    if 0 <= item < n:
        function(n, 8, weights=np.arange(1, n + 1), item=item, **seed)
    else:
        limits = f"an index from 0 to {n - 1}; got {item}" if item >= n else "at least 0"
        with pytest.raises(ValueError, match=f"item: expected {limits}"):
            function(n, 8, weights=np.arange(1, n + 1), item=item, **seed)


def test_sampled_recall_refuses():
    with pytest.raises(ValueError, match=r"rule: expected one of .* got 'Hebb'\."):
        lib.sampled_recall(4, 8, rule="Hebb", rng=0)
    with pytest.raises(ValueError, match=r"rule: expected 'outer products' or .* Draw vectors"):
        lib.sampled_recall(4, 8, rule="pseudo-inverse", classes=2, rng=0)
    with pytest.raises(ValueError, match=r"n: expected a multiple of the 3 classes; got 4\."):
        lib.sampled_recall(4, 8, classes=3, rng=0)
    with pytest.raises(
        ValueError, match=r"n, classes: expected at most 67108864 values, .* 1e\+09"
    ):
        lib.sampled_recall(10**9, 8, rng=0)
    with pytest.raises(ValueError, match=r"draws: expected at least 1"):
        lib.sampled_recall(4, 8, draws=0, rng=0)
    with pytest.raises(ValueError, match=r"n: expected at least 2 pairs; got nan"):
        lib.recall_probability(float("nan"), 8)


# --- capacity


@settings(max_examples=20)
@given(st.integers(16, 10**6), st.none() | st.integers(2, 30), st.floats(0.55, 0.95))
def test_capacity_inverts_recall(d, classes, recall):
    if classes is not None and lib.recall_probability(classes, d, classes=classes) <= recall:
        return
    n = lib.capacity(d, classes=classes, recall=recall)
    assert lib.recall_probability(n, d, classes=classes) == pytest.approx(recall, abs=SOLVED)


def test_capacity_approaches_its_leading_order():
    """d^2/(2 ln n) to leading order is d^2/z^2 - 2d + 1 with the median z, which is far closer."""
    gaps = []
    for d in (10**2, 10**4, 10**6):
        n = lib.capacity(d)
        median = -stats.norm.ppf(-np.expm1(-np.log(2) / (n - 1)))
        gaps.append(n / (d**2 / median**2 - 2 * d + 1) - 1)
    assert 0.05 > -gaps[0] > -gaps[1] > -gaps[2] > 0


@pytest.mark.parametrize(
    ("d", "options", "message"),
    [
        (100, {"recall": 1.0}, r"recall: expected a fraction above 0, .* got 1\.0\."),
        (100, {"recall": 0.2, "classes": 4}, r"recall: expected a fraction above 0\.25"),
        (100, {"recall": float("nan")}, r"recall: expected a fraction above 0"),
        (128, {"classes": 1}, r"classes: expected at least 2; got 1\."),
        (4, {"classes": 1000}, r"recall: expected one that 1000 pairs reach at d = 4; got 0\.5"),
    ],
)
def test_capacity_refuses(d, options, message):
    with pytest.raises(ValueError, match=message):
        lib.capacity(d, **options)


def test_zipf_recall_is_the_product_of_its_claim():
    expected = np.prod([stats.norm.cdf((k / 2.5) ** 0.75) for k in range(1, 200)])
    assert lib.zipf_recall(2.5, 0.75) == pytest.approx(expected, rel=PRODUCTS)


def test_zipf_recall_refuses():
    with pytest.raises(ValueError, match=r"exponent: expected more than 1/2, .* got 0\.5\."):
        lib.zipf_recall(1, 0.5)
    for x in (0, [-1], np.inf, np.nan):
        with pytest.raises(ValueError, match=r"x: expected (positive|finite) numbers"):
            lib.zipf_recall(x, 1)
    with pytest.raises(ValueError, match=r"x: expected at most 7\.46e\+06, .* got 1e\+09"):
        lib.zipf_recall(1e9, 1)
    assert lib.zipf_recall([[1, 2]], 1).shape == (1, 2)
    assert lib.zipf_recall(1e-3, 1) == 1


@pytest.mark.parametrize(
    ("d", "delta"),
    [(2, 1e-3), (3, 1e-3), (9, 1e-3), (12, 1e-3), (2, 1e-30), (3, 1e-100), (4, 1e-300)],
)
def test_storage_bound_is_the_first_size_in_exact_fractions(d, delta):
    def probability(n):
        regions = 2 * sum(math.comb(n * n * (n - 1) // 2 - 1, i) for i in range(d * d))
        return Fraction(regions, math.factorial(n))

    n = lib.storage_bound(d, delta=delta)
    assert probability(n) <= Fraction(delta) < probability(n - 1)


def test_storage_bound_decreases_with_what_is_allowed_and_refuses():
    assert (
        lib.storage_bound(6, delta=0.5) < lib.storage_bound(6) < lib.storage_bound(6, delta=1e-12)
    )
    with pytest.raises(ValueError, match=r"d: expected at least 2; got 1"):
        lib.storage_bound(1)
    with pytest.raises(ValueError, match=r"d: expected at most 10\^9; got 2000000000"):
        lib.storage_bound(2 * 10**9)
    # n = (2 + o(1)) d^2, slowly
    ratios = [lib.storage_bound(d) / d**2 for d in (10**2, 10**4, 10**6, 10**9)]
    assert sorted(ratios, reverse=True) == ratios
    assert 2 < ratios[-1] < 2.1
    for delta in (0, 1, float("nan")):
        with pytest.raises(ValueError, match=r"delta: expected a probability in \(0, 1\)"):
            lib.storage_bound(4, delta=delta)


# --- rules


@pytest.fixture
def pairs(rng):
    return am.gaussian(12, 16, rng=rng), am.gaussian(5, 10, rng=rng), rng.integers(0, 5, size=12)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_writes_a_memory_over_the_given_vectors(rule, pairs):
    u, v, targets = pairs
    W = lib.memorise(u, v, targets, rule=rule)
    np.testing.assert_array_equal(W.keys, u)
    np.testing.assert_array_equal(W.values, v)
    assert W.matrix.shape == (10, 16)


def test_outer_products_are_summed(pairs):
    u, v, targets = pairs
    matrix = sum(np.outer(v[t], u[i]) for i, t in enumerate(targets))
    np.testing.assert_allclose(lib.memorise(u, v, targets).matrix, matrix, atol=FEW)


def test_the_pseudo_inverse_interpolates(pairs):
    u, v, targets = pairs
    W = lib.memorise(u, v, targets, rule="pseudo-inverse").matrix
    rounding = 1e-13 * np.linalg.cond(u) * np.linalg.cond(v)
    np.testing.assert_allclose(u @ W.T, v[targets], atol=rounding)


def loss(W, u, v, targets):
    scores = v @ W @ u.T
    log_p = scores - np.log(np.exp(scores).sum(axis=0))
    return -log_p[targets, np.arange(len(u))].mean()


def test_the_gradient_step_is_minus_the_derivative_at_zero(pairs, rng):
    """Central differences along a direction: the error is about h^2 times third derivatives."""
    u, v, targets = pairs
    direction, h = rng.standard_normal((10, 16)), 1e-4
    slope = (loss(h * direction, u, v, targets) - loss(-h * direction, u, v, targets)) / (2 * h)
    step = lib.memorise(u, v, targets, rule="gradient step").matrix
    assert np.sum(step * direction) == pytest.approx(-slope, rel=1e-4, abs=1e-6)


def test_cross_entropy_ends_at_a_minimum(rng):
    """More pairs than can be separated: another solver finds nothing more to gain.

    It gains some 2e-9 of what was gained from zero, and 4e-7 at most in 2000 draws, as the first
    one stops where a step gains less than 2e-9. A matrix that is off by 1 % could gain 1e-4.
    """
    u, v = am.gaussian(60, 4, rng=rng), am.gaussian(60, 4, rng=rng)
    W = lib.memorise(u, v, rule="cross-entropy").matrix

    def of(entries):
        return loss(entries.reshape(4, 4), u, v, np.arange(60))

    def gradient(entries):
        p = np.exp(v @ entries.reshape(4, 4) @ u.T)
        return (v.T @ (p / p.sum(axis=0) - np.eye(60)) @ u / 60).ravel()

    least = optimize.minimize(of, W.ravel(), jac=gradient, method="BFGS", options={"gtol": 1e-9})
    gained = np.log(60) - least.fun
    assert gained > 0
    assert of(W.ravel()) - least.fun < 1e-5 * gained
    assert of(1.01 * W.ravel()) - least.fun > 2e-5 * gained  # it can fail


def test_memorise_refuses(pairs):
    u, v, targets = pairs
    with pytest.raises(ValueError, match=r"rule: expected one of .* got 'Hebb'\."):
        lib.memorise(u, v, targets, rule="Hebb")
    with pytest.raises(ValueError, match=r"targets: expected at least as many"):
        lib.memorise(u, v)
    with pytest.raises(ValueError, match=r"keys: expected finite numbers"):
        lib.memorise(np.full((2, 3), np.nan), v, [0, 1])
    with pytest.raises(ValueError, match=r"steps: expected at least 1"):
        lib.memorise(u, v, targets, rule="cross-entropy", steps=0)


# --- writers


def product_normal(u):
    """The characteristic function of a product of two independent standard normals."""
    return 1 / np.sqrt(1 + u**2)


@pytest.mark.parametrize("weights", [[1.0], [2.0, 1.0], [5.0, 3.0, 0.1], [1.0, 1.0, 1.0, 4.0]])
@pytest.mark.parametrize("d", [1, 7])
def test_sign_scores_are_integrals_of_characteristic_functions(weights, d):
    """E x sign(S) = (2/π) ∫ E x sin(sS) ds/s over products x_j of two normals, S = Σ p_j x_j."""
    expected = []
    for i, p in enumerate(weights):
        others = [q for j, q in enumerate(weights) if j != i]

        def integrand(s, p=p, others=others):
            return p * product_normal(p * s) ** 3 * np.prod([product_normal(q * s) for q in others])

        expected.append(d * 2 / np.pi * integrate.quad(integrand, 0, np.inf)[0])
    np.testing.assert_allclose(lib.sign_scores(weights, d), expected, rtol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 9, 16])
def test_sign_scores_of_a_vote_are_central_binomials(n):
    """Each of n equal voters agrees with the majority by C(n - 1, ⌊n/2⌋) / 2^(n - 1)."""
    expected = math.comb(n - 1, n // 2) / 2 ** (n - 1)
    found = lib.sign_scores(np.ones(n), 1, family="rademacher")
    np.testing.assert_allclose(found, np.full(n, expected), rtol=1e-12)


@pytest.mark.parametrize("n", [2, 3, 10])
@pytest.mark.parametrize("d", [4, 40])
def test_polar_recall_is_the_chance_to_beat_the_others(n, d):
    """A normal of mean √d s and variance 1 - s² above n - 1 standard normals."""
    weights = np.arange(1.0, n + 1) ** -1.5
    for s, found in zip(lib.polar_scores(weights, d), lib.polar_recall(weights, d), strict=True):
        law = stats.norm(np.sqrt(d) * s, np.sqrt(max(0, 1 - s**2)))
        expected = integrate.quad(
            lambda x, law=law: law.pdf(x) * stats.norm.cdf(x) ** (n - 1),
            -9,
            60,
            limit=500,
            points=[law.mean()],
        )
        assert found == pytest.approx(expected[0], abs=1e-6)

"""The law of one overlap, and what follows for the largest of all: laws, limits, inverses."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import comb, exp, log, prod

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from assocmem.vectors.families import FAMILIES, coherence_bound, welch_bound
from assocmem.vectors.overlaps import (
    SignOverlap,
    coherence_band,
    coherence_quantile,
    how_many_fit,
    overlap_law,
    overlap_moment,
)
from tests.library.vectors import FALSE_ALARM, INDEPENDENT, deltas
from tests.rounding import EPS, PRODUCTS

counts = st.integers(2, 10**9)
widths = st.integers(1, 10**9)
families = st.sampled_from(INDEPENDENT)


# --- the law of one overlap


@pytest.mark.parametrize(
    ("family", "d"),
    [pair for pair in product(sorted(FAMILIES), (1, 2, 3, 24)) if pair != ("orthonormal", 1)],
)
def test_the_law_is_that_of_drawn_vectors(family, d, seed):
    """Kolmogorov's test, with its exact quantile (conservative for a law on a lattice)."""
    pairs = 4000
    rng = np.random.default_rng(seed)
    pair = (FAMILIES[family](2, d, rng=rng) for _ in range(pairs))
    cosines = np.array([u @ v / np.sqrt((u @ u) * (v @ v)) for u, v in pair])
    if family == "rademacher" or d == 1:
        cosines = np.rint(d * cosines) / d  # exactly on the lattice
    elif family == "orthonormal":
        cosines = np.where(np.abs(cosines) <= 2**6 * EPS, 0, cosines)
    law = overlap_law(d, family=family)
    levels = np.unique(cosines)
    measured = np.searchsorted(np.sort(cosines), levels, side="right") / pairs
    limit = stats.kstwo.isf(FALSE_ALARM / 16, pairs)
    assert np.abs(measured - law.cdf(levels)).max() <= limit
    other = overlap_law(2 * d, family="sphere" if family == "orthonormal" else family)
    if d > 1:
        assert np.abs(measured - other.cdf(levels)).max() > limit  # the control: another width


@given(d=st.integers(2, 10**9), sigmas=st.floats(0, 6))
def test_a_sphere_overlap_squared_is_beta_distributed(d, sigmas):
    t = min(sigmas / np.sqrt(d), 0.99)
    inner = special.betainc(0.5, (d - 1) / 2, t**2)  # betaincc is off by 3e-12 at small t
    tail = 1 - inner if inner < 0.5 else special.betaincc(0.5, (d - 1) / 2, t**2)
    # Rounding of (1 + t)/2, by eps, moves t by 2 eps: |d ln p / dt| <= (d t + sqrt(d))/(1 - t^2).
    rounding = 2**4 * EPS * (1 + (d * t + np.sqrt(d)) / (1 - t**2))
    assert 2 * overlap_law(d).sf(t) == pytest.approx(tail, rel=rounding)


@given(d=st.integers(1, 60))
def test_the_law_of_signs_counts_the_strings(d):
    law = overlap_law(d, family="rademacher")
    values = (2 * np.arange(d + 1) - d) / d
    share = np.array([comb(d, k) for k in range(d + 1)]) / 2**d
    rounding = 2**6 * EPS * d
    assert law.pmf(values) == pytest.approx(share, rel=rounding)
    assert law.cdf(values) == pytest.approx(np.cumsum(share), rel=rounding)
    assert law.sf(values - 1 / d) == pytest.approx(np.cumsum(share[::-1])[::-1], rel=rounding)
    assert (law.pmf(values + 1 / d) == 0).all()
    lower = values[values <= 0]  # further up, cdf rounds to 1
    assert law.ppf(law.cdf(lower) * (1 - rounding)).tolist() == lower.tolist()
    assert (law.mean(), law.var(), law.std() ** 2) == pytest.approx((0, 1 / d, 1 / d))


@given(d=st.integers(10**6, 10**9), k=st.integers(-(10**5), 10**5))
def test_rounding_does_not_move_an_overlap_to_the_next_value(d, k):
    value = (2 * (d // 2 + k) - d) / d
    for step in (-1, 0, 1):
        moved = value + step * 2 * EPS * abs(value)
        assert SignOverlap(d)._count(moved) == d // 2 + k


# --- moments


@given(d=st.integers(1, 12), order=st.integers(1, 8))
def test_moments_of_signs_count_the_strings(d, order):
    total = sum(comb(d, k) * (2 * k - d) ** order for k in range(d + 1))
    assert overlap_moment(order, d, family="rademacher") == Fraction(total, 2**d * d**order)
    law = overlap_law(d, family="rademacher")
    assert law.moment(order) == pytest.approx(float(Fraction(total, 2**d * d**order)), abs=0)


@given(d=st.integers(2, 1000), order=st.integers(1, 8))
def test_moments_of_the_sphere_are_those_of_its_law(d, order):
    beta = stats.beta(0.5, (d - 1) / 2)  # of the square: all positive terms
    expected = float(beta.moment(order // 2)) if order % 2 == 0 else 0.0
    assert float(overlap_moment(order, d)) == pytest.approx(expected, rel=PRODUCTS)
    for same in {"family": "gaussian"}, {"normalised": False}:  # vectors of the sphere have norm 1
        assert overlap_moment(order, d, **same) == overlap_moment(order, d)
    assert overlap_moment(order, d, family="orthonormal") == 0


def test_a_gaussian_inner_product_has_the_moments_of_its_two_factors():
    """<u, v> = |u| z / sqrt(d) with independent factors: moments of chi-squared and normal laws."""
    for d, k in product((1, 7, 64), (1, 2, 3, 5)):
        square_norm = prod(d + 2 * i for i in range(k))  # E (d |u|^2)^k
        normal = prod(range(1, 2 * k, 2))  # E z^2k
        found = overlap_moment(2 * k, d, family="gaussian", normalised=False)
        assert found == Fraction(square_norm * normal, d ** (2 * k))


# --- quantiles and bands of the coherence


def tail(family: str, d: int, t: float) -> float:
    return 2 * float(overlap_law(d, family=family).sf(t))


@given(n=counts, d=widths, delta=deltas, family=families)
def test_a_band_is_a_band_at_any_size(n, d, delta, family):
    low, high = coherence_band(n, d, delta=delta, family=family)
    assert 0 <= low <= high <= 1
    assert high == coherence_bound(n, d, delta=delta / 2, family=family, sharp=True)
    wider = coherence_band(n, d, delta=delta / 2, family=family)
    assert wider[0] <= low * (1 + 8 * EPS)
    assert wider[1] >= high * (1 - 8 * EPS)
    assert coherence_band(2 * n, d, delta=delta, family=family)[0] >= low * (1 - 8 * EPS)
    assert coherence_band(n, d, delta=delta, family="orthonormal") == (0, 0) if n <= d else True


@given(n=counts, d=widths, family=families)
def test_the_median_is_inside_the_band_and_grows(n, d, family):
    low, high = coherence_band(n, d, delta=0.5, family=family)
    quantiles = [coherence_quantile(q, n, d, family=family) for q in (0.05, 0.5, 0.75)]
    assert quantiles == sorted(quantiles)
    assert quantiles[2] <= high * (1 + 8 * EPS)  # exp(-s) = 0.75 where s = 0.29 > delta/2
    assert low <= quantiles[1] * (1 + 8 * EPS)  # s = 0.69 there; s is about 3 at the lower limit


@given(n=st.integers(2, 10**6), d=st.integers(3, 10**6), q=st.floats(0.01, 0.99))
def test_a_quantile_spends_what_it_says(n, d, q):
    t, pairs = coherence_quantile(q, n, d), comb(n, 2)
    s = min(-log(q), pairs)
    rounding = 2**10 * EPS * (1 + d * t**2 / (1 - t**2))
    assert pairs * special.betaincc(0.5, (d - 1) / 2, t**2) == pytest.approx(s, rel=rounding)


def test_a_band_by_hand():
    """d = 3, where P(|cos| > t) = 1 - t; three pairs, delta/2 = 1/4."""
    low, high = coherence_band(3, 3, delta=0.5)
    assert low == pytest.approx(1 - (1 - 1 / 4) / (1 + 2 / 4))
    assert high == pytest.approx(1 - 1 / 12)
    assert coherence_quantile(0.5, 3, 3) == pytest.approx(1 - log(2) / 3)


def test_in_one_dimension_all_vectors_are_parallel():
    for family in INDEPENDENT:
        assert coherence_band(5, 1, family=family) == (1, 1)
        assert coherence_quantile(0.5, 5, 1, family=family) == 1
        assert how_many_fit(1, 0.5, family=family, sharp=True) == 1


def test_a_single_vector_has_no_coherence():
    assert coherence_band(1, 10) == (0, 0)
    assert coherence_quantile(0.5, 1, 10) == 0
    assert coherence_quantile(0.5, 10, 10, family="orthonormal") == 0


def test_more_vectors_than_dimensions_stay_above_welch():
    """At n >> d the band, a statement about random vectors, is above what any vectors reach."""
    for n, d in ((100, 8), (1000, 32), (10**6, 512)):
        assert coherence_band(n, d, delta=1e-3)[0] > welch_bound(n, d)


# --- the sharp bound at extreme sizes, by another route and to 30 digits or more


def sphere_tail(d: int, t: float) -> mpmath.mpf:
    """P(|cos| > t): the angle has density proportional to sin^(d-2)."""
    end, scale = mpmath.acos(t), 1 / (d * t + mpmath.sqrt(d))  # it decays within scale of t
    nodes = [0, *(end - k * scale for k in range(80, 0, -4) if end > k * scale), end]
    half = mpmath.mpf(d - 1) / 2
    return 2 * mpmath.quad(lambda a: mpmath.sin(a) ** (d - 2), nodes) / mpmath.beta(half, 0.5)


def sign_tail(d: int, k: int) -> mpmath.mpf:
    """P(more than k of d signs agree), summed term by term."""
    if k >= d:
        return mpmath.mpf(0)
    log_term = mpmath.loggamma(d + 1) - mpmath.loggamma(k + 2) - mpmath.loggamma(d - k)
    total, term = mpmath.mpf(0), mpmath.exp(log_term - d * mpmath.log(2))
    for j in range(k + 1, d + 1):
        total += term
        term *= mpmath.mpf(d - j) / (j + 1)
        if term < total * mpmath.mpf(10) ** -20:
            break
    return total


@pytest.mark.parametrize("delta", [1e-12, 1e-6, 0.5])
@pytest.mark.parametrize("n", [2, 1000, 10**9])
@pytest.mark.parametrize("d", [5, 1000, 10**6, 10**9])
def test_the_sharp_sphere_bound_spends_delta(d, n, delta):
    with mpmath.workdps(40):
        t = coherence_bound(n, d, delta=delta, sharp=True)
        spent = float(sphere_tail(d, t) * comb(n, 2) / delta)
    # What a rounding of t, by eps, does to the tail; nothing else is known of t near 1.
    rounding = 2**10 * EPS * (1 + d * t**2 / (1 - t**2))
    assert spent == pytest.approx(1, rel=rounding)


@pytest.mark.parametrize("delta", [1e-12, 1e-6, 0.5])
@pytest.mark.parametrize("n", [2, 1000, 10**9])
@pytest.mark.parametrize("d", [1, 2, 1000, 10**5])
def test_the_sharp_bound_for_signs_is_the_smallest_that_spends_delta(d, n, delta):
    t = coherence_bound(n, d, delta=delta, family="rademacher", sharp=True)
    k = round(d * (1 + t) / 2)
    assert t == (2 * k - d) / d
    with mpmath.workdps(30):
        share = mpmath.mpf(delta) / (n * (n - 1))  # of one side of one pair
        rounding = 2**10 * EPS * d
        assert sign_tail(d, k) <= share * (1 + rounding)
        assert t <= 1 / d or sign_tail(d, k - 1) > share * (1 - rounding)


# --- how many fit


@given(d=widths, sigmas=st.floats(0.1, 7), delta=deltas, family=families, sharp=st.booleans())
def test_so_many_fit_and_one_more_does_not(d, sigmas, delta, family, sharp):
    level = min(sigmas / np.sqrt(d), 0.99)
    n = how_many_fit(d, level, delta=delta, family=family, sharp=sharp)
    assert isinstance(n, int)
    # What rounding of level^2 does to the tail, as a change of delta.
    slack = 2**10 * EPS * (1 + d * level**2 / (1 - level**2))

    def bound(n: int, delta: float) -> float:
        return coherence_bound(n, d, delta=delta, family=family, sharp=sharp)

    assert n == 1 or bound(n, min(delta * (1 + slack), 1 - EPS)) <= level * (1 + 4 * EPS)
    assert bound(n + 1, delta * (1 - slack)) > level * (1 - 4 * EPS)


@given(d=st.integers(2, 10**6), sigmas=st.floats(1, 6), delta=deltas, family=families)
def test_more_fit_in_wider_spaces_at_higher_levels_and_by_the_exact_law(d, sigmas, delta, family):
    level = min(sigmas / np.sqrt(d), 0.9)

    def fit(d: int, level: float, sharp: bool = True) -> int:
        return how_many_fit(d, level, delta=delta, family=family, sharp=sharp)

    n = fit(d, level)
    assert fit(d, min(1.01 * level, 0.95)) >= n >= fit(d, level, sharp=False)
    assert fit(2 * d, level, sharp=False) >= fit(d, level, sharp=False)
    assert fit(d, level, sharp=False) >= int(np.sqrt(delta) * exp(d * level**2 / 4) * (1 - 1e-9))


def test_how_many_fit_by_hand():
    # d = 3: p = 1 - level = 1/100, so n(n-1)/2 <= 45.5 at delta = 0.455: n = 10 spends 45
    assert how_many_fit(3, 0.99, delta=0.455, sharp=True) == 10
    assert how_many_fit(3, 0.99, delta=0.445, sharp=True) == 9
    assert how_many_fit(10, 0.99, family="orthonormal") == 10
    assert how_many_fit(10, 0, family="orthonormal") == 10
    assert how_many_fit(10**9, 0) == how_many_fit(10**9, 0, sharp=True) == 1


# --- bad input


@pytest.mark.parametrize(
    "function",
    [
        lambda d, family: overlap_law(d, family=family),
        lambda d, family: overlap_moment(2, d, family=family),
        lambda d, family: coherence_quantile(0.5, 10, d, family=family),
        lambda d, family: coherence_band(10, d, family=family),
        lambda d, family: how_many_fit(d, 0.1, family=family),
    ],
)
def test_sizes_and_families_are_checked(function):
    with pytest.raises(TypeError, match=r"d: expected an integer; got 10\.0 of type float"):
        function(10.0, "sphere")
    with pytest.raises(ValueError, match=r"d: expected at least 1; got 0"):
        function(0, "sphere")
    with pytest.raises(ValueError, match=r"family: expected one of 'gaussian', .*; got 'cauchy'"):
        function(10, "cauchy")


@pytest.mark.parametrize("number", [0, 1, -0.5, 2, float("nan")])
def test_probabilities_are_checked(number):
    with pytest.raises(ValueError, match=rf"q: expected a probability in \(0, 1\); got {number}"):
        coherence_quantile(number, 10, 10)
    for function in (
        lambda: coherence_band(9, 9, delta=number),
        lambda: how_many_fit(9, 0.1, delta=number),
    ):
        with pytest.raises(ValueError, match=rf"delta: expected a probability .* got {number}"):
            function()


@pytest.mark.parametrize("level", [-0.1, 1, 1.5, float("nan")])
def test_a_coherence_is_below_one(level):
    with pytest.raises(ValueError, match=rf"coherence: expected .* \[0, 1\); got {level}\. Take"):
        how_many_fit(10, level)


@pytest.mark.parametrize("sharp", [False, True])
@pytest.mark.parametrize("family", INDEPENDENT)
def test_numbers_without_end_are_refused(sharp, family):
    with pytest.raises(ValueError, match=r"coherence: expected one that .*; got 0\.5 in dim"):
        how_many_fit(10**6, 0.5, family=family, sharp=sharp)


def test_other_arguments_are_checked():
    with pytest.raises(ValueError, match=r"order: expected at least 1; got 0"):
        overlap_moment(0, 10)
    with pytest.raises(TypeError, match=r"n: expected an integer; got 1000\.0"):
        coherence_quantile(0.5, 1e3, 10)
    for function in (
        coherence_band,
        lambda n, d, family: coherence_quantile(0.5, n, d, family=family),
    ):
        with pytest.raises(ValueError, match=r"d: expected at least n = 11 for orthonormal rows"):
            function(11, 10, family="orthonormal")

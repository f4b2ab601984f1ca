"""NO1 to NO7 hold, and each check fails once the error its claim excludes is planted."""

from __future__ import annotations

import secrets
from math import comb

import numpy as np
import pytest
from scipy import stats

from assocmem import coherence_bound
from assocmem.model import embeddings
from assocmem.vectors import families
from assocmem.vectors.overlaps import coherence_band
from theory import CLAIMS
from validation import near_orthogonality
from validation.runner import tolerances
from validation.runner.cases import run


def failures(claim_id, seed):
    """The cases that fail, one after the other: the first is found without running the rest."""
    claim = CLAIMS[claim_id]
    for case in run(claim, near_orthogonality.CHECKS[claim_id], seed, "quick"):
        if not case.passed(claim.kind):
            yield case


@pytest.fixture
def seed():
    return secrets.randbits(32)  # shown by a failing assertion


@pytest.mark.parametrize("claim_id", near_orthogonality.CHECKS)
def test_the_claim_holds_at_any_seed(claim_id, seed):
    assert list(failures(claim_id, seed)) == [], f"{seed=}"


def plant(monkeypatch, name, error, module=near_orthogonality):
    """Replace a function by error(function)."""
    monkeypatch.setattr(module, name, error(getattr(module, name)))


def scaled(factor):
    return lambda function: lambda *args, **kw: factor * function(*args, **kw)


def repeated(family):
    """Each vector twice, the second time with the other sign."""

    def draw(n, d, *, rng):
        rows = family(n // 2, d, rng=rng)
        return np.concatenate([rows, -rows])

    return draw


def anisotropic(family):
    """The first coordinate carries twice its share."""

    def draw(n, d, *, rng):
        rows = family(n, d, rng=rng)
        weights = np.r_[np.sqrt(2), np.full(d - 1, np.sqrt((d - 2) / (d - 1)))]
        return rows * weights

    return draw


@pytest.mark.parametrize("family", ["gaussian", "sphere", "rademacher"])
@pytest.mark.parametrize("error", [scaled(1.05), anisotropic], ids=["scale", "shape"])
def test_NO1_sees(family, error, monkeypatch, seed):
    monkeypatch.setitem(near_orthogonality.FAMILIES, family, error(families.FAMILIES[family]))
    assert any(failures("NO1", seed)), f"{seed=}"


@pytest.mark.parametrize("family", ["gaussian", "sphere", "rademacher"])
def test_NO2_sees_a_vector_drawn_twice(family, monkeypatch, seed):
    monkeypatch.setitem(near_orthogonality.FAMILIES, family, repeated(families.FAMILIES[family]))
    assert any(failures("NO2", seed)), f"{seed=}"


def mean_coherence(coherence):
    def mean(u, *, normalised=True):
        gram = np.abs(u @ u.T)
        return float(np.mean(gram[~np.eye(len(u), dtype=bool)]))

    return mean


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("coherence_bound", scaled(0.9)),  # exceeded too often
        ("coherence_bound", scaled(1.1)),  # looser than stated
        ("coherence", mean_coherence),  # the mean is blind to a few bad pairs
    ],
)
def test_NO2_sees(name, error, monkeypatch, seed):
    plant(monkeypatch, name, error)
    assert any(failures("NO2", seed)), f"{seed=}"


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_NO3_sees_a_wrong_factor(factor, monkeypatch, seed):
    plant(monkeypatch, "welch_bound", scaled(factor))
    assert any(failures("NO3", seed)), f"{seed=}"


def test_NO3_sees_a_dropped_minus_one(monkeypatch, seed):
    monkeypatch.setattr(
        near_orthogonality, "welch_bound", lambda n, d: np.sqrt(max(n - d, 0) / (d * n))
    )
    assert any(failures("NO3", seed)), f"{seed=}"


def test_NO3_sees_random_vectors_more_coherent_than_chance(monkeypatch, seed):
    plant(monkeypatch, "sphere", repeated)
    assert any(failures("NO3", seed)), f"{seed=}"


def rotation(gaussian):
    """Square matrices become orthogonal: norms are kept exactly, not up to O(1/sqrt(d))."""
    return lambda n, d, *, rng: (
        families.orthonormal(n, d, rng=rng) if n == d else gaussian(n, d, rng=rng)
    )


def symmetric(gaussian):
    """Square matrices become symmetric: the self-overlap has twice its variance."""

    def draw(n, d, *, rng):
        W = gaussian(n, d, rng=rng)
        return (W + W.T) / np.sqrt(2) if n == d else W

    return draw


@pytest.mark.parametrize(
    "error", [scaled(1.05), rotation, symmetric], ids=["scale", "rotation", "symmetric"]
)
def test_NO4_sees(error, monkeypatch, seed):
    plant(monkeypatch, "gaussian", error, module=embeddings)  # draws Phi1
    assert any(failures("NO4", seed)), f"{seed=}"


@pytest.mark.parametrize("family", ["gaussian", "sphere", "rademacher"])
@pytest.mark.parametrize("claim_id", ["NO5", "NO6", "NO7"])
def test_a_vector_drawn_twice_is_seen(claim_id, family, monkeypatch, seed):
    monkeypatch.setitem(near_orthogonality.FAMILIES, family, repeated(families.FAMILIES[family]))
    assert any(failures(claim_id, seed)), f"{seed=}"


@pytest.mark.parametrize("claim_id", ["NO5", "NO6", "NO7"])
def test_the_mean_overlap_is_no_coherence(claim_id, monkeypatch, seed):
    plant(monkeypatch, "coherence", mean_coherence)
    assert any(failures(claim_id, seed)), f"{seed=}"


def limits_scaled(low, high):
    def error(band):
        return lambda *args, **kw: tuple(np.multiply(band(*args, **kw), (low, high)))

    return error


@pytest.mark.parametrize("low", [0.9, 1.1])
def test_NO5_sees_another_lower_limit(low, monkeypatch, seed):
    plant(monkeypatch, "coherence_band", limits_scaled(low, 1))
    assert any(failures("NO5", seed)), f"{seed=}"


@pytest.mark.parametrize("high", [0.9, 1.25])
def test_NO5_sees_another_upper_limit(high, monkeypatch, seed):
    plant(monkeypatch, "coherence_band", limits_scaled(1, high))
    assert any(failures("NO5", seed)), f"{seed=}"


def test_NO5_sees_a_dropped_minus_one(monkeypatch, seed):
    """m for m - 1 in the bound; at n = 10^6 that makes no difference that could be seen."""

    def band(n, d, *, delta, family="sphere"):
        _, high = coherence_band(n, d, delta=delta, family=family)
        m, half = comb(n, 2), delta / 2
        p = (1 - half) / (1 + half * m)
        return coherence_bound(2, d, delta=p, family=family, sharp=True), high

    monkeypatch.setattr(near_orthogonality, "coherence_band", band)
    assert any(failures("NO5", seed)), f"{seed=}"


@pytest.mark.parametrize("factor", [0.95, 1.05])
def test_NO6_sees_another_quantile(factor, monkeypatch, seed):
    plant(monkeypatch, "coherence_quantile", scaled(factor))
    assert any(failures("NO6", seed)), f"{seed=}"


def test_NO6_sees_ordered_pairs_counted(monkeypatch, seed):
    """n(n-1) pairs for half as many: the right quantile of another probability."""
    plant(
        monkeypatch, "coherence_quantile", lambda f: lambda q, *args, **kw: f(q**0.5, *args, **kw)
    )
    assert any(failures("NO6", seed)), f"{seed=}"


@pytest.mark.parametrize("more", [-1, 1])
def test_NO7_sees_one_vector_more_or_less(more, monkeypatch, seed):
    plant(monkeypatch, "how_many_fit", lambda f: lambda *args, **kw: f(*args, **kw) + more)
    assert any(failures("NO7", seed)), f"{seed=}"


# --- the tolerances themselves


def test_a_tolerance_fails_a_true_claim_no_more_often_than_stated():
    """By the exact law: the binomial tail at the tolerance, and one hit tighter, above."""
    case = tolerances.frequency("coin", 0.3, hits=0, trials=1000, tests=4)
    allowed = round((case.predicted + case.tolerance) * 1000)
    alarm = tolerances.FALSE_ALARM / 4
    assert stats.binom.sf(allowed, 1000, 0.3) <= alarm < stats.binom.sf(allowed - 1, 1000, 0.3)


def test_the_largest_allowed_frequency_passes_and_the_next_fails():
    case = tolerances.frequency("coin", 0.3, hits=0, trials=1000, tests=4)
    allowed = round((case.predicted + case.tolerance) * 1000)
    for hits, passes in ((allowed, True), (allowed + 1, False)):
        assert tolerances.frequency("coin", 0.3, hits, 1000, tests=4).passed("high_prob") is passes


def test_more_tests_and_fewer_draws_widen_the_tolerance():
    assert tolerances.standard_errors(20) > tolerances.standard_errors(2)
    assert tolerances.standard_errors(2, freedom=10) > tolerances.standard_errors(2)

"""C1 to C7 hold, and each check fails once the error its claim excludes is planted."""

from __future__ import annotations

import secrets

import numpy as np
import pytest
from scipy import special, stats

import assocmem as am
from assocmem import capacity as library
from theory import CLAIMS
from validation import capacity
from validation.runner.cases import run


def failures(claim_id, seed):
    """The cases that fail, one after the other: the first is found without running the rest."""
    claim = CLAIMS[claim_id]
    for case in run(claim, capacity.CHECKS[claim_id], seed, "quick"):
        if not case.passed(claim.kind):
            yield case


@pytest.fixture
def seed():
    return secrets.randbits(32)  # shown by a failing assertion


@pytest.mark.parametrize("claim_id", capacity.CHECKS)
def test_the_claim_holds_at_any_seed(claim_id, seed):
    assert list(failures(claim_id, seed)) == [], f"{seed=}"


def plant(monkeypatch, name, error, owner=library):
    """Replace a function by error(function)."""
    monkeypatch.setattr(owner, name, error(getattr(owner, name)))


def lenient(margin):
    """Counts a key as recalled that is beaten by a little."""
    return lambda W, *args, **kw: margin(W, *args, **kw) + 0.1


def by_rule(instead):
    """A function of a rule that takes another one."""
    return lambda function: lambda *args, rule, **kw: function(*args, rule=instead(rule), **kw)


def overlaps(change):
    """The overlaps of a key, which the laws of recall start from, changed."""
    return lambda given: lambda *args: change(*given(*args))


# --- C1


def without_covariance(_):
    def spread(C, d, targets, *, family):
        variance = library.score_moments(C, d, family=family)[1]
        keys = np.arange(C.shape[1])
        total = variance + variance[targets, keys]
        total[targets, keys] = 0
        return C[targets, keys] - C, total

    return spread


@pytest.mark.parametrize(
    "error",
    [
        without_covariance,
        lambda moments: lambda C, d, targets, *, family: moments(C, d, targets, family="gaussian"),
        lambda moments: lambda C, d, targets, *, family: moments(C, d, targets, family="sphere"),
    ],
    ids=["no covariance", "norms that vary", "norms that do not vary"],
)
def test_C1_sees(error, monkeypatch, seed):
    plant(monkeypatch, "margin_moments", error)
    assert any(failures("C1", seed)), f"{seed=}"


def test_C1_sees_scores_transposed_in_their_noise(monkeypatch, seed):
    plant(monkeypatch, "drawn_scores", lambda f: lambda *a: f(*a)[:, ::-1], owner=capacity)
    assert any(failures("C1", seed)), f"{seed=}"


# --- C2


@pytest.mark.parametrize(
    "error",
    [
        overlaps(lambda weight, own, rivals, counts: (weight, own, 0 * rivals + 1, counts)),
        overlaps(lambda weight, own, rivals, counts: (1.2 * weight, own, rivals, counts)),
    ],
    ids=["crosstalk of one key a class", "signal"],
)
def test_C2_sees(error, monkeypatch, seed):
    plant(monkeypatch, "_overlaps", error)
    assert any(failures("C2", seed)), f"{seed=}"


def test_C2_sees_a_lenient_margin(monkeypatch, seed):
    plant(monkeypatch, "margin", lenient, owner=am.AssociativeMemory)
    assert any(failures("C2", seed)), f"{seed=}"


# --- C3


@pytest.mark.parametrize(
    "error",
    [
        overlaps(lambda weight, own, rivals, counts: (weight, own, 2 * rivals, counts)),
        overlaps(lambda weight, own, rivals, counts: (weight**1.2, own, rivals, counts)),
    ],
    ids=["heavier rivals", "another exponent"],
)
def test_C3_sees(error, monkeypatch, seed):
    plant(monkeypatch, "_overlaps", error)
    assert any(failures("C3", seed)), f"{seed=}"


def test_C3_sees_another_limit(monkeypatch, seed):
    plant(monkeypatch, "zipf_recall", lambda limit: lambda x, alpha: limit(2 * x, alpha))
    assert any(failures("C3", seed)), f"{seed=}"


def test_C3_sees_items_beyond_place_4_left_out(monkeypatch, seed):
    """The cases of `limit_of_zipf` end there; 16 % of the integral do not."""
    plant(monkeypatch, "zipf_recall", lambda limit: lambda x, a: limit(x, a) * (np.asarray(x) < 4))
    assert any("items recalled of n" in case.case for case in failures("C3", seed)), f"{seed=}"


@pytest.mark.parametrize("factor", [0.6, 1.4], ids=["less", "more"])
def test_C3_sees_another_signal_among_many_items(factor, monkeypatch, seed):
    plant(
        monkeypatch,
        "is_recalled",
        lambda right: lambda i, w, g, h, own, gamma: right(i, w, g, h, factor * own, gamma),
        owner=capacity,
    )
    assert any("items recalled of n" in case.case for case in failures("C3", seed)), f"{seed=}"


def test_C3_sees_another_power_of_the_width(monkeypatch, seed):
    plant(
        monkeypatch,
        "sampled_recall",
        lambda f: lambda n, d, **kw: f(n, round(d**0.6 * 1e5**0.4) if d > 1e4 else d, **kw),
    )
    assert any("exponent" in case.case for case in failures("C3", seed)), f"{seed=}"


# --- C4


@pytest.mark.parametrize(
    "instead",
    [
        lambda rule: "outer products",
        lambda rule: "pseudo-inverse" if rule == "outer products" else rule,
        lambda rule: "pseudo-inverse" if rule == "gradient step" else rule,
    ],
)
def test_C4_sees_another_rule(instead, monkeypatch, seed):
    plant(monkeypatch, "sampled_recall", by_rule(instead))
    assert any(failures("C4", seed)), f"{seed=}"


def test_C4_sees_a_regularised_inverse(monkeypatch, seed):
    pinv = np.linalg.pinv
    monkeypatch.setattr(np.linalg, "pinv", lambda a, **kw: pinv(a, **kw) * (1 + 1e-6))
    assert any("as stored" in case.case for case in failures("C4", seed)), f"{seed=}"


# --- C5


def test_C5_sees_more_than_any_rule_can_store(monkeypatch, seed):
    plant(monkeypatch, "recall", lambda recall: lambda *args, **kw: 1.0, owner=am.AssociativeMemory)
    assert any(failures("C5", seed)), f"{seed=}"


def test_C5_sees_a_minimiser_that_goes_uphill(monkeypatch, seed):
    plant(monkeypatch, "_least_cross_entropy", lambda least: lambda *args: -least(*args))
    assert any(failures("C5", seed)), f"{seed=}"


# --- C6


@pytest.mark.parametrize("rule", ["outer products", "pseudo-inverse"])
def test_C6_sees_another_rule(rule, monkeypatch, seed):
    plant(monkeypatch, "memorise", by_rule(lambda _: rule))
    assert any(failures("C6", seed)), f"{seed=}"


def test_C6_sees_recall_that_does_not_end(monkeypatch, seed):
    plant(
        monkeypatch, "margin", lambda margin: lambda *a, **kw: margin(*a, **kw) + 10,
        owner=am.AssociativeMemory,
    )  # fmt: skip
    assert any("4 n*" in case.case for case in failures("C6", seed)), f"{seed=}"


# --- C7


def with_the_scores_own_moments(_):
    """The moments of AM2, the common factor left in."""

    def probability(n, d, *, classes=None):
        m = classes or n
        wrong = (n + (d + 1) * (n / m + 1)) / d**2
        right = wrong + (d + 1) ** 2 / d**2 - 1
        normal = np.linspace(-9, 9, 289)
        win = (m - 1) * special.log_ndtr((1 + np.sqrt(right) * normal) / np.sqrt(wrong))
        return float(stats.norm.pdf(normal) @ np.exp(win)) / 16

    return probability


@pytest.mark.parametrize(
    "error",
    [
        with_the_scores_own_moments,
        lambda probability: lambda n, d, **kw: probability(n, round(1.2 * d), **kw),
        lambda probability: lambda n, d, *, classes=None: probability(n, d),
    ],
    ids=["moments of AM2", "width", "one to one"],
)
def test_C7_sees(error, monkeypatch, seed):
    plant(monkeypatch, "recall_probability", error)
    assert any(failures("C7", seed)), f"{seed=}"

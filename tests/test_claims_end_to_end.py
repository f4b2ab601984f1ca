"""W6 and W7 hold, and each check fails once the error its claim excludes is planted."""

from __future__ import annotations

import secrets
from functools import cache

import numpy as np
import pytest
from scipy.special import logit, softmax

import assocmem as am
from assocmem.width import attention as attention_law
from assocmem.width import bounds as chain
from assocmem.width import moments as step_noise
from assocmem.width.wick import Moments, Segment, Term, score_moments
from theory import CLAIMS
from validation import end_to_end
from validation.runner.cases import run


def failures(claim_id, seed):
    """The cases that fail, one after the other: the first is found without running the rest."""
    claim = CLAIMS[claim_id]
    for case in run(claim, end_to_end.CHECKS[claim_id], seed, "quick"):
        if not case.passed(claim.kind):
            yield case


@pytest.fixture
def seed():
    return secrets.randbits(32)  # shown by a failing assertion


@pytest.fixture(autouse=True, scope="module")
def built_once():
    """The exact moments take a second; no error below is planted there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(end_to_end, "WholeModel", cache(end_to_end.WholeModel))
        yield


@pytest.mark.parametrize("claim_id", ["W6", "W7"])
def test_the_claim_holds_at_any_seed(claim_id, seed):
    assert list(failures(claim_id, seed)) == [], f"{seed=}"


# --- W6


@pytest.mark.parametrize("seed", range(20))
def test_attention_moves_by_no_more_than_it_may(seed):
    """Also attained: by two entries, and by one event of many."""
    rng = np.random.default_rng(seed)
    scores, error = rng.normal(scale=3, size=6), rng.exponential()
    before, log_odds = softmax(scores), logit(1 - softmax(scores).max())
    bound = chain.moved(log_odds, error)
    for signs in np.array(np.meshgrid(*[(-1, 1)] * 6)).reshape(6, -1).T:
        after = softmax(scores + error * signs)
        assert abs(after - before).sum() / 2 <= bound * (1 + 1e-12)
    for start in (0.0, -5.0):
        pair = softmax([min(start, -error), 0.0])
        after = softmax([min(start, -error) + error, -error])
        assert after[0] - pair[0] == pytest.approx(chain.moved(start, error), rel=1e-12)


def test_an_entry_alone_does_not_move():
    assert chain.moved(-np.inf, 1e3) == 0


@pytest.mark.parametrize(
    "error",
    [
        lambda powers: powers / 1000,
        lambda powers: np.where(powers > np.median(powers), powers / 100, powers),
    ],
    ids=["all", "the largest"],
)
def test_W6_sees_mean_squares_that_are_too_small(error, monkeypatch, seed):
    right = chain.Deviations.at
    monkeypatch.setattr(
        chain.Deviations,
        "at",
        lambda self, d: chain.Tables(*(np.sqrt(error(table**2)) for table in right(self, d))),
    )
    assert any(failures("W6", seed)), f"{seed=}"


def test_W6_sees_a_softmax_that_moves_less(monkeypatch, seed):
    """A tenth of the error; the derivation, which knows the extremes, refuses half of it."""
    right = chain.moved
    monkeypatch.setattr(
        chain, "moved", lambda log_odds, error: right(log_odds, np.asarray(error) / 10)
    )
    assert any(failures("W6", seed)), f"{seed=}"


def test_W6_sees_the_first_layer_forgotten(monkeypatch, seed):
    """Layer 2 reads what layer 1 wrote: without this term its scores would hardly move."""
    monkeypatch.setattr(chain, "_range_so_far", np.zeros_like)
    assert any(failures("W6", seed)), f"{seed=}"


def test_W6_sees_errors_that_are_far_too_large(monkeypatch, seed):
    right = chain.moved
    monkeypatch.setattr(chain, "moved", lambda *arguments: np.minimum(1, 100 * right(*arguments)))
    assert any(failures("W6", seed)), f"{seed=}"


def test_W6_sees_a_width_that_is_tenfold(monkeypatch, seed):
    model = end_to_end.WholeModel.__wrapped__  # the class, `built_once`
    right = model.width
    monkeypatch.setattr(model, "width", lambda self, tokens: 10 * right(self, tokens))
    assert any("nothing fails" in case.case for case in failures("W6", seed)), f"{seed=}"


def test_W6_sees_a_head_that_looks_elsewhere(monkeypatch, seed):
    right = am.FrozenTransformer.logits_and_attention
    monkeypatch.setattr(
        am.FrozenTransformer,
        "logits_and_attention",
        lambda *arguments, **named: tuple(-part for part in right(*arguments, **named)),
    )
    assert any(failures("W6", seed)), f"{seed=}"


def test_W6_sees_memories_that_are_not_recalled(monkeypatch, seed):
    monkeypatch.setattr(am.Probe, "recall", lambda *arguments: 0.5)
    assert any(failures("W6", seed)), f"{seed=}"


# --- W7


def test_noise_of_the_second_layer_is_that_of_wick():
    """To first order in 1/d, for streams that hold inputs and images; all pairings counted."""
    task = am.InductionTask(n_tokens=3, length=4)
    n, rng = 7, np.random.default_rng(0)
    C, tokens = rng.standard_normal((2 * n, 2 * n)), task.sample(1, rng=rng).tokens[0]
    X = step_noise.streams(task, tokens)
    images = np.tril(rng.random((4, 4))) @ X
    queries, keys = {"": X[-1:], "F": images[-1:]}, {"": X, "f": images}
    parts = {"": slice(n), "f": slice(n, 2 * n)}
    terms = [
        Term(query, Segment(q + a), C[parts[a], parts[b]], Segment(b.upper() + k), key)
        for q, query in queries.items()
        for k, key in keys.items()
        for a in parts
        for b in parts
    ]
    moments = score_moments(terms)
    mean = moments.mean_powers
    first_order = moments.second_powers[1][0] - np.outer(mean[0], mean[1]) - np.outer(*mean[1::-1])
    found = attention_law.table_noise(C, np.concatenate([X, images], axis=1))
    np.testing.assert_allclose(found, first_order, rtol=0, atol=1e-12 * abs(found).max())


@pytest.mark.parametrize("factor", [1.4, 1 / 1.4])
def test_W7_sees_widths_that_are_all_wrong_by_one_factor(factor, monkeypatch, seed):
    """Which no exponent would tell."""
    measured = end_to_end.InductionHead.measured
    monkeypatch.setattr(
        end_to_end.InductionHead,
        "measured",
        lambda head, d, *a: measured(head, d * factor, *a),
    )
    assert any(failures("W7", seed)), f"{seed=}"


def test_W7_sees_noise_that_is_left_out(monkeypatch, seed):
    """The prediction is then right at every width, and crosses 90 % nowhere."""

    def without_noise(*arguments):
        mean = step_noise.head_moments(*arguments).mean_powers[:1]
        return Moments(mean, mean[..., :, None] * mean[..., None, :])

    monkeypatch.setattr(attention_law, "head_moments", without_noise)
    monkeypatch.setattr(attention_law, "table_noise", lambda C, y: np.zeros((len(y), len(y))))
    assert any(failures("W7", seed)), f"{seed=}"

"""Planted errors that the check and the derivation of W6 must see."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.special import logit, softmax

import assocmem as am
from assocmem.width import bounds as chain
from tests.controls import alter, derivation_fails, failures, seen, swap
from tests.rounding import PRODUCTS
from theory.width import w6 as w6_derivation
from validation.width import w6

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def built_once():
    """The exact moments take a second; no error below is planted there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(w6, "WholeModel", cache(w6.WholeModel))
        yield


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
        assert after[0] - pair[0] == pytest.approx(chain.moved(start, error), rel=PRODUCTS)


def test_the_trigger_stands_where_the_batch_says():
    """Not where the last token is found first: the output of another occurrence is the label."""
    tables = chain.ScoreTables(np.zeros((8, 8)), np.zeros((16, 16)), np.zeros((3, 16)))
    given = {"tokens": [[0, 1, 0, 2, 0]], "targets": [[-1] * 4 + [2]], "weights": [[0] * 4 + [1]]}
    found = chain.guarantee(tables, tables, am.InductionBatch(trigger_position=[2], **given))
    assert np.isinf(found.leads[0]).tolist() == [False, False, False, True, False]
    assert np.isinf(found.margins[0]).tolist() == [False, False, True]
    first = chain.guarantee(tables, tables, am.Batch(**given))
    assert np.isinf(first.leads[0]).argmax() == 1


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"tokens": [[0, 1, 2, 1, 3]]}, "batch: expected sequences whose last token occurs before"),
        ({"tokens": [[3, 1, 2, 1, 3]]}, r"batch\.tokens: expected numbers below 3.*got 3"),
        ({"targets": [[-1] * 4 + [4]]}, r"batch\.targets: expected numbers below 3.*got 4"),
    ],
)
def test_batches_that_do_not_fit_the_tables(change, text):
    tables = chain.ScoreTables(np.zeros((8, 8)), np.zeros((16, 16)), np.zeros((3, 16)))
    given = {"tokens": [[0, 1, 0, 2, 0]], "targets": [[-1] * 4 + [2]], "weights": [[0] * 4 + [1]]}
    with pytest.raises(ValueError, match=text):
        chain.guarantee(tables, tables, am.Batch(**given | change))


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
    def smaller(tables):
        return chain.ScoreTables(*(np.sqrt(error(table**2)) for table in tables))

    alter(monkeypatch, chain.Deviations, "at", smaller)
    assert any(failures("W6", seed)), f"{seed=}"


def test_W6_sees_a_softmax_that_moves_less(monkeypatch, seed):
    """A tenth of the error; the derivation, which knows the extremes, refuses half of it."""
    swap(monkeypatch, chain, "moved", lambda f: lambda odds, error: f(odds, np.divide(error, 10)))
    assert any(failures("W6", seed)), f"{seed=}"


def test_W6_sees_the_first_layer_forgotten(monkeypatch, seed):
    """Layer 2 reads what layer 1 wrote: without this term its scores would hardly move."""
    monkeypatch.setattr(chain, "_range_so_far", np.zeros_like)
    assert any(failures("W6", seed)), f"{seed=}"


def test_W6_sees_errors_that_are_far_too_large(monkeypatch, seed):
    alter(monkeypatch, chain, "moved", lambda distance: np.minimum(1, 100 * distance))
    assert any(failures("W6", seed)), f"{seed=}"


def test_W6_sees_a_width_that_is_tenfold(monkeypatch, seed):
    alter(monkeypatch, w6.WholeModel.__wrapped__, "width", lambda d: 10 * d)  # see `built_once`
    assert seen("W6", "nothing fails", seed), f"{seed=}"


def test_W6_sees_a_head_that_looks_elsewhere(monkeypatch, seed):
    def negative(found):
        return tuple(-part for part in found)

    alter(monkeypatch, am.FrozenTransformer, "logits_and_attention", negative)
    assert any(failures("W6", seed)), f"{seed=}"


def test_W6_sees_memories_that_are_not_recalled(monkeypatch, seed):
    monkeypatch.setattr(am.Probe, "recall", lambda *arguments: 0.5)
    assert any(failures("W6", seed)), f"{seed=}"


@pytest.mark.parametrize(
    "error",
    [
        lambda log_odds, error: np.tanh(np.asarray(error) / 4),
        lambda log_odds, error: np.tanh(np.asarray(error) / 2),
    ],
    ids=["half", "without the mass"],
)
def test_it_fails_for_another_lemma(error, monkeypatch):
    monkeypatch.setattr(w6_derivation, "moved", error)
    derivation_fails("W6", ".*(The library at)")


@pytest.mark.parametrize("term", ["_range_so_far", "_so_far"])
def test_it_fails_when_a_term_is_dropped(term, monkeypatch):
    monkeypatch.setattr(chain, term, np.zeros_like)
    derivation_fails("W6", ".*(error of that)")


def test_it_fails_when_the_limit_is_taken_for_the_mean_square(monkeypatch):
    alter(monkeypatch, chain.Deviations, "at", lambda tables: tables.times(np.sqrt(1 / 2)))
    derivation_fails("W6", ".*(moments of the polynomial)")


def test_it_fails_for_words_of_other_atoms(monkeypatch):
    """Values of images taken for values of inputs."""

    def without_images(segment):
        return lambda word, *family, **named: segment(word.replace("f", ""), *family, **named)

    swap(monkeypatch, chain, "Segment", without_images)
    derivation_fails("W6", ".*(moments of the polynomial|scores that)")


def test_it_fails_for_scores_that_are_not_counted(monkeypatch):
    class OneLess(chain.Deviations):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.count -= 1

    monkeypatch.setattr(w6_derivation, "Deviations", OneLess)
    derivation_fails("W6", ".*(they are)")

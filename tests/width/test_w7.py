"""Planted errors that the check and the derivation of W7 must see."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
from assocmem.width import attention as attention_law
from assocmem.width import moments as step_noise
from assocmem.width.wick import ScoreMoments, Segment, Term, term_moments
from tests.controls import failures, swap
from tests.width.planting import at_another_width
from validation.width import w7


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
    moments = term_moments(terms)
    mean = moments.mean_powers
    first_order = moments.second_powers[1][0] - np.outer(mean[0], mean[1]) - np.outer(*mean[1::-1])
    found = attention_law.table_noise(C, np.concatenate([X, images], axis=1))
    np.testing.assert_allclose(found, first_order, rtol=0, atol=1e-12 * abs(found).max())


@pytest.mark.parametrize("factor", [1.4, 1 / 1.4])
def test_W7_sees_widths_that_are_all_wrong_by_one_factor(factor, monkeypatch, seed):
    """Which no exponent would tell."""
    swap(monkeypatch, w7.InductionHead, "measured", at_another_width(factor))
    assert any(failures("W7", seed)), f"{seed=}"


def test_W7_sees_noise_that_is_left_out(monkeypatch, seed):
    """The prediction is then right at every width, and crosses 90 % nowhere."""

    def without_noise(*arguments):
        mean = step_noise.head_moments(*arguments).mean_powers[:1]
        return ScoreMoments(mean, mean[..., :, None] * mean[..., None, :])

    monkeypatch.setattr(attention_law, "head_moments", without_noise)
    monkeypatch.setattr(attention_law, "table_noise", lambda C, y: np.zeros((len(y), len(y))))
    assert any(failures("W7", seed)), f"{seed=}"

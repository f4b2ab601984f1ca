"""The linear response of a wide model, and the maps and moments it rests on."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
from assocmem.width import response as linear_response
from assocmem.width import wick


def test_a_family_without_factors_is_refused():
    task = am.InductionTask(3, 3)
    with pytest.raises(ValueError, match=r"family: expected one of 'gaussian', 'sphere', 'ortho"):
        linear_response.linear_response(lambda emb: {}, task, family="rademacher")


@pytest.mark.parametrize(("family", "variance"), [("gaussian", 2), ("sphere", 0)])
def test_norms_of_tokens_vary_where_the_family_says_so(family, variance):
    def quantities(emb):
        return {"norm": emb.tokens[0] @ emb.tokens[0], "overlap": emb.tokens[1:] @ emb.tokens[0]}

    R = linear_response.linear_response(quantities, am.InductionTask(3, 3), family=family)
    assert np.allclose(R["norm"].T @ R["norm"], variance, atol=1e-8)
    assert np.allclose(R["overlap"].T @ R["overlap"], np.eye(2), atol=1e-8)


def test_at_the_identity_the_factors_are_infinite_width():
    task = am.InductionTask(4, 3)
    limit = am.FrozenEmbeddings.orthonormal(task)
    n_atoms = len(limit.atoms)
    emb = linear_response._embeddings(task, np.eye(limit.width), np.eye(n_atoms), "gaussian")
    for name in ("tokens", "positions", "outputs", "remapped_tokens", "values", "Phi1"):
        np.testing.assert_array_equal(getattr(emb, name), getattr(limit, name))


def test_joint_moments_hold_those_within_a_cue():
    rng = np.random.default_rng(0)
    terms = [
        wick.Term(
            rng.standard_normal((2, 3)), wick.Segment(left), rng.standard_normal((3, 3)),
            wick.Segment(right), rng.standard_normal((4, 3)),
        )
        for left, right in (("", "f"), ("f", "Ff"))
    ]  # fmt: skip
    within, joint = wick.term_moments(terms), wick.term_moments(terms, joint=True)
    for d in (5, 1e3):
        covariance = joint.covariance(d)[0].reshape(2, 4, 2, 4)
        np.testing.assert_allclose(joint.mean(d).reshape(2, 4), within.mean(d))
        for q in range(2):
            np.testing.assert_allclose(covariance[q, :, q], within.covariance(d)[q])
    sums = rng.standard_normal((3, 8))
    mapped = joint.mapped(sums)
    np.testing.assert_allclose(mapped.covariance(7.0)[0], sums @ joint.covariance(7.0)[0] @ sums.T)
    limit = within.limit_covariance()
    scaled = 1e8 * within.covariance(1e8)
    np.testing.assert_allclose(scaled, limit, atol=1e-6 * np.abs(limit).max())

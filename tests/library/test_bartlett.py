"""The law of compressed embeddings: drawn without the width, it is that of direct draws.

Every statistical test here is wrong with probability at most FALSE_ALARM, all its comparisons
together; Bonferroni over the statistics.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import assocmem as am
from assocmem.vectors.bartlett import FROM_GAUSSIAN_ROWS, bartlett
from assocmem.vectors.families import FAMILIES
from tests.library.test_embeddings import ARRAYS, MATRICES, assert_images, task_sizes
from tests.library.vectors import FALSE_ALARM, rounding
from validation.width.direct_draws import TASK as WIDE
from validation.width.direct_draws import FixedModel
from validation.width.w1 import without_and_with_the_width

TASK = am.InductionTask(n_tokens=3, length=4, n_triggers=1)
seeds = st.integers(0, 2**63 - 1)


# --- the factor ---------------------------------------------------------------------------------


@given(n=st.integers(1, 12), extra=st.integers(0, 10**12), seed=seeds)
def test_a_factor_is_triangular_with_a_positive_diagonal(n, extra, seed):
    factor = bartlett(n, n + extra, rng=seed)
    assert factor.shape == (n, n)
    assert (factor == np.tril(factor)).all()
    assert (np.diagonal(factor) > 0).all()
    np.testing.assert_array_equal(factor, bartlett(n, n + extra, rng=np.random.default_rng(seed)))


def entries_that_fit(factors, d):
    """Whether every entry of the factors (draws, n, n) has its law, by Kolmogorov's exact test.

    A false alarm is half of what a test may spend, as it asks twice.
    """
    n = factors.shape[1]
    tests = n * (n + 1)
    return all(
        stats.kstest(
            np.sqrt(d) * factors[:, i, j], stats.chi(d - i).cdf if i == j else stats.norm.cdf
        ).pvalue
        > FALSE_ALARM / tests
        for i in range(n)
        for j in range(i + 1)
    )


@pytest.mark.parametrize("d", [5, 40])
def test_entries_of_the_factor_and_of_LQ_have_the_stated_laws(d, seed):
    rng = np.random.default_rng(seed)
    assert entries_that_fit(np.array([bartlett(5, d, rng=rng) for _ in range(2000)]), d)
    tall = rng.standard_normal((2000, d, 5)) / np.sqrt(d)
    r = np.linalg.qr(tall).R
    lq = np.swapaxes(r * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, :, None], 1, 2)
    assert entries_that_fit(lq, d)
    # The control: degrees of freedom that do not go down.
    wrong = np.array([bartlett(5, d, rng=rng) for _ in range(2000)])
    wrong[:, range(5), range(5)] = np.sqrt(rng.chisquare(d, size=(2000, 5)) / d)
    assert not entries_that_fit(wrong, d)


def test_sizes_that_have_no_factor_are_refused():
    with pytest.raises(
        ValueError, match=r"d: expected at least n = 5 .* got d = 4\. Widen the space"
    ):
        bartlett(5, 4, rng=0)
    with pytest.raises(ValueError, match=r"d: expected at most 2\^53; got 1e\+16\. .*orthonormal"):
        bartlett(5, 10**16, rng=0)
    with pytest.raises(TypeError, match=r"d: expected an integer; got 1000000000\.0"):
        bartlett(5, 1e9, rng=0)


# --- embeddings ---------------------------------------------------------------------------------


@given(
    task=task_sizes,
    extra=st.integers(0, 10**9),
    seed=seeds,
    family=st.sampled_from(sorted(FROM_GAUSSIAN_ROWS)),
)
def test_a_compressed_draw_fits_together(task, extra, seed, family):
    n = 2 * (task.n_tokens + task.length) + len(task.outputs)
    emb = am.FrozenEmbeddings.random(
        task, width=n + extra, family=family, compressed=True, rng=seed
    )
    assert (emb.width, emb.family) == (n, family)
    assert (emb.n_tokens, emb.length, emb.n_outputs) == (
        task.n_tokens, task.length, len(task.outputs)
    )  # fmt: skip
    assert_images(emb)
    again = am.FrozenEmbeddings.random(
        task, width=n + extra, family=family, compressed=True, rng=seed
    )
    for name in ARRAYS + MATRICES:
        np.testing.assert_array_equal(getattr(emb, name), getattr(again, name))
    rows = np.vstack([emb.inputs, emb.outputs])
    if family == "sphere":
        assert np.abs(np.linalg.norm(rows, axis=1) - 1).max() <= rounding(n)
    if family == "orthonormal":
        assert np.abs(am.gram(rows) - np.eye(len(rows))).max() <= rounding(n, n)
    # The coordinates are those of `compressed`: atoms lower-triangular, values in their span, and
    # Phi1 and W_V2 map nothing off the span of the inputs and of the atoms.
    n_inputs = len(emb.inputs)
    assert (emb.inputs == np.tril(emb.inputs)).all() or family == "orthonormal"
    assert not emb.Phi1[:, n_inputs:].any()
    assert not emb.W_V2[:, 2 * n_inputs :].any()
    assert not emb.values[:, 2 * n_inputs :].any()


@settings(max_examples=20)
@given(seed=seeds, family=st.sampled_from(sorted(FAMILIES)), width=st.integers(9, 15))
def test_below_n_the_draw_is_direct(seed, family, width):
    direct = am.FrozenEmbeddings.random(TASK, width=width, family=family, rng=seed).compressed()
    if family in FROM_GAUSSIAN_ROWS:
        draw = am.FrozenEmbeddings.random(
            TASK, width=width, family=family, compressed=True, rng=seed
        )
        assert draw.width == width
        for name in ARRAYS + MATRICES:
            np.testing.assert_array_equal(getattr(draw, name), getattr(direct, name))


def test_a_family_without_a_law_is_refused_at_every_width():
    for width in (10, 10**9):
        with pytest.raises(
            ValueError,
            match=r"family: expected one of gaussian, sphere, orthonormal with compressed=True, "
            r".* rotations; got 'rademacher', .*Call random\(\.\.\.\)\.compressed\(\)",
        ):
            am.FrozenEmbeddings.random(
                TASK, width=width, family="rademacher", compressed=True, rng=0
            )


def test_tasks_that_do_not_fit_in_memory_are_refused():
    huge = SimpleNamespace(n_tokens=10**6, length=4, outputs=range(3))
    with pytest.raises(ValueError, match=r"task: expected Phi1 and W_V2 to take at most"):
        am.FrozenEmbeddings.random(huge, width=10**9, compressed=True, rng=0)


# --- the law ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "draws"), [("gaussian", 460), ("sphere", 460), ("orthonormal", 200)]
)
def test_the_law_is_that_of_direct_draws_at_the_least_width(family, draws, seed):
    """At d = n the last diagonal entry is a chi of one degree. W1 has the controls."""
    rng, n = np.random.default_rng(seed), len(WIDE.outputs) + 2 * (WIDE.n_tokens + WIDE.length)
    cases = without_and_with_the_width(FixedModel(rng), family, n, draws, 100, rng)
    assert [case for case in cases if not case.passed("equal")] == [], f"{seed=}"

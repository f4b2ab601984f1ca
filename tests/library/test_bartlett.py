"""The law of compressed embeddings: drawn without the width, it is that of direct draws.

Every statistical test here is wrong with probability at most FALSE_ALARM, all its comparisons
together: exact p-values of SciPy, or Hoeffding's inequality; Bonferroni over the statistics.
"""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import assocmem as am
from assocmem.vectors import bartlett as module
from assocmem.vectors.bartlett import FROM_GAUSSIAN_ROWS, bartlett
from assocmem.vectors.families import FAMILIES
from tests.library.test_embeddings import ARRAYS, MATRICES, assert_images, task_sizes
from tests.library.vectors import rounding
from validation.width.direct_draws import TASK as WIDE
from validation.width.direct_draws import FixedModel, same_mean

FALSE_ALARM = 1e-6
TASK = am.InductionTask(n_tokens=3, length=4, n_triggers=1)
N_ATOMS = 2 * (3 + 4)
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
    """Whether every entry of the factors (draws, n, n) has its law, by Kolmogorov's exact test."""
    n = factors.shape[1]
    tests = n * (n + 1) / 2
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


def fixed_model_parts():
    """Coefficients of three memories, and sequences: the same for every draw of embeddings."""
    rng = np.random.default_rng(7)
    coefficients = {
        "W_K1": rng.standard_normal((4, 4)),
        "W_K2": rng.standard_normal((N_ATOMS, N_ATOMS)),
        "W_O2": rng.standard_normal((2, N_ATOMS)),
    }
    return coefficients, TASK.sample(3, rng=rng).tokens


COEFFICIENTS, TOKENS = fixed_model_parts()


def statistics(emb):
    """Gram entries, image norms, scores of a fixed memory, logits of a fixed transformer."""
    stack, values = np.vstack([emb.atoms, emb.outputs]), emb.values
    g, v = am.gram(stack), am.gram(values)
    n = len(emb.inputs)
    weights = {
        "W_K1": am.AssociativeMemory(
            keys=emb.positions, values=emb.positions, coefficients=COEFFICIENTS["W_K1"]
        ),
        "W_K2": am.AssociativeMemory(
            keys=emb.atoms, values=emb.atoms, coefficients=COEFFICIENTS["W_K2"]
        ),
        "W_O2": am.AssociativeMemory(
            keys=values, values=emb.outputs, coefficients=COEFFICIENTS["W_O2"]
        ),
    }
    logits = am.FrozenTransformer(emb, readout="residual", **weights).logits(
        TOKENS, positions=[1, -1]
    )
    return {
        "<x, x>": g[0, 0],
        "<x, y>": g[0, 5],
        "<x, u>": g[1, -1],
        "<u, u'>": g[-2, -1],
        "|Phi x|^2": g[n, n],
        "|Phi x|^2 / |x|^2": g[n + 1, n + 1] / g[1, 1],
        "<x, Phi x>": g[0, n],
        "<x, Phi y>": g[0, n + 1],
        "<Phi x, y>": g[2, n],
        "<Phi x, Phi y>": g[n, n + 1],
        "<Phi x, u>": g[n, -1],
        "Phi x against Phi y and x, y": g[n, n + 1] - g[0, 1],
        "|W_V x|^2": v[0, 0],
        "|W_V Phi x|^2": v[n, n],
        "<W_V x, W_V Phi x>": v[0, n],
        "<W_V x, W_V y> against <x, y>": v[0, 1] - g[0, 1],
        "coherence": am.coherence(stack),
        "score of W_K2": weights["W_K2"].scores()[0, 9],
        "score of W_O2": weights["W_O2"].scores()[1, 2],
        **{f"logit {i}": logit for i, logit in enumerate(logits.ravel())},
    }


def draws_of(draw, count):
    return {
        name: [row[name] for row in rows]
        for rows in [[statistics(draw()) for _ in range(count)]]
        for name in rows[0]
    }


def differ(one, other, delta):
    """The statistics whose laws differ: two-sample Kolmogorov-Smirnov, Bonferroni over all."""
    return [
        name for name in one if stats.ks_2samp(one[name], other[name]).pvalue <= delta / len(one)
    ]


def fresh_gaussians(task, d, rng):
    """The tempting wrong version: Phi1 and W_V2 drawn anew, n x n."""
    n = 2 * (task.n_tokens + task.length) + task.n_outputs
    good = am.FrozenEmbeddings.random(task, width=d, compressed=True, rng=rng)
    return am.FrozenEmbeddings.from_matrices(
        tokens=good.tokens,
        positions=good.positions,
        outputs=good.outputs,
        Phi1=rng.standard_normal((n, n)) / np.sqrt(d),
        W_V2=rng.standard_normal((n, n)) / np.sqrt(d),
    )


def the_law_holds(d, family, count, delta, rng):
    """Direct and width-free draws agree; images from fresh Gaussians do not."""

    def direct():
        return am.FrozenEmbeddings.random(TASK, width=d, family=family, rng=rng)

    def drawn():
        return am.FrozenEmbeddings.random(TASK, width=d, family=family, compressed=True, rng=rng)

    expected = draws_of(direct, count)
    constant = [name for name, values in expected.items() if np.ptp(values) < rounding(d)]
    found = draws_of(drawn, count)
    for name in constant:  # norms on the sphere, inner products of orthonormal rows
        np.testing.assert_allclose(found[name], expected[name], atol=rounding(d))
        del found[name], expected[name]
    assert differ(found, expected, delta) == []
    if family == "gaussian" and d > 16:  # at d = n fresh Gaussians are right
        wrong = differ(draws_of(lambda: fresh_gaussians(TASK, d, rng), count), expected, delta)
        assert {"|Phi x|^2", "|W_V x|^2", "|W_V Phi x|^2"} <= set(wrong)
        assert "<x, y>" not in wrong


@pytest.mark.parametrize("family", sorted(FROM_GAUSSIAN_ROWS))
def test_the_law_is_that_of_direct_draws_at_a_small_width(family, seed):
    for d in (16, 32):  # n = 16: the last diagonal entry is a chi of one degree at d = n
        the_law_holds(d, family, 400, FALSE_ALARM / 6, np.random.default_rng([seed, d]))


MODEL = FixedModel(np.random.default_rng(7))
OVERLAPS = {
    "W_V2": {"<W_V x, W_V x'>", "<W_V x, W_V Phi x'>", "<W_V Phi x, W_V Phi x'>"},
    "Phi1": {"<x, Phi x'>"},
    "outputs": {"<u, u'>", "<x, u'>", "<Phi x, u'>"},
}
UNTOUCHED = {  # what fresh Gaussians for Phi1 and W_V2 leave right
    "|x|^2", "|u|^2", "<x, x'>", "<x, u'>", "<u, u'>", "<x, Phi x'>", "<Phi x, u'>",
    "scores of W_K1",
}  # fmt: skip


def the_noise_is_equally_large(d, family, count, groups, rng):
    """Few draws of a large width, whose entries are pooled; wrong laws are rejected by name.

    The wrong ones: fresh Gaussians for Phi1 and W_V2, and overlaps twice or half as large. Their
    statistics lie 6 standard deviations and more beyond what is allowed.
    """
    random = partial(am.FrozenEmbeddings.random, WIDE, width=d, family=family, rng=rng)
    expected, found, fresh = (
        MODEL.samples(draw, count).pooled
        for draw in (
            random,
            partial(random, compressed=True),
            partial(fresh_gaussians, WIDE, d, rng),
        )
    )
    tests = 2 * len(expected) * groups

    def differ(sample):
        return {
            name
            for name in expected
            if not same_mean(name, expected[name], sample[name], tests=tests).passed("equal")
        }

    assert differ(found) == set()
    for part, factor in [("W_V2", 2), ("W_V2", 1 / 2), ("Phi1", 1 / 2), ("outputs", 1 / 2)]:
        altered = {name: factor**2 * found[name] for name in OVERLAPS[part]}
        assert differ(found | altered) == OVERLAPS[part], (part, factor)
    if family == "gaussian":
        assert differ(fresh) == set(expected) - UNTOUCHED


def test_the_noise_is_that_of_direct_draws_at_300(seed):
    the_noise_is_equally_large(300, "gaussian", 300, 1, np.random.default_rng(seed))


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gaussian", "sphere"])
def test_the_noise_is_that_of_direct_draws_at_2048(family, seed):
    the_noise_is_equally_large(2048, family, 60, 2, np.random.default_rng(seed))


@pytest.mark.parametrize("d", [10**6, 10**9])
def test_norms_and_overlaps_have_their_exact_law_at_any_width(d, seed):
    """Where no direct draw is possible: |x|^2, |Phi x|^2/|x|^2 ~ chi^2_d / d, overlaps normal."""
    rng = np.random.default_rng(seed)
    rows = [am.FrozenEmbeddings.random(TASK, width=d, compressed=True, rng=rng) for _ in range(300)]
    n = len(rows[0].inputs)

    def norms(a):
        return np.sum(a**2, axis=-1)

    x, y, image, image_of_y = (np.array([e.atoms[i] for e in rows]) for i in (0, 1, n, n + 1))
    value, value_of_y = (np.array([e.values[i] for e in rows]) for i in (n, 1))
    chi2 = stats.chi2(d, scale=1 / d).cdf
    normal = stats.norm(scale=1 / np.sqrt(d)).cdf

    def overlap_of_images(u, v, image_u, image_v):
        """Given u and v, the image of v less its part along that of u is independent of it."""
        along = np.sum(u * v, axis=1) / norms(u)
        rest = norms(v) - along**2 * norms(u)
        return (np.sum(image_u * image_v, axis=1) - along * norms(image_u)) / np.sqrt(
            norms(image_u) * rest
        )

    laws = [
        (norms(x), chi2),
        (norms(image) / norms(x), chi2),
        (norms(value) / norms(image), chi2),
        (np.sum(x * y, axis=1) / np.sqrt(norms(x)), normal),
        (np.sum(x * image, axis=1) / norms(x), normal),
        (np.sum(y * image, axis=1) / np.sqrt(norms(x) * norms(y)), normal),
        (overlap_of_images(x, y, image, image_of_y), normal),
        (overlap_of_images(image, y, value, value_of_y), normal),
    ]
    for values, cdf in laws:
        assert stats.kstest(values, cdf).pvalue > FALSE_ALARM / (2 * len(laws))
        assert stats.kstest(3 * values, cdf).pvalue < FALSE_ALARM  # the control


def test_the_width_does_not_enter_the_size_of_the_draw():
    small, large = (
        am.FrozenEmbeddings.random(TASK, width=d, compressed=True, rng=0) for d in (16, 10**9)
    )
    for name in ARRAYS + MATRICES:
        assert getattr(small, name).shape == getattr(large, name).shape
    assert module.LARGEST_WIDTH == 2**53

"""The strategies draw what they say, and each assertion fails where it must, with a message."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from scipy import stats

import assocmem as am
from assocmem.testing import (
    assert_near_orthogonal,
    assert_recalls,
    embeddings,
    induction_tasks,
    memories,
    random_memory,
)
from assocmem.testing.gram import eigenvalue_bound, mean_cosine_bound
from assocmem.testing.properties import SHARE
from assocmem.vectors.families import FAMILIES
from tests.rounding import PRODUCTS

FALSE_ALARM = 1e-6  # of each statistical test as a whole, all its cases and examples together
EXAMPLES = 20
INDEPENDENT = ["gaussian", "sphere", "rademacher"]


@pytest.fixture
def seed() -> int:
    """Fresh at every run, and printed when the test fails."""
    return int(np.random.default_rng().integers(2**63))


# --- near-orthogonality


@pytest.mark.parametrize("family", INDEPENDENT)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_vectors_of_a_family_pass(family, data):
    u = data.draw(embeddings(family, n=range(2, 60), d=range(100, 400)))
    assert_near_orthogonal(u, delta=FALSE_ALARM / (len(INDEPENDENT) * EXAMPLES), family=family)


@given(u=embeddings("orthonormal", n=range(2, 30), d=range(2, 60)))
def test_orthonormal_vectors_pass_up_to_rounding(u):
    assert_near_orthogonal(u, family="orthonormal")
    assert_near_orthogonal(u.astype(np.float32), family="orthonormal")
    rotated = u.copy()
    rotated[0] += 1e-5 * rotated[1]
    with pytest.raises(AssertionError, match=r"rows 0 and 1 have cosine .*within 0 with prob"):
        assert_near_orthogonal(rotated, family="orthonormal")


@given(d=st.integers(2, 12), seed=st.integers(0, 2**63))
def test_a_bound_that_is_attained_passes(d, seed):
    """Sign vectors reach the bound exactly, half of the time it is rounded up."""
    u = am.rademacher(2, d, rng=seed)
    delta = 0.3
    bound = am.coherence_bound(2, d, delta=delta * (1 - 2 * SHARE), family="rademacher", sharp=True)
    measured = abs(round(float(u[0] @ u[1]) * d)) / d
    if bound == 1:
        return
    if measured <= bound:
        assert_near_orthogonal(3 * u, delta=delta, family="rademacher")
    else:
        with pytest.raises(AssertionError, match="rows 0 and 1"):
            assert_near_orthogonal(3 * u, delta=delta, family="rademacher")


def test_98_copies_of_one_vector_up_to_sign_fail():
    copies = np.resize([1.0, -1.0], (98, 1)) * am.sphere(1, 1000, rng=None)
    assert abs((copies @ copies.T)[~np.eye(98, dtype=bool)].mean()) < 0.02  # a mean sees nothing
    with pytest.raises(AssertionError, match=r"u: rows \d+ and \d+ have cosine -?1; 98 vec"):
        assert_near_orthogonal(copies)


@pytest.mark.parametrize("family", INDEPENDENT)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_vector_drawn_twice_fails(family, dtype, seed):
    u = FAMILIES[family](50, 500, rng=seed, dtype=dtype)
    u[31] = -2 * u[7]  # norms do not matter
    with pytest.raises(AssertionError) as failure:
        assert_near_orthogonal(u, family=family)
    delta = 1e-9 * (1 - 2 * SHARE)
    bound = am.coherence_bound(50, 500, delta=delta, family=family, sharp=True)
    assert str(failure.value) == (
        f'u: rows 7 and 31 have cosine -1; 50 vectors of the family "{family}" in dimension 500 '
        f"stay within {bound:.6g} with probability 1 - 1e-09. These are not independent draws: "
        f"look for rows that are repeated, negated or correlated."
    )


def test_a_common_direction_fails(seed):
    """Biased vectors: a shift b gives every cosine b^2 / (1 + b^2), here 0.5 against 0.3."""
    rng = np.random.default_rng(seed)
    u, shift = am.sphere(50, 1000, rng=rng), am.sphere(1, 1000, rng=rng)
    assert_near_orthogonal(u)
    with pytest.raises(AssertionError, match="correlated"):
        assert_near_orthogonal(u + shift)


def test_it_fails_by_chance_as_rarely_as_it_says(seed):
    n, d, delta, draws = 6, 16, 0.2, 1500
    rng = np.random.default_rng(seed)
    failed = 0
    for _ in range(draws):
        try:
            assert_near_orthogonal(am.sphere(n, d, rng=rng), delta=delta)
        except AssertionError:
            failed += 1
    assert failed <= stats.binom.isf(FALSE_ALARM / 2, draws, delta)
    # Not far below, either (NO2): a looser bound would let errors pass.
    sharp = delta * (1 - 2 * SHARE)
    assert failed >= stats.binom.isf(1 - FALSE_ALARM / 2, draws, sharp - sharp**2 / 2)


def sign_vectors_with(mean, n, d, rng):
    """Signs that are 1 a little more often in each column, so that all pairs lean to each other."""
    lean = np.sqrt(mean) * np.where(rng.random(d) < 0.5, 1, -1)
    return np.where(rng.random((n, d)) < (1 + lean) / 2, 1.0, -1.0)


@pytest.mark.parametrize("mean", [0.01, 0.05, 0.197])
def test_a_mean_that_no_pair_gives_away_fails(mean, seed):
    n, d = 400, 256
    u = sign_vectors_with(mean, n, d, np.random.default_rng(seed))
    if mean < 0.05:  # no pair is beyond what a pair of independent ones can be
        assert am.coherence(u) < am.coherence_bound(n, d, delta=1e-9, family="rademacher")
    bound = mean_cosine_bound(n, d, SHARE * 1e-9, "rademacher")
    text = rf"u: the mean cosine is 0\.\d+; .* below {bound:.6g} with"
    with pytest.raises(AssertionError, match=text if mean < 0.15 else "u: "):
        assert_near_orthogonal(u, family="rademacher")
    centred = u - u.mean(axis=0)
    assert_near_orthogonal(centred, family="rademacher")


@pytest.mark.parametrize("family", INDEPENDENT)
def test_rows_near_few_dimensions_fail(family, seed):
    """Signed copies of a common part: no mean, no pair, but an eigenvalue."""
    n, d, share = 600, 400, 0.04
    rng = np.random.default_rng(seed)
    u = FAMILIES[family](n, d, rng=rng)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    assert_near_orthogonal(u, family=family)
    common = am.sphere(1, d, rng=rng) * rng.choice([-1.0, 1.0], size=(n, 1))
    mixed = np.sqrt(1 - share) * u + np.sqrt(share) * common
    with pytest.raises(AssertionError, match=r"u: the largest eigenvalue of the Gram matrix is \d"):
        assert_near_orthogonal(mixed, family=family)


def all_signs(n, d):
    bits = np.arange(2 ** (n * d))[:, None] >> np.arange(n * d) & 1
    return (2.0 * bits - 1).reshape(-1, n, d) / np.sqrt(d)


@pytest.mark.parametrize(("n", "d"), [(2, 6), (3, 4), (4, 3), (6, 2), (12, 1)])
def test_the_bounds_hold_for_signs_exactly(n, d):
    """Over all matrices of signs, at every level of delta."""
    gram = np.einsum("sid,sjd->sij", all_signs(n, d), all_signs(n, d))
    mean = (gram.sum(axis=(1, 2)) - n) / (n * (n - 1))
    largest = np.linalg.eigvalsh(gram)[:, -1]
    for delta in np.geomspace(1e-9, 0.9, 30):
        for values, bound in (
            (mean, mean_cosine_bound(n, d, delta, "rademacher")),
            (largest, eigenvalue_bound(n, d, delta, "rademacher")),
        ):
            assert np.mean(values > bound + 1e-12) <= delta


@pytest.mark.parametrize(("n", "d"), [(2, 3), (5, 20), (40, 8)])
@pytest.mark.parametrize("family", ["sphere", "gaussian", "rademacher"])
def test_the_bounds_hold_as_often_as_they_say(n, d, family, seed):
    rng, draws = np.random.default_rng(seed), 1000
    u = np.stack([FAMILIES[family](n, d, rng=rng) for _ in range(draws)])
    u /= np.linalg.norm(u, axis=2, keepdims=True)
    gram = np.einsum("sid,sjd->sij", u, u)
    mean = (gram.sum(axis=(1, 2)) - n) / (n * (n - 1))
    largest = np.linalg.eigvalsh(gram)[:, -1]
    for delta in (0.01, 0.1, 0.5):
        for values, bound in (
            (mean, mean_cosine_bound(n, d, delta, family)),
            (largest, eigenvalue_bound(n, d, delta, family)),
        ):
            allowed = stats.binom.isf(FALSE_ALARM / 60, draws, delta)
            assert np.sum(values > bound) <= allowed


def test_the_bound_of_the_mean_is_that_of_chi_square():
    """Of normal vectors |S|²/n is exactly χ²: the bound is beyond its quantile, by a constant."""
    for d in (1, 4, 64, 1024):
        for delta in (1e-12, 1e-6, 0.1):
            level = (1 + 9 * mean_cosine_bound(10, d, delta, "rademacher")) * d
            assert stats.chi2.isf(delta, d) <= level <= stats.chi2.isf(delta / 100, d) * 1.1 + 3


def test_the_mean_length_is_that_of_a_normal_vector():
    from assocmem.testing.gram import _square_length

    for d in (1, 2, 3, 50, 10**6):
        assert _square_length(d, "sphere") == pytest.approx(stats.chi(d).mean() ** 2, rel=1e-8)


# --- your own generators


def biased(n, d, *, rng):
    return am.gaussian(n, d, rng=rng) + 0.5


@settings(max_examples=20)
@given(u=embeddings(biased, n=3, d=range(4, 9)), v=embeddings(am.sphere, n=2, d=5))
def test_a_function_draws(u, v):
    assert u.shape[0] == 3
    assert v.shape == (2, 5)
    assert abs(np.linalg.norm(v, axis=1) - 1).max() < PRODUCTS


@settings(max_examples=20)
@given(memory=memories(biased, n=range(2, 5), d=6, m=3))
def test_a_function_draws_memories(memory):
    assert memory.values.shape == (3, 6)
    assert random_memory(2, 5, family=biased, rng=0).keys.shape == (2, 5)


def test_a_function_is_reported_as_the_call_that_it_was():
    @settings(max_examples=30, database=None)
    @given(u=embeddings(biased, n=2, d=4))
    def fails(u):
        assert u.mean() < -10

    with pytest.raises(AssertionError) as failure:
        fails()
    assert re.search(r"biased\(n=2, d=4, rng=\d+\)", "".join(failure.value.__notes__))


@pytest.mark.parametrize("wrong", [lambda n, d, *, rng: np.eye(n, d + 1), lambda n, d, *, rng: 3])
def test_a_function_that_draws_something_else_is_named(wrong):
    for strategy in (embeddings(wrong, n=2, d=4), memories(wrong, n=2, d=4)):
        with pytest.raises(ValueError, match=r"family: expected "):
            find(strategy, lambda value: True, settings=settings(database=None))


def test_where_it_could_not_fail_it_refuses():
    with pytest.raises(ValueError, match=r"u: expected at least two rows, .* got one"):
        assert_near_orthogonal(am.sphere(1, 8, rng=0))
    with pytest.raises(ValueError, match=r"u: expected more dimensions; got 4 vectors in dim.* 1,"):
        assert_near_orthogonal(np.ones((4, 1)))
    with pytest.raises(ValueError, match=r"u: expected more dimensions; got 9 .* at delta = 1e-09"):
        assert_near_orthogonal(am.rademacher(9, 16, rng=0), family="rademacher")


def test_what_is_no_family_of_vectors_is_refused():
    u = am.sphere(4, 100, rng=0)
    with pytest.raises(ValueError, match="u: expected finite numbers"):
        assert_near_orthogonal(np.where(u > 0.1, np.nan, u))
    with pytest.raises(ValueError, match="u: expected a non-empty 2-d array"):
        assert_near_orthogonal(u[0])
    with pytest.raises(ValueError, match=r"u: expected no zero rows, .*; got one as row 2"):
        assert_near_orthogonal(u * [[1], [1], [0], [1]])
    with pytest.raises(ValueError, match=r"delta: expected a probability in \(0, 1\); got 0"):
        assert_near_orthogonal(u, delta=0)
    with pytest.raises(ValueError, match="family: expected one of"):
        assert_near_orthogonal(u, family="cauchy")


def test_integers_are_vectors():
    assert_near_orthogonal(np.eye(4, dtype=int)[:2].repeat(30, axis=1))


# --- recall


@settings(max_examples=EXAMPLES)
@given(W=memories("sphere", n=range(2, 25), d=8192))
def test_recall_is_certain_where_coherence_is_small(W):
    """A score is within mu + nu + (2n - 3) mu nu of what it should be: claims NO2 and AM1."""
    n, delta = W.n_keys, FALSE_ALARM / EXAMPLES
    bound = am.coherence_bound(n, 8192, delta=delta / 2, sharp=True)
    assert 2 * bound + (2 * n - 3) * bound**2 < 1
    assert_recalls(W)


@given(W=memories(n=range(2, 9)))
def test_a_flipped_target_fails(W):
    n = W.n_keys
    assert_recalls(W)
    targets = np.arange(n)
    targets[n // 2] = 0 if n // 2 else 1
    with pytest.raises(AssertionError) as failure:
        assert_recalls(W, targets)
    assert re.match(
        rf"memory: 1 of {n} keys is not recalled\. Key {n // 2}: value {targets[n // 2]} scores "
        rf"\S+, value {n // 2} scores \S+, margin -1\.$",
        str(failure.value),
    )


def test_a_tie_and_a_missing_pair_fail():
    W = am.AssociativeMemory(keys=np.eye(4), values=np.eye(4))
    with pytest.raises(AssertionError, match=r"4 of 4 keys .* Key 0: value 0 scores 0, value 1"):
        assert_recalls(0 * W)
    C = np.diag([1.0, 0.0, 2.0, 3.0])
    with pytest.raises(AssertionError, match=r"1 of 4 keys is not recalled\. Key 1: .* margin 0\."):
        assert_recalls(am.AssociativeMemory(keys=np.eye(4), values=np.eye(4), coefficients=C))


def test_the_message_names_the_worst_keys_first_and_counts_the_rest():
    C = np.eye(8) - np.diag(np.arange(8.0))  # margins 1, 0, -1, ...
    W = am.AssociativeMemory(keys=np.eye(8), values=np.eye(8), coefficients=C)
    with pytest.raises(AssertionError) as failure:
        assert_recalls(W)
    message = str(failure.value)
    assert message.startswith("memory: 7 of 8 keys are not recalled. Key 7: value 7 scores -6,")
    assert re.findall(r"Key (\d)", message) == ["7", "6", "5", "4", "3"]
    assert message.endswith("And 2 more.")


def test_arguments_are_those_of_margin():
    W = am.AssociativeMemory(keys=np.eye(3), values=np.eye(3), coefficients=np.ones((3, 3)))
    among = np.tri(3, dtype=bool).T  # key i: values up to i
    with pytest.raises(AssertionError, match=r"2 of 3 .* Key 1: value 1 scores 1, value 0 scores"):
        assert_recalls(W, among=among)
    kept = among.copy()
    assert_recalls(W + am.AssociativeMemory(keys=np.eye(3), values=np.eye(3)), among=among)
    assert (among == kept).all()
    swapped = am.AssociativeMemory(keys=np.eye(2), values=np.eye(2))
    assert_recalls(swapped, keys=np.eye(2)[::-1], targets=[1, 0])
    with pytest.raises(AssertionError, match=r"2 of 2 keys are not recalled"):
        assert_recalls(swapped, keys=np.eye(2)[::-1])
    with pytest.raises(ValueError, match="targets: expected indices of values from 0 to 2"):
        assert_recalls(W, targets=[0, 1, 3])


def test_only_a_memory_recalls():
    with pytest.raises(TypeError, match=r"memory: expected an AssociativeMemory; got ndarray"):
        assert_recalls(np.eye(3))


def test_nothing_to_tell_apart_is_refused():
    W = am.AssociativeMemory(keys=np.eye(2)[:1], values=np.eye(2)[:1])
    with pytest.raises(ValueError, match=r"values: expected at least two admissible values .* one"):
        assert_recalls(W)


# --- strategies


@given(data=st.data())
def test_sizes_are_integers_ranges_or_strategies(data):
    family = data.draw(st.sampled_from(sorted(FAMILIES)))
    u = data.draw(embeddings(family, n=3, d=range(3, 20, 2)))
    assert u.shape[0] == 3
    assert u.shape[1] in range(3, 20, 2)
    u = data.draw(embeddings(family, n=st.integers(1, 5), d=st.just(7)))
    assert 1 <= u.shape[0] <= 5
    assert u.shape[1] == 7


@given(data=st.data())
def test_memories_have_the_shapes_asked_for(data):
    family = data.draw(st.sampled_from(sorted(FAMILIES)))
    W = data.draw(memories(family, n=range(1, 4), d=range(6, 9), m=range(1, 6)))
    assert W.coefficients.shape == (W.n_values, W.n_keys)
    assert 1 <= W.n_values <= 5
    assert W.keys.shape[1] == W.values.shape[1] in range(6, 9)
    W = data.draw(memories(family, n=2, d=60))  # 120 signs agree with probability 2^-120
    assert (W.coefficients == np.eye(2)).all()
    assert not (W.keys == W.values).all()


@pytest.mark.parametrize(
    ("strategy", "callee"),
    [
        (embeddings("rademacher", n=3, d=range(4, 9)), am.rademacher),
        (embeddings("orthonormal", n=3, d=range(4, 9)), am.orthonormal),
        (memories("sphere", m=4), random_memory),
        (induction_tasks(), am.InductionTask),
    ],
)
def test_a_failing_example_is_a_call_to_repeat(strategy, callee):
    seen = []

    @settings(database=None)
    @given(value=strategy)
    def fails(value):
        seen.append(value)
        raise AssertionError

    with pytest.raises(AssertionError) as failure:
        fails()
    report = " ".join(" ".join(failure.value.__notes__).split())
    (call,) = re.findall(rf"value=({callee.__name__}\(.*?\))", report)
    again = eval(call, {callee.__name__: callee})
    if isinstance(again, am.InductionTask):
        assert again == seen[-1]
    else:
        matrices = [getattr(drawn, "matrix", drawn) for drawn in (again, seen[-1])]
        np.testing.assert_array_equal(*matrices)


def test_induction_tasks_are_all_the_small_ones():
    kinds = set()
    for triggers, predict in ((1, "content"), (2, "content"), (1, "all"), ("random", "all")):
        task = find(
            induction_tasks(max_sequences=300),
            lambda task, kind=(triggers, predict): (task.n_triggers, task.predict) == kind,
        )
        kinds.add((task.n_triggers, task.predict))
        assert len(task.enumerate()) == task.n_sequences <= 300
    assert len(kinds) == 4
    smallest = find(induction_tasks(), lambda task: True)
    assert (smallest.n_tokens, smallest.length, smallest.n_sequences) == (3, 3, 2)


@given(task=induction_tasks(max_sequences=50, max_tokens=5, max_length=4))
def test_limits_on_tasks_hold(task):
    assert task.n_sequences <= 50
    assert task.n_tokens <= 5
    assert task.length <= 4


def test_sizes_that_do_not_work_are_refused_at_once():
    with pytest.raises(TypeError, match=r"n: expected an integer; got 3\.0 of type float"):
        embeddings(n=3.0)
    with pytest.raises(ValueError, match=r"d: expected at least 1; got 0"):
        embeddings(d=range(3))
    with pytest.raises(ValueError, match=r"n: expected a range with an element; got range\(3, 3\)"):
        embeddings(n=range(3, 3))
    with pytest.raises(ValueError, match=r"family: expected one of"):
        embeddings("cauchy")
    with pytest.raises(ValueError, match=r"family: expected one of"):
        memories("cauchy")
    with pytest.raises(
        ValueError, match=r"d: expected at least n = 5 for orthonormal rows; got d = 4"
    ):
        embeddings("orthonormal", n=range(5, 9), d=range(2, 5))
    with pytest.raises(
        ValueError, match=r"d: expected at least n = 9 for orthonormal rows; got d = 8"
    ):
        memories("orthonormal", n=2, m=9, d=8)
    with pytest.raises(ValueError, match=r"m: expected at least 1; got 0"):
        memories(m=0)
    with pytest.raises(ValueError, match=r"max_sequences: expected at least 2, .* got 1, 8 and 8"):
        induction_tasks(max_sequences=1)


def test_the_library_does_not_need_hypothesis():
    script = "import sys, assocmem; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_same_seed_gives_the_same_memory(seed):
    first, again = (random_memory(3, 5, m=2, rng=seed) for _ in range(2))
    np.testing.assert_array_equal(first.matrix, again.matrix)
    assert random_memory(3, 5, rng=seed).n_values == 3

"""Batches and the induction task: structure, exact enumeration, and sampling from the same law."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from assocmem import FrozenEmbeddings, probe
from assocmem.tasks import Batch, InductionTask, Task

FALSE_ALARM = 1e-6  # of each statistical test below
seeds = st.integers(0, 2**32 - 1)
modest = settings(max_examples=50, deadline=None)


def small_settings():
    """Every valid (N, K, T) with N <= 5, T <= 6, both vocabularies, and random triggers."""
    for N, T in itertools.product(range(3, 6), range(3, 7)):
        for K, predict in itertools.product(range(1, N - 1), ("content", "all")):
            yield N, T, K, predict
        yield N, T, "random", "all"


def brute_force(N, T, K, predict):
    """{sequence: (label class, probability)} by the definition: q, o, the place, then the rest."""
    triggers = range(N) if K == "random" else range(K)
    law = {}
    for q in triggers:
        content = [z for z in range(N) if z != q] if K == "random" else list(range(K, N))
        outputs = content if predict == "content" else list(range(N))
        free = T - 3
        chance = Fraction(1, len(triggers) * len(content) * (T - 2) * len(content) ** free)
        for o, tau in itertools.product(content, range(T - 2)):
            others = [t for t in range(T - 1) if t not in (tau, tau + 1)]
            for rest in itertools.product(content, repeat=free):
                z = [q] * T
                z[tau + 1] = o
                for t, token in zip(others, rest, strict=True):
                    z[t] = token
                known = law.get(tuple(z), (outputs.index(o), 0))
                assert known[0] == outputs.index(o)
                law[tuple(z)] = (outputs.index(o), known[1] + chance)
    assert sum(chance for _, chance in law.values()) == 1
    return law


def check_structure(task, batch):
    """What every sequence of the task satisfies."""
    tokens, T = batch.tokens, task.length
    q = tokens[:, -1]
    assert np.isin(q, task.triggers).all()
    occurs = tokens == q[:, None]
    assert (occurs.sum(axis=1) == 2).all()
    tau = occurs.argmax(axis=1)
    assert (tau <= T - 3).all()
    assert np.isin(tokens[~occurs], task.contents).all()
    label = task.outputs[batch.targets[:, -1]]
    np.testing.assert_array_equal(label, tokens[np.arange(len(batch)), tau + 1])
    assert (batch.targets[:, :-1] == -1).all()
    assert (batch.weights[:, :-1] == 0).all()
    assert (batch.weights[:, -1] == 1 / len(batch)).all()


def goodness_of_fit(task, batch):
    """p-value of a stratified sample against the enumerated law.

    Within a stratum the words are multinomial. The stratum counts are fixed by the sampler (the
    size is a multiple of their number), so each stratum takes one degree of freedom.
    """
    law = task.enumerate()
    rows = {row.tobytes(): i for i, row in enumerate(law.tokens)}
    counts = np.bincount([rows[row.tobytes()] for row in batch.tokens], minlength=len(law))
    strata = len(task.triggers) * (task.length - 2)
    expected = len(batch) * law.weights[:, -1]
    statistic = ((counts - expected) ** 2 / expected).sum()
    return stats.chi2.sf(statistic, len(law) - strata)


# --- enumeration -----------------------------------------------------------------------------


@pytest.mark.parametrize(("N", "T", "K", "predict"), list(small_settings()))
def test_enumeration_is_the_definition(N, T, K, predict):
    task = InductionTask(n_tokens=N, length=T, n_triggers=K, predict=predict)
    batch, law = task.enumerate(), brute_force(N, T, K, predict)
    check_structure(task, batch)
    assert len(batch) == task.n_sequences == len(law)
    assert len(np.unique(batch.tokens, axis=0)) == len(batch)
    for z, target, weight in zip(
        batch.tokens.tolist(), batch.targets[:, -1], batch.weights[:, -1], strict=True
    ):
        known_target, chance = law[tuple(z)]
        assert target == known_target
        assert weight == float(chance)  # 1 / n is correctly rounded
    assert task.n_outputs == len(task.outputs) == (N if predict == "all" else N - K)
    assert task.n_content == (N - 1 if K == "random" else N - K)


def test_the_structure_check_can_fail():
    task = InductionTask(n_tokens=4, length=5, n_triggers=2)
    batch = task.enumerate()
    for at, token in [((0, 0), 1), ((0, -1), 3)]:  # a second trigger; no trigger at the end
        tokens = batch.tokens.copy()
        tokens[at] = token
        with pytest.raises(AssertionError):
            check_structure(
                task, Batch(tokens=tokens, targets=batch.targets, weights=batch.weights)
            )
    targets = np.where(batch.targets >= 0, 1 - batch.targets, -1)
    with pytest.raises(AssertionError):
        check_structure(task, Batch(tokens=batch.tokens, targets=targets, weights=batch.weights))


def test_enumeration_is_refused_with_its_size():
    task = InductionTask(n_tokens=4, length=6, n_triggers="random", predict="all")
    n_bytes = 1296 * 6 * 3 * 8
    batch = task.enumerate(max_bytes=n_bytes)
    assert batch.tokens.nbytes + batch.targets.nbytes + batch.weights.nbytes == n_bytes
    with pytest.raises(
        ValueError,
        match=rf"max_bytes={n_bytes - 1}; got more: 1296 sequences need {n_bytes} bytes\. Use",
    ):
        task.enumerate(max_bytes=n_bytes - 1)
    huge = InductionTask(n_tokens=10**6, length=10**4, n_triggers=1)
    with pytest.raises(ValueError, match=r"about 10\^59992\.0 sequences need about 10\^59997"):
        huge.enumerate()


# --- sampling --------------------------------------------------------------------------------

sampled_tasks = st.builds(
    lambda N, T, K, predict: InductionTask(
        n_tokens=N,
        length=T,
        n_triggers="random" if K == 0 else min(K, N - 2),
        predict="all" if K == 0 else predict,
    ),
    st.integers(3, 12),
    st.integers(3, 12),
    st.integers(0, 10),
    st.sampled_from(["content", "all"]),
)


@modest
@given(task=sampled_tasks, size=st.integers(1, 300), seed=seeds)
def test_samples_have_the_structure_and_are_stratified(task, size, seed):
    batch = task.sample(size, rng=seed)
    assert len(batch) == size
    check_structure(task, batch)
    q = batch.tokens[:, -1]
    tau = (batch.tokens == q[:, None]).argmax(axis=1)
    counts = np.zeros((len(task.triggers), task.length - 2), dtype=int)
    np.add.at(counts, (q, tau), 1)
    assert counts.min() >= size // counts.size
    assert counts.max() <= -(-size // counts.size)


@modest
@given(task=sampled_tasks, size=st.integers(1, 100), seed=seeds)
def test_the_same_seed_gives_the_same_bits(task, size, seed):
    one, same = task.sample(size, rng=seed), task.sample(size, rng=np.random.default_rng(seed))
    for name in "tokens", "targets", "weights":
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    # and a generator moves on: 12 positions of 2 tokens or more, 100 times, are not drawn twice
    rng = np.random.default_rng(seed)
    long = InductionTask(n_tokens=4, length=14)
    assert not np.array_equal(long.sample(100, rng=rng).tokens, long.sample(100, rng=rng).tokens)


FITTED = [
    InductionTask(n_tokens=4, length=5),
    InductionTask(n_tokens=5, length=4, n_triggers=2, predict="all"),
    InductionTask(n_tokens=4, length=5, n_triggers="random", predict="all"),
]


@pytest.mark.parametrize("task", FITTED)
def test_samples_follow_the_enumerated_law(task):
    batch = task.sample(200 * task.n_sequences, rng=2024)
    assert goodness_of_fit(task, batch) > FALSE_ALARM


@pytest.mark.parametrize("task", FITTED)
def test_a_distorted_sampler_is_rejected(task):
    """Every tenth sequence has its largest content token at the place after the trigger."""
    batch = task.sample(200 * task.n_sequences, rng=2024)
    tokens = batch.tokens.copy()
    rows = np.arange(0, len(batch), 10)
    q = tokens[rows, -1]
    tau = (tokens[rows] == q[:, None]).argmax(axis=1)
    tokens[rows, tau + 1] = np.where(q == task.n_tokens - 1, q - 1, task.n_tokens - 1)
    distorted = Batch(tokens=tokens, targets=batch.targets, weights=batch.weights)
    assert goodness_of_fit(task, distorted) < FALSE_ALARM


def test_leftover_strata_are_chosen_uniformly():
    """Samples smaller than the number of strata: each stratum equally often, in the long run."""
    task = InductionTask(n_tokens=5, length=5, n_triggers=3)
    size, draws, rng = 4, 3000, np.random.default_rng(99)
    counts = np.zeros((3, 3))
    for _ in range(draws):
        tokens = task.sample(size, rng=rng).tokens
        q = tokens[:, -1]
        np.add.at(counts, (q, (tokens == q[:, None]).argmax(axis=1)), 1)
    # one stratum is drawn Binomial(draws, size / 9) times; union over the nine
    chance = size / counts.size
    low, high = stats.binom.interval(1 - FALSE_ALARM / counts.size, draws, chance)
    assert (counts >= low).all()
    assert (counts <= high).all()
    # the control: always the first four strata
    assert draws > high


def test_a_million_tokens():
    fixed = InductionTask(n_tokens=10**6, length=64, n_triggers=5)
    random = InductionTask(n_tokens=10**6, length=64, n_triggers="random", predict="all")
    for task in fixed, random:
        batch = task.sample(500, rng=1)
        assert (batch.tokens < 10**6).all()
        check_structure(task, batch)
    assert np.unique(random.sample(500, rng=1).tokens[:, -1]).size > 1


# --- the task as data ------------------------------------------------------------------------


def test_attributes():
    task = InductionTask(n_tokens=6, length=4, n_triggers=2)
    assert repr(task) == "InductionTask(n_tokens=6, length=4, n_triggers=2, predict='content')"
    assert task == InductionTask(6, 4, np.int64(2))
    assert task.triggers.tolist() == [0, 1]
    assert task.contents.tolist() == task.outputs.tolist() == [2, 3, 4, 5]
    assert (task.random_triggers, task.is_symbolic) == (False, False)
    assert InductionTask(6, 4, 2, "all").outputs.tolist() == list(range(6))
    random = InductionTask(6, 4, "random", "all")
    assert random.random_triggers
    assert random.triggers.tolist() == random.contents.tolist() == list(range(6))
    assert (random.n_content, random.n_outputs) == (5, 6)


def test_symbolic_sizes():
    N, K = sympy.symbols("N K", positive=True, integer=True)
    task = InductionTask(n_tokens=N, length=6, n_triggers=K)
    assert task.is_symbolic
    assert (task.n_content, task.n_outputs) == (N - K, N - K)
    assert task.n_sequences == 4 * K * (N - K) ** 4
    numbers = InductionTask(n_tokens=5, length=6, n_triggers=2)
    assert task.n_sequences.subs({N: 5, K: 2}) == numbers.n_sequences
    assert InductionTask(N, 6, K, "all").n_outputs == N
    random = InductionTask(N, 6, "random", "all")
    assert (random.n_content, random.n_outputs) == (N - 1, N)
    for use in (
        lambda: task.sample(3, rng=0),
        lambda: task.enumerate(),
        lambda: task.outputs,
        lambda: random.triggers,
        lambda: random.contents,
    ):
        with pytest.raises(TypeError, match=r"expected numbers of tokens and triggers; got n_tok"):
            use()


def test_sympy_integers_are_integers():
    task = InductionTask(sympy.Integer(5), 6, sympy.Integer(2))
    assert not task.is_symbolic
    assert task == InductionTask(5, 6, 2)
    N = sympy.Symbol("N")
    assert InductionTask(N, 6, N - 2).n_content == 2
    with pytest.raises(ValueError, match="n_triggers: expected at most n_tokens - 2"):
        InductionTask(N, 6, N - 1)


def test_users_bring_their_own_task():
    class Parrot:
        n_tokens = 3
        length = 2
        outputs = np.arange(3)

        def enumerate(self):
            tokens = np.repeat(np.arange(3)[:, None], 2, axis=1)
            return Batch(tokens=tokens, targets=tokens, weights=np.full((3, 2), 1 / 6))

        def sample(self, size, *, rng=None):
            return self.enumerate()

    class Mute(Parrot):
        outputs = property()  # an attribute that cannot be read

    class NoSampler:
        n_tokens, length, outputs = 3, 2, np.arange(3)

    assert isinstance(Parrot(), Task)
    assert isinstance(InductionTask(4, 6), Task)
    assert len(Parrot().enumerate()) == 3
    with pytest.raises(TypeError, match=r"task: expected a Task, .* without outputs"):
        probe("W_K1", Mute(), FrozenEmbeddings.orthonormal(Parrot()))  # Python asks the class alone
    assert not isinstance(NoSampler(), Task)
    assert not isinstance("task", Task)


BAD_TASKS = [
    ({"length": 2}, ValueError, r"length: expected at least 3; got 2"),
    ({"n_tokens": 2}, ValueError, r"n_tokens: expected at least 3; got 2"),
    (
        {"n_triggers": 3},
        ValueError,
        r"n_triggers: .*two content tokens; got 3 of 4 tokens\. Take fewer",
    ),
    ({"n_triggers": 0}, ValueError, r"n_triggers: expected at least 1; got 0"),
    (
        {"n_triggers": "random"},
        ValueError,
        r"predict: expected 'all' with n_triggers='random'.*got 'content'\. Pass predict='all'",
    ),
    (
        {"n_triggers": "some"},
        ValueError,
        r"n_triggers: expected a number of fixed triggers or 'random'; got 'some'",
    ),
    ({"predict": "next"}, ValueError, r"predict: expected one of 'content', 'all'; got 'next'"),
    (
        {"n_tokens": 4.0},
        TypeError,
        r"n_tokens: expected an integer or a SymPy expression; got 4\.0",
    ),
    ({"length": 6.5}, TypeError, r"length: expected an integer; got 6\.5"),
    ({"length": True}, TypeError, r"length: expected an integer; got True"),
    (
        {"n_triggers": None},
        TypeError,
        r"n_triggers: expected an integer or a SymPy expression; got None",
    ),
    (
        {"n_tokens": sympy.Rational(7, 2)},
        TypeError,
        r"n_tokens: expected an integer or a SymPy expression; got 7/2",
    ),
    ({"length": sympy.Symbol("T")}, TypeError, r"length: expected an integer; got T"),
]


@pytest.mark.parametrize(("given", "error", "text"), BAD_TASKS)
def test_bad_tasks(given, error, text):
    with pytest.raises(error, match=text):
        InductionTask(**{"n_tokens": 4, "length": 6} | given)


@pytest.mark.parametrize(
    ("size", "error", "text"),
    [
        (0, ValueError, r"size: expected at least 1; got 0"),
        (-3, ValueError, r"size: expected at least 1; got -3"),
        (10.0, TypeError, r"size: expected an integer; got 10\.0"),
    ],
)
def test_bad_sizes(size, error, text):
    task = InductionTask(n_tokens=4, length=6)
    with pytest.raises(error, match=text):
        task.sample(size, rng=0)
    with pytest.raises(error, match=text):
        next(task.enumerate().split(size))

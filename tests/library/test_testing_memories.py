"""`assocmem.testing` on memories: recall, strategies, tasks."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import assocmem as am
from assocmem.testing import (
    assert_recalls,
    embeddings,
    induction_tasks,
    memories,
    random_memory,
)
from assocmem.vectors.families import FAMILIES
from tests.library.vectors import FALSE_ALARM

EXAMPLES = 20


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

"""Sizes beyond the memory: what does not need them answers, all else is refused in advance."""

from __future__ import annotations

import itertools
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import assocmem as am
from assocmem.tasks.alias import alias_tables

MOST = 30e6  # bytes


@contextmanager
def in_little_memory(most=MOST):
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


HUGE = st.sampled_from([10**6, 10**9, 10**12, 2**45, 10**15])


@given(HUGE, st.integers(3, 40), st.integers(1, 50), st.sampled_from(["content", "all"]))
def test_a_sample_takes_the_memory_of_its_batch(n, length, size, predict):
    for triggers in (1, 3, n // 2, "random"):
        if triggers == "random" and predict == "content":
            continue
        task = am.InductionTask(n, length, triggers, predict)
        with in_little_memory():
            batch = task.sample(size, rng=0)
        assert batch.tokens.shape == (size, length)
        assert batch.tokens.max() < n
        assert batch.targets[:, -1].max() < task.n_outputs
        shift = n - task.n_outputs
        assert (batch.targets[:, -1] + shift == batch.output).all()


@given(HUGE, st.integers(3, 12))
def test_closed_forms_do_not_depend_on_the_number_of_tokens(n, length):
    task = am.InductionTask(n, length)
    with in_little_memory():
        tables = am.gradients.first_step(task), am.gradients.second_step(task)
        for table in tables:
            assert np.isfinite(float(table.lead))
            for row, column in table:
                if "positions" not in row + column:
                    with pytest.raises(ValueError, match="max_bytes: expected room for the"):
                        table.block(row, column)
            with pytest.raises(ValueError, match="max_bytes: expected room for the"):
                table.coefficients()
        with pytest.raises(ValueError, match=r"task: expected .* to take at most"):
            am.FrozenEmbeddings.orthonormal(task)


@given(st.integers(3, 40), st.integers(3, 12), st.data())
def test_a_block_is_written_out_up_to_its_size(n, length, data):
    table = am.gradients.second_step(am.InductionTask(n, length))
    row, column = data.draw(st.sampled_from(list(table)))
    block = table.block(row, column)
    assert table.block(row, column, max_bytes=block.nbytes).tolist() == block.tolist()
    if not ("positions" in row and "positions" in column):
        with pytest.raises(ValueError, match=f"{block.shape[0]} x {block.shape[1]} coefficients"):
            table.block(row, column, max_bytes=block.nbytes - 1)


@given(st.integers(60, 2**16), st.sampled_from([2**30, 2**40, float("inf"), 1e300]))
def test_patterns_that_no_memory_holds_are_refused_at_once(length, most):
    for task in (am.InductionTask(10, length), am.InductionTask(10**6, length, "random", "all")):
        with (
            in_little_memory(),
            pytest.raises(ValueError, match=r"patterns: .* at least about 10"),
        ):
            task.patterns(most)


@given(st.integers(3, 9), st.integers(3, 40))
def test_the_number_of_patterns_is_exact_up_to_the_memory(length, n):
    """What is refused one byte below is what is returned; the counts are of the batch itself."""
    task = am.InductionTask(n, length)
    patterns = task.patterns()
    small = patterns.representatives
    size = 8 * len(patterns) * (3 * length + small.n_outputs + 1)
    assert len(task.patterns(size)) == len(patterns)
    with pytest.raises(ValueError, match=r"patterns: expected at most max_bytes"):
        task.patterns(size - 1)


def test_sequences_that_no_memory_holds_are_refused_at_once():
    with in_little_memory(), pytest.raises(ValueError, match=r"enumerate: .* sequences need about"):
        am.InductionTask(10**9, 2**16).enumerate()


def test_tables_of_positions_are_refused_by_their_size():
    for step in (am.gradients.first_step, am.gradients.second_step, am.gradients.third_step):
        with in_little_memory(), pytest.raises(ValueError, match="task: expected tables of posit"):
            step(am.InductionTask(10, 2**16))


@given(HUGE, st.integers(3, 9))
def test_tables_of_finite_width_are_refused_by_their_size(n, length):
    task = am.InductionTask(n, length)
    with in_little_memory(), pytest.raises(ValueError, match="task: expected tables of tokens and"):
        am.width.arguments.numeric_task(task)


@pytest.mark.parametrize(
    "grid",
    [
        {"n": range(10**4), "m": range(10**4)},
        {"n": itertools.count()},
        {"n": range(10**9)},
    ],
    ids=["product", "endless", "long"],
)
def test_a_grid_is_counted_before_it_is_spread_out(grid):
    with pytest.raises(ValueError, match="grid: expected at most 1000000 "):
        am.sweeps.run(lambda n, rng, m=0: {}, grid, rng=0)


# Languages of many words


@given(st.integers(2, 12), st.integers(0, 2**32))
def test_alias_tables_are_those_of_the_rows_one_by_one(n, seed):
    """By the method as its author states it, on lists."""
    laws = np.random.default_rng(seed).dirichlet(np.full(n, 0.5), size=5)
    tables = alias_tables(laws)
    for row, law in enumerate(laws):
        mass = (law * n).tolist()
        light = [i for i, m in enumerate(mass) if m < 1]
        heavy = [i for i, m in enumerate(mass) if m >= 1]
        keep, alias = [1.0] * n, list(range(n))
        while light and heavy:
            i, j = light.pop(), heavy[-1]
            keep[i], alias[i] = mass[i], j
            mass[j] -= 1 - mass[i]
            if mass[j] < 1:
                light.append(heavy.pop())
        assert tables.keep[row].tolist() == keep
        assert tables.alias[row].tolist() == alias


def test_a_language_of_words_is_sampled_in_a_few_times_its_table():
    n = 1500
    language = am.Language.zipf(n, rng=0)
    task = am.BigramTask(language, length=40)
    with in_little_memory(5 * language.bigram.nbytes):
        batch = task.sample(20, rng=0)
    # a trigger is followed by its output, any other token by one that its row has
    for tokens, targets, triggers, outputs in zip(
        batch.tokens, batch.targets, batch.triggers, batch.outputs, strict=True
    ):
        after = dict(zip(triggers.tolist(), outputs.tolist(), strict=True))
        for token, target in zip(tokens.tolist(), targets.tolist(), strict=True):
            assert target == after[token] if token in after else language.bigram[token, target] > 0

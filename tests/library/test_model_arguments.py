"""What a transformer takes, up to the last value that fits and from the first one that does not."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import assocmem as am
from assocmem.model.arguments import (
    checked_batch,
    checked_log_counts,
    checked_positions,
    checked_tokens,
    checked_weights,
)
from assocmem.model.embeddings import require_memory, sizes_of
from tests.rounding import FEW

sizes = st.integers(2, 5)


def embeddings(n: int, length: int, outputs: int, dtype: type = float) -> am.FrozenEmbeddings:
    class Task:
        n_tokens = n
        n_outputs = outputs

    Task.length, Task.outputs = length, range(outputs)
    return am.FrozenEmbeddings.orthonormal(Task()).astype(dtype)


@given(st.integers(1, 4), sizes)
def test_weights_of_one_shape_only(width, other):
    for shape in product((width, other), repeat=2):
        weights = np.ones(shape)
        memory = am.AssociativeMemory(keys=np.ones((1, shape[1])), values=np.ones((1, shape[0])))
        if shape == (width, width):
            assert checked_weights("W", weights, width) is weights
            assert checked_weights("W", memory, width) is memory
            weights[-1, 0] = np.nan
            with pytest.raises(ValueError, match="W: expected finite numbers"):
                checked_weights("W", weights, width)
        else:
            text = rf"W: expected shape \({width}, {width}\), .* got \({shape[0]}, {shape[1]}\)"
            for given_weights in (weights, memory):
                with pytest.raises(ValueError, match=text):
                    checked_weights("W", given_weights, width)


@given(sizes, sizes, st.integers(1, 7), st.integers(-2, 7), st.integers(-2, 7))
def test_tokens_from_0_to_the_last_in_as_many_columns_as_there_are_positions(
    n, length, columns, low, high
):
    low, high = sorted((low, high))
    tokens = np.full((2, columns), low)
    tokens[-1, -1] = high
    emb = embeddings(n, length, 2)
    if columns > length:
        with pytest.raises(ValueError, match=f"1 to {length} columns, .* got {columns}\\."):
            checked_tokens(tokens, emb)
    elif low < 0 or high >= n:
        with pytest.raises(ValueError, match=f"from 0 to {n - 1}; got {low} to {high}\\."):
            checked_tokens(tokens, emb)
    else:
        np.testing.assert_array_equal(checked_tokens(tokens, emb), tokens)


@pytest.mark.parametrize("shape", [(), (3,), (1, 3, 1)])
def test_tokens_are_a_table(shape):
    with pytest.raises(ValueError, match=r"tokens: expected a \(B, T\) array"):
        checked_tokens(np.zeros(shape, int), embeddings(3, 3, 2))


def test_no_sequences_are_sequences_and_no_columns_are_not():
    emb = embeddings(3, 3, 2)
    assert checked_tokens(np.zeros((0, 2), int), emb).shape == (0, 2)
    with pytest.raises(ValueError, match=r"tokens: expected 1 to 3 columns, .* got 0\."):
        checked_tokens(np.zeros((2, 0), int), emb)


@given(st.integers(1, 5), st.lists(st.integers(-7, 7), min_size=1, max_size=3))
def test_positions_count_from_both_ends(length, positions):
    if all(-length <= t < length for t in positions):
        expected = np.arange(length)[positions]
        np.testing.assert_array_equal(checked_positions(positions, length), expected)
    else:
        with pytest.raises(ValueError, match=f"from {-length} to {length - 1}; got"):
            checked_positions(positions, length)


def test_positions_are_a_list_and_all_by_default():
    np.testing.assert_array_equal(checked_positions(None, 4), [0, 1, 2, 3])
    for given_positions in (0, [[0]]):
        with pytest.raises(ValueError, match="positions: expected a list of integers"):
            checked_positions(given_positions, 4)


@given(sizes, st.integers(0, 7))
def test_targets_are_outputs(outputs, target):
    emb = embeddings(2, 2, outputs)
    batch = am.Batch(tokens=[[0, 1]], targets=[[target, 0]], weights=[[1.0, 0.0]])
    if target < outputs:
        assert checked_batch(batch, emb) is batch
    else:
        with pytest.raises(ValueError, match=f"classes below {outputs}, .* got {target}\\."):
            checked_batch(batch, emb)


@given(sizes, sizes, sizes, sizes, st.integers(0, 24))
def test_multiplicities_are_positive_in_one_shape_only(rows, columns, own_rows, own_columns, at):
    counts = np.arange(1.0, 1 + own_rows * own_columns).reshape(own_rows, own_columns)
    if (own_rows, own_columns) != (rows, columns):
        with pytest.raises(ValueError, match=f"numbers of shape \\({rows}, {columns}\\)"):
            checked_log_counts(counts, (rows, columns))
        return
    found = checked_log_counts(counts, (rows, columns))
    np.testing.assert_allclose(np.exp(found), counts, rtol=FEW)
    for bad in (0.0, -1.0):
        counts.flat[at % counts.size] = bad
        with pytest.raises(ValueError, match="multiplicities: expected positive numbers"):
            checked_log_counts(counts, (rows, columns))


DERIVED = ["remapped_tokens", "remapped_positions", "values", "Phi1", "W_V2"]


@given(sizes, sizes, sizes, st.sampled_from(["positions", "outputs", *DERIVED]))
def test_embeddings_have_the_shapes_that_their_tokens_imply(n, length, outputs, name):
    emb = embeddings(n, length, outputs)
    arrays = {name: getattr(emb, name) for name in ("tokens", "positions", "outputs", *DERIVED)}
    assert (emb.n_tokens, emb.length, emb.n_outputs) == (n, length, outputs)
    array = arrays[name]
    wrong = [array[:, :-1], np.pad(array, ((0, 0), (0, 1))), array.astype(np.float32)]
    if name in DERIVED:
        wrong += [array[:-1], np.pad(array, ((0, 1), (0, 0)))]
    for other in wrong:
        with pytest.raises(ValueError, match=f"{name}: expected shape .* and dtype float64"):
            am.FrozenEmbeddings(**arrays | {name: other})


def test_embeddings_are_compared_by_identity():
    one, twin = embeddings(3, 2, 2), embeddings(3, 2, 2)
    assert one == one
    assert one != twin
    assert len({one, twin}) == 2


def test_matrices_become_embeddings_by_name_only():
    emb = embeddings(3, 2, 2)
    arrays = [getattr(emb, name) for name in ("tokens", "positions", "outputs", "Phi1", "W_V2")]
    with pytest.raises(TypeError, match="positional argument"):
        am.FrozenEmbeddings.from_matrices(*arrays)


@given(st.integers(1, 200), st.integers(-1, 1))
def test_embeddings_take_the_memory_that_two_square_matrices_do(width, beyond):
    needed = 2 * np.zeros((width, width)).nbytes
    if beyond >= 0:
        require_memory("width", width, needed + beyond)
    else:
        with pytest.raises(
            ValueError, match=f"width: .* got width {width}, which takes .*compressed"
        ):
            require_memory("width", width, needed + beyond)


def test_by_default_they_take_16_gigabytes_at_most():
    require_memory("width", 2**15)
    with pytest.raises(ValueError, match=f"got width {2**15 + 1}, "):
        require_memory("width", 2**15 + 1)


def test_sizes_of_a_task():
    task = am.InductionTask(n_tokens=7, length=4, n_triggers=2)
    assert sizes_of(task) == (7, 4, 5)
    assert embeddings(3, 4, 2).width == 2 * 7 + 2
    for other in ((7, 4, 4), (7, 5, 5), (6, 4, 5)):
        with pytest.raises(ValueError, match=r"expected \(N, T, M\) = \(7, 4, 5\), .* got \("):
            embeddings(*other).check_fits(task)
    embeddings(7, 4, 5).check_fits(task)
    with pytest.raises(
        TypeError, match=r"task: expected a Task, .* without length, n_tokens, outputs"
    ):
        sizes_of(3)

"""Products of tables at any scale, and memories of any size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assocmem.memory import AssociativeMemory
from assocmem.memory.products import held, product, pseudo_inverse, scaled_product
from tests.rounding import SOLVED

DTYPES = st.sampled_from([np.float32, np.float64])


@given(DTYPES, st.lists(st.integers(-1000, 1000), min_size=2, max_size=6), st.integers(1, 3))
def test_a_product_of_powers_of_two_is_exact_at_any_exponents(dtype, exponents, size):
    """Whatever each factor's exponent and however many there are, no digit and no sign is lost."""
    limit = np.finfo(dtype).maxexp - 2
    exponents = [max(-limit, min(limit, e)) for e in exponents]
    factors = [np.ldexp(np.eye(size, dtype=dtype), e) for e in exponents]
    table, exponent = scaled_product(*factors)
    assert table.dtype == dtype
    mantissa, power = math.frexp(table[0, 0])
    assert (mantissa, power - 1 + exponent) == (0.5, sum(exponents))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("offset", range(-5, 2))
@pytest.mark.parametrize("top", [1, 7])
def test_a_product_of_large_or_small_tables_is_that_of_their_digits(
    dtype, count, sign, offset, top
):
    """Sums of many large products do not overflow, and small ones keep all their digits."""
    rng, d = np.random.default_rng(), 9
    digits = [rng.integers(1, top + 1, (d, d)) for _ in range(count)]
    exponents = [sign * (np.finfo(dtype).maxexp // count) + offset] * count
    factors = [np.ldexp(x.astype(dtype), e) for x, e in zip(digits, exponents, strict=True)]
    table, exponent = scaled_product(*factors)
    found = np.ldexp(table.astype(float), exponent - sum(exponents))
    expected = np.linalg.multi_dot(digits)
    assert table.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=count * (d + 1) * np.finfo(dtype).eps)


@given(DTYPES, st.floats(0.5, 1, exclude_max=True), st.integers(-140, 140), st.integers(-140, 140))
@example(np.float32, 0.5, 0, 128)
@example(np.float32, 0.5, 0, 129)
@example(np.float32, 0.5, 0, -125)
@example(np.float32, 0.5, 0, -126)
def test_a_held_table_is_itself_times_the_power_of_two(dtype, mantissa, own, exponent):
    """In float32 where float32 holds it as a normal number, else in float64: never 0, never inf."""
    own = min(own, 127) if dtype == np.float32 else own
    own = max(own, -120) if dtype == np.float32 else own
    table = np.array([[np.ldexp(dtype(mantissa), own), 0, -np.inf]], dtype=dtype)
    found = held(table, exponent)
    expected = math.ldexp(float(table[0, 0]), exponent)
    assert found.tolist() == [[expected, 0, -math.inf]]
    if dtype == np.float32 and exponent:
        float32 = np.finfo(np.float32)
        narrow = float(float32.tiny) <= expected <= float(float32.max)
        assert found.dtype == (np.float32 if narrow else np.float64)


@pytest.mark.parametrize("exponent", [1, 2, 500, 5000])
def test_a_table_beyond_float64_is_refused_and_one_at_its_end_is_not(exponent):
    largest = np.array([[np.finfo(np.float64).max]])
    fits = np.ldexp(largest, -exponent)
    if fits[0, 0]:
        assert held(fits, exponent)[0, 0] == pytest.approx(largest[0, 0])
    with pytest.raises(ValueError, match="expected products that float64 holds"):
        held(np.ldexp(largest, 1 - min(exponent, 500)), exponent)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 30), (30, 3)])
def test_the_rank_of_a_pseudo_inverse_is_cut_at_rounding(dtype, shape):
    """Singular values above max(shape) eps count, those below do not, whichever side is longer."""
    eps = 30 * np.finfo(dtype).eps
    for small, counts in ((2 * eps, True), (0.5 * eps, False)):
        table = np.zeros(shape, dtype)
        table[0, 0], table[1, 1] = 1, small
        found = pseudo_inverse(table)
        assert found.dtype == dtype
        assert found[1, 1] == (pytest.approx(1 / small) if counts else 0)


@settings(max_examples=5)
@given(st.integers(257, 300), st.integers(257, 300), st.integers(257, 300))
def test_sizes_beyond_256_are_like_any_other(d_k, d_v, n):
    """Python holds one object for each integer up to 256: sizes are equal, not identical, above."""
    rng = np.random.default_rng(n)
    keys, values = rng.integers(-2, 3, (n, d_k)), rng.integers(-2, 3, (n, d_v))
    memory = AssociativeMemory(keys=keys, values=values)
    matrix = values.T @ keys
    x, y = rng.integers(-2, 3, d_k), rng.integers(-2, 3, (d_v, 2))
    np.testing.assert_array_equal(memory @ x, matrix @ x)
    np.testing.assert_array_equal(memory.T @ y, matrix.T @ y)
    np.testing.assert_array_equal((memory @ memory.T).matrix, matrix @ matrix.T)
    np.testing.assert_array_equal(
        (memory + memory.store(x, y[:, 0])).matrix, 2 * matrix + np.outer(y[:, 0], x)
    )
    stored = memory.store(keys, values, np.ones(n))
    np.testing.assert_array_equal(stored.matrix, 2 * matrix)
    read = AssociativeMemory.from_matrix(product(np.eye(d_v), matrix), np.eye(d_k), np.eye(d_v))
    np.testing.assert_allclose(read.matrix, matrix, atol=SOLVED)
    assert memory.recall(np.arange(n), np.ones((n, n), bool)) == memory.recall()
    assert memory.scores(keys=keys[:1], values=values[:1]).shape == (1, 1)

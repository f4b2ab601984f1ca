"""Guards of memory: the last size that fits goes through, the first that does not is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assocmem as am
from assocmem import _checks, gradients, training
from assocmem.capacity import laws


@settings(max_examples=20)
@given(st.integers(3, 30))
def test_the_tables_of_positions_take_64_bytes_a_pair(length):
    task = am.InductionTask(n_tokens=9, length=length)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_checks, "MOST_BYTES", 64 * length**2)
        gradients.first_step(task)
        patch.setattr(_checks, "MOST_BYTES", 64 * length**2 - 1)
        with pytest.raises(ValueError, match="task: expected tables of positions that take"):
            gradients.first_step(task)


@settings(max_examples=20)
@given(st.integers(3, 9), st.integers(3, 9), st.sampled_from([np.float32, np.float64]))
def test_the_table_of_scores_between_inputs(n, length, dtype):
    emb = am.FrozenEmbeddings.orthonormal(am.InductionTask(n, length)).astype(dtype)
    needed = 4 * np.zeros((n + length, n + length), dtype).nbytes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_checks, "MOST_BYTES", needed)
        training.TrainingStep(emb)
        patch.setattr(_checks, "MOST_BYTES", needed - 1)
        text = rf"at most .* bytes; got some that take {needed:.2g}\.".replace("+", r"\+")
        with pytest.raises(ValueError, match=text):
            training.TrainingStep(emb)


@settings(max_examples=20)
@given(st.integers(2, 60), st.booleans())
def test_a_draw_holds_one_entry_a_value(n, classes):
    options = {"classes": n // 2} if classes and n >= 4 and n % 2 == 0 else {}
    values = options.get("classes", n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(laws, "_MOST", values)
        laws.sampled_recall(n, 4, draws=1, rng=0, **options)
        patch.setattr(laws, "_MOST", values - 1)
        with pytest.raises(ValueError, match=f"at most {values - 1} values, .* got {values}\\."):
            laws.sampled_recall(n, 4, draws=1, rng=0, **options)


@given(st.floats(0.6, 4), st.floats(1, 50), st.integers(10, 1000))
def test_the_product_of_zipf_recall_has_as_many_factors_as_reach_normal_tails(exponent, x, most):
    """Φ((k/x)^α) is 1 to rounding from k = 9^(1/α) x on."""
    factors = 9 ** (1 / exponent) * x
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(laws, "_MOST", most)
        if factors <= most:
            laws.zipf_recall([1.0, x], exponent)
        else:
            with pytest.raises(ValueError, match=f"a product of {most} factors; got"):
                laws.zipf_recall([1.0, x], exponent)


@pytest.mark.parametrize("size", [11_586, 20_000])
def test_pairs_of_sequences_take_a_gigabyte_at_most(size):
    with pytest.raises(ValueError, match=f"expected at most 11585 sequences, .* got {size}\\."):
        gradients.attention_step(np.ones((size, 1, 1)), np.zeros(size, int), [[1.0]], [[1.0]])

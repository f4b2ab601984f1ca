"""Batches: splitting keeps expectations, weights, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assocmem.tasks import Batch, InductionBatch, InductionTask


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 20),
    length=st.integers(1, 4),
    size=st.integers(1, 25),
)
def test_split_keeps_every_expectation(seed, rows, length, size):
    rng = np.random.default_rng(seed)
    weights = rng.random((rows, length)) * (rng.random((rows, 1)) < 0.5)
    weights[rng.integers(rows)] = 1
    weights /= weights.sum()
    tokens = rng.integers(5, size=(rows, length))
    batch = Batch(tokens=tokens, targets=tokens, weights=weights)
    assert len(batch) == rows
    expected = (weights * np.sin(tokens)).sum()
    pieces = list(batch.split(size))
    total = sum(share * (piece.weights * np.sin(piece.tokens)).sum() for share, piece in pieces)
    # rounding of two sums of rows * length terms of total weight 1
    assert abs(total - expected) <= 2 * (rows * length + 2) * np.finfo(np.float64).eps
    kept = np.concatenate([piece.tokens for _, piece in pieces])
    with_weight = [
        tokens[i : i + size] for i in range(0, rows, size) if weights[i : i + size].sum() > 0
    ]
    np.testing.assert_array_equal(kept, np.concatenate(with_weight))
    assert all(len(piece) <= size for _, piece in pieces)


@pytest.mark.parametrize("as_mask", [False, True])
def test_selected_sequences_keep_all_that_they_have(as_mask):
    batch = InductionTask(n_tokens=5, length=7, n_triggers=2).enumerate()
    rows = np.random.default_rng(3).choice(len(batch), 40, replace=False)
    if as_mask:
        rows.sort()
    some = batch.select(np.isin(np.arange(len(batch)), rows) if as_mask else rows)
    assert isinstance(some, InductionBatch)
    for field in "tokens", "targets", "trigger_position", "output":
        np.testing.assert_array_equal(getattr(some, field), getattr(batch, field)[rows])
    assert some.weights[:, -1].sum() == pytest.approx(1, rel=1e-14)
    assert np.ptp(some.weights[:, -1]) == 0


@pytest.mark.parametrize(
    ("rows", "error", "text"),
    [
        ([0.0], TypeError, "rows: expected integers; got dtype float"),
        ([True], ValueError, r"rows: expected a mask of shape \(2,\).*got \(1,\)"),
        ([0, 2], ValueError, r"rows: expected a list of numbers from 0 to 1; got \[0, 2\]"),
        ([-1], ValueError, r"rows: expected a list of numbers from 0"),
        ([[0]], ValueError, r"rows: expected a list of numbers"),
        ([1], ValueError, "rows: expected a sequence with positive weight"),
        ([False, False], ValueError, "rows: expected a sequence with positive weight"),
    ],
)
def test_rows_that_cannot_be_selected(rows, error, text):
    batch = Batch(tokens=[[0], [1]], targets=[[1], [-1]], weights=[[1.0], [0.0]])
    with pytest.raises(error, match=text):
        batch.select(rows)


def test_normalised_weights_of_any_size_are_accepted():
    rng = np.random.default_rng(8)
    for n in 1, 10, 1000, 100_000:
        weights = rng.random((n, 3))
        weights /= weights.sum()
        Batch(tokens=np.zeros((n, 3), int), targets=np.zeros((n, 3), int), weights=weights)


GOOD_BATCH = {"tokens": [[0, 1], [2, 0]], "targets": [[-1, 1], [-1, 0]], "weights": [[0, 0.5]] * 2}
BAD_BATCHES = [
    ({"tokens": [[0.0, 1.0], [2.0, 0.0]]}, TypeError, r"tokens: expected integers; got dtype flo"),
    ({"targets": [[-1, 1.0], [-1, 0]]}, TypeError, r"targets: expected integers; got dtype float"),
    ({"tokens": [[0, 1], [-2, 0]]}, ValueError, r"tokens: expected ids from 0 up; got -2"),
    ({"tokens": [0, 1]}, ValueError, r"tokens: .*shape \(sequences, length\); got \(2,\)"),
    ({"tokens": np.zeros((0, 2), int)}, ValueError, r"tokens: expected a non-empty array"),
    ({"targets": [[-1], [-1]]}, ValueError, r"targets: expected the shape \(2, 2\).*got \(2, 1\)"),
    ({"weights": [0.5, 0.5]}, ValueError, r"weights: expected the shape \(2, 2\).*got \(2,\)"),
    ({"weights": [[0, np.nan], [0, 0.5]]}, ValueError, r"weights: expected finite.*got NaN"),
    ({"weights": [[0, np.inf], [0, 0.5]]}, ValueError, r"weights: expected finite numbers"),
    ({"weights": [[0, 1.5], [0, -0.5]]}, ValueError, r"weights: .*at least 0; got -0\.5"),
    ({"weights": [[0, 0.5], [0, 0.6]]}, ValueError, r"weights: expected a sum of 1.*got 1\.1"),
    ({"weights": [[0, 0.5], [0, 0.5 + 1e-12]]}, ValueError, r"weights: expected a sum of 1"),
    ({"weights": np.zeros((2, 2))}, ValueError, r"weights: expected a sum of 1.*got 0\.0"),
    ({"weights": [[0.5, 0], [0, 0.5]]}, ValueError, r"targets: .*got -1\. Set the weight to 0"),
    ({"targets": [[-2, 1], [-1, 0]]}, ValueError, r"targets: expected classes from 0 up.*got -2"),
]


@pytest.mark.parametrize(("change", "error", "text"), BAD_BATCHES)
def test_bad_batches(change, error, text):
    assert repr(Batch(**GOOD_BATCH)) == "Batch(2 sequences of length 2, 2 predictions)"
    with pytest.raises(error, match=text):
        Batch(**(GOOD_BATCH | change))


def test_complex_weights_are_refused():
    with pytest.raises(TypeError, match="weights: expected real numbers; got dtype complex128"):
        Batch(tokens=[[0]], targets=[[0]], weights=[[1 + 0j]])

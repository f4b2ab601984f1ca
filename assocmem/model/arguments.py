"""What a transformer may be given: each check returns its argument as the passes take it."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import (
    Array,
    Ints,
    checked_integers,
    checked_kind,
    checked_number,
    checked_option,
    checked_reals,
)
from assocmem.memory import AssociativeMemory
from assocmem.model.blocks import BlockTable
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.tasks import Batch

Weights = ArrayLike | AssociativeMemory | None
Readout = Literal["attention", "residual"]
DRAW = "Draw them with FrozenEmbeddings.random or .orthonormal."


def checked_model(embeddings: FrozenEmbeddings, scale: float, readout: Readout) -> float:
    """The scale, where embeddings and readout are those of a model."""
    checked_kind("embeddings", embeddings, FrozenEmbeddings, DRAW)
    remedy = "The first reads what layer 2 writes, the second the whole residual stream."
    checked_option("readout", readout, get_args(Readout), remedy)
    return checked_number("scale", scale, remedy="1 leaves the scores as they are.")


def checked_matrix(name: str, given: Any) -> Any:
    """What is given, unless it is a table, whose entries stand over atoms."""
    if isinstance(given, BlockTable):
        raise TypeError(
            f"{name}: expected a matrix or a memory; got BlockTable, which has coefficients over "
            f"embeddings. Pass table.memory(embeddings)."
        )
    return given


def checked_weights(name: str, weights: ArrayLike | AssociativeMemory, width: int) -> Any:
    """The weights, refused unless they are finite and width by width."""
    if not isinstance(weights, AssociativeMemory):
        weights = checked_reals(name, checked_matrix(name, weights))
    if weights.shape != (width, width):
        raise ValueError(
            f"{name}: expected shape ({width}, {width}), the width of the embeddings; got "
            f"{weights.shape}. Take weights and embeddings of one width."
        )
    return weights


def checked_tokens(tokens: ArrayLike, embeddings: FrozenEmbeddings) -> Ints:
    """The tokens as a (B, T) array of ids that the embeddings have."""
    if isinstance(tokens, Batch):
        raise TypeError(
            f"tokens: expected a (B, T) array of integers; got {type(tokens).__name__}. Pass "
            f"batch.tokens."
        )
    array = checked_integers("tokens", tokens)
    n, length = embeddings.n_tokens, embeddings.length
    if array.ndim != 2:
        raise ValueError(
            f"tokens: expected a (B, T) array of integers; got shape {array.shape}. A single "
            f"sequence is tokens[None, :]."
        )
    if not 0 < array.shape[1] <= length:
        raise ValueError(
            f"tokens: expected 1 to {length} columns, one a position of the embeddings; got "
            f"{array.shape[1]}. Cut the sequences, or draw embeddings with more positions."
        )
    if array.size and (array.min() < 0 or array.max() >= n):
        raise ValueError(
            f"tokens: expected ids from 0 to {n - 1}; got {array.min()} to {array.max()}. They "
            f"count from 0."
        )
    return array


def checked_positions(positions: ArrayLike | None, length: int) -> Ints:
    """The positions, counted from 0; all of them, if none are given."""
    if positions is None:
        return np.arange(length)
    queries = checked_integers("positions", positions)
    if queries.ndim != 1:
        raise ValueError(
            f"positions: expected a list of integers; got {positions!r}. A single position is [t]."
        )
    if (queries < -length).any() or (queries >= length).any():
        raise ValueError(
            f"positions: expected integers from {-length} to {length - 1}; got {positions!r}. They "
            f"count from 0, and from the end below it."
        )
    return queries % length


def checked_batch(batch: Batch, embeddings: FrozenEmbeddings) -> Batch:
    """The batch, refused unless its tokens and targets are those of the embeddings."""
    checked_kind(
        "batch",
        batch,
        Batch,
        "Make one with task.sample, task.enumerate or Batch(tokens=, targets=, weights=).",
    )
    checked_tokens(batch.tokens, embeddings)
    classes = embeddings.n_outputs
    if batch.targets.max(initial=-1) >= classes:
        raise ValueError(
            f"batch.targets: expected classes below {classes}, the outputs of the embeddings; "
            f"got {batch.targets.max()}. Draw the embeddings for the task of the batch."
        )
    return batch


def checked_log_counts(multiplicities: ArrayLike | None, shape: tuple[int, int]) -> Array | None:
    """The logarithm of the multiplicities; None, if there are none."""
    if multiplicities is None:
        return None
    counts = checked_reals("multiplicities", multiplicities).astype(float)
    if counts.shape != shape or not (counts > 0).all():
        raise ValueError(
            f"multiplicities: expected positive numbers of shape {shape}, a row per sequence and a "
            f"column per class; got shape {counts.shape}. Take those of the same Patterns."
        )
    return np.log(counts)


class ScoresOverflow(ValueError):
    """Weights so large that scores of attention are no longer finite."""


def check_finite(name: str, scores: Array) -> None:
    """Refuse scores that overflow."""
    if not np.isfinite(scores).all():
        raise ScoresOverflow(
            f"{name}: expected finite scores in {scores.dtype}; got infinity. Scale it down, take "
            f"smaller steps, or use float64."
        )

"""Runs the passes over batches: in chunks, on several threads, with sums in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assocmem._checks import Array, Ints
from assocmem.model.passes import LANES, Pass, Tables, zeros
from assocmem.model.streams import Buffers, Chunk
from assocmem.tasks import Batch


class Engine:
    """Results are the same bit for bit with any number of workers: chunks of sequences and the
    order of their sums are fixed. Call it within `one_blas_thread`."""

    def __init__(self, dtype: np.dtype[Any], workers: int = 1) -> None:
        self.dtype = dtype
        self._executor = ThreadPoolExecutor(workers) if workers > 1 else None
        self._buffers: list[Buffers] = []

    def sums(
        self, tables: Tables, batch: Batch, wrt: tuple[str, ...], log_counts: Array | None = None
    ) -> dict[str, Array]:
        """Return the loss and the gradients on what the tables hold, by its name there."""
        chunks = list(tables.chunks(batch.tokens, batch.weights > 0))

        def sum_of(lane: list[Chunk], buffers: Buffers) -> dict[str, Array]:
            sums = zeros(tables, wrt)
            for chunk in lane:
                at = chunk.sequences[:, None], chunk.positions
                targets, weights = batch.targets[at], np.where(chunk.real, batch.weights[at], 0)
                counts = None
                if log_counts is not None:
                    counts = np.repeat(log_counts[chunk.sequences], at[1].shape[1], axis=0)
                forward = Pass(tables, chunk, buffers)
                forward.backward(targets.ravel(), weights.ravel(), sums, counts)
            return sums

        total = zeros(tables, wrt)
        lanes = [chunks[i::LANES] for i in range(min(LANES, len(chunks)))]
        for part in self._map(sum_of, lanes):
            for name, array in total.items():
                array += part[name]
        return total

    def read(self, tables: Tables, tokens: Ints, where: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Return logits (P, M) and attention of layer 2 (P, T) at the P marked positions."""
        before = np.concatenate([[0], where.sum(axis=1).cumsum()])
        logits = np.empty((before[-1], len(tables.O)), self.dtype)
        attention = np.empty((before[-1], tokens.shape[1]), self.dtype)

        def fill(chunk: Chunk, buffers: Buffers) -> None:
            forward, real = Pass(tables, chunk, buffers), chunk.real
            row = (before[chunk.sequences, None] + np.arange(real.shape[1]))[real]
            logits[row] = forward.logits[real.ravel()]
            attention[row] = forward.a[real]

        self._map(fill, list(tables.chunks(tokens, where)))
        return logits, attention

    def first_attention(self, tables: Tables, tokens: Ints) -> Array:
        """Return the attention of layer 1, (B, T, T): rows are queries, and sum to 1."""
        size, length = tokens.shape
        out = np.zeros((size, length, length), self.dtype)
        first, everywhere = tables.first, np.ones((size, length), dtype=bool)
        assert first is not None

        def fill(chunk: Chunk, buffers: Buffers) -> None:
            out[chunk.sequences] = first.maps(chunk, buffers).at(chunk.positions, length)

        self._map(fill, list(tables.chunks(tokens, everywhere)))
        return out

    def _map(self, function: Callable[[Any, Buffers], Any], items: Sequence[Any]) -> list[Any]:
        """Apply the function to every item, with a worker's buffers; results in order."""

        def run(item: Any) -> Any:
            try:
                buffers = self._buffers.pop()
            except IndexError:  # another worker has them
                buffers = Buffers(self.dtype)
            try:
                # A matrix product may raise a flag over numbers that are no part of the result.
                with np.errstate(over="ignore", invalid="ignore"):
                    return function(item, buffers)
            finally:
                self._buffers.append(buffers)

        return list(self._executor.map(run, items) if self._executor else map(run, items))

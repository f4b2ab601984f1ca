"""The residual stream x¹ of a few sequences, as the passes use it; and the maps of layer 1.

In the coordinates of the atoms (w_E, p, Φ₁ w_E, Φ₁ p), x_s has a one at the token z_s and one at
the position s, V_s has them at the images of both, and x¹_s = [x_s, Σ_r b_sr x_r] is never written
out (`Atoms`): a product is two look-ups and one product with b, a sum the reverse,

    q·x¹_s     = q[z_s] + q[s] + Σ_r b_sr (q[Φ₁ z_r] + q[Φ₁ r])
    Σ_s a_s x¹_s = [Σ_s a_s x_s, Σ_r (Σ_s a_s b_sr) x_r]

With vectors of width d for inputs, x¹ is a (T, d) array for each sequence (`Vectors`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assocmem._checks import Array, Ints

ROWS = 64  # queries in a block of layer 1: fewer would skip more of the future, but slow down BLAS
QUERIES = 64  # at most so many in a block of layer 2
KEYS = 32  # whose keys end at a multiple of this


def softmax_in_place(scores: Array, *, shifted: bool = True) -> None:
    """Over the last axis, in place; without a shift the exponentials must not overflow."""
    if shifted:
        scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores @ np.ones((scores.shape[-1], 1), scores.dtype)


class Buffers:
    """Arrays that one worker uses again and again: fresh large ones would cost page faults.

    An array is valid until the next call with its name, which what comes later may take over.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._flat: dict[str, Array] = {}

    def __call__(self, name: str, *shape: int) -> Array:
        """Return an array of this shape, not initialised."""
        size = math.prod(shape)
        flat = self._flat.get(name)
        if flat is None or flat.size < size:
            flat = self._flat[name] = np.empty(size, dtype=self.dtype)
        return flat[:size].reshape(shape)


@dataclass(frozen=True)
class Chunk:
    """A few sequences, and the positions of their queries in layer 2.

    They have about the same number of queries; shorter lists repeat their last position.
    """

    sequences: Ints  # (C,) rows of the batch
    tokens: Ints  # (C, T)
    positions: Ints  # (C, L), ascending
    real: NDArray[np.bool_]  # (C, L), False for a repetition

    def blocks(self) -> Iterator[tuple[slice, int]]:
        """Blocks of queries, each with the end of its keys."""
        length, queries = self.tokens.shape[1], self.positions.shape[1]
        count = -(-queries // QUERIES)
        for i in range(count):
            block = slice(queries * i // count, queries * (i + 1) // count)
            last = int(self.positions[:, block].max())
            yield block, min((last // KEYS + 1) * KEYS, length)


class Maps:
    """Attention of layer 1, (C, rows, keys) for each block of rows; one for all if C = 1."""

    def __init__(self, blocks: list[slice], maps: list[Array]) -> None:
        self.blocks, self.maps = blocks, maps

    def __iter__(self) -> Iterator[tuple[slice, Array]]:
        return zip(self.blocks, self.maps, strict=True)

    def apply(self, values: Array) -> Array:
        """Σ_r b_sr values_r: (C, L, T) to (C, L, T)."""
        out = np.empty_like(values)
        for block, b in self:
            self._product(values[:, :, : block.stop], b.transpose(0, 2, 1), out[:, :, block])
        return out

    def transposed(self, values: Array) -> Array:
        """Σ_s b_sr values_s: (C, L, T) to (C, L, T)."""
        out = np.zeros_like(values)
        for block, b in self:
            part = out[:, :, : block.stop]
            part += self._product(values[:, :, block], b, np.empty_like(part))
        return out

    def _product(self, values: Array, b: Array, out: Array) -> Array:
        """A product for each sequence, or one for all."""
        if len(b) > 1:
            return np.matmul(values, b, out=out)
        out[:] = (values.reshape(-1, values.shape[2]) @ b[0]).reshape(out.shape)
        return out

    def at(self, positions: Ints, length: int) -> Array:
        """The rows (C, L, T) at these positions."""
        rows = np.zeros((*positions.shape, length), dtype=self.maps[0].dtype)
        for block, b in self:
            c, l = np.nonzero((block.start <= positions) & (positions < block.stop))
            which = c if len(b) > 1 else 0
            rows[c, l, : block.stop] = b[which, positions[c, l] - block.start]
        return rows


class FirstLayer:
    """The scores of layer 1 between inputs, tokens then positions, (N+T, N+T)."""

    def __init__(self, scores: Array, n_tokens: int, length: int) -> None:
        self.n, self.scores, dtype = n_tokens, scores, scores.dtype
        tokens, positions = slice(n_tokens), slice(n_tokens, n_tokens + length)
        self.blocks = [slice(s, min(s + ROWS, length)) for s in range(0, length, ROWS)]
        self.one_hot, causal = np.eye(n_tokens, dtype=dtype), np.tri(length, dtype=bool)
        by_token, by_position = scores[:, tokens], scores[:, positions]
        parts = by_token[tokens], by_position[tokens], by_token[positions], by_position[positions]
        self.token_token, self.position_token = parts[0].copy(), parts[2].copy()
        self.token_position = [parts[1][:, : block.stop].copy() for block in self.blocks]
        self.position_position = np.where(causal, parts[3], -np.inf).astype(dtype)
        largest = [float(abs(part).max(initial=0)) for part in parts]
        limit = math.log(np.finfo(dtype).max) / 2  # exponentials cannot overflow
        self.safe = sum(largest) <= limit
        self.shared = not any(largest[:3])  # scores between positions only: one map for all

    def maps(self, chunk: Chunk, buffers: Buffers) -> Maps:
        """The attention of each sequence, or the one of all."""
        if self.shared:
            return self._shared_maps
        tokens, (size, length) = chunk.tokens, chunk.tokens.shape
        by_token = buffers("by_token", size, length, self.n)
        np.take(self.token_token, tokens, axis=0, out=by_token, mode="clip")
        by_token += self.position_token
        one_hot = self._one_hot(tokens, buffers)  # look-ups as a product: one call
        maps = []
        for i, block in enumerate(self.blocks):
            keys = block.stop
            scores = buffers(f"b{i}", size, keys - block.start, keys)
            np.matmul(by_token[:, block], one_hot[:, :keys].transpose(0, 2, 1), out=scores)
            part = buffers("part", *scores.shape)
            np.take(self.token_position[i], tokens[:, block], axis=0, out=part, mode="clip")
            scores += part
            scores += self.position_position[block, :keys]
            softmax_in_place(scores, shifted=not self.safe)
            maps.append(scores)
        return Maps(self.blocks, maps)

    def _one_hot(self, tokens: Ints, buffers: Buffers) -> Array:
        one_hot = buffers("one_hot", *tokens.shape, self.n)
        return np.take(self.one_hot, tokens, axis=0, out=one_hot, mode="clip")

    @cached_property
    def _shared_maps(self) -> Maps:
        maps = [self.position_position[None, block, : block.stop].copy() for block in self.blocks]
        for b in maps:
            softmax_in_place(b, shifted=not self.safe)
        return Maps(self.blocks, maps)

    def add(
        self,
        g_b: Callable[[slice, Array], None],
        chunk: Chunk,
        maps: Maps,
        g_scores: Array,
        buffers: Buffers,
    ) -> None:
        """Add the gradient on the scores; ``g_b`` writes the one on a block of the maps."""
        tokens, (size, length) = chunk.tokens, chunk.tokens.shape
        of_token, of_position = np.split(g_scores, [self.n])  # rows are queries
        one_hot = self._one_hot(tokens, buffers)
        by_token = buffers("by_token", size, length, self.n)
        for block, b in maps:
            keys = block.stop
            g_S = buffers("part", size, keys - block.start, keys)
            g_b(block, g_S)
            g_S -= np.vecdot(g_S, b)[..., None]
            g_S *= b
            np.matmul(g_S, one_hot[:, :keys], out=by_token[:, block])
            queries = one_hot[:, block].reshape(-1, self.n)
            of_token[:, self.n : self.n + keys] += queries.T @ g_S.reshape(-1, keys)
            of_position[block, self.n : self.n + keys] += g_S.sum(axis=0)
        of_position[:length, : self.n] += by_token.sum(axis=0)
        of_token[:, : self.n] += one_hot.reshape(-1, self.n).T @ by_token.reshape(-1, self.n)


class Vectors:
    """x¹ as a vector for each position, (C, T, d)."""

    def __init__(
        self, atoms: Array, n_tokens: int, chunk: Chunk, maps: Maps | None, buffers: Buffers
    ) -> None:
        self.n, self.chunk, self.maps, self.buffers = n_tokens, chunk, maps, buffers
        self.blocks = list(chunk.blocks())
        inputs, remapped = np.split(atoms, 2)
        self.x1 = self._embedded("x1", inputs)
        if maps is not None:
            self.V = self._embedded("V", remapped)
            for block, b in maps:
                y = buffers("part", *self.x1[:, block].shape)
                np.matmul(b, self.V[:, : block.stop], out=y)
                self.x1[:, block] += y

    def _embedded(self, name: str, vectors: Array) -> Array:
        tokens = self.chunk.tokens
        rows = self.buffers(name, *tokens.shape, vectors.shape[1])
        np.take(vectors, tokens, axis=0, out=rows, mode="clip")
        rows += vectors[self.n : self.n + tokens.shape[1]]
        return rows

    def at(self) -> Array:
        """x¹_l, (C, L, d)."""
        size, length, width = self.x1.shape
        rows = self.chunk.positions + length * np.arange(size)[:, None]
        out = self.buffers("at", *rows.shape, width)
        np.take(self.x1.reshape(-1, width), rows, axis=0, out=out, mode="clip")
        return out

    def times(self, K2: Array, x1: Array, out: Array) -> None:
        """K²ᵀ x¹_l, (C, L, d), from the rows of `at`."""
        np.matmul(x1.reshape(-1, len(K2)), K2, out=out.reshape(-1, len(K2)))

    def dot(self, q: Array, out: Array) -> None:
        """q_l·x¹_s: (C, L, d) to (C, L, T), of keys that some query of the block sees; else 0."""
        self._product(q, self.x1, out)

    def remapped(self, q: Array, out: Array) -> None:
        """q_l·V_s, in the same way; there may be n vectors for each l: (C, L n, d)."""
        self._product(q, self.V, out)

    def _product(self, q: Array, rows: Array, out: Array) -> None:
        n = q.shape[1] // self.chunk.positions.shape[1]
        for block, end in self.blocks:
            these = slice(n * block.start, n * block.stop)
            np.matmul(q[:, these], rows[:, :end].transpose(0, 2, 1), out=out[:, these, :end])
            out[:, these, end:] = 0

    def sum(self, a: Array, name: str) -> Array:
        """Σ_s a_ls x¹_s: (C, L, T) to (C, L, d)."""
        out = self.buffers(name, *a.shape[:2], self.x1.shape[2])
        for block, end in self.blocks:
            np.matmul(a[:, block, :end], self.x1[:, :end], out=out[:, block])
        return out

    def add(self, factors: Array, vectors: Array, own: Array, g_atoms: Array) -> None:
        """Add the gradient on the atoms; that on x¹_s is Σ_n factors_ns vectors_n, own at the l.

        They are (C, n, T), (C, n, d) and (C, L, d).
        """
        chunk, g = self.chunk, np.matmul(factors.transpose(0, 2, 1), vectors)
        c, l = np.nonzero(chunk.real)
        g[c, chunk.positions[c, l]] += own[c, l]
        inputs, remapped = np.split(g_atoms, 2)
        self._add(g, inputs)
        if self.maps is not None:
            g_V = np.zeros_like(g)
            for block, b in self.maps:
                g_V[:, : block.stop] += np.matmul(b.transpose(0, 2, 1), g[:, block])
            self._add(g_V, remapped)

    def _add(self, g: Array, sums: Array) -> None:
        """Add up what each position has, by its token and by itself."""
        sums[self.n : self.n + g.shape[1]] += g.sum(axis=0)
        one_hot = np.eye(self.n, dtype=g.dtype)[self.chunk.tokens.ravel()]
        sums[: self.n] += one_hot.T @ g.reshape(-1, g.shape[2])


class Atoms:
    """x¹ in the coordinates of the atoms, never written out."""

    def __init__(
        self, n_inputs: int, n_tokens: int, chunk: Chunk, maps: Maps, buffers: Buffers
    ) -> None:
        self.n, self.inputs = n_tokens, n_inputs
        self.chunk, self.maps, self.buffers = chunk, maps, buffers

    def at(self) -> Array:
        """x¹_l, (C, L, 2(N+T))."""
        chunk, n = self.chunk, self.n
        length, positions = chunk.tokens.shape[1], chunk.positions
        x1 = np.zeros((*positions.shape, 2, self.inputs), dtype=self.buffers.dtype)
        own = np.take_along_axis(chunk.tokens, positions, axis=1)
        np.put_along_axis(x1[:, :, 0], own[:, :, None], 1, axis=2)
        np.put_along_axis(x1[:, :, 0], n + positions[:, :, None], 1, axis=2)
        self._scatter(self.maps.at(positions, length), x1[:, :, 1])
        return x1.reshape(*positions.shape, -1)

    def times(self, K2: Array, x1: Array, out: Array) -> None:
        """K²ᵀ x¹_l, (C, L, 2(N+T)): two look-ups, and a product for what layer 1 writes."""
        if not K2.any():
            out[:] = 0
            return
        positions = self.chunk.positions
        tokens = np.take_along_axis(self.chunk.tokens, positions, axis=1)
        written = x1[:, :, self.inputs :].reshape(-1, self.inputs)
        out[:] = (written @ K2[self.inputs :]).reshape(x1.shape)
        out += K2[tokens]
        out += K2[self.n + positions]

    def dot(self, q: Array, out: Array) -> None:
        """q_l·x¹_s: (C, L, 2(N+T)) to (C, L, T)."""
        written = self._look_up(q[:, :, self.inputs :])
        np.add(self._look_up(q[:, :, : self.inputs]), self.maps.apply(written), out=out)

    def remapped(self, q: Array, out: Array) -> None:
        """q_l·V_s: (C, L n, 2(N+T)) to (C, L n, T)."""
        out[:] = self._look_up(q[:, :, self.inputs :])

    def _look_up(self, q: Array) -> Array:
        """q[z_s] + q[s]: (C, L, N+T) to (C, L, T)."""
        rows = self.inputs * np.arange(q.shape[0] * q.shape[1])
        entries = rows.reshape(*q.shape[:2], 1) + self.chunk.tokens[:, None, :]
        found: Array = q.take(entries)
        found += q[:, :, self.n : self.n + entries.shape[2]]
        return found

    def sum(self, a: Array, name: str) -> Array:
        """Σ_s a_ls x¹_s: (C, L, T) to (C, L, 2(N+T))."""
        out = self.buffers(name, *a.shape[:2], 2, self.inputs)
        out[..., self.n + a.shape[2] :] = 0
        self._scatter(a, out[:, :, 0])
        self._scatter(self.maps.transposed(a), out[:, :, 1])
        return out

    def _scatter(self, a: Array, out: Array) -> None:
        """Σ_s a_ls x_s: (C, L, T) to (C, L, N+T)."""
        size, queries, length = a.shape
        rows = np.arange(size * queries).reshape(size, queries, 1)
        bins = rows * self.n + self.chunk.tokens[:, None, :]
        summed = np.bincount(bins.ravel(), a.ravel(), minlength=size * queries * self.n)
        out[..., : self.n] = summed.reshape(size, queries, self.n)
        out[..., self.n : self.n + length] = a

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

    def __init__(self, scores: Array, n_tokens: int) -> None:
        n, length = n_tokens, len(scores) - n_tokens
        self.n, self.length, dtype = n, length, scores.dtype
        self.blocks = [slice(s, min(s + ROWS, length)) for s in range(0, length, ROWS)]
        self.one_hot, self.ones = np.eye(n, dtype=dtype), np.ones((length, 1), dtype=dtype)
        causal = np.where(np.tri(length, dtype=bool), 0, -np.inf).astype(dtype)
        self.position_position = scores[n:, n:] + causal
        self.token_token, self.position_token = scores[:n, :n].copy(), scores[n:, :n].copy()
        self.token_position = [scores[:n, n : n + block.stop].copy() for block in self.blocks]
        parts = scores[:n, :n], scores[:n, n:], scores[n:, :n], scores[n:, n:]
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
            self._softmax(scores)
            maps.append(scores)
        return Maps(self.blocks, maps)

    def _one_hot(self, tokens: Ints, buffers: Buffers) -> Array:
        one_hot = buffers("one_hot", *tokens.shape, self.n)
        return np.take(self.one_hot, tokens, axis=0, out=one_hot, mode="clip")

    @cached_property
    def _shared_maps(self) -> Maps:
        maps = [self.position_position[None, block, : block.stop].copy() for block in self.blocks]
        for b in maps:
            self._softmax(b)
        return Maps(self.blocks, maps)

    def _softmax(self, scores: Array) -> None:
        if not self.safe:
            scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores @ self.ones[: scores.shape[-1]]

    def zeros(self) -> dict[str, Array]:
        """What `add` adds to."""
        n, length, dtype = self.n, self.length, self.one_hot.dtype
        shapes = {
            "token_token": (n, n),
            "token_position": (n, length),
            "position_token": (length, n),
            "position_position": (length, length),
        }
        return {name: np.zeros(shape, dtype=dtype) for name, shape in shapes.items()}

    def add(
        self,
        g_b: Callable[[slice, Array], None],
        chunk: Chunk,
        maps: Maps,
        sums: dict[str, Array],
        buffers: Buffers,
    ) -> None:
        """Add the gradient on the scores; ``g_b`` writes the one on a block of the maps."""
        tokens, (size, length) = chunk.tokens, chunk.tokens.shape
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
            sums["token_position"][:, :keys] += queries.T @ g_S.reshape(-1, keys)
            sums["position_position"][block, :keys] += g_S.sum(axis=0)
        sums["position_token"] += by_token.sum(axis=0)
        sums["token_token"] += one_hot.reshape(-1, self.n).T @ by_token.reshape(-1, self.n)


@dataclass(frozen=True)
class Inputs:
    """The vectors of tokens and positions, and their images under Φ₁."""

    tokens: Array  # (N, d)
    positions: Array  # (T, d)
    remapped_tokens: Array
    remapped_positions: Array


class Vectors:
    """x¹ as a vector for each position, (C, T, d)."""

    def __init__(self, inputs: Inputs, chunk: Chunk, maps: Maps | None, buffers: Buffers) -> None:
        self.chunk, self.maps, self.buffers = chunk, maps, buffers
        self.blocks = list(chunk.blocks())
        self.x1 = self._embedded("x1", inputs.tokens, inputs.positions)
        if maps is not None:
            self.V = self._embedded("V", inputs.remapped_tokens, inputs.remapped_positions)
            for block, b in maps:
                y = buffers("part", *self.x1[:, block].shape)
                np.matmul(b, self.V[:, : block.stop], out=y)
                self.x1[:, block] += y

    def _embedded(self, name: str, tokens: Array, positions: Array) -> Array:
        rows = self.buffers(name, *self.chunk.tokens.shape, tokens.shape[1])
        np.take(tokens, self.chunk.tokens, axis=0, out=rows, mode="clip")
        rows += positions
        return rows

    def at(self) -> Array:
        """x¹_l, (C, L, d)."""
        size, length, width = self.x1.shape
        rows = self.chunk.positions + length * np.arange(size)[:, None]
        out = self.buffers("at", *rows.shape, width)
        np.take(self.x1.reshape(-1, width), rows, axis=0, out=out, mode="clip")
        return out

    def times(self, K2: Array, x1: Array) -> Array:
        """K²ᵀ x¹_l, (C, L, d), from the rows of `at`."""
        out = self.buffers("q", *x1.shape)
        np.matmul(x1.reshape(-1, len(K2)), K2, out=out.reshape(-1, len(K2)))
        return out

    def dot(self, q: Array, name: str) -> Array:
        """q_l·x¹_s: (C, L, d) to (C, L, T), of keys that some query of the block sees; else 0."""
        return self._product(q[:, :, None], self.x1, name)[:, :, 0]

    def remapped(self, q: Array, name: str) -> Array:
        """q_l·V_s, in the same way: (C, L, n, d) to (C, L, n, T)."""
        return self._product(q, self.V, name)

    def _product(self, q: Array, rows: Array, name: str) -> Array:
        (size, queries, n, width), length = q.shape, rows.shape[1]
        out = self.buffers(name, size, queries * n, length)
        q = q.reshape(size, -1, width)
        for block, end in self.blocks:
            these = slice(n * block.start, n * block.stop)
            np.matmul(q[:, these], rows[:, :end].transpose(0, 2, 1), out=out[:, these, :end])
            out[:, these, end:] = 0
        return out.reshape(size, queries, n, length)

    def sum(self, a: Array, name: str) -> Array:
        """Σ_s a_ls x¹_s: (C, L, T) to (C, L, d)."""
        out = self.buffers(name, *a.shape[:2], self.x1.shape[2])
        for block, end in self.blocks:
            np.matmul(a[:, block, :end], self.x1[:, :end], out=out[:, block])
        return out

    def add(
        self, products: tuple[tuple[Array, Array], ...], own: Array, sums: dict[str, Array]
    ) -> None:
        """Add the gradient on the inputs; that on x¹_s is Σ_l a_ls v_l over products (a, v).

        Each is (C, L, T) and (C, L, d); ``own`` (C, L, d) is added at the positions l.
        """
        chunk, (size, length, width) = self.chunk, self.x1.shape
        g = np.zeros((size, length, width), dtype=self.buffers.dtype)
        for a, v in products:
            g += np.matmul(a.transpose(0, 2, 1), v)
        c, l = np.nonzero(chunk.real)
        g[c, chunk.positions[c, l]] += own[c, l]
        self._add("tokens", "positions", g, sums)
        if self.maps is not None:
            remapped = np.zeros_like(g)
            for block, b in self.maps:
                remapped[:, : block.stop] += np.matmul(b.transpose(0, 2, 1), g[:, block])
            self._add("remapped_tokens", "remapped_positions", remapped, sums)

    def _add(self, by_token: str, by_position: str, g: Array, sums: dict[str, Array]) -> None:
        sums[by_position] += g.sum(axis=0)
        one_hot = np.eye(len(sums[by_token]), dtype=g.dtype)[self.chunk.tokens.ravel()]
        sums[by_token] += one_hot.T @ g.reshape(-1, g.shape[2])


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

    def times(self, K2: Array, x1: Array) -> Array:
        """K²ᵀ x¹_l, (C, L, 2(N+T)): two look-ups, and a product for what layer 1 writes."""
        if not K2.any():
            return np.zeros_like(x1)
        positions = self.chunk.positions
        tokens = np.take_along_axis(self.chunk.tokens, positions, axis=1)
        written = x1[:, :, self.inputs :].reshape(-1, self.inputs)
        q = (written @ K2[self.inputs :]).reshape(x1.shape)
        q += K2[tokens]
        q += K2[self.n + positions]
        return q

    def dot(self, q: Array, name: str) -> Array:
        """q_l·x¹_s: (C, L, 2(N+T)) to (C, L, T)."""
        written = self._look_up(q[:, :, self.inputs :])
        return self._look_up(q[:, :, : self.inputs]) + self.maps.apply(written)

    def remapped(self, q: Array, name: str) -> Array:
        """q_l·V_s: (C, L, n, 2(N+T)) to (C, L, n, T)."""
        return self._look_up(q[..., self.inputs :])

    def _look_up(self, q: Array) -> Array:
        """q[z_s] + q[s]: (C, ..., N+T) to (C, ..., T)."""
        length = self.chunk.tokens.shape[1]
        flat = q.reshape(len(q), -1, self.inputs)
        rows = self.inputs * np.arange(flat.shape[0] * flat.shape[1])
        entries = rows.reshape(*flat.shape[:2], 1) + self.chunk.tokens[:, None, :]
        found: Array = flat.take(entries)
        found += flat[:, :, self.n : self.n + length]
        return found.reshape(*q.shape[:-1], length)

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

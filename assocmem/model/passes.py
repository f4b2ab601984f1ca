"""Forward and backward pass over a few sequences, in d x d matrices and with the least work.

For one sequence: rows of X are its inputs x_t, V = X Φ₁ᵀ, and x¹[L] are the rows of x¹ at the
positions that carry loss. All that depends on the weights alone is computed once (`Tables`):

    S  = scale · X W_K1 Xᵀ              look-ups in the (N+T)² table of scores between inputs
    b  = softmax(S),  y = b V,  x¹ = X + y
    q  = scale · x¹[L] W_K2,  s = q x¹ᵀ
    a  = softmax(s),  m = a x¹          W_V2 and W_O2 act on the average, inside O
    ξ  = m Oᵀ + x¹[L] Rᵀ                O = W_U (I + W_F) W_O2 W_V2,  R = W_U (I + W_F)

and backwards, g_v the gradient on v, every line undoing one of these:

    g_ξ  = weight · (softmax(ξ) - 1{k = target})
    g_O  = g_ξᵀ m,  g_R = g_ξᵀ x¹[L],  g_m = g_ξ O
    g_s  = a (g_m x¹ᵀ - g_m·m)          since Σ_s a_s (g_m·x¹_s) = g_m·m
    g_q  = g_s x¹,  g_W_K2 = scale · x¹[L]ᵀ g_q
    g_x¹ = aᵀ g_m + g_sᵀ q,  and at L   + scale · g_q W_K2ᵀ + g_ξ R
    g_S  = b (g_x¹ Vᵀ - g_x¹·y)         added up by pairs of inputs, as S was looked up

A softmax is kept as exponentials E and 1/ΣE, so that rows of width d are scaled, not rows of T
keys. Attention is causal: queries go in blocks, and the keys of a block end with its last query.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assocmem.model.embeddings import FrozenEmbeddings

Array = NDArray[Any]
Ints = NDArray[np.int64]

ROWS = 64  # queries in a block of layer 1: fewer would skip more of the future, but slow down BLAS
QUERIES = 48  # at most so many in a block of layer 2
KEYS = 32  # whose keys end at a multiple of this


class Buffers:
    """Arrays that one worker uses again and again: fresh large ones would cost page faults.

    An array is valid until the next call with its name.
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


class Tables:
    """What one step computes once: products of atoms and weights, for sequences of length T."""

    def __init__(
        self,
        emb: FrozenEmbeddings,
        weights: Mapping[str, Array],
        length: int,
        *,
        layers: int,
        scale: float,
        residual: bool,
    ) -> None:
        self.length, self.layers, self.residual = length, layers, residual
        self.tokens, self.positions = emb.tokens, emb.positions[:length]
        self.remapped_tokens = emb.remapped_tokens
        self.remapped_positions = emb.remapped_positions[:length]
        self.W_K2 = scale * weights["W_K2"]
        self.W_O2_V2 = weights["W_O2"] @ emb.W_V2
        self.R = emb.outputs + emb.outputs @ weights["W_F"]
        self.O = self.R @ self.W_O2_V2
        self.one_hot = np.eye(emb.n_tokens, dtype=emb.dtype)
        self.ones = np.ones((length, 1), dtype=emb.dtype)
        self.safe_score = math.log(np.finfo(emb.dtype).max) / 2
        self.causal = np.where(np.tri(length, dtype=bool), 0, -np.inf).astype(emb.dtype)
        self.blocks = [slice(s, min(s + ROWS, length)) for s in range(0, length, ROWS)]
        self.uniform = not weights["W_K1"].any()
        if layers == 2 and not self.uniform:
            self._score_inputs(emb, weights["W_K1"], scale)

    def _score_inputs(self, emb: FrozenEmbeddings, W_K1: Array, scale: float) -> None:
        n = emb.n_tokens
        inputs = emb.inputs[: n + self.length]
        with np.errstate(over="ignore", invalid="ignore"):
            S = scale * (inputs @ W_K1 @ inputs.T)
        if not np.isfinite(S).all():
            raise ValueError(
                f"W_K1: expected finite scores in {emb.dtype}; got infinity. Take smaller steps, "
                f"or float64."
            )
        self.token_token, self.position_token = S[:n, :n].copy(), S[n:, :n].copy()
        self.token_position = [S[:n, n : n + block.stop].copy() for block in self.blocks]
        self.position_position = S[n:, n:] + self.causal
        blocks = S[:n, :n], S[:n, n:], S[n:, :n], S[n:, n:]
        self.largest_score = sum(float(abs(block).max()) for block in blocks)


@dataclass
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

    def rows(self) -> Ints:
        """Rows (C · L,) of the queries among all C · T; a repetition is row C · T, one too far."""
        size, length = self.tokens.shape
        rows = self.positions + length * np.arange(size)[:, None]
        return np.where(self.real, rows, size * length).ravel()


class Gradients:
    """Loss, and gradients on what `Tables` holds, added up over sequences."""

    def __init__(self, tables: Tables, wrt: tuple[str, ...]) -> None:
        self.wrt, self.loss = wrt, 0.0
        n, length = len(tables.tokens), tables.length if "W_K1" in wrt else 0
        shapes = {
            "O": tables.O.shape,
            "R": tables.R.shape,
            "W_K2": tables.W_K2.shape,
            "token_token": (n, n),
            "token_position": (n, length),
            "position_token": (length, n),
            "position_position": (length, length),
        }
        self.sums = {k: np.zeros(shape, tables.O.dtype) for k, shape in shapes.items()}

    def add(self, other: Gradients) -> None:
        self.loss += other.loss
        for name, array in self.sums.items():
            array += other.sums[name]


def _exponentiate(scores: Array, tables: Tables, largest: float = math.inf) -> Array:
    """Replace scores by exponentials; return 1 over their sums along rows.

    They are shifted by the maximum of their row, unless none is so large that it could overflow.
    """
    if largest > tables.safe_score:
        scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    return 1 / (scores @ tables.ones[: scores.shape[-1]])


def first_layer(tables: Tables, tokens: Ints, buffers: Buffers) -> tuple[list[Array], Array]:
    """Exponentials of layer 1, (C, block, keys) for each block of queries; 1 over their sums."""
    size, length = tokens.shape
    if tables.uniform:  # W_K1 = 0: one map for all
        ones = np.exp(tables.causal)
        maps = [np.broadcast_to(ones, (size, *ones.shape))[:, b, : b.stop] for b in tables.blocks]
        return maps, 1 / np.arange(1, length + 1, dtype=ones.dtype)[None, :, None]
    by_token = buffers("by_token", size, length, len(tables.tokens))
    np.take(tables.token_token, tokens, axis=0, out=by_token, mode="clip")
    by_token += tables.position_token
    one_hot = buffers(
        "one_hot", size, length, len(tables.tokens)
    )  # look-ups as a product: one call
    np.take(tables.one_hot, tokens, axis=0, out=one_hot, mode="clip")
    exponentials, inverse = [], buffers("1/sum_b", size, length, 1)
    for i, block in enumerate(tables.blocks):
        keys = block.stop
        scores = buffers(f"b{i}", size, keys - block.start, keys)
        np.matmul(by_token[:, block], one_hot[:, :keys].transpose(0, 2, 1), out=scores)
        by_position = buffers("scores", *scores.shape)
        np.take(tables.token_position[i], tokens[:, block], axis=0, out=by_position, mode="clip")
        scores += by_position
        scores += tables.position_position[block, :keys]
        inverse[:, block] = _exponentiate(scores, tables, tables.largest_score)
        exponentials.append(scores)
    return exponentials, inverse


class Pass:
    """The forward pass over one chunk, and what its backward pass needs."""

    def __init__(self, tables: Tables, chunk: Chunk, buffers: Buffers) -> None:
        self.tables, self.chunk, self.buffers = tables, chunk, buffers
        self._first_layer()
        self._second_layer()
        self._logits()

    def _embedded(self, name: str, tokens: Array, positions: Array) -> tuple[Array, Array]:
        """A row for each input, (C · T + 1, d), the last zero; and the same as (C, T, d)."""
        size, length = self.chunk.tokens.shape
        rows = self.buffers(name, size * length + 1, tokens.shape[1])
        rows[-1] = 0
        embedded = rows[:-1].reshape(size, length, -1)
        np.take(tokens, self.chunk.tokens, axis=0, out=embedded, mode="clip")
        embedded += positions
        return rows, embedded

    def _first_layer(self) -> None:
        tables = self.tables
        rows, self.x1 = self._embedded("x1", tables.tokens, tables.positions)
        if tables.layers == 2:
            _, self.V = self._embedded("V", tables.remapped_tokens, tables.remapped_positions)
            self.b, self.inverse_b = first_layer(tables, self.chunk.tokens, self.buffers)
            self.y = self.buffers("y", *self.x1.shape)
            for block, b in zip(tables.blocks, self.b, strict=True):
                np.matmul(b, self.V[:, : block.stop], out=self.y[:, block])
            self.y *= self.inverse_b
            self.x1 += self.y
        self.rows = self.chunk.rows()
        self.x1_query = self.buffers("x1_query", len(self.rows), rows.shape[1])
        np.take(rows, self.rows, axis=0, out=self.x1_query, mode="clip")

    def _second_layer(self) -> None:
        tables, buffers, positions = self.tables, self.buffers, self.chunk.positions
        size, queries = positions.shape
        d = self.x1.shape[-1]
        self.q, self.m = buffers("q", size, queries, d), buffers("m", size, queries, d)
        self.inverse_a = buffers("1/sum_a", size, queries, 1)
        np.matmul(self.x1_query, tables.W_K2, out=self.q.reshape(-1, d))
        self.a, self.blocks = [], list(self.chunk.blocks())
        for i, (block, end) in enumerate(self.blocks):
            keys = self.x1[:, :end]
            scores = buffers(f"a{i}", size, block.stop - block.start, end)
            np.matmul(self.q[:, block], keys.transpose(0, 2, 1), out=scores)
            causal = buffers("causal", *scores.shape[:2], tables.length)
            np.take(tables.causal, positions[:, block], axis=0, out=causal, mode="clip")
            scores += causal[:, :, :end]
            self.inverse_a[:, block] = _exponentiate(scores, tables)
            np.matmul(scores, keys, out=self.m[:, block])
            self.a.append(scores)
        self.m *= self.inverse_a

    def _logits(self) -> None:
        m = self.m.reshape(self.x1_query.shape)
        self.logits = self.buffers("logits", len(m), len(self.tables.O))
        np.matmul(m, self.tables.O.T, out=self.logits)
        if self.tables.residual:
            self.logits += self.x1_query @ self.tables.R.T

    def backward(self, targets: Ints, weights: Array, total: Gradients) -> None:
        """Add this chunk's loss and gradients; overwrites what the forward pass left."""
        g_logits = self._cross_entropy(targets, weights, total)
        wrt = total.wrt
        if "W_O2" in wrt or "W_F" in wrt:
            total.sums["O"] += g_logits.T @ self.m.reshape(self.x1_query.shape)
        if "W_F" in wrt:
            total.sums["R"] += g_logits.T @ self.x1_query
        if "W_K1" in wrt or "W_K2" in wrt:  # and no further than asked
            g_q, g_m, g_scores = self._second_backward(g_logits)
            if "W_K2" in wrt:
                total.sums["W_K2"] += self.x1_query.T @ g_q
            if "W_K1" in wrt:
                self._first_backward(self._g_x1(g_logits, g_q, g_m, g_scores), total)

    def _cross_entropy(self, targets: Ints, weights: Array, total: Gradients) -> Array:
        """Add the loss; the gradient on the logits, in their place."""
        logits, right = self.logits, (np.arange(len(targets)), targets)
        logits -= logits.max(axis=-1, keepdims=True)
        shifted = logits[right]
        np.exp(logits, out=logits)
        sums = logits.sum(axis=-1)
        total.loss += float(weights @ (np.log(sums) - shifted))
        logits *= (weights / sums)[:, None].astype(logits.dtype)
        logits[right] -= weights.astype(logits.dtype)
        return logits

    def _second_backward(self, g_logits: Array) -> tuple[Array, Array, list[Array]]:
        """g_q, (C · L, d); g_m over ΣE, (C, L, d); g_s by block of queries."""
        g_m, g_q = self.buffers("g_m", *self.m.shape), self.buffers("g_q", *self.m.shape)
        np.matmul(g_logits, self.tables.O, out=g_m.reshape(self.x1_query.shape))
        g_m *= self.inverse_a
        shift = np.vecdot(g_m, self.m)[:, :, None]
        g_scores = []
        for i, (a, (block, end)) in enumerate(zip(self.a, self.blocks, strict=True)):
            keys = self.x1[:, :end]
            g_s = self.buffers(f"g_s{i}", *a.shape)
            np.matmul(g_m[:, block], keys.transpose(0, 2, 1), out=g_s)
            g_s -= shift[:, block]
            g_s *= a
            np.matmul(g_s, keys, out=g_q[:, block])
            g_scores.append(g_s)
        return g_q.reshape(self.x1_query.shape), g_m, g_scores

    def _g_x1(self, g_logits: Array, g_q: Array, g_m: Array, g_scores: list[Array]) -> Array:
        """The gradient on x¹: as keys and as values, and at L as queries and residual stream."""
        size, length, d = self.x1.shape
        rows = self.buffers("g_x1", size * length + 1, d)
        rows[:] = 0
        g_x1, part = rows[:-1].reshape(self.x1.shape), self.buffers("part", *self.x1.shape)
        for a, g_s, (block, end) in zip(self.a, g_scores, self.blocks, strict=True):
            for left, right in (a, g_m), (g_s, self.q):
                np.matmul(left.transpose(0, 2, 1), right[:, block], out=part[:, :end])
                g_x1[:, :end] += part[:, :end]
        g_query = self.buffers("g_query", *g_q.shape)
        np.matmul(g_q, self.tables.W_K2.T, out=g_query)
        if self.tables.residual:
            g_query += g_logits @ self.tables.R
        g_query += rows[self.rows]
        rows[self.rows] = g_query
        return g_x1

    def _first_backward(self, g_x1: Array, total: Gradients) -> None:
        tables, tokens = self.tables, self.chunk.tokens
        size, length = tokens.shape
        n = len(tables.tokens)
        g_x1 *= self.inverse_b
        shift = np.vecdot(g_x1, self.y)[:, :, None]
        one_hot = self.buffers("one_hot", size, length, n)
        np.take(tables.one_hot, tokens, axis=0, out=one_hot, mode="clip")
        by_token = self.buffers("by_token", size, length, n)
        for block, b in zip(tables.blocks, self.b, strict=True):
            keys = block.stop
            g_S = self.buffers("scores", *b.shape)
            np.matmul(g_x1[:, block], self.V[:, :keys].transpose(0, 2, 1), out=g_S)
            g_S -= shift[:, block]
            g_S *= b
            np.matmul(g_S, one_hot[:, :keys], out=by_token[:, block])
            queries = one_hot[:, block].reshape(-1, n)
            total.sums["token_position"][:, :keys] += queries.T @ g_S.reshape(-1, keys)
            total.sums["position_position"][block, :keys] += g_S.sum(axis=0)
        total.sums["position_token"] += by_token.sum(axis=0)
        total.sums["token_token"] += one_hot.reshape(-1, n).T @ by_token.reshape(-1, n)

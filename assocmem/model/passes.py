"""Forward and backward pass of the model, over a few sequences at a time.

For one sequence of tokens z_1..z_T: x_s is its input at s and V_s = Φ₁ x_s, vectors in coordinates
that `assocmem.model.streams` explains; s and r are keys, l one of the L positions that are asked
for or carry loss, and all that depends on the weights alone is computed once (`Tables`).

    b      = softmax_r(K¹[x_s, x_r])        layer 1: look-ups in a table of scores between inputs
    x¹_s   = x_s + Σ_r b_sr V_r
    q_l    = K²ᵀ x¹_l
    a_sl   = softmax_s(q_l·x¹_s)            layer 2, only for the positions l
    m_l    = Σ_s a_sl x¹_s                  W_V² and W_O² act on the average, inside O
    ξ_l    = O m_l + R x¹_l                 R = 0 for the readout "attention"

and backwards, g_v the gradient on v, every line undoing one of these:

    g_ξ    = weight · (softmax(ξ) - 1{k = target})
    g_O    = Σ_l g_ξ m_lᵀ,  g_R = Σ_l g_ξ x¹_lᵀ,  g_m = Oᵀ g_ξ
    g_sl   = a_sl (g_m·x¹_s - Σ_s a_sl g_m·x¹_s)
    k_l    = Σ_s g_sl x¹_s,  g_K² = Σ_l x¹_l k_lᵀ,  g_x¹_l = K² k_l + Rᵀ g_ξ
    g_x¹_s = Σ_l a_sl g_m + g_sl q_l + 1{s = l} g_x¹_l     only for gradients on the embeddings
    g_b_sr = Σ_l g_sl q_l·V_r + a_sl g_m·V_r + 1{s = l} g_x¹_l·V_r
    g_S_sr = b_sr (g_b_sr - Σ_r b_sr g_b_sr)      added up by pairs of inputs, as K¹ was looked up

An input gets g_x¹_s as itself, Φ₁ᵀ Σ_s b_sr g_x¹_s through layer 1, and its share of g_S. But for
embeddings that train, x¹ is needed in three ways only, which are all that a stream has: its
products with vectors (`dot`), its weighted sums (`sum`), and its rows at the positions l (`at`).
Attention is causal: queries of layer 1 go in blocks of rows, those of layer 2 in blocks of
positions, and the keys of a block end with its last query. Scores have the scale of attention in
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assocmem._checks import Array, Ints
from assocmem.model.streams import Atoms, Buffers, Chunk, FirstLayer, Vectors, softmax_in_place

CHUNK_FLOATS = 2**21  # of the sequences that a worker has in hand: they stay in a cache
INPUTS = ("tokens", "positions")  # embeddings that enter x_s
NEEDED_FOR = {
    "O": {"W_O2", "W_F", "outputs"},
    "R": {"W_F", "outputs"},
    "K2": {"W_K2"},
    "K1": {"W_K1", *INPUTS},
    "atoms": {*INPUTS},
}
LANES = 8  # partial sums of chunks: their number fixes the order of summation, workers do not


@dataclass(frozen=True)
class Tables:
    """The model as the passes need it, in coordinates of width w."""

    first: FirstLayer | None  # None: a model of one layer
    K2: Array  # (w, w)
    O: Array  # (M, w)
    R: Array | None  # (M, w)
    atoms: Array | None  # (2(N+T), w); None: the coordinates are those of the atoms
    n_tokens: int

    def chunks(self, tokens: Ints, where: NDArray[np.bool_]) -> Iterator[Chunk]:
        """Sequences with equally many queries go together, and those without any are left out."""
        counts = where.sum(axis=1)
        order = np.argsort(counts, kind="stable")
        order = order[np.count_nonzero(counts == 0) :]
        size = self.chunk_size(len(tokens), tokens.shape[1], int(counts.max(initial=1)))
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            queries, most = counts[rows, None], int(counts[rows].max())
            # the positions of queries come first, in their order; then the last one repeats
            ordered = np.argsort(~where[rows], axis=1, kind="stable")
            place = np.minimum(np.arange(most), queries - 1)
            positions = np.take_along_axis(ordered, place, axis=1)
            yield Chunk(rows, tokens[rows], positions, np.arange(most) < queries)

    def chunk_size(self, size: int, length: int, queries: int) -> int:
        """Sequences of a chunk: as many as stay in cache, if there are chunks to share out."""
        own_maps = self.first is not None and not self.first.shared
        floats = length * (length * own_maps + 6 * queries)
        width = len(self.K2)
        floats += 4 * width * (queries if self.atoms is None else length)
        return max(1, min(CHUNK_FLOATS // floats, -(-2 * size // LANES)))


def zeros(tables: Tables, wrt: tuple[str, ...]) -> dict[str, Array]:
    """The loss, and the gradients on what the tables hold, before sequences are added."""
    held = {"O": tables.O, "R": tables.O, "K2": tables.K2, "atoms": tables.atoms}
    held["K1"] = tables.first.scores if tables.first else None
    asked = {name: array for name, array in held.items() if not NEEDED_FOR[name].isdisjoint(wrt)}
    return {"loss": np.zeros(())} | {k: np.zeros_like(v) for k, v in asked.items() if v is not None}


class Pass:
    """The forward pass over one chunk, and what its backward pass needs."""

    def __init__(self, tables: Tables, chunk: Chunk, buffers: Buffers) -> None:
        self.tables, self.chunk, self.buffers = tables, chunk, buffers
        width, length = len(tables.K2), chunk.tokens.shape[1]
        size, queries = chunk.positions.shape
        # rows in turn, as their products have them in gradients: q_l and g_m_l, g_sl and a_sl
        self.vectors = buffers("vectors", size, 2 * queries, width)
        self.factors = buffers("factors", size, 2 * queries, length)
        self.q, self.a = self.vectors[:, 0::2], self.factors[:, 1::2]
        self.maps = tables.first.maps(chunk, buffers) if tables.first else None
        self.stream: Atoms | Vectors
        if tables.atoms is not None:
            self.stream = Vectors(tables.atoms, tables.n_tokens, chunk, self.maps, buffers)
        else:
            assert self.maps is not None
            self.stream = Atoms(width // 2, tables.n_tokens, chunk, self.maps, buffers)
        x1 = self.stream.at()
        self.stream.times(tables.K2, x1, self.q)
        self.stream.dot(self.q, self.a)
        self._softmax(self.a)
        self.x1, self.m = x1.reshape(-1, width), self.stream.sum(self.a, "m").reshape(-1, width)
        self.logits = self._product("logits", self.m, tables.O.T)
        if tables.R is not None:
            self.logits += self._product("part", self.x1, tables.R.T)

    def _product(self, name: str, left: Array, right: Array) -> Array:
        return np.matmul(left, right, out=self.buffers(name, len(left), right.shape[1]))

    def _softmax(self, scores: Array) -> None:
        """Over the keys up to each query, in place."""
        keys, positions = np.arange(scores.shape[2], dtype=np.int32), self.chunk.positions
        np.copyto(scores, -np.inf, where=keys > positions.astype(np.int32)[:, :, None])
        softmax_in_place(scores)

    def backward(
        self, targets: Ints, weights: Array, sums: dict[str, Array], log_counts: Array | None
    ) -> None:
        """Add this chunk's loss and gradients; overwrites what the forward pass left."""
        tables, stream = self.tables, self.stream
        loss, g_logits = self._cross_entropy(targets, weights, log_counts)
        sums["loss"] += loss
        if "O" in sums:
            sums["O"] += g_logits.T @ self.m
        if "R" in sums and tables.R is not None:
            sums["R"] += g_logits.T @ self.x1
        if sums.keys().isdisjoint(("K2", "K1", "atoms")):  # no further than asked
            return
        g_m, g_s = self.vectors[:, 1::2], self.factors[:, 0::2]
        np.matmul(g_logits, tables.O, out=g_m.reshape(self.m.shape))
        stream.dot(g_m, g_s)
        g_s -= np.vecdot(g_s, self.a)[:, :, None]
        g_s *= self.a
        k = stream.sum(g_s, "m").reshape(self.x1.shape)
        if "K2" in sums:
            sums["K2"] += self.x1.T @ k
        if sums.keys().isdisjoint(("K1", "atoms")):
            return
        g_x1 = self._product("g_x1", k, tables.K2.T)
        if tables.R is not None:
            g_x1 += self._product("part", g_logits, tables.R)
        g_x1 = g_x1.reshape(self.q.shape)
        if "atoms" in sums:
            assert isinstance(stream, Vectors)
            stream.add(self.factors, self.vectors, g_x1, sums["atoms"])
        if "K1" in sums:
            self._first_backward(g_x1, sums["K1"])

    def _cross_entropy(
        self, targets: Ints, weights: Array, log_counts: Array | None
    ) -> tuple[float, Array]:
        """The loss, and the gradient on the logits, in their place.

        Class k stands for exp(log_counts[k]) tokens with the same logit.
        """
        logits, right = self.logits, (np.arange(len(targets)), targets)
        asked = logits[right]
        if log_counts is not None:
            logits += log_counts.astype(logits.dtype)
        largest = logits.max(axis=-1, keepdims=True)
        logits -= largest
        np.exp(logits, out=logits)
        sums = logits.sum(axis=-1)
        loss = float(weights @ (np.log(sums) - (asked - largest[:, 0])))
        logits *= (weights / sums)[:, None].astype(logits.dtype)
        logits[right] -= weights.astype(logits.dtype)
        return loss, logits

    def _first_backward(self, g_x1: Array, g_K1: Array) -> None:
        """Add g_S, block by block of rows."""
        chunk, stream, positions = self.chunk, self.stream, self.chunk.positions
        # in place of m and x¹, which nothing needs any more
        products = self.buffers("m", *self.factors.shape)
        stream.remapped(self.vectors, products)
        own = self.buffers("at", *self.a.shape)
        stream.remapped(g_x1, own)

        def g_b(block: slice, out: Array) -> None:
            """Of the rows in a block, from the positions l that are not before it."""
            late = 2 * int((positions < block.start).sum(axis=1).min())
            left = self.factors[:, late:, block].transpose(0, 2, 1)
            np.matmul(left, products[:, late:, : block.stop], out=out)
            c, l = np.nonzero(chunk.real & (positions >= block.start) & (positions < block.stop))
            out[c, positions[c, l] - block.start] += own[c, l, : block.stop]

        assert self.tables.first is not None
        assert self.maps is not None
        self.tables.first.add(g_b, chunk, self.maps, g_K1, self.buffers)

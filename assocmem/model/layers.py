"""Forward and backward pass of the two layers, in the coordinates of the atoms.

Every x_t and x¹_t is a combination of the 2(N+T) atoms (w_E, p, Φ₁ w_E, Φ₁ p), so the passes never
touch the width: a matrix enters through its scores between atoms, a small table, and its gradient
is a table of coefficients. For one sequence, L the positions that carry loss:

    X  = [Z, I]                            (T, N+T)   one-hot token and position
    b  = softmax(scale · X K¹ Xᵀ)          (T, T)     layer-1 attention, causal
    X¹ = [X, b X]                          (T, 2(N+T))
    a  = softmax(scale · X¹[L] K² X¹ᵀ)     (L, T)     layer-2 attention, causal
    m  = a X¹                              (L, 2(N+T))
    ξ  = m Oᵀ + X¹[L] Rᵀ                   (L, M)     R = 0 for the readout "attention"

with K¹, K² the scores of W_K1, W_K2 between atoms, O those of W_O2 between outputs and values, R
between outputs and atoms. Backwards, g_v the gradient on v, every line undoing one of these:

    g_ξ  = weight · (softmax(ξ) - 1{k = target})
    g_O  = g_ξᵀ m,  g_R = g_ξᵀ X¹[L],  g_m = g_ξ O
    g_s  = scale · a (g_m X¹ᵀ - Σ a g_m X¹ᵀ)
    g_K² = X¹[L]ᵀ g_s X¹
    g_X¹ = aᵀ g_m + g_sᵀ X¹[L] K²,  and at L  + g_s X¹ K²ᵀ + g_ξ R
    g_b  = g_X¹[part b X] Xᵀ
    g_S  = scale · b (g_b - Σ b g_b)
    g_K¹ = Xᵀ g_S X
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assocmem._statistics import softmax

Array = NDArray[Any]
Ints = NDArray[np.int64]

CHUNK_BYTES = 2**25  # the working set of one chunk of sequences: about the size of a cache


def softmax_backward(probabilities: Array, gradient: Array) -> Array:
    """Pull a gradient back through the softmax: p (g - Σ p g)."""
    return probabilities * (gradient - (probabilities * gradient).sum(axis=-1, keepdims=True))


def cross_entropy(
    logits: Array, targets: Ints, weights: Array, log_counts: Array
) -> tuple[float, Array]:
    """Return Σ weight · ℓ and its gradient g_ξ; class k stands for exp(log_counts[k]) tokens."""
    counted = logits + log_counts.astype(logits.dtype)
    right = np.where(weights > 0, targets, 0)[:, :, None]
    largest = counted.max(axis=-1, keepdims=True)
    surprise = (
        np.log(np.exp(counted - largest).sum(axis=-1))
        - np.take_along_axis(logits - largest, right, 2)[..., 0]
    )
    g_logits = softmax(counted)  # of all tokens that a class stands for
    np.put_along_axis(g_logits, right, np.take_along_axis(g_logits, right, 2) - 1, axis=2)
    return float((weights * surprise).sum()), g_logits * weights[:, :, None].astype(logits.dtype)


@dataclass(frozen=True)
class Forward:
    """What the forward pass of B sequences leaves."""

    queries: Ints  # (L,) positions
    one_hot: Array  # Z (B, T, N)
    b: Array  # (B, T, T), or (1, T, T) when it does not depend on the tokens
    x1: Array  # X¹ (B, T, 2(N+T))
    x1_query: Array  # X¹[L] (B, L, 2(N+T))
    a: Array  # (B, L, T)

    @cached_property
    def m(self) -> Array:
        """m = a X¹ (B, L, 2(N+T))."""
        return self.a @ self.x1


@dataclass(frozen=True)
class Layers:
    """The two layers, as tables of scores between atoms: row = query or output, column = key."""

    K1: Array  # (N+T, N+T)
    K2: Array  # (2(N+T), 2(N+T))
    O: Array  # (M, 2(N+T))
    R: Array  # (M, 2(N+T))
    n_tokens: int
    scale: float

    def chunks(self, shape: tuple[int, ...], queries: int) -> Iterator[slice]:
        """Cut tokens of shape (B, T) so that the arrays of one chunk stay in cache."""
        (size, length), atoms = shape, len(self.K2)
        floats = length * (3 * atoms + 4 * length) + 4 * queries * (atoms + length)
        step = max(1, CHUNK_BYTES // (floats * self.K2.dtype.itemsize))
        for start in range(0, size, step):
            yield slice(start, start + step)

    # Forward

    def forward(self, tokens: Ints, queries: Ints) -> Forward:
        """Run (B, T) tokens through both layers, the second at the query positions only."""
        one_hot = np.zeros((*tokens.shape, self.n_tokens), dtype=self.K1.dtype)
        np.put_along_axis(one_hot, tokens[:, :, None], 1, axis=2)
        b = self._first_attention(tokens, one_hot)
        x1 = self._first_output(one_hot, b)
        x1_query = x1[:, queries]
        a = self._attention((x1_query @ self.K2) @ x1.transpose(0, 2, 1), queries)
        return Forward(queries, one_hot, b, x1, x1_query, a)

    def logits(self, run: Forward) -> Array:
        """Return ξ (B, L, M)."""
        return run.m @ self.O.T + run.x1_query @ self.R.T

    def _attention(self, scores: Array, queries: Ints | slice) -> Array:
        """Return the causal softmax of scale · scores, whose rows are these queries."""
        causal = np.tri(scores.shape[-1], dtype=bool)[queries]
        return softmax(np.where(causal, self.scale * scores, -np.inf).astype(scores.dtype))

    def _first_attention(self, tokens: Ints, one_hot: Array) -> Array:
        n, positions = self.n_tokens, slice(self.n_tokens, self.n_tokens + tokens.shape[1])
        scores = self.K1[None, positions, positions]
        if self.K1[:n].any() or self.K1[n:, :n].any():
            rows = self.K1[tokens] + self.K1[positions]  # X K¹
            scores = rows[:, :, :n] @ one_hot.transpose(0, 2, 1) + rows[:, :, positions]
        return self._attention(scores, slice(None))

    def _first_output(self, one_hot: Array, b: Array) -> Array:
        """Return X¹ = [X, b X]."""
        size, length, n = one_hot.shape
        x1 = np.zeros((size, length, 2, len(self.K1)), dtype=one_hot.dtype)
        x1[:, :, 0, :n] = one_hot
        x1[:, :, 0, n : n + length] = np.eye(length, dtype=one_hot.dtype)
        x1[:, :, 1, :n] = b @ one_hot
        x1[:, :, 1, n : n + length] = b
        return x1.reshape(size, length, -1)

    # Backward

    def backward(self, run: Forward, g_logits: Array, wrt: tuple[str, ...]) -> dict[str, Array]:
        """Return the gradient tables of the named matrices, summed over sequences."""
        tables = {}
        if "W_O2" in wrt or "W_F" in wrt:
            tables["W_O2"] = _contract(g_logits, run.m)
        if "W_F" in wrt:
            g_R = _contract(g_logits, run.x1_query)
            tables["W_F"] = np.concatenate([g_R, tables["W_O2"]], axis=1)
        if "W_K1" in wrt or "W_K2" in wrt:
            g_m = g_logits @ self.O
            g_s = self.scale * softmax_backward(run.a, g_m @ run.x1.transpose(0, 2, 1))
            keys = g_s @ run.x1
            tables["W_K2"] = _contract(run.x1_query, keys)
        if "W_K1" in wrt:
            queries = run.x1_query @ self.K2
            g_x1 = run.a.transpose(0, 2, 1) @ g_m + g_s.transpose(0, 2, 1) @ queries
            g_x1[:, run.queries] += keys @ self.K2.T + g_logits @ self.R
            tables["W_K1"] = self._first_backward(run, g_x1)
        return {name: tables[name] for name in wrt}

    def _first_backward(self, run: Forward, g_x1: Array) -> Array:
        """Return g_K¹ = Xᵀ g_S X, block by block of X = [Z, I]."""
        one_hot, inputs = run.one_hot, len(self.K1)
        _, length, n = one_hot.shape
        g_bx = g_x1[:, :, inputs:]
        g_b = g_bx[:, :, :n] @ one_hot.transpose(0, 2, 1) + g_bx[:, :, n : n + length]
        g_S = self.scale * softmax_backward(run.b, g_b)
        by_token = g_S @ one_hot
        table = np.zeros((inputs, inputs), dtype=g_x1.dtype)
        table[:n, :n] = _contract(one_hot, by_token)
        table[:n, n : n + length] = _contract(one_hot, g_S)
        table[n : n + length, :n] = by_token.sum(axis=0)
        table[n : n + length, n : n + length] = g_S.sum(axis=0)
        return table


def _contract(left: Array, right: Array) -> Array:
    """Return Σ over sequences and positions of left ⊗ right: (B, L, m), (B, L, n) to (m, n)."""
    return left.reshape(-1, left.shape[-1]).T @ right.reshape(-1, right.shape[-1])

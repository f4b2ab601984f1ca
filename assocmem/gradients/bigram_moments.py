"""Which moments of a chain a gradient on in-context bigrams is made of, by its rows and columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from assocmem._checks import Array, Ints
from assocmem.gradients.chains import (
    Chains,
    MarkedChains,
    OverAtoms,
    attention_moments,
    copied_moments,
    output_moments,
    present_moments,
)
from assocmem.model.families import ATOMS, POSITIONS, REMAPPED_POSITIONS, TOKENS
from assocmem.tasks import BigramTask

Matrix = Literal["W_F", "W_O2", "W_K2", "W_K1"]
Queries = Literal["tokens", "positions", "remapped_tokens", "remapped_positions"]


@dataclass(frozen=True)
class GradientAt:
    """What to take the gradient on, and at which memories.

    `queries` are the rows of W_K2. `first` (N, 2(N+T)) is G₁, for W_K2 and W_K1, or (S, N, 2(N+T))
    that of each of S sets of chains, of one size; `second` (N, 2(N+T)) the W_K2 at which to take
    W_K1, rows w_E, None where it is 0.
    """

    matrix: Matrix
    queries: Queries = "tokens"
    first: Array | None = None
    second: Array | None = None

    @property
    def rows_are_asked(self) -> bool:
        """Whether the rows are the tokens that are asked: each end has a row of its own."""
        return self.matrix == "W_K2" and self.queries == TOKENS


def columns_of(task: BigramTask) -> dict[str, slice]:
    """Where each kind of atoms stands among the columns."""
    n, length = task.n_tokens, task.length
    edges = np.cumsum([0, n, length, n, length])
    return {name: slice(*edges[i : i + 2]) for i, name in enumerate(ATOMS)}


def moments_of(
    gradient: GradientAt,
    task: BigramTask,
    chains: Chains,
    laws: Array,
    ends: Array,
    residual: Array,
    asked: Ints | None,
) -> Array:
    """What each chain contributes, (C, rows, columns): a row for each end, where a row of the
    gradient belongs to an end (W_F, W_O2, and W_K2 by tokens), else a row for each query.

    `laws` and `ends` are as in `output_moments`; `residual` (C, M, N) goes with the ends, and
    `asked` (C,) is the token of the only end, None where every token has one.
    """
    if gradient.matrix == "W_F":
        return by_atom(present_moments(chains, laws, ends))
    if gradient.matrix == "W_O2":
        return by_atom(output_moments(chains, laws, ends))
    assert gradient.first is not None
    reading = _over_atoms(task, _read(residual, gradient.first))
    if gradient.matrix == "W_K1":
        scores = None
        if gradient.second is not None:
            rows = gradient.second[None] if asked is None else gradient.second[asked][:, None]
            scores = _over_atoms(task, np.broadcast_to(rows, (*residual.shape[:2], rows.shape[2])))
        return _position_block(chains, laws, ends, reading, scores)
    if gradient.queries == TOKENS:
        return by_atom(attention_moments(chains, laws, ends, reading))
    if gradient.queries in (POSITIONS, REMAPPED_POSITIONS):
        return _by_position(gradient.queries, chains, laws, ends, reading)
    return _by_remapped_token(chains, ends, reading)


def _by_position(
    queries: Queries, chains: Chains, laws: Array, ends: Array, reading: OverAtoms
) -> Array:
    """The query p_t of the ends at t alone; Φ₁ p_r with the weight 1/t of all from r on."""
    rows = []
    for t in range(1, len(ends) + 1):
        alone = np.zeros((t, *ends.shape[1:]))
        alone[-1] = ends[t - 1] if queries == POSITIONS else ends[t - 1] / t
        rows.append(by_atom(attention_moments(chains, laws, alone, reading)).sum(axis=1))
    table = np.stack(rows, axis=1)
    return table if queries == POSITIONS else np.cumsum(table[:, ::-1], axis=1)[:, ::-1]


def _by_remapped_token(chains: Chains, ends: Array, reading: OverAtoms) -> Array:
    """The query Φ₁ w_E(j), which x¹_t holds with the weight N_t(j) / t."""
    n, length = len(chains.kernel), len(ends)
    share = ends / np.arange(1, length + 1)[:, None, None, None]
    at_chosen = np.concatenate([np.zeros_like(share), share], axis=1)
    twice = replace(
        reading,
        tokens=np.concatenate([reading.tokens] * 2),
        remapped_tokens=np.concatenate([reading.remapped_tokens] * 2),
    )
    rows = []
    for token in range(n):
        marked = MarkedChains.of(chains, token)
        found = attention_moments(marked, marked.laws(length), at_chosen, twice)
        folded = replace(
            found,
            tokens=found.tokens[:n] + found.tokens[n:],
            remapped_tokens=found.remapped_tokens[:n] + found.remapped_tokens[n:],
        )
        rows.append(by_atom(folded).sum(axis=1))
    return np.stack(rows, axis=1)


def _position_block(
    chains: Chains, laws: Array, ends: Array, reading: OverAtoms, scores: OverAtoms | None
) -> Array:
    """(C, T, T): value and key path, and the slope of the layer-1 softmax, uniform on r <= s."""
    total = copied_moments(chains, laws, ends, reading)
    if scores is not None:
        total += copied_moments(chains, laws, ends, reading, scores)
        total += copied_moments(chains, laws, ends, scores, reading)
    table = np.moveaxis(total.sum(axis=-1), -1, 0)
    causal = np.tri(len(laws))
    share = causal / causal.sum(axis=1, keepdims=True)
    return np.asarray(share * (table - (share * table).sum(axis=2, keepdims=True)))


def _read(residual: Array, first: Array) -> Array:
    """The residuals (C, M, N) times G₁, or times that of their set: (C, M, 2(N+T))."""
    ends, n = residual.shape[:2], residual.shape[2]
    by_set = residual.reshape(len(first) if first.ndim == 3 else 1, -1, n)
    return np.asarray(by_set @ first).reshape(*ends, first.shape[-1])


def _over_atoms(task: BigramTask, table: Array) -> OverAtoms:
    """How each end reads x¹ by the columns (C, M, 2(N+T)) of a table."""
    columns = columns_of(task)
    atoms = np.moveaxis(table, -1, 0)
    return OverAtoms(*(atoms[columns[name]] for name in ATOMS))


def by_atom(moments: OverAtoms) -> Array:
    """The four kinds of atoms in one axis: (C, M, 2(N+T))."""
    kinds = [
        moments.tokens,
        moments.positions,
        moments.remapped_tokens,
        moments.remapped_positions,
    ]
    return np.moveaxis(np.concatenate(kinds), 0, -1)

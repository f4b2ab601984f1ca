"""The two-layer attention-only transformer with frozen embeddings, in the coordinates of its atoms.

Every x_t and x¹_t is a combination of the 2(N+T) atoms (w_E, p, Φ₁ w_E, Φ₁ p), so the forward and
the backward pass never touch the width: a matrix W enters through its scores between atoms, a small
table, and its gradient is a memory over the atoms.

    X  = [Z, I]                            (T, N+T)   one-hot token and position
    b  = softmax(scale · X K¹ Xᵀ)          (T, T)     layer-1 attention, causal
    X¹ = [X, b X]                          (T, 2(N+T))
    a  = softmax(scale · X¹ K² X¹ᵀ)        (T, T)     layer-2 attention, causal
    ξ  = (a X¹) Oᵀ  (+ X¹ Rᵀ)              (T, M)     readout "attention" (or "residual")

with K¹, K² the scores of W_K1, W_K2 between atoms, O those of W_O2 between outputs and values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem.embeddings import FrozenEmbeddings
from assocmem.memory import AssociativeMemory
from assocmem.tasks import Batch

Array = NDArray[Any]
Weights = ArrayLike | AssociativeMemory | None
Readout = Literal["attention", "residual"]

MATRICES = ("W_K1", "W_K2", "W_O2", "W_F")
CHUNK_BYTES = 2**25  # the working set of one chunk of sequences: about the size of a cache


def softmax(scores: Array, axis: int = -1) -> Array:
    """Return exp(scores), normalised along the axis; -inf gives exactly 0.

    SymPy expressions (dtype object) stay symbolic:

    >>> import sympy
    >>> softmax(np.array([sympy.log(2), 0]))
    array([2/3, 1/3], dtype=object)
    """
    if scores.dtype == object:
        from sympy import exp

        exponentials = np.vectorize(exp, otypes=[object])(scores)  # symbols have no largest one
    else:
        exponentials = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


def _softmax_backward(probabilities: Array, gradient: Array) -> Array:
    """Pull a gradient back through the softmax: p (g - Σ p g)."""
    return probabilities * (gradient - (probabilities * gradient).sum(axis=-1, keepdims=True))


class FrozenTransformer:
    """The model of the paper: frozen random embeddings, learned W_K1, W_K2, W_O2 (and W_F).

    >>> import assocmem as am
    >>> task = am.InductionTask(n_tokens=4, length=5)
    >>> model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
    >>> loss, gradients = model.loss_and_gradients(task.enumerate())
    >>> print(f"{loss:.6f}", gradients["W_O2"].shape)  # all weights zero: log 3
    1.098612 (21, 21)

    Parameters
    ----------
    embeddings : FrozenEmbeddings
        Their dtype is the model's: float64 or float32.
    W_K1, W_K2, W_O2, W_F : (d, d) array, AssociativeMemory or None
        Learned matrices; None is zero. The row of W_K is the query, the column the key.
    scale : float
        Multiplies the attention scores of both layers.
    readout : {"attention", "residual"}
        ξ_t = W_U W_O² o_t (the theory's), or ξ_t = W_U (I + W_F)(x¹_t + W_O² o_t).

    Tokens and positions count from 0; logits are over classes k, token ``task.outputs[k]``.

    Raises
    ------
    ValueError
        For matrices of the wrong shape or with NaN, an unknown readout, W_F with readout
        "attention", tokens out of range.

    Source: [BCBJB2023], Section 4.2 (the simplified architecture).
    """

    def __init__(
        self,
        embeddings: FrozenEmbeddings,
        *,
        W_K1: Weights = None,
        W_K2: Weights = None,
        W_O2: Weights = None,
        W_F: Weights = None,
        scale: float = 1.0,
        readout: Readout = "attention",
    ) -> None:
        if not isinstance(embeddings, FrozenEmbeddings):
            raise TypeError(
                f"embeddings must be FrozenEmbeddings, got {type(embeddings).__name__}; draw them "
                "with FrozenEmbeddings.random or .orthonormal"
            )
        if readout not in ("attention", "residual"):
            raise ValueError(f'readout must be "attention" or "residual", got {readout!r}')
        if W_F is not None and readout == "attention":
            raise ValueError('W_F acts on the residual stream: pass readout="residual", or no W_F')
        if not np.isfinite(scale):
            raise ValueError(f"scale must be a finite number, got {scale!r}")
        self.embeddings, self.scale, self.readout = embeddings, float(scale), readout
        self.weights: dict[str, ArrayLike | AssociativeMemory] = {}
        for name, weights in zip(MATRICES, (W_K1, W_K2, W_O2, W_F), strict=True):
            if weights is not None:
                self.weights[name] = _checked(name, weights, embeddings.width)
        # [Z, I] K¹ [Z, I]ᵀ and so on: all that the passes need to know of the weights.
        atoms, inputs = embeddings.atoms, embeddings.inputs
        self._unembedding = embeddings.outputs + self._product(embeddings.outputs, "W_F")
        self._K1 = self._scores("W_K1", inputs, inputs)
        self._K2 = self._scores("W_K2", atoms, atoms)
        self._O = self._scores("W_O2", self._unembedding, embeddings.values)
        residual = self._unembedding @ atoms.T
        self._R = residual if readout == "residual" else np.zeros_like(residual)

    def __repr__(self) -> str:
        return (
            f"FrozenTransformer({self.embeddings!r}, non-zero={list(self.weights)}, "
            f"scale={self.scale:g}, readout={self.readout!r})"
        )

    def _scores(self, name: str, rows: Array, columns: Array) -> Array:
        """Return rows · W · columnsᵀ."""
        weights = self.weights.get(name)
        if weights is None:
            return np.zeros((len(rows), len(columns)), dtype=self.embeddings.dtype)
        if isinstance(weights, AssociativeMemory):
            scores = weights.scores(keys=columns, values=rows)
        else:
            scores = rows @ np.asarray(weights) @ columns.T
        with np.errstate(over="ignore"):
            scores = scores.astype(self.embeddings.dtype)
            finite = np.isfinite(self.scale * scores).all()
        if not finite:
            raise ValueError(
                f"{name} must give finite scores in {self.embeddings.dtype}, got infinity; scale "
                "it down, or use float64"
            )
        return scores

    def _product(self, rows: Array, name: str) -> Array:
        """Return rows · W."""
        weights = self.weights.get(name)
        if weights is None:
            return np.zeros_like(rows)
        if isinstance(weights, AssociativeMemory):
            weights = weights.matrix
        return rows @ np.asarray(weights, dtype=rows.dtype)

    # Forward

    def _layers(self, tokens: Array, queries: NDArray[np.int64]) -> tuple[Array, ...]:
        """Return Z, b, X¹, a for a chunk; a at the query positions only.

        b has a single row of sequences when it does not depend on the tokens.
        """
        n, length = self.embeddings.n_tokens, tokens.shape[1]
        dtype, size = self.embeddings.dtype, len(tokens)
        one_hot = np.zeros((size, length, n), dtype=dtype)
        np.put_along_axis(one_hot, tokens[:, :, None], 1, axis=2)
        causal = np.tri(length, dtype=bool)

        table = self._K1
        positional = table[None, n : n + length, n : n + length]
        if table[:n].any() or table[n:, :n].any():
            rows = table[tokens] + table[n : n + length]
            positional = rows[:, :, :n] @ one_hot.transpose(0, 2, 1) + rows[:, :, n : n + length]
        b = softmax(np.where(causal, self.scale * positional, -np.inf).astype(dtype))

        x1 = np.zeros((size, length, 2, n + self.embeddings.length), dtype=dtype)
        x1[:, :, 0, :n] = one_hot
        x1[:, :, 0, n : n + length] = np.eye(length, dtype=dtype)
        x1[:, :, 1, :n] = b @ one_hot
        x1[:, :, 1, n : n + length] = b
        x1 = x1.reshape(size, length, -1)

        scores = (x1[:, queries] @ self._K2) @ x1.transpose(0, 2, 1)
        a = softmax(np.where(causal[queries], self.scale * scores, -np.inf).astype(dtype))
        return one_hot, b, x1, a

    def _chunks(self, tokens: Array, queries: NDArray[np.int64]) -> Iterator[slice]:
        """Cut the sequences so that the arrays of one chunk stay in cache."""
        length, atoms = tokens.shape[1], 2 * (self.embeddings.n_tokens + self.embeddings.length)
        floats = length * (3 * atoms + 4 * length) + 4 * len(queries) * (atoms + length)
        step = max(1, CHUNK_BYTES // (floats * self.embeddings.dtype.itemsize))
        for start in range(0, len(tokens), step):
            yield slice(start, start + step)

    def logits(self, tokens: ArrayLike, *, positions: ArrayLike | None = None) -> Array:
        """Return the logits, (B, P, M), at the given positions (default: all T).

        >>> import assocmem as am
        >>> task = am.InductionTask(n_tokens=4, length=5)
        >>> model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
        >>> model.logits(task.sample(7, rng=0).tokens).shape
        (7, 5, 3)

        Source: [BCBJB2023], Section 4.2.
        """
        return self.logits_and_attention(tokens, positions=positions)[0]

    def logits_and_attention(
        self, tokens: ArrayLike, *, positions: ArrayLike | None = None
    ) -> tuple[Array, Array]:
        """Return the logits, (B, P, M), and the layer-2 attention, (B, P, T), of one forward pass.

        As `logits` and the second map of `attention`, without ever holding a (B, T, T) array.

        >>> import assocmem as am
        >>> task = am.InductionTask(n_tokens=4, length=5)
        >>> model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
        >>> tokens = task.sample(7, rng=0).tokens
        >>> [a.shape for a in model.logits_and_attention(tokens, positions=[-1])]
        [(7, 1, 3), (7, 1, 5)]

        Source: [BCBJB2023], Section 4.2.
        """
        tokens = self._checked_tokens(tokens)
        queries = self._checked_positions(tokens, positions)
        dtype, size = self.embeddings.dtype, len(tokens)
        logits = np.empty((size, len(queries), len(self._O)), dtype=dtype)
        attention = np.empty((size, len(queries), tokens.shape[1]), dtype=dtype)
        for chunk in self._chunks(tokens, queries):
            _, _, x1, a = self._layers(tokens[chunk], queries)
            logits[chunk] = (a @ x1) @ self._O.T + x1[:, queries] @ self._R.T
            attention[chunk] = a
        return logits, attention

    def attention(
        self, tokens: ArrayLike, *, positions: ArrayLike | None = None
    ) -> tuple[Array, Array]:
        """Return the attention maps of layer 1, (B, T, T), and of layer 2, (B, P, T).

        Rows are queries, columns keys; every row sums to 1. ``positions`` are the queries of layer
        2 (default: all T).

        >>> import assocmem as am
        >>> task = am.InductionTask(n_tokens=4, length=5)
        >>> model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
        >>> first, second = model.attention(task.sample(7, rng=0).tokens)
        >>> print(first[0, 1])  # no weights yet: the causal mean
        [0.5 0.5 0.  0.  0. ]

        Source: [BCBJB2023], Section 4.2.
        """
        tokens = self._checked_tokens(tokens)
        queries = self._checked_positions(tokens, positions)
        length, dtype = tokens.shape[1], self.embeddings.dtype
        first = np.empty((len(tokens), length, length), dtype=dtype)
        second = np.empty((len(tokens), len(queries), length), dtype=dtype)
        for chunk in self._chunks(tokens, queries):
            _, first[chunk], _, second[chunk] = self._layers(tokens[chunk], queries)
        return first, second

    # Loss and gradients

    def loss(self, batch: Batch) -> float:
        """Return the expected cross-entropy Σ w ℓ in nats.

        >>> import assocmem as am
        >>> task = am.InductionTask(n_tokens=4, length=5)
        >>> model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
        >>> print(f"{model.loss(task.enumerate()):.6f}")
        1.098612
        """
        return self._loss_and_tables(batch, ())[0]

    def loss_and_gradients(
        self, batch: Batch, wrt: tuple[str, ...] = ("W_K1", "W_K2", "W_O2")
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss and its gradients as (d, d) arrays, by name.

        ``wrt`` names the matrices to differentiate (any of W_K1, W_K2, W_O2, W_F).
        See `loss_and_memories` for the gradients as memories over the atoms.
        """
        loss, memories = self.loss_and_memories(batch, wrt)
        return loss, {name: memory.matrix for name, memory in memories.items()}

    def loss_and_memories(
        self,
        batch: Batch,
        wrt: tuple[str, ...] = ("W_K1", "W_K2", "W_O2"),
        *,
        multiplicities: ArrayLike | None = None,
    ) -> tuple[float, dict[str, AssociativeMemory]]:
        """Return the loss and its gradients as memories over the atoms.

        Their coefficients do not depend on the width: embeddings with equal Gram matrices have
        equal coefficients.

        >>> import assocmem as am
        >>> task = am.InductionTask(n_tokens=4, length=5)
        >>> emb = am.FrozenEmbeddings.random(task, width=300, rng=0)
        >>> _, wide = am.FrozenTransformer(emb).loss_and_memories(task.enumerate())
        >>> _, narrow = am.FrozenTransformer(emb.compressed()).loss_and_memories(task.enumerate())
        >>> bool(abs(wide["W_O2"].coefficients - narrow["W_O2"].coefficients).max() < 1e-15)
        True

        ``multiplicities`` (B, M): each class counts that often in the softmax of its sequence, as
        if the vocabulary held so many tokens with the same logit (see `Patterns`); the gradient on
        its row is then the sum over all of them.

        Raises
        ------
        ValueError
            For an unknown name, W_F with readout "attention", or multiplicities of another shape or
            not positive.

        Source: [BCBJB2023], Section 6: gradients as sums of outer products.
        """
        unknown = [name for name in wrt if name not in MATRICES]
        if unknown or ("W_F" in wrt and self.readout == "attention"):
            raise ValueError(
                f"wrt must name matrices among {MATRICES} (W_F with readout='residual' only), "
                f"got {wrt!r}"
            )
        loss, tables = self._loss_and_tables(batch, wrt, multiplicities)
        emb = self.embeddings
        atoms: dict[str, tuple[Array, Array]] = {
            "W_K1": (emb.inputs, emb.inputs),
            "W_K2": (emb.atoms, emb.atoms),
            "W_O2": (self._unembedding, emb.values),
        }
        if "W_F" in wrt:
            written = self._scores("W_O2", np.eye(emb.width, dtype=emb.dtype), emb.values).T
            atoms["W_F"] = (emb.outputs, np.concatenate([emb.atoms, written]))
        return loss, {
            name: AssociativeMemory(
                values=atoms[name][0], keys=atoms[name][1], coefficients=tables[name]
            )
            for name in wrt
        }

    def _loss_and_tables(
        self, batch: Batch, wrt: tuple[str, ...], multiplicities: ArrayLike | None = None
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss and the gradient tables, summed over chunks in a fixed order."""
        if not isinstance(batch, Batch):
            raise TypeError(
                f"batch must be a Batch, got {type(batch).__name__}; make one with task.sample, "
                "task.enumerate or Batch(tokens=, targets=, weights=)"
            )
        tokens = self._checked_tokens(batch.tokens)
        classes = len(self._O)
        if batch.targets.max(initial=-1) >= classes:
            raise ValueError(
                f"batch.targets must be classes below the {classes} outputs of the embeddings, got "
                f"{batch.targets.max()}; draw the embeddings for the task of the batch"
            )
        queries = np.flatnonzero(batch.weights.any(axis=0))
        log_counts = _checked_log_counts(multiplicities, (len(batch), classes))
        loss, totals = 0.0, dict[str, Array]()
        for chunk in self._chunks(tokens, queries):
            part, tables = self._chunk_loss(
                tokens[chunk],
                queries,
                batch.targets[chunk][:, queries],
                batch.weights[chunk][:, queries],
                log_counts[chunk, None],
                wrt,
            )
            loss += part
            totals = {name: totals.get(name, 0) + table for name, table in tables.items()}
        return loss, totals

    def _chunk_loss(
        self,
        tokens: Array,
        queries: Array,
        targets: Array,
        weights: Array,
        log_counts: Array,
        wrt: tuple[str, ...],
    ) -> tuple[float, dict[str, Array]]:
        one_hot, b, x1, a = self._layers(tokens, queries)
        x1_query = x1[:, queries]
        mix = a @ x1  # o_t in the coordinates of the values
        logits = mix @ self._O.T + x1_query @ self._R.T
        counted = logits + log_counts.astype(logits.dtype)
        probabilities = softmax(counted)  # of all tokens that a class stands for
        right = np.where(weights > 0, targets, 0)[:, :, None]
        largest = counted.max(axis=-1, keepdims=True)
        surprise = (
            np.log(np.exp(counted - largest).sum(axis=-1))
            - np.take_along_axis(logits - largest, right, 2)[..., 0]
        )
        loss = float((weights * surprise).sum())
        if not wrt:
            return loss, {}

        # ∂ℓ/∂ξ = p̂ - 1{y=k}; then each line undoes one line of the forward pass.
        d_logits = probabilities
        np.put_along_axis(d_logits, right, np.take_along_axis(d_logits, right, 2) - 1, axis=2)
        d_logits = d_logits * weights[:, :, None].astype(d_logits.dtype)
        tables = {"W_O2": _contract(d_logits, mix)}
        if "W_F" in wrt:
            tables["W_F"] = np.concatenate([_contract(d_logits, x1_query), tables["W_O2"]], axis=1)
        if "W_K1" in wrt or "W_K2" in wrt:
            d_mix = d_logits @ self._O
            d_scores = self.scale * _softmax_backward(a, d_mix @ x1.transpose(0, 2, 1))
            keys = d_scores @ x1
            tables["W_K2"] = _contract(x1_query, keys)
        if "W_K1" in wrt:
            d_x1 = a.transpose(0, 2, 1) @ d_mix + d_scores.transpose(0, 2, 1) @ (
                x1_query @ self._K2
            )
            d_x1[:, queries] += keys @ self._K2.T + d_logits @ self._R
            tables["W_K1"] = self._first_layer_backward(one_hot, b, d_x1)
        return loss, {name: tables[name] for name in wrt}

    def _first_layer_backward(self, one_hot: Array, b: Array, d_x1: Array) -> Array:
        """From the gradient on X¹ = [X, b X] to the table of W_K1 between inputs."""
        _, length, n = one_hot.shape
        inputs = n + self.embeddings.length
        d_remapped = d_x1[:, :, inputs:]
        d_b = d_remapped[:, :, :n] @ one_hot.transpose(0, 2, 1) + d_remapped[:, :, n : n + length]
        d_scores = self.scale * _softmax_backward(b, d_b)
        table = np.zeros((inputs, inputs), dtype=d_x1.dtype)
        by_token = d_scores @ one_hot
        table[:n, :n] = _contract(one_hot, by_token)
        table[:n, n : n + length] = _contract(one_hot, d_scores)
        table[n : n + length, :n] = by_token.sum(axis=0)
        table[n : n + length, n : n + length] = d_scores.sum(axis=0)
        return table

    def _checked_tokens(self, tokens: ArrayLike) -> NDArray[np.int64]:
        array = np.asarray(tokens)
        n, length = self.embeddings.n_tokens, self.embeddings.length
        if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer):
            raise ValueError(
                f"tokens must be a (B, T) array of integers, got shape {array.shape} and dtype "
                f"{array.dtype}; a single sequence is tokens[None, :]"
            )
        if not 0 < array.shape[1] <= length:
            raise ValueError(
                f"tokens must have 1 to {length} columns, one a position of the embeddings, got "
                f"{array.shape[1]}"
            )
        if array.size and (array.min() < 0 or array.max() >= n):
            raise ValueError(
                f"tokens must lie in 0..{n - 1}, got {array.min()}..{array.max()}; count from 0"
            )
        return array

    def _checked_positions(
        self, tokens: NDArray[np.int64], positions: ArrayLike | None
    ) -> NDArray[np.int64]:
        length = tokens.shape[1]
        if positions is None:
            return np.arange(length)
        queries = np.asarray(positions)
        if queries.ndim != 1 or not np.issubdtype(queries.dtype, np.integer):
            raise ValueError(f"positions must be a list of integers, got {positions!r}")
        if (queries < -length).any() or (queries >= length).any():
            raise ValueError(f"positions must lie in {-length}..{length - 1}, got {positions!r}")
        return queries % length


def _contract(left: Array, right: Array) -> Array:
    """Return Σ over sequences and positions of left ⊗ right: (B, P, m), (B, P, n) to (m, n)."""
    return left.reshape(-1, left.shape[-1]).T @ right.reshape(-1, right.shape[-1])


def _checked_log_counts(multiplicities: ArrayLike | None, shape: tuple[int, int]) -> Array:
    """Return the logarithm of the multiplicities; of ones, if there are none, without storing."""
    if multiplicities is None:
        return np.broadcast_to(0.0, shape)
    counts = np.asarray(multiplicities, dtype=float)
    if counts.shape != shape or not (np.isfinite(counts).all() and (counts > 0).all()):
        raise ValueError(
            f"multiplicities: expected positive numbers of shape {shape}, a row per sequence and a "
            f"column per class; got shape {counts.shape}. Take those of the same Patterns."
        )
    return np.log(counts)


def _checked(name: str, weights: ArrayLike | AssociativeMemory, width: int) -> Any:
    """Return the weights, refused unless they are finite and width by width."""
    if isinstance(weights, AssociativeMemory):
        shape, finite = (weights.values.shape[1], weights.keys.shape[1]), True
    else:
        weights = np.asarray(weights)
        if weights.dtype.kind not in "iuf":
            raise TypeError(f"{name} must hold real numbers, got dtype {weights.dtype}; convert it")
        shape, finite = weights.shape, bool(np.isfinite(weights).all())
    if shape != (width, width):
        raise ValueError(
            f"{name} must be {width} x {width}, the width of the embeddings, got {shape}"
        )
    if not finite:
        raise ValueError(f"{name} must be finite, got NaN or infinity; check the step before it")
    return weights

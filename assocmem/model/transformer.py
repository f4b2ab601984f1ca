"""The two-layer attention-only transformer with frozen embeddings.

It turns its weights into tables of scores between atoms, and the gradients on these tables into
memories; the formulas of the passes are in `assocmem.model.passes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import Array, checked_names
from assocmem.memory import AssociativeMemory
from assocmem.model.arguments import (
    Readout,
    Weights,
    check_finite,
    checked_batch,
    checked_log_counts,
    checked_model,
    checked_positions,
    checked_tokens,
    checked_weights,
)
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.engine import Engine
from assocmem.model.passes import Tables
from assocmem.model.streams import FirstLayer
from assocmem.model.threads import one_blas_thread
from assocmem.tasks import Batch

MATRICES = ("W_K1", "W_K2", "W_O2", "W_F")


class FrozenTransformer:
    r"""The model of the paper: frozen random embeddings, learned W_K1, W_K2, W_O2 (and W_F).

    Parameters
    ----------
    embeddings : FrozenEmbeddings
        Their dtype is the model's: float64 or float32.
    W_K1, W_K2, W_O2, W_F : (d, d) array, AssociativeMemory or None
        Learned matrices; None is zero. The row of W_K is the query, the column the key: xᵀ W_K y.
        W_O2 and W_F multiply from the left, W_O2 o; transpose those of code that has o @ W_O2, as a
        square matrix fits either way.
    scale : float
        Multiplies the attention scores of both layers.
    readout : {"attention", "residual"}
        :math:`\xi_t = W_U W_O^2 o_t` (the theory's), or :math:`\xi_t = W_U (I + W_F)(x^1_t + W_O^2
        o_t)`.

    Raises
    ------
    ValueError
        For matrices of the wrong shape or with NaN, an unknown readout, W_F with readout
        "attention", tokens out of range.

    Notes
    -----
    Tokens and positions count from 0; logits are over classes k, token ``task.outputs[k]``.

    References
    ----------
    [BCBJB2023], Section 4.2 (the simplified architecture).

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.InductionTask(n_tokens=4, length=5)
    >>> model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
    >>> loss, gradients = model.loss_and_gradients(task.enumerate())
    >>> print(f"{loss:.6f}", gradients["W_O2"].shape)  # all weights zero: log 3
    1.098612 (21, 21)
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
        scale = checked_model(embeddings, scale, readout)
        if W_F is not None and readout == "attention":
            raise ValueError(
                'W_F: expected None with readout="attention", which the residual stream does not '
                'enter; got a matrix. Pass readout="residual", or no W_F.'
            )
        self.embeddings, self.scale, self.readout = embeddings, scale, readout
        self.weights: dict[str, Any] = {}
        for name, weights in zip(MATRICES, (W_K1, W_K2, W_O2, W_F), strict=True):
            if weights is not None:
                self.weights[name] = checked_weights(name, weights, embeddings.width)
        atoms, inputs = embeddings.atoms, embeddings.inputs
        added = 0 if W_F is None else embeddings.outputs @ self.weights["W_F"]
        self._unembedding = (embeddings.outputs + added).astype(embeddings.dtype)
        with one_blas_thread():
            self._scores_between = {
                "W_K1": self._scores("W_K1", inputs, inputs),
                "W_K2": self.scale * self._scores("W_K2", atoms, atoms),
                "W_O2": self._scores("W_O2", self._unembedding, embeddings.values),
            }
            self._residual = self._unembedding @ atoms.T if readout == "residual" else None
        self._engine = Engine(embeddings.dtype)

    def _tables(self, length: int) -> Tables:
        """The model on sequences of this length, in the coordinates of the atoms."""
        n, scores = self.embeddings.n_tokens, self._scores_between
        return Tables(
            first=FirstLayer(self.scale * scores["W_K1"], n, length),
            K2=scores["W_K2"],
            O=scores["W_O2"],
            R=self._residual,
            atoms=None,
            n_tokens=n,
        )

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
            scores = rows @ weights @ columns.T
        with np.errstate(over="ignore"):
            scores = scores.astype(self.embeddings.dtype)
            check_finite(name, self.scale * scores)
        return scores

    def logits(self, tokens: ArrayLike, *, positions: ArrayLike | None = None) -> Array:
        """Return the logits at the given positions.

        Parameters
        ----------
        tokens : array_like of int, shape (B, T)
            The sequences.
        positions : array_like of int, shape (P,), optional
            Counted from 0, or from the end; all T when left out.

        Returns
        -------
        array, shape (B, P, M)
            Over the classes.

        Raises
        ------
        TypeError, ValueError
            For tokens or positions that the embeddings do not have.

        References
        ----------
        [BCBJB2023], Section 4.2.

        Examples
        --------
        >>> import assocmem as am
        >>> task = am.InductionTask(n_tokens=4, length=5)
        >>> model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
        >>> model.logits(task.sample(7, rng=0).tokens).shape
        (7, 5, 3)
        """
        return self.logits_and_attention(tokens, positions=positions)[0]

    def logits_and_attention(
        self, tokens: ArrayLike, *, positions: ArrayLike | None = None
    ) -> tuple[Array, Array]:
        """Return the logits and the layer-2 attention of one forward pass.

        Parameters
        ----------
        tokens, positions
            As in `logits`.

        Returns
        -------
        logits : array, shape (B, P, M)
            As `logits`.
        attention : array, shape (B, P, T)
            As the second map of `attention`, without ever holding a (B, T, T) array.

        Raises
        ------
        TypeError, ValueError
            As `logits`.

        References
        ----------
        [BCBJB2023], Section 4.2.

        Examples
        --------
        >>> import assocmem as am
        >>> task = am.InductionTask(n_tokens=4, length=5)
        >>> model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
        >>> tokens = task.sample(7, rng=0).tokens
        >>> [a.shape for a in model.logits_and_attention(tokens, positions=[-1])]
        [(7, 1, 3), (7, 1, 5)]
        """
        tokens = checked_tokens(tokens, self.embeddings)
        queries = checked_positions(positions, tokens.shape[1])
        asked, order = np.unique(queries, return_inverse=True)
        where = np.zeros(tokens.shape, dtype=bool)
        where[:, asked] = True
        with one_blas_thread():
            found = self._engine.read(self._tables(tokens.shape[1]), tokens, where)
        shape = len(tokens), len(asked)
        logits, attention = (rows.reshape(*shape, rows.shape[1])[:, order] for rows in found)
        return logits, attention

    def attention(
        self, tokens: ArrayLike, *, positions: ArrayLike | None = None
    ) -> tuple[Array, Array]:
        """Return the attention maps of both layers; rows are queries, columns keys.

        Parameters
        ----------
        tokens : array_like of int, shape (B, T)
            The sequences.
        positions : array_like of int, shape (P,), optional
            The queries of layer 2; all T when left out.

        Returns
        -------
        first : array, shape (B, T, T)
            Of layer 1; every row sums to 1.
        second : array, shape (B, P, T)
            Of layer 2; every row sums to 1.

        Raises
        ------
        TypeError, ValueError
            As `logits`.

        References
        ----------
        [BCBJB2023], Section 4.2.

        Examples
        --------
        >>> import assocmem as am
        >>> task = am.InductionTask(n_tokens=4, length=5)
        >>> model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
        >>> first, second = model.attention(task.sample(7, rng=0).tokens)
        >>> print(first[0, 1])  # no weights yet: the causal mean
        [0.5 0.5 0.  0.  0. ]
        """
        _, second = self.logits_and_attention(tokens, positions=positions)
        tokens = checked_tokens(tokens, self.embeddings)
        with one_blas_thread():
            return self._engine.first_attention(self._tables(tokens.shape[1]), tokens), second

    def loss(self, batch: Batch) -> float:
        r"""Return the expected cross-entropy :math:`\sum w \ell`.

        Parameters
        ----------
        batch : Batch
            Sequences with targets and weights.

        Returns
        -------
        float
            In nats.

        Raises
        ------
        TypeError, ValueError
            For a batch that does not fit the embeddings.

        Examples
        --------
        >>> import assocmem as am
        >>> task = am.InductionTask(n_tokens=4, length=5)
        >>> model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
        >>> print(f"{model.loss(task.enumerate()):.6f}")
        1.098612
        """
        return float(self._sums(batch, ())["loss"])

    def loss_and_gradients(
        self, batch: Batch, wrt: tuple[str, ...] = ("W_K1", "W_K2", "W_O2")
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss and its gradients as matrices.

        Parameters
        ----------
        batch : Batch
            Sequences with targets and weights.
        wrt : tuple of str
            The matrices to differentiate, any of W_K1, W_K2, W_O2, W_F.

        Returns
        -------
        loss : float
            As `loss`.
        gradients : dict of str to array, shape (d, d)
            +∇ by name; `loss_and_memories` has them as memories over the atoms.

        Raises
        ------
        TypeError, ValueError
            As `loss_and_memories`.
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

        Parameters
        ----------
        batch : Batch
            Sequences with targets and weights.
        wrt : tuple of str
            The matrices to differentiate, any of W_K1, W_K2, W_O2, W_F.
        multiplicities : array_like, shape (B, M), optional
            How often each class counts in the softmax of its sequence, as if the vocabulary held so
            many tokens with the same logit (see `Patterns`); the gradient on its row is then the
            sum over all of them.

        Returns
        -------
        loss : float
            As `loss`.
        gradients : dict of str to AssociativeMemory
            +∇ by name.

        Raises
        ------
        ValueError
            For an unknown name, W_F with readout "attention", or multiplicities of another shape or
            not positive.

        References
        ----------
        [BCBJB2023], Section 6: gradients as sums of outer products.

        Examples
        --------
        >>> import assocmem as am
        >>> task = am.InductionTask(n_tokens=4, length=5)
        >>> emb = am.FrozenEmbeddings.random(task, width=300, rng=0)
        >>> _, wide = am.FrozenTransformer(emb).loss_and_memories(task.enumerate())
        >>> _, narrow = am.FrozenTransformer(emb.compressed()).loss_and_memories(task.enumerate())
        >>> bool(abs(wide["W_O2"].coefficients - narrow["W_O2"].coefficients).max() < 1e-15)
        True
        """
        known = MATRICES if self.readout == "residual" else MATRICES[:3]
        wrt = checked_names("wrt", wrt, known, "W_F needs readout='residual'.")
        emb, g = self.embeddings, self._sums(batch, wrt, multiplicities)

        def W_F() -> tuple[Array, Array, Array]:  # it reads x¹ and what W_O2 writes
            written = self._scores("W_O2", np.eye(emb.width, dtype=emb.dtype), emb.values).T
            keys = np.concatenate([emb.atoms, written])
            return emb.outputs, keys, np.concatenate([g["R"], g["O"]], axis=1)

        formulas: dict[str, Callable[[], tuple[Array, Array, Array]]] = {
            "W_K1": lambda: (emb.inputs, emb.inputs, self.scale * g["K1"]),
            "W_K2": lambda: (emb.atoms, emb.atoms, self.scale * g["K2"]),
            "W_O2": lambda: (self._unembedding, emb.values, g["O"]),
            "W_F": W_F,
        }
        memories = dict[str, AssociativeMemory]()
        for name in wrt:
            values, keys, coefficients = formulas[name]()
            memories[name] = AssociativeMemory(values=values, keys=keys, coefficients=coefficients)
        return float(g["loss"]), memories

    def _sums(
        self, batch: Batch, wrt: tuple[str, ...], multiplicities: ArrayLike | None = None
    ) -> dict[str, Array]:
        """Return the loss and the gradients on the scores between atoms."""
        tokens = checked_batch(batch, self.embeddings).tokens
        counts = checked_log_counts(multiplicities, (len(batch), self.embeddings.n_outputs))
        with one_blas_thread():
            return self._engine.sums(self._tables(tokens.shape[1]), batch, wrt, counts)

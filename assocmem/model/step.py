"""Loss and gradients of the frozen transformer in d x d matrices, fast; see `passes` for how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import (
    Array,
    at_least,
    checked_array,
    checked_kind,
    checked_mapping,
    checked_names,
    checked_option,
    require_room,
)
from assocmem.model.arguments import (
    DRAW,
    Readout,
    check_finite,
    checked_batch,
    checked_model,
    checked_tokens,
    checked_weights,
)
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.engine import Engine
from assocmem.model.passes import INPUTS, Tables
from assocmem.model.streams import FirstLayer
from assocmem.model.threads import one_blas_thread
from assocmem.model.transformer import MATRICES
from assocmem.tasks import Batch

EMBEDDINGS = (*INPUTS, "outputs")  # that can be differentiated


class TrainingStep:
    """Loss and gradients of the frozen transformer, with as few operations as possible.

    The same numbers as `FrozenTransformer`, for training: weights are (d, d) arrays that change at
    every step, sequences are long, and only some positions carry loss.

    Parameters
    ----------
    embeddings : FrozenEmbeddings
        Their dtype is the model's: float64 or float32.
    layers : {1, 2}
        With one layer x¹_t is x_t, without attention on earlier inputs, and there is no W_K1.
    scale : float
        Multiplies the attention scores of both layers.
    readout : {"residual", "attention"}
        As in `FrozenTransformer`.
    workers : int
        Threads. Results are the same bit for bit with any number: chunks of sequences and the order
        of their sums are fixed, and BLAS runs on one thread per worker.

    Raises
    ------
    TypeError, ValueError
        For weights of other names or shapes or with NaN, for targets, tokens or positions that the
        embeddings do not have, and arguments of another class.

    Notes
    -----
    Weights are a mapping of W_K1, W_K2, W_O2, W_F (the latter with readout "residual") to (d, d)
    arrays; what is missing or None is zero. The row of W_K is the query, the column the key.

    Examples
    --------
    >>> import numpy as np, assocmem as am
    >>> task = am.InductionTask(n_tokens=4, length=5)
    >>> step = TrainingStep(am.FrozenEmbeddings.random(task, width=16, rng=0), readout="attention")
    >>> loss, gradients = step.loss_and_gradients({"W_K1": np.eye(16)}, task.enumerate())
    >>> print(f"{loss:.6f}", gradients["W_O2"].shape)  # W_O2 is zero: log 3
    1.098612 (16, 16)
    """

    def __init__(
        self,
        embeddings: FrozenEmbeddings,
        *,
        layers: int = 2,
        scale: float = 1.0,
        readout: Readout = "residual",
        workers: int = 1,
    ) -> None:
        self.scale = checked_model(embeddings, scale, readout)
        table = len(embeddings.inputs) ** 2 * embeddings.dtype.itemsize
        tables = "four tables of scores between N + T inputs"  # theirs, by kind, and gradients
        require_room("embeddings", tables, 4 * table, "Take fewer tokens or positions.")
        self.embeddings, self.readout = embeddings, readout
        self.layers = checked_option("layers", layers, (1, 2))
        self.workers = at_least("workers", workers, 1)
        absent = ("W_K1",) * (layers == 1) + ("W_F",) * (readout == "attention")
        self._names = [name for name in MATRICES if name not in absent]
        self._engine = Engine(embeddings.dtype, self.workers)

    def with_embeddings(self, embeddings: FrozenEmbeddings) -> TrainingStep:
        """Return the same step for other embeddings of the same dtype, with the same threads.

        Parameters
        ----------
        embeddings : FrozenEmbeddings
            Of the same dtype.

        Returns
        -------
        TrainingStep
            A new one; this one does not change.

        Raises
        ------
        TypeError
            For another dtype.
        """
        other = copy(self)
        other.embeddings = checked_kind("embeddings", embeddings, FrozenEmbeddings, DRAW)
        if embeddings.dtype != self.embeddings.dtype:
            raise TypeError(
                f"embeddings: expected {self.embeddings.dtype}; got {embeddings.dtype}. Convert "
                f"them with astype."
            )
        return other

    def loss_and_gradients(
        self,
        weights: Mapping[str, ArrayLike | None],
        batch: Batch,
        wrt: Sequence[str] = ("W_K1", "W_K2", "W_O2"),
    ) -> tuple[float, dict[str, Array]]:
        r"""Return the expected cross-entropy and its gradients.

        Parameters
        ----------
        weights : mapping of str to array_like, shape (d, d)
            The learned matrices by name.
        batch : Batch
            Sequences whose targets and tokens the embeddings have.
        wrt : sequence of str
            What to differentiate: the matrices, and the embeddings "tokens" (N, d), "positions" (T,
            d) and "outputs" (M, d), on which everything that is made of them depends; fewer need
            less work.

        Returns
        -------
        loss : float
            The sum :math:`\sum w \ell` in nats; NaN or infinite where it overflows, without a
            warning.
        gradients : dict of str to array
            By name, each of the shape of what is differentiated.

        Raises
        ------
        TypeError, ValueError
            As the class.
        """
        arrays = self._checked_weights(weights)
        wrt = self._checked_names("wrt", wrt, EMBEDDINGS)
        checked_batch(batch, self.embeddings)
        with one_blas_thread():
            tables = self._tables(arrays, batch.tokens.shape[1])
            sums = self._engine.sums(tables, batch, wrt)
            formulas = self._gradients(arrays, sums)
            return float(sums["loss"]), {name: formulas[name]() for name in wrt}

    def predict(
        self, weights: Mapping[str, ArrayLike | None], tokens: ArrayLike, where: ArrayLike
    ) -> tuple[Array, Array]:
        """Return the logits and the attention of layer 2 at marked positions.

        Parameters
        ----------
        weights : mapping of str to array_like, shape (d, d)
            The learned matrices by name.
        tokens : array_like of int, shape (B, T)
            The sequences.
        where : array_like of bool, shape (B, T)
            Marks P positions.

        Returns
        -------
        logits : array, shape (P, M)
            A row for each marked position, in row-major order.
        attention : array, shape (P, T)
            Each row sums to 1 and is 0 after its position.

        Raises
        ------
        TypeError, ValueError
            As the class.
        """
        arrays = self._checked_weights(weights)
        tokens, where = checked_tokens(tokens, self.embeddings), checked_array("where", where)
        if where.shape != tokens.shape or where.dtype != bool:
            raise ValueError(
                f"where: expected booleans of the shape {tokens.shape} of tokens; got "
                f"{where.dtype} of shape {where.shape}."
            )
        with one_blas_thread():
            tables = self._tables(arrays, tokens.shape[1])
            return self._engine.read(tables, tokens, where)

    def first_attention(self, weights: Mapping[str, ArrayLike | None], tokens: ArrayLike) -> Array:
        """Return the attention of layer 1.

        Parameters
        ----------
        weights : mapping of str to array_like, shape (d, d)
            The learned matrices by name.
        tokens : array_like of int, shape (B, T)
            The sequences.

        Returns
        -------
        array, shape (B, T, T)
            Rows are queries, and sum to 1.

        Raises
        ------
        TypeError, ValueError
            As the class, and for a model of one layer.
        """
        if self.layers == 1:
            raise ValueError("first_attention: expected a model of 2 layers; got layers=1.")
        arrays = self._checked_weights(weights)
        tokens = checked_tokens(tokens, self.embeddings)
        with one_blas_thread():
            return self._engine.first_attention(self._tables(arrays, tokens.shape[1]), tokens)

    def _tables(self, weights: dict[str, Array], length: int) -> Tables:
        """The model on sequences of this length, in the coordinates of the embeddings."""
        emb = self.embeddings
        with np.errstate(over="ignore", invalid="ignore"):
            scores = self.scale * (emb.inputs @ weights["W_K1"] @ emb.inputs.T)
        check_finite("W_K1", scores)
        R = emb.outputs + emb.outputs @ weights["W_F"]
        return Tables(
            first=FirstLayer(scores, emb.n_tokens, length) if self.layers == 2 else None,
            K2=self.scale * weights["W_K2"],
            O=R @ (weights["W_O2"] @ emb.W_V2),
            R=R if self.readout == "residual" else None,
            atoms=emb.atoms,
            n_tokens=emb.n_tokens,
        )

    def _gradients(
        self, weights: dict[str, Array], g: dict[str, Array]
    ) -> dict[str, Callable[[], Array]]:
        """From sums over sequences to matrices: each undoes a line of `_tables`."""
        emb, inputs, outputs = self.embeddings, self.embeddings.inputs, self.embeddings.outputs

        def g_R() -> Array:  # on outputs (I + W_F), which O has as well
            return g["R"] + g["O"] @ (weights["W_O2"] @ emb.W_V2).T

        def g_inputs() -> Array:  # as themselves, through layer 1, and in its scores
            own, remapped = np.split(g["atoms"], 2)
            if self.layers == 1:
                return own
            table, W = g["K1"], weights["W_K1"]
            in_scores = self.scale * (table @ inputs @ W.T + table.T @ inputs @ W)
            return own + remapped @ emb.Phi1 + in_scores

        return {
            "W_K1": lambda: self.scale * (inputs.T @ g["K1"] @ inputs),
            "W_K2": lambda: self.scale * g["K2"],
            "W_O2": lambda: (outputs + outputs @ weights["W_F"]).T @ g["O"] @ emb.W_V2.T,
            "W_F": lambda: outputs.T @ g_R(),
            "outputs": lambda: g_R() + g_R() @ weights["W_F"].T,
            "tokens": lambda: g_inputs()[: emb.n_tokens],
            "positions": lambda: g_inputs()[emb.n_tokens :],
        }

    def _checked_names(
        self, argument: str, names: Sequence[str], more: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        model = f"This model has {self.layers} layers and readout {self.readout!r}."
        return checked_names(argument, names, [*self._names, *more], model)

    def _checked_weights(self, weights: Mapping[str, ArrayLike | None]) -> dict[str, Array]:
        """All four matrices in the dtype of the embeddings."""
        checked_mapping("weights", weights)
        given = {name: array for name, array in weights.items() if array is not None}
        self._checked_names("weights", list(given))
        d, dtype = self.embeddings.width, self.embeddings.dtype
        arrays = dict.fromkeys(MATRICES, np.zeros((d, d), dtype))
        for name, array in given.items():
            arrays[name] = np.asarray(checked_weights(name, array, d), dtype)
        return arrays

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
    checked_number,
    checked_option,
)
from assocmem.model.arguments import checked_batch, checked_tokens, checked_weights
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.engine import Engine
from assocmem.model.passes import INPUTS, Sums, Tables
from assocmem.model.streams import FirstLayer, Inputs
from assocmem.model.threads import one_blas_thread
from assocmem.model.transformer import DRAW, MATRICES, Readout
from assocmem.tasks import Batch

EMBEDDINGS = (*INPUTS, "outputs")  # that can be differentiated
TABLE_BYTES = 2**32


class ScoresOverflow(ValueError):
    """Weights so large that scores of attention are no longer finite."""


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
        checked_kind("embeddings", embeddings, FrozenEmbeddings, DRAW)
        checked_option("layers", layers, (1, 2))
        checked_option("readout", readout, ("residual", "attention"))
        table = len(embeddings.inputs) ** 2 * embeddings.dtype.itemsize
        if table > TABLE_BYTES:
            raise ValueError(
                f"embeddings: expected a table of scores between N + T inputs of at most "
                f"{TABLE_BYTES:.1e} bytes; got {table:.1e}. Take fewer tokens or positions."
            )
        self.embeddings, self.layers, self.readout = embeddings, layers, readout
        self.scale, self.workers = checked_number("scale", scale), at_least("workers", workers, 1)
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
            total = self._engine.sums(tables, batch, wrt)
            return total.loss, self._gradients(arrays, total)

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
        arrays, tokens, where = (
            self._checked_weights(weights),
            checked_tokens(tokens, self.embeddings),
            checked_array("where", where),
        )
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
        emb, n = self.embeddings, self.embeddings.n_tokens
        inputs = emb.inputs[: n + length]
        with np.errstate(over="ignore", invalid="ignore"):
            scores = self.scale * (inputs @ weights["W_K1"] @ inputs.T)
        if not np.isfinite(scores).all():
            raise ScoresOverflow(
                f"W_K1: expected finite scores in {emb.dtype}; got infinity. Take smaller steps, "
                f"or float64."
            )
        R = emb.outputs + emb.outputs @ weights["W_F"]
        return Tables(
            first=FirstLayer(scores, n) if self.layers == 2 else None,
            K2=self.scale * weights["W_K2"],
            O=R @ (weights["W_O2"] @ emb.W_V2),
            R=R if self.readout == "residual" else None,
            inputs=Inputs(
                emb.tokens, inputs[n:], emb.remapped_tokens, emb.remapped_positions[:length]
            ),
            n_tokens=n,
        )

    def _gradients(self, weights: dict[str, Array], total: Sums) -> dict[str, Array]:
        """From sums over sequences to matrices: each undoes a line of `_tables`."""
        emb, g, outputs = self.embeddings, total.sums, self.embeddings.outputs

        def g_W_K1() -> Array:
            table = total.K1()
            inputs = emb.inputs[: len(table)]
            return self.scale * (inputs.T @ table @ inputs)

        def g_R() -> Array:  # on outputs (I + W_F), which O has as well
            return g["R"] + g["O"] @ (weights["W_O2"] @ emb.W_V2).T

        def g_inputs() -> Array:  # as themselves, through layer 1, and in its scores
            inputs = emb.inputs[: emb.n_tokens + len(g["positions"])]
            found: Array = np.concatenate([g["tokens"], g["positions"]])
            if total.first:
                table, W = total.K1(), weights["W_K1"]
                remapped = np.concatenate([g["remapped_tokens"], g["remapped_positions"]])
                found += remapped @ emb.Phi1
                found += self.scale * (table @ inputs @ W.T + table.T @ inputs @ W)
            return found

        def g_positions() -> Array:  # those that sequences do not reach have no gradient
            found = np.zeros_like(emb.positions)
            found[: len(g["positions"])] = g_inputs()[emb.n_tokens :]
            return found

        formulas: dict[str, Callable[[], Array]] = {
            "W_K1": g_W_K1,
            "W_K2": lambda: self.scale * g["K2"],
            "W_O2": lambda: (outputs + outputs @ weights["W_F"]).T @ g["O"] @ emb.W_V2.T,
            "W_F": lambda: outputs.T @ g_R(),
            "outputs": lambda: g_R() + g_R() @ weights["W_F"].T,
            "tokens": lambda: g_inputs()[: emb.n_tokens],
            "positions": g_positions,
        }
        return {name: formulas[name]() for name in total.wrt}

    def _checked_names(
        self, argument: str, names: Sequence[str], more: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        known = [
            name
            for name in (*MATRICES, *more)
            if not (name == "W_K1" and self.layers == 1)
            and not (name == "W_F" and self.readout == "attention")
        ]
        model = f"This model has {self.layers} layers and readout {self.readout!r}."
        return checked_names(argument, names, known, model)

    def _checked_weights(self, weights: Mapping[str, ArrayLike | None]) -> dict[str, Array]:
        """All four matrices in the dtype of the embeddings."""
        checked_mapping("weights", weights)
        given = {name: array for name, array in weights.items() if array is not None}
        self._checked_names("weights", list(given))
        d, dtype = self.embeddings.width, self.embeddings.dtype
        arrays = dict.fromkeys(MATRICES, np.zeros((d, d), dtype))
        for name, array in given.items():
            array = checked_weights(name, checked_array(name, array), d)
            arrays[name] = array.astype(dtype, copy=False)
        return arrays

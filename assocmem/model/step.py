"""Loss and gradients of the frozen transformer in d x d matrices, fast; see `passes` for how."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import (
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
from assocmem.model.passes import Buffers, Chunk, Gradients, Pass, Tables, first_layer
from assocmem.model.threads import one_blas_thread
from assocmem.model.transformer import DRAW, MATRICES, Readout
from assocmem.tasks import Batch

Array = NDArray[Any]
Ints = NDArray[np.int64]
Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK_FLOATS = 2**20  # of the sequences that a worker has in hand: they stay in a cache
LANES = 8  # partial sums of chunks: their number fixes the order of summation, workers do not
TABLE_BYTES = 2**32


class TrainingStep:
    """Loss and gradients of the frozen transformer, with the least work.

    The same numbers as `FrozenTransformer`, for training: weights are (d, d) arrays that change at
    every step, sequences are long, and only some positions carry loss.

    >>> import numpy as np, assocmem as am
    >>> task = am.InductionTask(n_tokens=4, length=5)
    >>> step = TrainingStep(am.FrozenEmbeddings.random(task, width=16, rng=0), readout="attention")
    >>> loss, gradients = step.loss_and_gradients({"W_K1": np.eye(16)}, task.enumerate())
    >>> print(f"{loss:.6f}", gradients["W_O2"].shape)  # W_O2 is zero: log 3
    1.098612 (16, 16)

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

    Weights are a mapping of W_K1, W_K2, W_O2, W_F (the latter with readout "residual") to (d, d)
    arrays; what is missing or None is zero. The row of W_K is the query, the column the key.

    Raises ValueError for weights of other names or shapes or with NaN, for targets, tokens or
    positions that the embeddings do not have; TypeError for arguments of another class.
    Source: [BCBJB2023], Section 4.2 (the simplified architecture).
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
        self._executor = ThreadPoolExecutor(self.workers) if self.workers > 1 else None
        self._buffers: list[Buffers] = []

    def loss_and_gradients(
        self,
        weights: Mapping[str, ArrayLike | None],
        batch: Batch,
        wrt: Sequence[str] = ("W_K1", "W_K2", "W_O2"),
    ) -> tuple[float, dict[str, Array]]:
        """Return the expected cross-entropy Σ w ℓ in nats and its gradients, (d, d) arrays by name.

        ``wrt`` names the matrices to differentiate; fewer need less work. A loss that overflows is
        returned as NaN or infinity, without a warning. Raises as the class does.
        """
        arrays, wrt = self._checked_weights(weights), self._checked_names("wrt", wrt)
        checked_batch(batch, self.embeddings)
        with one_blas_thread():
            tables = self._tables(arrays, batch.tokens.shape[1])
            chunks = list(self._chunks(batch.tokens, batch.weights > 0))

            def sum_of(lane: list[Chunk], buffers: Buffers) -> Gradients:
                total = Gradients(tables, wrt)
                for chunk in lane:
                    at = chunk.sequences[:, None], chunk.positions
                    targets, counts = batch.targets[at], np.where(chunk.real, batch.weights[at], 0)
                    forward = Pass(tables, chunk, buffers)
                    forward.backward(targets.ravel(), counts.ravel(), total)
                return total

            total = Gradients(tables, wrt)
            lanes = [chunks[i::LANES] for i in range(min(LANES, len(chunks)))]
            for part in self._map(sum_of, lanes):
                total.add(part)
            return total.loss, self._gradients(tables, total)

    def predict(
        self, weights: Mapping[str, ArrayLike | None], tokens: ArrayLike, where: ArrayLike
    ) -> tuple[Array, Array]:
        """Return the logits (P, M) and the attention of layer 2 (P, T) at the marked positions.

        ``where`` (B, T) marks P positions of the tokens (B, T); rows are in its row-major order.
        Every row of the attention sums to 1 and is 0 after its position. Raises as the class does.
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
        before = np.concatenate([[0], where.sum(axis=1).cumsum()])
        dtype, length = self.embeddings.dtype, tokens.shape[1]
        logits = np.empty((before[-1], self.embeddings.n_outputs), dtype)
        attention = np.zeros((before[-1], length), dtype)
        with one_blas_thread():
            tables = self._tables(arrays, length)

            def fill(chunk: Chunk, buffers: Buffers) -> None:
                forward = Pass(tables, chunk, buffers)
                row = before[chunk.sequences, None] + np.arange(chunk.positions.shape[1])
                logits[row[chunk.real]] = forward.logits[chunk.real.ravel()]
                for a, (block, end) in zip(forward.a, forward.blocks, strict=True):
                    a *= forward.inverse_a[:, block]
                    real = chunk.real[:, block]
                    attention[row[:, block][real], :end] = a[real]

            self._map(fill, list(self._chunks(tokens, where)))
        return logits, attention

    def first_attention(self, weights: Mapping[str, ArrayLike | None], tokens: ArrayLike) -> Array:
        """Return the attention of layer 1, (B, T, T): rows are queries, and sum to 1.

        Raises as the class does, and ValueError for a model of one layer.
        """
        if self.layers == 1:
            raise ValueError("first_attention: expected a model of 2 layers; got layers=1.")
        arrays = self._checked_weights(weights)
        tokens = checked_tokens(tokens, self.embeddings)
        size, length = tokens.shape
        maps = np.zeros((size, length, length), self.embeddings.dtype)
        count = self._chunk_size(size, length)
        with one_blas_thread():
            tables = self._tables(arrays, length)

            def fill(rows: slice, buffers: Buffers) -> None:
                exponentials, inverse = first_layer(tables, tokens[rows], buffers)
                for block, b in zip(tables.blocks, exponentials, strict=True):
                    np.multiply(b, inverse[:, block], out=maps[rows, block, : block.stop])

            self._map(fill, [slice(start, start + count) for start in range(0, size, count)])
        return maps

    def _map(
        self, function: Callable[[Item, Buffers], Result], items: Sequence[Item]
    ) -> list[Result]:
        """Apply the function to every item, with a worker's buffers; results in order."""

        def run(item: Item) -> Result:
            try:
                buffers = self._buffers.pop()
            except IndexError:  # another worker has them
                buffers = Buffers(self.embeddings.dtype)
            try:
                # A matrix product may raise a flag over numbers that are no part of the result.
                with np.errstate(over="ignore", invalid="ignore"):
                    return function(item, buffers)
            finally:
                self._buffers.append(buffers)

        return list(self._executor.map(run, items) if self._executor else map(run, items))

    def _tables(self, weights: dict[str, Array], length: int) -> Tables:
        return Tables(
            self.embeddings,
            weights,
            length,
            layers=self.layers,
            scale=self.scale,
            residual=self.readout == "residual",
        )

    def _gradients(self, tables: Tables, total: Gradients) -> dict[str, Array]:
        """From sums over sequences to matrices: each undoes a line of `Tables`."""
        emb, g = self.embeddings, total.sums

        def g_W_K1() -> Array:
            inputs = emb.inputs[: emb.n_tokens + tables.length]
            rows = [[g["token_token"], g["token_position"]]]
            rows += [[g["position_token"], g["position_position"]]]
            return self.scale * (inputs.T @ np.block(rows) @ inputs)

        formulas: dict[str, Callable[[], Array]] = {
            "W_K1": g_W_K1,
            "W_K2": lambda: self.scale * g["W_K2"],
            "W_O2": lambda: tables.R.T @ g["O"] @ emb.W_V2.T,
            "W_F": lambda: emb.outputs.T @ (g["R"] + g["O"] @ tables.W_O2_V2.T),
        }
        return {name: formulas[name]() for name in total.wrt}

    def _chunk_size(self, size: int, length: int) -> int:
        """Sequences of a chunk: as many as stay in cache, if there are chunks to share out."""
        emb = self.embeddings
        floats = length * (length // 2 + 4 * emb.width + 2 * emb.n_tokens)
        return max(1, min(CHUNK_FLOATS // floats, -(-2 * size // LANES)))

    def _chunks(self, tokens: Ints, where: NDArray[np.bool_]) -> Iterator[Chunk]:
        """Sequences with equally many queries go together, and those without any are left out."""
        counts = where.sum(axis=1)
        order = np.argsort(counts, kind="stable")
        order = order[np.count_nonzero(counts == 0) :]
        size = self._chunk_size(*tokens.shape)
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            queries = counts[rows, None]
            # the positions of queries come first, in their order
            positions = np.argsort(~where[rows], axis=1, kind="stable")[:, : queries.max()]
            last = np.take_along_axis(positions, queries - 1, axis=1)
            real = np.arange(queries.max()) < queries
            yield Chunk(rows, tokens[rows], np.where(real, positions, last), real)

    def _checked_names(self, argument: str, names: Sequence[str]) -> tuple[str, ...]:
        known = [
            name
            for name in MATRICES
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

"""Each head's two maps as memories: what a query looks for, and what an attended vector writes.

With the norm n = γ ∘ (x − mean) / deviation + β in front of the head, the score of a query x for a
key y and what y adds to the stream are

    scale · (W_Q n(x) + b_Q)ᵀ (W_K n(y) + b_K)        and        W_O (W_V n(y) + b_V).

Gain and centring are linear, and part of the maps; what the norm leaves is a positive factor for
each vector, its deviation, which no weight knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import (
    Array,
    at_least,
    checked_integers,
    checked_kind,
    checked_number,
    checked_option,
    checked_reals,
    checked_rows,
    checked_size,
)
from assocmem.memory import AssociativeMemory

NormKind = Literal["layer", "rms", "none"]
Via = Literal["key", "query", "value"]
Place = tuple[int, int]  # layer and head, both counted from 0


@dataclass(frozen=True, eq=False)
class Norm:
    """The norm before a layer: "layer" centres and divides, "rms" divides, "none" does neither.

    Parameters
    ----------
    kind : {"layer", "rms", "none"}
        Which of the three.
    gain : array, shape (d,)
        Multiplies each coordinate.
    bias : array, shape (d,)
        Added to each.
    eps : float
        Added to the mean square under the root.

    Examples
    --------
    >>> norm = Norm("layer", gain=np.array([1.0, 2.0]), bias=np.zeros(2))
    >>> norm.linear(np.array([3.0, 1.0]))
    array([ 1., -2.])
    """

    kind: NormKind
    gain: Array
    bias: Array
    eps: float = 1e-5

    def __post_init__(self) -> None:
        checked_option("kind", self.kind, ("layer", "rms", "none"))
        for name in ("gain", "bias"):
            if checked_reals(name, getattr(self, name)).ndim != 1:
                raise ValueError(f"{name}: expected shape (d,); got {getattr(self, name)!r}.")
        checked_number("eps", self.eps, "a number >= 0", lambda eps: 0 <= eps < np.inf)

    def linear(self, x: Array) -> Array:
        """Centre, and multiply by the gain: the norm without deviation and bias.

        Parameters
        ----------
        x : array, shape (..., d)
            Vectors of the stream.

        Returns
        -------
        array, shape (..., d)
            Their linear part.
        """
        if self.kind == "layer":
            x = x - x.mean(axis=-1, keepdims=True)
        return x * self.gain

    def folded(self, rows: Array) -> Array:
        """Return the rows W for which W x is the given rows' product with `linear(x)`.

        Parameters
        ----------
        rows : array, shape (n, d)
            Weights that read what the norm returns.

        Returns
        -------
        array, shape (n, d)
            Weights that read the stream itself, up to the deviation.
        """
        rows = rows * self.gain
        return rows - rows.mean(axis=-1, keepdims=True) if self.kind == "layer" else rows

    def __call__(self, x: Array) -> Array:
        """The norm itself."""
        if self.kind == "none":
            return x
        centred = x - x.mean(axis=-1, keepdims=True) if self.kind == "layer" else x
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self.eps)
        return self.gain * centred / deviation + self.bias


@dataclass(frozen=True)
class Rotary:
    """Rotary positions: rotations of pairs of the first `dims` coordinates of queries and keys.

    Parameters
    ----------
    dims : int
        How many coordinates of a head rotate, an even number: all, or a part (GPT-NeoX and Pythia:
        rotary_pct times the size of a head). The others do not know positions.
    base : float
        Pair i rotates by :math:`b^{-2i/n}`, b the base and n the number of dims, for each position.
    pairs : {"halves", "adjacent"}
        Coordinates i and i + dims/2 (GPT-NeoX), or 2i and 2i + 1 (GPT-J).

    Examples
    --------
    >>> Rotary(dims=2).between(1).round(2)
    array([[ 0.54,  0.84],
           [-0.84,  0.54]])
    """

    dims: int
    base: float = 10_000.0
    pairs: Literal["halves", "adjacent"] = "halves"

    def __post_init__(self) -> None:
        if checked_size("dims", self.dims) % 2:
            raise ValueError(f"dims: expected an even number; got {self.dims}. They turn in pairs.")
        checked_option("pairs", self.pairs, ("halves", "adjacent"))
        checked_number("base", self.base, "a positive number", lambda base: 0 < base < np.inf)

    def between(self, distance: int) -> Array:
        """Return the matrix R for which a query's score at a key is qᵀ R k.

        Parameters
        ----------
        distance : int
            How far the key lies before the query.

        Returns
        -------
        array, shape (dims, dims)
            A rotation.
        """
        distance, half = at_least("distance", distance, 0), self.dims // 2
        angles = -float(distance) * self.base ** (-2 * np.arange(half) / self.dims)
        first = np.arange(half) if self.pairs == "halves" else 2 * np.arange(half)
        second = first + (half if self.pairs == "halves" else 1)
        R = np.zeros((self.dims, self.dims))
        R[first, first] = R[second, second] = np.cos(angles)
        R[second, first], R[first, second] = np.sin(angles), -np.sin(angles)
        return R


@dataclass(frozen=True, eq=False, repr=False)
class Head:
    """One attention head: its weights, each acting from the left, and its two maps.

    Parameters
    ----------
    layer, index : int
        Its place, counted from 0.
    W_Q, W_K, W_V, W_O : (d_h, d) array
        The row a of W_O is what the coordinate a of a value writes.
    b_Q, b_K, b_V : (d_h,) array
        Biases, zero where there are none.
    norm : Norm
        The norm before the head.
    scale : float
        Multiplies the scores, 1/√d_h as a rule.
    rotary : Rotary or None
        How positions turn queries and keys, if they do.
    """

    layer: int
    index: int
    W_Q: Array
    W_K: Array
    W_V: Array
    W_O: Array
    b_Q: Array
    b_K: Array
    b_V: Array
    norm: Norm
    scale: float
    rotary: Rotary | None = None

    @property
    def place(self) -> Place:
        """Layer and head, counted from 0."""
        return self.layer, self.index

    @property
    def query_key(self) -> AssociativeMemory:
        """The memory W with scores xᵀ W y of query x for key y, up to the deviations of the norms.

        The keys of this memory are keys of the head, its values are queries: d_h pairs with
        coefficients `scale`. It is exact for any vocabulary; `scores(keys=..., values=...)`
        evaluates it on atoms.

        Raises
        ------
        ValueError
            For a rotary head, whose map depends on the distance: see `at`.
        """
        if self.rotary is not None:
            raise ValueError(
                f"query_key: expected a head without rotary positions; got {self.rotary} in "
                f"{self!r}. Its map depends on how far the key lies before the query: at(distance)."
            )
        return self.at(0)

    def at(self, distance: int) -> AssociativeMemory:
        """Return the map `query_key` for keys at a given distance before the query.

        Parameters
        ----------
        distance : int
            How many positions.

        Returns
        -------
        AssociativeMemory
            Without rotary positions the same at every distance.

        Raises
        ------
        TypeError, ValueError
            For a distance that is no integer from 0 up.
        """
        distance = at_least("distance", distance, 0)
        between = np.eye(len(self.W_K))
        if self.rotary is not None:
            between[: self.rotary.dims, : self.rotary.dims] = self.rotary.between(distance)
        return AssociativeMemory(
            keys=self.norm.folded(self.W_K),
            values=self.norm.folded(self.W_Q),
            coefficients=self.scale * between,
        )

    @property
    def key_bias(self) -> Array:
        """The (d,) vector b whose product with a key adds to its score, for every query alike.

        It comes from the biases of the query and of the norm: scale · (W_Q β + b_Q)ᵀ W_K. What
        biases add to all keys of a query alike does not change the attention and is left out.
        """
        asked = self.W_Q @ self.norm.bias + self.b_Q
        return self.scale * asked @ self.norm.folded(self.W_K)

    @property
    def output_value(self) -> AssociativeMemory:
        """The memory W: the head writes W y when it attends to y, up to the norm's deviation."""
        return AssociativeMemory(keys=self.norm.folded(self.W_V), values=self.W_O)

    def scores(self, stream: Array) -> Array:
        """Return the scores of a stream as the model computes them, query before key.

        Parameters
        ----------
        stream : array, shape (T, d)
            What enters the layer, a position a row.

        Returns
        -------
        array, shape (T, T)
            With norms, biases and rotations; for keys after their query as well.
        """
        normed = self.norm(self._checked(stream))
        q, k = normed @ self.W_Q.T + self.b_Q, normed @ self.W_K.T + self.b_K
        if self.rotary is not None:
            dims, times = self.rotary.dims, range(len(stream))
            for rows in (q, k):  # a query or key at t, turned by t
                for t in times:
                    rows[t, :dims] = self.rotary.between(t).T @ rows[t, :dims]
        return np.asarray(self.scale * q @ k.T)

    def written(self, stream: Array) -> Array:
        """Return what the head writes when it attends to each vector of a stream alone.

        Parameters
        ----------
        stream : array, shape (T, d)
            What enters the layer, a position a row.

        Returns
        -------
        array, shape (T, d)
            Biases of the values included, that of the layer's output not.
        """
        normed = self.norm(self._checked(stream))
        return np.asarray((normed @ self.W_V.T + self.b_V) @ self.W_O)

    def _checked(self, stream: Any) -> Array:
        rows, d = checked_rows("stream", stream), self.W_K.shape[1]
        if rows.shape[1] != d:
            raise ValueError(
                f"stream: expected shape (T, {d}), a position in a row; got {rows.shape}. Pass one "
                f"sequence."
            )
        return rows

    def __repr__(self) -> str:
        d_h, d = self.W_K.shape
        return f"Head({self.layer}, {self.index}: {d_h} of {d} dimensions)"


def composition(second: Head, first: Head, *, via: Via = "key") -> AssociativeMemory:
    """Return the memory of a head whose keys are what a head of an earlier layer wrote.

    Parameters
    ----------
    second, first : Head
        The later head and the earlier one.
    via : {"key", "query", "value"}
        "key": in the score xᵀ W y, the key is what `first` writes when it attends to y. "query":
        the query is what `first` writes when it attends to x. "value": W y is what `second` writes
        when it attends to what `first` writes of y.

    Returns
    -------
    AssociativeMemory
        It is exact up to the deviations of the norms.

    Raises
    ------
    ValueError
        For heads of one layer or in the wrong order, an unknown `via`, rotary heads via key or
        query.

    References
    ----------
    K-, Q- and V-composition are from [ENO2021].
    """
    checked_option("via", via, ("key", "query", "value"))
    for name, head in (("second", second), ("first", first)):
        checked_kind(name, head, Head)
    if first.layer >= second.layer:
        raise ValueError(
            f"first, second: expected a head of an earlier layer and one of a later; got "
            f"{first!r} and {second!r}. The later one goes first: composition(second, first)."
        )
    wrote, read = first.output_value, second.output_value
    if via == "value":
        between = read.keys @ wrote.values.T
        return AssociativeMemory(keys=wrote.keys, values=read.values, coefficients=between)
    scores = second.query_key
    if via == "key":
        between = scores.coefficients @ (scores.keys @ wrote.values.T)
        return AssociativeMemory(keys=wrote.keys, values=scores.values, coefficients=between)
    between = wrote.values @ scores.values.T @ scores.coefficients
    return AssociativeMemory(keys=scores.keys, values=wrote.keys, coefficients=between)


@dataclass(frozen=True, eq=False, repr=False)
class Heads:
    """All heads of a transformer, and the atoms that enter and leave it.

    `model[layer, head]` is a head, counted from 0; iteration goes through all heads. Atoms that the
    model does not have, or that were not given, are None.

    Parameters
    ----------
    layers : tuple of tuples of Head
        The heads of each layer.
    tokens : array, shape (N, d), or None
        The embeddings of the tokens.
    positions : array, shape (T, d), or None
        The embeddings of the positions.
    unembedding : array, shape (M, d), or None
        As the model has it; `outputs` are these rows with the norm in front of them.
    outputs_bias : array, shape (M,), or None
        Added to the logits.
    output_biases : tuple of arrays, shape (d,)
        What each layer writes wherever it attends, besides the biases of the values.
    final : Norm
        The norm before the unembedding.
    unread : tuple of str
        What the model has but these maps leave out: feed-forward layers, deviations of norms.
    """

    layers: tuple[tuple[Head, ...], ...]
    tokens: Array | None
    positions: Array | None
    unembedding: Array | None
    outputs_bias: Array | None
    output_biases: tuple[Array, ...]
    final: Norm
    unread: tuple[str, ...] = ()

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.layers)

    @property
    def width(self) -> int:
        """Dimension d of the residual stream."""
        return int(self.layers[0][0].W_K.shape[1])

    @cached_property
    def outputs(self) -> Array | None:
        """The (M, d) rows whose product with the stream is a logit, up to deviation and bias."""
        return None if self.unembedding is None else self.final.folded(self.unembedding)

    @cached_property
    def deviation(self) -> float:
        """The deviation of the first layer's stream, the one that weights know: a root mean square.

        Of w_E(i) + p_t over all tokens and positions, centred if the norm is; 1 without embeddings.
        """
        parts = [part for part in (self.tokens, self.positions) if part is not None]
        if self.final.kind == "layer":
            parts = [part - part.mean(axis=1, keepdims=True) for part in parts]
        squares = [float(np.mean(part**2)) for part in parts]
        return float(np.sqrt(sum(squares) + self.final.eps)) if parts else 1.0

    def __getitem__(self, place: Place) -> Head:
        if not isinstance(place, tuple) or len(place) != 2:
            raise TypeError(f"place: expected (layer, head); got {place!r}. Both count from 0.")
        layer, index = (at_least("place", each, 0) for each in place)
        if layer >= self.n_layers or index >= len(self.layers[layer]):
            raise ValueError(
                f"place: expected one of {self.n_layers} layers of {len(self.layers[0])} heads; "
                f"got {(layer, index)}. Both count from 0."
            )
        return self.layers[layer][index]

    def __iter__(self) -> Iterator[Head]:
        return (head for layer in self.layers for head in layer)

    def atoms(self, name: str, *, through: Place | None = None) -> Array:
        """Return the atoms of one kind, or what a head writes when it attends to them.

        Parameters
        ----------
        name : {"tokens", "positions", "outputs"}
            The kind.
        through : (layer, head), optional
            The head whose output for these atoms is returned instead.

        Returns
        -------
        array, shape (n, d)
            One atom a row.

        Raises
        ------
        ValueError
            For another name, or atoms that the model does not have.
        """
        checked_option("name", name, ("tokens", "positions", "outputs"))
        found: Array | None = getattr(self, name)
        if found is None:
            raise ValueError(
                f"{name}: expected a model that has them; got one without. {_REMEDY[name]}"
            )
        if through is None:
            return found
        wrote = self[through].output_value
        return np.asarray(found @ wrote.keys.T @ wrote.values)

    def memory(
        self, place: Place, name: Literal["query_key", "output_value"], *, keys: Any, values: Any
    ) -> AssociativeMemory:
        """Return a map of a head as a memory over atoms.

        For the scores alone, and for large vocabularies, use
        `model[place].query_key.scores(keys=..., values=...)`.

        Parameters
        ----------
        place : (layer, head)
            The head, counted from 0.
        name : {"query_key", "output_value"}
            The map.
        keys, values : str, (str, (layer, head)) or array_like, shape (n, d)
            Names of atoms, pairs (name, head) for what a head wrote of them, or rows.

        Returns
        -------
        AssociativeMemory
            Over exactly these, with the smallest coefficients that give the map's scores
            (`AssociativeMemory.from_matrix`).

        Raises
        ------
        ValueError
            For another map, or atoms that the model does not have.
        """
        checked_option("name", name, ("query_key", "output_value"))
        found: AssociativeMemory = getattr(self[place], name)
        return AssociativeMemory.from_matrix(
            found.matrix, keys=self._rows("keys", keys), values=self._rows("values", values)
        )

    def _rows(self, argument: str, atoms: Any) -> Array:
        if isinstance(atoms, str):
            return self.atoms(atoms)
        if isinstance(atoms, tuple) and len(atoms) == 2 and isinstance(atoms[0], str):
            return self.atoms(atoms[0], through=atoms[1])
        return checked_rows(argument, atoms)

    def run(self, tokens: ArrayLike) -> tuple[Array, list[Array]]:
        """Run the model on sequences.

        Parameters
        ----------
        tokens : array_like of int, shape (B, T)
            The sequences.

        Returns
        -------
        logits : array, shape (B, T, M)
            At every position.
        attention : list of array, shape (B, H, T, T)
            The maps of each layer, query before key.

        Raises
        ------
        ValueError
            For a model with parts that were not read (feed-forward layers), without embeddings or
            outputs; tokens out of range.
        """
        missing = [part for part in self.unread if part in _NEEDED]
        if missing:
            raise ValueError(
                f"run: expected a model of attention alone; got one with {', '.join(missing)}. Run "
                f"it as what it is."
            )
        z = _checked_ids(tokens, self.atoms("tokens"), self.positions)
        x = self.atoms("tokens")[z]
        if self.positions is not None:
            x = x + self.positions[: z.shape[1]]
        past = np.tri(z.shape[1], dtype=bool)
        maps = []
        for layer, bias in zip(self.layers, self.output_biases, strict=True):
            attention = np.empty((len(z), len(layer), *past.shape))
            added = np.zeros_like(x) + bias
            for b, stream in enumerate(x):
                for h, head in enumerate(layer):
                    scores = np.where(past, head.scores(stream), -np.inf)
                    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
                    attention[b, h] = exponentials / exponentials.sum(axis=1, keepdims=True)
                    added[b] += attention[b, h] @ head.written(stream)
            x = x + added
            maps.append(attention)
        if self.unembedding is None:
            self.atoms("outputs")  # which says that there are none
        logits = self.final(x) @ np.asarray(self.unembedding).T
        return logits + (0 if self.outputs_bias is None else self.outputs_bias), maps

    def __repr__(self) -> str:
        sizes = [
            f"{name}={len(atoms)}"
            for name in ("tokens", "positions", "outputs")
            if (atoms := getattr(self, name)) is not None
        ]
        heads = f"{self.n_layers} layers of {len(self.layers[0])} heads"
        return f"Heads({', '.join([heads, f'width={self.width}', *sizes])})"


FEED_FORWARD = "feed-forward layers"
READOUT = "a readout of what the last layer writes alone"
_NEEDED = (FEED_FORWARD, READOUT)
_REMEDY = {
    "tokens": "Pass tokens=..., one a row.",
    "positions": "With rotary positions ask model[place].at(distance); else pass positions=....",
    "outputs": "Pass outputs=..., one a row, or tied=True.",
}


def _checked_ids(tokens: ArrayLike, embeddings: Array, positions: Array | None) -> Array:
    ids = checked_integers("tokens", tokens)
    most = np.inf if positions is None else len(positions)
    if ids.ndim != 2 or not 0 < ids.shape[1] <= most or len(ids) == 0:
        raise ValueError(
            f"tokens: expected shape (B, T), T at most {most}; got {ids.shape}. Cut the sequences."
        )
    if ids.min() < 0 or ids.max() >= len(embeddings):
        raise ValueError(
            f"tokens: expected ids from 0 to {len(embeddings) - 1}; got {ids.min()} to {ids.max()}."
        )
    return ids

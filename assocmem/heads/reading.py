"""The heads of anybody's transformer, from its arrays and their layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import sqrt
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import (
    Array,
    checked_flag,
    checked_kind,
    checked_number,
    checked_option,
    checked_rows,
    checked_size,
)
from assocmem.heads.layouts import LAYOUTS, Layout, recognised, unstacked
from assocmem.heads.maps import FEED_FORWARD, READOUT, Head, Heads, Norm, NormKind, Rotary
from assocmem.heads.ours import head_weights
from assocmem.heads.sources import Entry, entries, listed
from assocmem.model import FrozenTransformer

DEVIATIONS = "deviations of the norms"
_OPTIONAL = {"query_bias", "key_bias", "value_bias", "qkv_bias", "output_bias", "outputs_bias"}
_NORMS = {"gain", "norm_bias", "final_gain", "final_bias"}


def read(
    weights: Any,
    *,
    n_heads: int | None = None,
    layout: str | Layout | None = None,
    tokens: ArrayLike | None = None,
    positions: ArrayLike | None = None,
    outputs: ArrayLike | None = None,
    tied: bool = False,
    norm: NormKind | None = None,
    eps: float = 1e-5,
    rotary: Rotary | None = None,
    scale: float | None = None,
) -> Heads:
    """Read the heads of a transformer from its weights.

    Parameters
    ----------
    weights : mapping of str to array, path or FrozenTransformer
        NumPy arrays or torch tensors, with or without gradients, in float32 or float64; or a file
        in .safetensors or .npz. Pickles are never opened. A FrozenTransformer needs no further
        argument: its heads are as wide as the stream.
    n_heads : int, optional
        Heads of a layer; not needed where they are an axis of their own (TransformerLens).
    layout : str or Layout, optional
        "gpt2" (Conv1D), "nanogpt", "transformer_lens" (a state dict, or stacks W_Q[l, h]),
        "transformer_bridge" (its successor's state dict), "gpt_neox", "multihead_attention" (one
        torch.nn.MultiheadAttention), or yours; recognised by the names when left out.
    tokens, positions, outputs : array_like, shapes (N, d), (T, d) and (M, d), optional
        Taken instead of the layout's.
    tied : bool
        Whether the unembedding is the token embedding, if the weights hold no separate one.
    norm : {"layer", "rms", "none"}, optional
        The norms before attention and unembedding; by default "layer" if the weights hold gains. If
        the gains were folded into the weights (TransformerLens), say which norm it is, because it
        still divides.
    eps : float
        Added to the mean square under the root of each norm.
    rotary : Rotary, optional
        How positions rotate queries and keys. A model with rotary positions has no position
        embeddings: its query-key maps are read at each distance (`Head.at`), its output-value maps
        as usual, and which positions a head prefers cannot be read from the weights.
    scale : float, optional
        Multiplies the scores; 1/√d_h when left out.

    Returns
    -------
    Heads
        Its ``unread`` lists what was not read: feed-forward layers, so that a head that reads the
        output of one of them is not found; and the standard deviation by which a norm divides each
        vector.

    Raises
    ------
    TypeError, ValueError
        For names that are missing or unknown to the layout; arrays of the wrong shape, in half
        precision, quantised, sparse or with NaN; an unembedding that is neither given nor tied; or
        rotary positions without `rotary`.
    ImportError
        For a .safetensors file without the package safetensors.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> weights = {"wte.weight": rng.normal(size=(5, 4)), "wpe.weight": rng.normal(size=(6, 4)),
    ...            "h.0.ln_1.weight": np.ones(4), "ln_f.weight": np.ones(4),
    ...            "h.0.attn.c_attn.weight": rng.normal(size=(12, 4)),
    ...            "h.0.attn.c_proj.weight": rng.normal(size=(4, 4))}
    >>> model = read(weights, n_heads=2, tied=True)
    >>> model
    Heads(1 layers of 2 heads, width=4, tokens=5, positions=6, outputs=5)
    >>> model[0, 1].query_key
    AssociativeMemory(2 keys in R^4 -> 2 values in R^4, float64)
    """
    if isinstance(weights, FrozenTransformer):
        return _read_ours(weights)
    checked_flag("tied", tied)
    found = unstacked(entries(weights))
    layout, name = _layout(layout, found)
    by_name = _by_name(found, layout)
    replaced = {"tokens": tokens, "positions": positions, "outputs": outputs}
    given = {
        role: checked_rows(role, rows).astype(float)
        for role, rows in replaced.items()
        if rows is not None
    }
    _check_rotary(rotary, layout, name)
    n_layers = layout.n_layers(by_name)
    norm = _norm(norm, by_name, layout, n_layers)
    skipped = _skipped(given, norm, tied, rotary)
    arrays = _arrays(by_name, layout, n_layers, skipped)
    arrays |= {(role, 0): rows for role, rows in given.items()}
    if layout.outputs_side == "right" and "outputs" not in given and ("outputs", 0) in arrays:
        arrays["outputs", 0] = arrays["outputs", 0].T
    if tied and ("outputs", 0) not in arrays:
        arrays["outputs", 0] = arrays["tokens", 0]
    unread = (FEED_FORWARD,) * any(map(layout.is_feed_forward, by_name))
    unread += (DEVIATIONS,) * (norm != "none")
    return _assembled(arrays, layout, n_layers, n_heads, norm, eps, rotary, scale, unread)


def _read_ours(model: FrozenTransformer) -> Heads:
    weights = head_weights(model, wide=False)
    heads = read(weights, n_heads=1, layout="transformer_bridge", norm="none")
    alone = (READOUT,) * (model.readout == "attention")
    return replace(heads, unread=alone)


def _layout(layout: str | Layout | None, found: Mapping[str, Any]) -> tuple[Layout, str]:
    if isinstance(layout, Layout):
        return layout, "this layout"
    if layout is None:
        layout = recognised({name: each.shape for name, each in found.items()})
    checked_option("layout", layout, LAYOUTS, "Or describe yours by an assocmem.heads.Layout.")
    return LAYOUTS[layout], layout


def _by_name(found: Mapping[str, Entry], layout: Layout) -> dict[str, Entry]:
    by_name: dict[str, Entry] = {}
    for name, each in found.items():
        if (stripped := layout.stripped(name)) in by_name:
            raise ValueError(
                f"weights: expected one model; got {stripped!r} twice, with and without a prefix. "
                f"Pass the arrays of one."
            )
        by_name[stripped] = each
    return by_name


def _check_rotary(rotary: Rotary | None, layout: Layout, name: str) -> None:
    if rotary is not None:
        checked_kind("rotary", rotary, Rotary)
    elif layout.needs_rotary:
        raise ValueError(
            f"rotary: expected assocmem.heads.Rotary(dims=...), as positions enter {name} by "
            f"rotation; got None. dims is rotary_pct of the configuration times the size of a head."
        )


def _norm(
    norm: NormKind | None, by_name: Mapping[str, Entry], layout: Layout, n_layers: int
) -> NormKind:
    if norm is not None:
        return checked_option("norm", norm, get_args(NormKind))
    if "gain" not in layout.names:
        return "none"
    gains = [name for l in range(n_layers) if (name := layout.name("gain", l)) in by_name]
    if not gains:
        raise ValueError(
            f"norm: expected gains ({layout.names['gain']}), or to be told; got neither. Pass "
            f"norm='layer' or 'rms' if the model normalises without them, norm='none' if not."
        )
    return "layer"


def _skipped(
    given: Mapping[str, Any], norm: NormKind, tied: bool, rotary: Rotary | None
) -> set[str]:
    """The roles that need not be there."""
    skipped = _OPTIONAL | set(given) | {"norm_bias", "final_bias"}
    if norm == "none":
        skipped |= _NORMS
    if tied:
        skipped |= {"outputs"}
    if rotary is not None:
        skipped |= {"positions"}
    return skipped


def _arrays(
    by_name: Mapping[str, Entry], layout: Layout, n_layers: int, skipped: set[str]
) -> dict[tuple[str, int], Array]:
    """Arrays by role and layer."""
    wanted = {
        layout.name(role, layer): (role, layer)
        for role, name in layout.names.items()
        for layer in range(n_layers if "{layer}" in name else 1)
    }
    missing = [n for n, (role, _) in wanted.items() if n not in by_name and role not in skipped]
    # a norm without gains anywhere has gains of one
    gains = {n for n, (role, _) in wanted.items() if role in ("gain", "final_gain")}
    if not gains & set(by_name):
        missing = [name for name in missing if name not in gains]
    extra = [
        name
        for name in by_name
        if name not in wanted and not (layout.is_ignored(name) or layout.is_feed_forward(name))
    ]
    if n_layers == 0 or missing:
        missing = missing or [layout.names["output"]]
        tie = " Pass tied=True if the unembedding is the token embedding, or outputs=...."
        hint = tie if layout.names.get("outputs") in missing else ""
        raise ValueError(
            f"weights: expected {listed(missing)} as well; got {listed(by_name)}.{hint}"
        )
    if extra:
        raise ValueError(
            f"weights: expected names of the layout ({listed(layout.names.values(), 20)}); got "
            f"{listed(extra)} as well. If they are of feed-forward layers, or masks, say so in "
            f"the layout (`feed_forward`, `ignored`); if they are of heads, the layout is another."
        )
    used = {name: by_name[name] for name in wanted if name in by_name}
    if narrow := [f"{n} ({each.dtype})" for n, each in used.items() if not each.holds_numbers]:
        raise TypeError(
            f"weights: expected float32 or float64; got {listed(narrow)}. Convert them where you "
            f"know what rounding they have seen: .float(), .dequantize() or .to_dense()."
        )
    arrays = {wanted[name]: each.array() for name, each in used.items()}
    if wrong := [layout.name(*key) for key, a in arrays.items() if not np.isfinite(a).all()]:
        raise ValueError(
            f"weights: expected finite numbers; got NaN or infinity in {listed(wrong)}."
        )
    return arrays


def _assembled(
    arrays: Mapping[tuple[str, int], Array],
    layout: Layout,
    n_layers: int,
    n_heads: int | None,
    norm: NormKind,
    eps: float,
    rotary: Rotary | None,
    scale: float | None,
    unread: tuple[str, ...],
) -> Heads:
    eps = checked_number("eps", eps, "a positive number", lambda number: 0 < number < np.inf)
    if scale is not None:
        scale = checked_number("scale", scale)
    d = _width(arrays, layout)
    for role in ("tokens", "positions", "outputs"):
        if (role, 0) in arrays:
            _check_shape(layout.names.get(role, role), arrays[role, 0], (None, d))
    layers, biases = [], []
    for layer in range(n_layers):
        parts = _Parts(arrays, layout, layer, d, n_heads)
        front = _norm_of(arrays, ("gain", "norm_bias"), layer, d, norm, eps, layout)
        factor = 1 / sqrt(parts.d_h) if scale is None else scale
        layers.append(
            tuple(
                Head(layer, h, **matrices, norm=front, scale=factor, rotary=rotary)
                for h, matrices in enumerate(parts.heads())
            )
        )
        biases.append(parts.vector("output_bias", (d,)))
        if rotary is not None and rotary.dims > parts.d_h:
            raise ValueError(
                f"rotary: expected at most {parts.d_h} dims, the size of a head; got {rotary.dims}."
            )
    unembedding = arrays.get(("outputs", 0))
    bias = arrays.get(("outputs_bias", 0))
    if bias is not None and unembedding is not None:
        _check_shape(layout.names["outputs_bias"], bias, (len(unembedding),))
    return Heads(
        layers=tuple(layers),
        tokens=arrays.get(("tokens", 0)),
        positions=arrays.get(("positions", 0)),
        unembedding=unembedding,
        outputs_bias=bias,
        output_biases=tuple(biases),
        final=_norm_of(arrays, ("final_gain", "final_bias"), 0, d, norm, eps, layout),
        unread=unread,
    )


def _width(arrays: Mapping[tuple[str, int], Array], layout: Layout) -> int:
    if ("tokens", 0) in arrays:
        if arrays["tokens", 0].ndim != 2:
            _check_shape(layout.names["tokens"], arrays["tokens", 0], (None, None))
        return int(arrays["tokens", 0].shape[1])
    output = arrays["output", 0]  # what a layer writes
    if layout.heads == "axis":
        return int(output.shape[2 if layout.side == "right" else 1])
    return int(output.shape[0 if layout.side == "left" else 1])


def _norm_of(
    arrays: Mapping[tuple[str, int], Array],
    roles: tuple[str, str],
    layer: int,
    d: int,
    norm: NormKind,
    eps: float,
    layout: Layout,
) -> Norm:
    found = {}
    for role, default in zip(roles, (np.ones(d), np.zeros(d)), strict=True):
        found[role] = default
        if norm != "none" and (role, layer) in arrays:
            found[role] = arrays[role, layer]
            _check_shape(layout.name(role, layer), found[role], (d,))
    return Norm(norm, found[roles[0]], found[roles[1]], eps)


class _Parts:
    """The arrays of a layer, head by head, each acting from the left."""

    def __init__(
        self,
        arrays: Mapping[tuple[str, int], Array],
        layout: Layout,
        layer: int,
        d: int,
        n_heads: int | None,
    ) -> None:
        self.arrays, self.layout, self.layer, self.d = arrays, layout, layer, d
        if layout.heads == "axis":
            queries = self.array("query", 3)
            self.n_heads = len(queries)
            if n_heads is not None and checked_size("n_heads", n_heads) != self.n_heads:
                raise ValueError(
                    f"n_heads: expected {self.n_heads}, as {self.name('query')} has; got {n_heads}."
                )
            self.d_h = int(queries.shape[2 if layout.side == "right" else 1])
        else:
            self.n_heads = checked_size("n_heads", n_heads)
            output = self.array("output", 2)
            inputs = int(output.shape[1 if layout.side == "left" else 0])
            if inputs % self.n_heads:
                raise ValueError(
                    f"n_heads: expected a divisor of {inputs}, the width that {self.name('output')}"
                    f" reads; got {self.n_heads}."
                )
            self.d_h = inputs // self.n_heads

    def name(self, role: str) -> str:
        """The name of a role in this layer."""
        return self.layout.name(role, self.layer)

    def array(self, role: str, ndim: int) -> Array:
        """The array of a role, of so many dimensions."""
        array = self.arrays[role, self.layer]
        if array.ndim != ndim:
            _check_shape(self.name(role), array, (None,) * ndim)
        return array

    def vector(self, role: str, shape: tuple[int, ...]) -> Array:
        """A bias, zero where the model has none."""
        if (role, self.layer) not in self.arrays:
            return np.zeros(shape)
        bias = self.arrays[role, self.layer]
        _check_shape(self.name(role), bias, shape)
        return bias

    def from_left(self, role: str, outputs: int, inputs: int) -> Array:
        """A matrix (outputs, inputs)."""
        array, side = self.array(role, 2), self.layout.side
        wanted = (outputs, inputs) if side == "left" else (inputs, outputs)
        hint = ""
        if array.shape == wanted[::-1] != wanted:
            other = "right" if side == "left" else "left"
            hint = f" It multiplies from the {other}: say so in the layout."
        _check_shape(self.name(role), array, wanted, hint)
        return array if side == "left" else array.T

    def of_heads(self, role: str) -> Array:
        """Queries, keys or values, (H, d_h, d)."""
        heads, d_h, d = self.n_heads, self.d_h, self.d
        if self.layout.heads == "axis":
            wanted = (heads, d, d_h) if self.layout.side == "right" else (heads, d_h, d)
            _check_shape(self.name(role), self.array(role, 3), wanted)
            array = self.array(role, 3)
            return array.swapaxes(1, 2) if self.layout.side == "right" else array
        return self.from_left(role, heads * d_h, d).reshape(heads, d_h, d)

    def output(self) -> Array:
        """What each coordinate of the values writes, (H, d_h, d)."""
        heads, d_h, d = self.n_heads, self.d_h, self.d
        if self.layout.heads == "axis":
            wanted = (heads, d_h, d) if self.layout.side == "right" else (heads, d, d_h)
            _check_shape(self.name("output"), self.array("output", 3), wanted)
            array = self.array("output", 3)
            return array if self.layout.side == "right" else array.swapaxes(1, 2)
        return self.from_left("output", d, heads * d_h).T.reshape(heads, d_h, d)

    def projections(self) -> tuple[list[Array], list[Array]]:
        """Queries, keys and values, (H, d_h, d) each, and their biases (H, d_h)."""
        heads, d_h, d = self.n_heads, self.d_h, self.d
        if "qkv" not in self.layout.names:
            shape = (heads, d_h) if self.layout.heads == "axis" else (heads * d_h,)
            names = ("query", "key", "value")
            shifts = [self.vector(f"{each}_bias", shape).reshape(heads, d_h) for each in names]
            return [self.of_heads(each) for each in names], shifts
        fused, shift = (
            self.from_left("qkv", 3 * heads * d_h, d),
            self.vector("qkv_bias", (3 * heads * d_h,)),
        )
        if self.layout.heads == "interleaved":
            fused, shift = fused.reshape(heads, 3, d_h, d), shift.reshape(heads, 3, d_h)
            return list(fused.swapaxes(0, 1)), list(shift.swapaxes(0, 1))
        return list(fused.reshape(3, heads, d_h, d)), list(shift.reshape(3, heads, d_h))

    def heads(self) -> list[dict[str, Array]]:
        """The matrices and biases of each head."""
        (weights, shifts), output = self.projections(), self.output()
        names = ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V")
        return [
            dict(zip(names, [*(each[h] for each in (*weights, output, *shifts))], strict=True))
            for h in range(self.n_heads)
        ]


def _check_shape(name: str, array: Array, wanted: tuple[int | None, ...], hint: str = "") -> None:
    fits = len(array.shape) == len(wanted) and all(
        size is None or size == found for size, found in zip(wanted, array.shape, strict=True)
    )
    if not fits:
        shown = ", ".join("any" if size is None else str(size) for size in wanted)
        raise ValueError(f"{name}: expected shape ({shown}); got {array.shape}.{hint}")

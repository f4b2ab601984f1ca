"""Where a model keeps its attention weights: names, the side from which they multiply, the heads.

A layout says for each role the name of an array; `{layer}` stands for the number of the layer.

    tokens (N, d), positions (T, d)     embeddings, one a row
    outputs, outputs_bias               the unembedding, (M, d) or from the right (d, M)
    query, key, value or fused qkv      of each layer; and query_bias and so on
    output, output_bias                 of each layer: what the heads write into the stream
    gain, norm_bias                     of each layer: the norm in front of the attention
    final_gain, final_bias              the norm in front of the unembedding
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from assocmem._checks import checked_flag, checked_names, checked_option, checked_sequence

Side = Literal["left", "right"]
Order = Literal["rows", "interleaved", "axis"]

GLOBAL = ("tokens", "positions", "outputs", "outputs_bias", "final_gain", "final_bias")
OF_A_LAYER = (
    *("query", "key", "value", "qkv", "output"),
    *("query_bias", "key_bias", "value_bias", "qkv_bias", "output_bias", "gain", "norm_bias"),
)
LAYER = "{layer}"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Which array of a model has which role, and from which side its matrices multiply.

    Parameters
    ----------
    names : mapping of role to name
        Of the model: tokens, positions, outputs, outputs_bias (embeddings and unembedding),
        final_gain, final_bias (the norm in front of it). Of each layer, with `{layer}` in the name:
        query, key, value or, fused, qkv; output, what the heads write; query_bias, key_bias,
        value_bias, qkv_bias, output_bias; gain, norm_bias (the norm in front of the attention).
    side : {"left", "right"}
        Whether matrices multiply vectors from the left, W x (torch.nn.Linear: a row per output), or
        from the right, x W (GPT-2's Conv1D, TransformerLens: a column per output). A square matrix
        fits either way, so nothing is guessed.
    outputs_side : {"left", "right"}
        The same for the unembedding: (M, d) or (d, M).
    heads : {"rows", "interleaved", "axis"}
        Heads follow each other along the outputs, q of all heads first in fused arrays ("rows");
        or q, k and v of each head in turn ("interleaved", GPT-NeoX); or are an axis of their own,
        (H, d, d_h) from the right and (H, d_h, d) from the left ("axis", TransformerLens).
    prefixes : tuple of str
        Taken off the names where they are found.
    feed_forward : tuple of str
        Patterns, as for file names, of arrays that are not read although they change the stream:
        feed-forward layers and their norms.
    ignored : tuple of str
        Patterns of arrays that have no effect, such as masks. Any other unknown name is an error.
    needs_rotary : bool
        Whether positions enter by rotation alone.

    Raises
    ------
    ValueError
        For an unknown role, a name of a layer's role without `{layer}` beside others that have it,
        or roles that leave the heads unknown.

    Examples
    --------
    >>> layout = Layout(
    ...     names={"tokens": "embed.weight", "outputs": "embed.weight",
    ...            "qkv": "layers.{layer}.attn.in_proj_weight",
    ...            "output": "layers.{layer}.attn.out_proj.weight"},
    ...     side="left")
    >>> layout.name("qkv", 1)
    'layers.1.attn.in_proj_weight'
    """

    names: Mapping[str, str]
    side: Side
    outputs_side: Side = "left"
    heads: Order = "rows"
    prefixes: tuple[str, ...] = ("_orig_mod.", "module.")
    feed_forward: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    needs_rotary: bool = field(default=False)

    def __post_init__(self) -> None:
        checked_names("names", self.names, ROLES, "See assocmem.heads.Layout.")
        for name in ("prefixes", "feed_forward", "ignored"):
            texts = checked_sequence(name, getattr(self, name), "strings")
            if not all(isinstance(text, str) for text in texts):
                raise TypeError(f"{name}: expected strings; got {texts!r}. Convert with str.")
            object.__setattr__(self, name, tuple(texts))
        checked_flag("needs_rotary", self.needs_rotary)
        for name, options in (("side", Side), ("outputs_side", Side), ("heads", Order)):
            checked_option(name, getattr(self, name), get_args(options))
        roles = set(self.names)
        if "output" not in roles or not ("qkv" in roles) ^ ({"query", "key", "value"} <= roles):
            raise ValueError(
                f"names: expected output, and either qkv or query, key and value; got "
                f"{', '.join(sorted(roles)) or 'none'}. Name the weights of the heads."
            )
        of_layers = {LAYER in name for role, name in self.names.items() if role in OF_A_LAYER}
        if len(of_layers) > 1 or any(LAYER in self.names.get(role, "") for role in GLOBAL):
            raise ValueError(
                "names: expected {layer} in all names of a layer's arrays, or in none of them for "
                "a single layer, and in no other name; got a mixture."
            )

    def name(self, role: str, layer: int) -> str:
        """Return the name of a role in a layer.

        Parameters
        ----------
        role : str
            One of `names`.
        layer : int
            Counted from 0.

        Returns
        -------
        str
            Of the array.
        """
        return self.names[role].replace(LAYER, str(layer))

    def stripped(self, name: str) -> str:
        """Return a name without the prefixes.

        Parameters
        ----------
        name : str
            As the weights have it.

        Returns
        -------
        str
            As the layout has it.
        """
        for prefix in self.prefixes:
            name = name.removeprefix(prefix)
        return name

    def n_layers(self, names: Iterable[str]) -> int:
        """Count the layers that the names of the arrays mention.

        Parameters
        ----------
        names : iterable of str
            Of the arrays, without prefixes.

        Returns
        -------
        int
            1 where the layout is of a single layer.
        """
        template = self.names["output"]
        if LAYER not in template:
            return 1
        pattern = re.compile(re.escape(template).replace(re.escape(LAYER), r"(\d+)"))
        found = [int(match[1]) for name in names if (match := pattern.fullmatch(name))]
        return max(found, default=-1) + 1

    def is_feed_forward(self, name: str) -> bool:
        """Whether the array of this name is part of a feed-forward layer, which is not read.

        Parameters
        ----------
        name : str
            Of an array, without prefix.

        Returns
        -------
        bool
            By the patterns of `feed_forward`.
        """
        return any(fnmatchcase(name, pattern) for pattern in self.feed_forward)

    def is_ignored(self, name: str) -> bool:
        """Whether the array of this name has no effect on the output.

        Parameters
        ----------
        name : str
            Of an array, without prefix.

        Returns
        -------
        bool
            By the patterns of `ignored`.
        """
        return any(fnmatchcase(name, pattern) for pattern in self.ignored)


ROLES = GLOBAL + OF_A_LAYER


def _gpt2(side: Side) -> Layout:
    return Layout(
        names={
            "tokens": "wte.weight",
            "positions": "wpe.weight",
            "outputs": "lm_head.weight",
            "final_gain": "ln_f.weight",
            "final_bias": "ln_f.bias",
            "gain": "h.{layer}.ln_1.weight",
            "norm_bias": "h.{layer}.ln_1.bias",
            "qkv": "h.{layer}.attn.c_attn.weight",
            "qkv_bias": "h.{layer}.attn.c_attn.bias",
            "output": "h.{layer}.attn.c_proj.weight",
            "output_bias": "h.{layer}.attn.c_proj.bias",
        },
        side=side,
        prefixes=("_orig_mod.", "module.", "transformer."),
        feed_forward=("h.*.ln_2.*", "h.*.mlp.*"),
        ignored=("h.*.attn.bias", "h.*.attn.masked_bias"),
    )


LAYOUTS: dict[str, Layout] = {
    "gpt2": _gpt2("right"),
    "nanogpt": _gpt2("left"),
    "transformer_lens": Layout(
        names={
            "tokens": "embed.W_E",
            "positions": "pos_embed.W_pos",
            "outputs": "unembed.W_U",
            "outputs_bias": "unembed.b_U",
            "final_gain": "ln_final.w",
            "final_bias": "ln_final.b",
            "gain": "blocks.{layer}.ln1.w",
            "norm_bias": "blocks.{layer}.ln1.b",
            **{
                role: f"blocks.{{layer}}.attn.{name}"
                for role, name in {
                    "query": "W_Q",
                    "key": "W_K",
                    "value": "W_V",
                    "output": "W_O",
                    "query_bias": "b_Q",
                    "key_bias": "b_K",
                    "value_bias": "b_V",
                    "output_bias": "b_O",
                }.items()
            },
        },
        side="right",
        outputs_side="right",
        heads="axis",
        feed_forward=("blocks.*.ln2.*", "blocks.*.mlp.*"),
        ignored=("blocks.*.attn.mask", "blocks.*.attn.IGNORE", "blocks.*.attn.rotary_*"),
    ),
    "transformer_bridge": Layout(
        names={
            "tokens": "embed.weight",
            "positions": "pos_embed.weight",
            "outputs": "unembed.weight",
            "outputs_bias": "unembed.bias",
            "final_gain": "ln_final.weight",
            "final_bias": "ln_final.bias",
            "gain": "blocks.{layer}.ln1.weight",
            "norm_bias": "blocks.{layer}.ln1.bias",
            **{
                role: f"blocks.{{layer}}.attn.{name}"
                for role, name in {
                    "query": "q.weight",
                    "key": "k.weight",
                    "value": "v.weight",
                    "output": "o.weight",
                    "query_bias": "q.bias",
                    "key_bias": "k.bias",
                    "value_bias": "v.bias",
                    "output_bias": "o.bias",
                }.items()
            },
        },
        side="left",
        feed_forward=("blocks.*.ln2.*", "blocks.*.mlp.*"),
    ),
    "gpt_neox": Layout(
        names={
            "tokens": "embed_in.weight",
            "outputs": "embed_out.weight",
            "final_gain": "final_layer_norm.weight",
            "final_bias": "final_layer_norm.bias",
            "gain": "layers.{layer}.input_layernorm.weight",
            "norm_bias": "layers.{layer}.input_layernorm.bias",
            "qkv": "layers.{layer}.attention.query_key_value.weight",
            "qkv_bias": "layers.{layer}.attention.query_key_value.bias",
            "output": "layers.{layer}.attention.dense.weight",
            "output_bias": "layers.{layer}.attention.dense.bias",
        },
        side="left",
        heads="interleaved",
        prefixes=("_orig_mod.", "module.", "gpt_neox."),
        feed_forward=("layers.*.post_attention_layernorm.*", "layers.*.mlp.*"),
        ignored=(
            *("layers.*.attention.bias", "layers.*.attention.masked_bias"),
            *("layers.*.attention.rotary_emb.*", "rotary_emb.*"),
        ),
        needs_rotary=True,
    ),
    "multihead_attention": Layout(
        names={
            "qkv": "in_proj_weight",
            "qkv_bias": "in_proj_bias",
            "output": "out_proj.weight",
            "output_bias": "out_proj.bias",
        },
        side="left",
    ),
}


def recognised(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """The name of the layout that these arrays have.

    >>> recognised({"wte.weight": (5, 4), "h.0.attn.c_attn.weight": (12, 4)})
    'nanogpt'

    GPT-2 and nanoGPT have the same names; the fused array is (d, 3d) in one, (3d, d) in the other.

    Raises
    ------
    ValueError
        For arrays of no layout, or of more than one.
    """
    fits = []
    for name, layout in LAYOUTS.items():
        found = {layout.stripped(each): shape for each, shape in shapes.items()}
        fused = found.get(layout.name(layout_key(layout), 0))
        wrong_side = name in ("gpt2", "nanogpt") and not _fits_side(fused, layout.side)
        if fused is not None and not wrong_side:
            fits.append(name)
    if len(fits) == 1:
        return fits[0]
    known = "; ".join(
        f"{name}: {layout.names[layout_key(layout)]}" for name, layout in LAYOUTS.items()
    )
    raise ValueError(
        f"layout: expected arrays of one known layout ({known}); got "
        f"{', '.join(fits) or 'none of them'} in {', '.join(sorted(shapes)[:6])}, .... Name it, or "
        f"describe yours by an assocmem.heads.Layout."
    )


def layout_key(layout: Layout) -> str:
    """The role of the queries: qkv or query."""
    return "qkv" if "qkv" in layout.names else "query"


def _fits_side(shape: tuple[int, ...] | None, side: Side) -> bool:
    if shape is None or len(shape) != 2:
        return False
    outputs, inputs = shape if side == "left" else shape[::-1]
    return outputs == 3 * inputs


def unstacked(names: Mapping[str, Any]) -> dict[str, Any]:
    """TransformerLens' stacked arrays, W_Q (L, H, d, d_h) and the like, as one for each layer.

    Other names stay as they are, and all of them where W_Q is no such stack.
    """
    if "W_Q" not in names or len(names["W_Q"].shape) != 4:
        return dict(names)
    whole = {"W_E": "embed.W_E", "W_pos": "pos_embed.W_pos", "W_U": "unembed.W_U"}
    whole["b_U"] = "unembed.b_U"
    found: dict[str, Any] = {}
    for name, given in names.items():
        if name in whole:
            found[whole[name]] = given
        elif re.fullmatch("[Wb]_[QKVO]", name):
            for layer in range(given.shape[0]):
                found[f"blocks.{layer}.attn.{name}"] = given[layer]
        else:
            found[name] = given
    return found

"""A FrozenTransformer for other libraries: PyTorch, TransformerLens, safetensors; and back.

Torch, TransformerLens and safetensors are loaded by the first call that needs them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assocmem._checks import Array, checked_kind
from assocmem._files import beside, replaced
from assocmem.heads.ours import MATRICES, head_weights, matrix_of
from assocmem.heads.sources import INTEROP
from assocmem.heads.torch_module import frozen_module, load_torch
from assocmem.memory import AssociativeMemory
from assocmem.model import FrozenEmbeddings, FrozenTransformer

if TYPE_CHECKING:
    from torch import nn


_FORMAT = "assocmem.FrozenTransformer/1"
_ATOMS = tuple(field.name for field in fields(FrozenEmbeddings) if field.name != "family")
_PARTS = ("keys", "values", "coefficients")  # of a memory


def to_torch(model: FrozenTransformer) -> nn.Module:
    """Return the model as a torch.nn.Module of the same dtype; `module(tokens)` are the logits.

    `from_torch` gives the same model back, bit for bit where the weights are arrays; memories
    become their matrices.

    Parameters
    ----------
    model : FrozenTransformer
        It does not change.

    Returns
    -------
    torch.nn.Module
        The learned matrices are parameters, the frozen atoms buffers; `module.attention(tokens)`
        are both attention maps.

    Raises
    ------
    ImportError
        Without torch: pip install 'assocmem[interop]'.
    """
    checked_kind("model", model, FrozenTransformer)
    _check_consistent(model.embeddings)
    torch, emb = load_torch(), model.embeddings
    module: nn.Module = frozen_module()(
        atoms={name: torch.tensor(getattr(emb, name)) for name in _ATOMS},
        learned={name: torch.tensor(matrix_of(model, name)) for name in model.weights},
        scale=model.scale,
        readout=model.readout,
        family=emb.family,
    )
    return module


def from_torch(module: nn.Module) -> FrozenTransformer:
    """Return a module made by `to_torch`, trained since then or not, as a FrozenTransformer.

    Parameters
    ----------
    module : torch.nn.Module
        Of that class.

    Returns
    -------
    FrozenTransformer
        With arrays for weights.

    Raises
    ------
    TypeError
        For another module: `read` reads its heads.
    """
    module = checked_kind("module", module, frozen_module(), "Read others with heads.read.")
    arrays = {name: each.detach().cpu().numpy() for name, each in module.state_dict().items()}
    return FrozenTransformer(
        FrozenEmbeddings(**{name: arrays[name] for name in _ATOMS}, family=module.family),
        **{name: arrays[name] for name in MATRICES if name in arrays},
        scale=module.scale,
        readout=module.readout,
    )


def to_transformer_lens(model: FrozenTransformer) -> Any:
    """Return the model as a TransformerBridge of TransformerLens 4, in float32, without download.

    `head_weights` says what stands where: with readout "attention" the stream is twice as wide.
    Nothing of the forward pass is approximate, but float32 rounds, and query and key are two
    matrices where this model has one, so that training it there is another dynamics.

    Parameters
    ----------
    model : FrozenTransformer
        It does not change.

    Returns
    -------
    TransformerBridge
        Of attention alone, one head of size d in each layer, no layer norm; hooks and caches are
        those of any bridge.

    Raises
    ------
    ImportError
        Without transformer_lens: pip install 'assocmem[interop]'.
    """
    weights = head_weights(model)
    torch = load_torch()
    try:
        from transformer_lens.config import TransformerBridgeConfig
        from transformer_lens.model_bridge.sources import boot_native
    except ImportError:
        raise ImportError(
            f"transformer_lens: expected version 4 or later; got none. Install it with {INTEROP}."
        ) from None
    emb = model.embeddings
    width = weights["embed.weight"].shape[1]
    config = TransformerBridgeConfig(
        d_model=width,
        d_head=emb.width,
        n_heads=1,
        n_layers=2,
        n_ctx=emb.length,
        d_vocab=emb.n_tokens,
        d_vocab_out=emb.n_outputs,
        d_mlp=1,  # of no layer: attn_only
        act_fn="relu",
        attn_only=True,
        normalization_type=None,
        init_weights=False,
        seed=None,
    )
    bridge = boot_native(config, dtype=torch.float32)
    state = bridge.state_dict()
    zero = {name: torch.zeros_like(each) for name, each in state.items() if name.endswith("bias")}
    given = {name: torch.tensor(each.astype(np.float32)) for name, each in weights.items()}
    bridge.load_state_dict(zero | given, strict=True)
    return bridge


def save(model: FrozenTransformer, path: str | Path) -> None:
    """Write the model to `path.safetensors`, and a readable record of it to `path.json`.

    Each file is replaced atomically. Memories stay memories: keys, values, coefficients.

    Parameters
    ----------
    model : FrozenTransformer
        Without symbolic entries.
    path : str or Path
        The name of both files without their endings.

    Raises
    ------
    ValueError
        For a folder that does not exist, or weights with symbolic entries.
    ImportError
        Without safetensors: pip install 'assocmem[interop]'.
    """
    checked_kind("model", model, FrozenTransformer)
    safetensors = _safetensors()
    arrays = {name: getattr(model.embeddings, name) for name in _ATOMS}
    for name, weights in model.weights.items():
        if isinstance(weights, AssociativeMemory):
            arrays |= {f"{name}.{part}": getattr(weights, part) for part in _PARTS}
        else:
            arrays[name] = np.asarray(weights)
    if symbolic := [name for name, array in arrays.items() if array.dtype == object]:
        raise ValueError(f"model: expected numbers; got symbolic entries in {symbolic}.")
    record = {
        "format": _FORMAT,
        "readout": model.readout,
        "scale": model.scale,
        "family": model.embeddings.family,
        "arrays": {name: [str(a.dtype), *a.shape] for name, a in sorted(arrays.items())},
    }
    text = json.dumps(record, indent=2, allow_nan=False)
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with replaced(beside(path, ".safetensors")) as file:
        file.write(safetensors.save(plain, metadata={"record": text}))
    with replaced(beside(path, ".json")) as file:
        file.write(text.encode())


def load(path: str | Path) -> FrozenTransformer:
    """Read the model that `save` wrote to `path.safetensors`, bit for bit.

    Parameters
    ----------
    path : str or Path
        The name without its ending, as it was given to `save`.

    Returns
    -------
    FrozenTransformer
        With memories where memories were saved.

    Raises
    ------
    ValueError
        For a file that it did not write.
    ImportError
        Without safetensors: pip install 'assocmem[interop]'.
    """
    _safetensors()
    from safetensors import SafetensorError, safe_open

    file = beside(path, ".safetensors")
    if not file.is_file():
        raise ValueError(f"path: expected a saved model; got no file {file.name!r}.")
    try:
        with safe_open(file, framework="numpy") as stored:
            record = json.loads((stored.metadata() or {}).get("record", "{}"))
            if not isinstance(record, dict) or record.get("format") != _FORMAT:
                raise ValueError(
                    f"path: expected a model that heads.save wrote ({_FORMAT}); got another file. "
                    f"Read the heads of others with heads.read."
                )
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"path: expected a saved model in {file.name!r}; got {error}.") from None
    if missing := set(_ATOMS) - set(arrays):
        raise ValueError(f"path: expected all atoms; got a file without {sorted(missing)}.")
    return FrozenTransformer(
        FrozenEmbeddings(**{name: arrays[name] for name in _ATOMS}, family=record["family"]),
        **_weights(arrays),
        scale=record["scale"],
        readout=record["readout"],
    )


def _weights(arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Arrays and memories by name."""
    found: dict[str, Any] = {}
    for name in MATRICES:
        if name in arrays:
            found[name] = arrays[name]
        elif f"{name}.keys" in arrays:
            parts = {part: arrays[f"{name}.{part}"] for part in _PARTS}
            found[name] = AssociativeMemory(**parts)
    return found


def _check_consistent(emb: FrozenEmbeddings) -> None:
    """Refuse images that are not those of the matrices, which a forward pass in d would not see."""
    rounding = 100 * emb.width * np.finfo(emb.dtype).eps
    remapped = np.concatenate([emb.remapped_tokens, emb.remapped_positions])
    for name, rows, matrix, images in (
        ("Phi1", emb.inputs, emb.Phi1, remapped),
        ("W_V2", emb.atoms, emb.W_V2, emb.values),
    ):
        error = np.abs(rows @ matrix.T - images).max()
        if error > rounding * max(1, np.abs(images).max()):
            raise ValueError(
                f"embeddings: expected images under {name} as it maps them; got others, off by "
                f"{error:.1e}. Build them with FrozenEmbeddings.from_matrices."
            )


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise ImportError(
            f"safetensors: expected the package; got none. Install it with {INTEROP}."
        ) from None
    return safetensors.numpy

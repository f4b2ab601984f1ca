"""Weights that no head can be read from are refused by name."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from assocmem import heads
from tests.library.layouts import QKV, D, H, canonical, gpt2

# --- what is refused


def good():
    return gpt2(canonical(np.random.default_rng(0)), conv1d=False)


def without(*names):
    return {name: array for name, array in good().items() if name not in names}


@pytest.mark.parametrize(
    ("weights", "options", "error", "match"),
    [
        (without(QKV), {}, ValueError, r"expected h.1.attn.c_attn.weight as well; got"),
        (without("lm_head.weight"), {}, ValueError, r"lm_head.weight as well.*tied=True"),
        (without("transformer.wpe.weight"), {}, ValueError, r"expected wpe.weight as well"),
        (good() | {"transformer.h.0.attn.lora_A": np.eye(2)}, {}, ValueError, r"lora_A as well"),
        (good() | {"h.0.ln_1.bias": np.zeros(D)}, {}, ValueError, "twice, with and without"),
        (good() | {QKV: np.zeros((3 * D, D - 1))}, {}, ValueError, r"expected shape \(36, 12\)"),
        (good() | {QKV: np.zeros((D, 3 * D))}, {}, ValueError, "multiplies from the right"),
        (good() | {QKV: np.zeros((3 * D, D), np.float16)}, {}, TypeError, r"float16\)"),
        (good() | {QKV: np.zeros((3 * D, D), np.int8)}, {}, TypeError, r"int8\)"),
        (good() | {QKV: np.ma.masked_less(np.eye(3 * D, D), 1)}, {}, TypeError, r"masked\)"),
        (good(), {"tied": 1}, TypeError, "tied: expected"),
        (good() | {QKV: np.full((3 * D, D), np.nan)}, {}, ValueError, "NaN or infinity in h.1"),
        (good() | {QKV: [[1.0]]}, {}, TypeError, "expected NumPy arrays or tensors"),
        (good(), {"n_heads": 5}, ValueError, "n_heads: expected a divisor of 12"),
        (good(), {"n_heads": None}, TypeError, "n_heads: expected an integer"),
        (good(), {"layout": "gpt3"}, ValueError, "layout: expected one of 'gpt2'"),
        (good(), {"layout": "gpt_neox"}, ValueError, "rotary: expected"),
        (good(), {"norm": "batch"}, ValueError, "norm: expected one of"),
        (good(), {"positions": np.ones((3, D + 1))}, ValueError, r"expected shape \(any, 12\)"),
        (good(), {"rotary": 4}, TypeError, "rotary: expected"),
        ({"weight": np.eye(2)}, {}, ValueError, "layout: expected arrays of one known layout"),
        ({1: np.eye(2)}, {}, TypeError, "names that are strings"),
        ([np.eye(2)], {}, TypeError, "weights: expected a mapping"),
    ],
)  # fmt: skip
def test_bad_weights_are_refused_by_name(weights, options, error, match):
    with pytest.raises(error, match=match):
        heads.read(weights, **{"n_heads": H} | options)


def test_pickles_are_never_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    (tmp_path / "model.pt").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match="are never opened"):
        heads.read(tmp_path / "model.pt")
    np.savez(tmp_path / "model.npz", W=np.array([Trap()], dtype=object))
    with pytest.raises(ValueError, match="plain arrays"):
        heads.read(tmp_path / "model.npz")
    assert not (tmp_path / "sprung").exists()
    (tmp_path / "other.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(ValueError, match="cannot be read"):
        heads.read(tmp_path / "other.npz")


def test_half_precision_in_safetensors_is_listed(tmp_path):
    """bfloat16, which NumPy has no name for, by a file written by hand."""
    pytest.importorskip("safetensors")
    header = b'{"in_proj_weight":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]},' \
             b'"out_proj.weight":{"dtype":"BF16","shape":[1],"data_offsets":[2,4]}}'  # fmt: skip
    header += b" " * (-len(header) % 8)
    data = len(header).to_bytes(8, "little") + header + bytes(4)
    (tmp_path / "half.safetensors").write_bytes(data)
    with pytest.raises(TypeError, match=r"in_proj_weight \(BF16\), out_proj.weight \(BF16\)"):
        heads.read(tmp_path / "half.safetensors", n_heads=1)
    (tmp_path / "torn.safetensors").write_bytes(data[:20])
    with pytest.raises(ValueError, match="cannot be read"):
        heads.read(tmp_path / "torn.safetensors", n_heads=1)


@pytest.mark.parametrize(
    ("names", "match"),
    [
        ({"query": "q", "key": "k", "output": "o"}, "either qkv or query, key and value"),
        ({"qkv": "a.{layer}", "output": "o"}, "a mixture"),
        ({"qkv": "a", "output": "o", "bias": "b"}, "names: expected names among"),
    ],
)
def test_a_layout_that_leaves_something_open_is_refused(names, match):
    with pytest.raises(ValueError, match=match):
        heads.Layout(names=names, side="left")

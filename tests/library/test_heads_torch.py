"""Heads of PyTorch's own modules, against what these compute; skipped where torch is not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assocmem import heads
from tests.rounding import PRODUCTS

torch = pytest.importorskip("torch")
nn = torch.nn

N, T, D, H, LAYERS = 11, 9, 24, 4, 3
SIZE = D // H


def attention_by_torch(q, k, v):
    """Scores and outputs of each head of (H, T, d_h), the outputs by PyTorch's own attention."""
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    return scores, nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


class Conv1D(nn.Module):
    """GPT-2's linear map: weight (inputs, outputs), from the right."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) / math.sqrt(inputs))
        self.bias = nn.Parameter(torch.randn(outputs))

    def forward(self, x):
        return torch.addmm(self.bias, x, self.weight)


class Attention(nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.c_attn, self.c_proj = linear(D, 3 * D), linear(D, D)

    def forward(self, x):
        q, k, v = (
            part.view(-1, H, SIZE).transpose(0, 1) for part in self.c_attn(x).split(D, dim=1)
        )
        self.scores, out = attention_by_torch(q, k, v)
        self.per_head = out
        return self.c_proj(out.transpose(0, 1).reshape(-1, D))


class Block(nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(D), Attention(linear)
        self.ln_2 = nn.LayerNorm(D)
        self.mlp = nn.ModuleDict({"c_fc": linear(D, 4 * D), "c_proj": linear(4 * D, D)})

    def forward(self, x):
        self.stream = x
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp["c_proj"](nn.functional.gelu(self.mlp["c_fc"](self.ln_2(x))))


class GPT2(nn.Module):
    """The shape of GPT-2 and of nanoGPT; random norms and biases, which training would make."""

    def __init__(self, linear):
        super().__init__()
        parts = {"wte": nn.Embedding(N, D), "wpe": nn.Embedding(T, D), "ln_f": nn.LayerNorm(D)}
        self.transformer = nn.ModuleDict(
            parts | {"h": nn.ModuleList([Block(linear) for _ in range(LAYERS)])}
        )
        self.lm_head = nn.Linear(D, N, bias=False)
        self.lm_head.weight = self.transformer["wte"].weight
        for name, parameter in self.named_parameters():
            if "ln" in name:
                nn.init.normal_(parameter, mean=float(name.endswith("weight")), std=0.3)

    def forward(self, tokens):
        x = self.transformer["wte"](tokens) + self.transformer["wpe"](torch.arange(len(tokens)))
        for block in self.transformer["h"]:
            x = block(x)
        return self.lm_head(self.transformer["ln_f"](x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("linear", [Conv1D, nn.Linear])
@pytest.mark.parametrize("prefix", ["", "_orig_mod."])
def test_a_model_of_the_shape_of_gpt2_is_read_without_a_mistake(linear, dtype, prefix):
    model = GPT2(linear).to(dtype)
    tokens = torch.randint(N, (T,))
    model(tokens)
    weights = {prefix + name: each for name, each in model.named_parameters()}  # with gradients
    found = heads.read(weights, n_heads=H, tied=True)
    assert found.unread == ("feed-forward layers", "deviations of the norms")
    within = 1e-5 if dtype is torch.float32 else 1e-12
    for l, block in enumerate(model.transformer["h"]):
        stream = block.stream.detach().numpy().astype(float)
        total = np.zeros((T, D))
        for h in range(H):
            head = found[l, h]
            scores = block.attn.scores[h].detach().numpy()
            np.testing.assert_allclose(head.scores(stream), scores, rtol=within, atol=within)
            masked = np.where(np.tri(T, dtype=bool), head.scores(stream), -np.inf)
            a = np.exp(masked - masked.max(axis=1, keepdims=True))
            a /= a.sum(axis=1, keepdims=True)
            own = a @ head.written(stream)
            # this head alone: the others' values set to zero in front of c_proj
            alone = torch.zeros_like(block.attn.per_head)
            alone[h] = block.attn.per_head[h]
            wrote = block.attn.c_proj(alone.transpose(0, 1).reshape(-1, D)) - block.attn.c_proj.bias
            np.testing.assert_allclose(own, wrote.detach().numpy(), rtol=within, atol=within)
            total += own
        whole = block.attn(block.ln_1(block.stream)).detach().numpy()
        total += found.output_biases[l]
        np.testing.assert_allclose(total, whole, rtol=within, atol=10 * within)


@pytest.mark.parametrize("bias", [True, False])
def test_multihead_attention(bias):
    layer = nn.MultiheadAttention(D, H, bias=bias, batch_first=True).double()
    if bias:
        nn.init.normal_(layer.in_proj_bias)
        nn.init.normal_(layer.out_proj.bias)
    x = torch.randn(1, T, D, dtype=torch.float64)
    mask = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)
    out, maps = layer(x, x, x, attn_mask=mask, average_attn_weights=False)
    model = heads.read(layer.state_dict(), n_heads=H)
    added, stream = model.output_biases[0] + np.zeros((T, D)), x[0].numpy()
    for h, head in enumerate(model):
        scores = np.where(~mask.numpy(), head.scores(stream), -np.inf)
        a = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(a, maps[0, h].detach().numpy(), rtol=0, atol=PRODUCTS)
        added = added + a @ head.written(stream)
    np.testing.assert_allclose(added, out[0].detach().numpy(), rtol=0, atol=PRODUCTS)
    with pytest.raises(ValueError, match="tokens: expected a model that has them"):
        heads.copying(model, (0, 0))


def test_a_stack_of_encoder_layers_by_a_name_map():
    layer = nn.TransformerEncoderLayer(D, H, 2 * D, norm_first=True, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).double().eval()
    layout = heads.Layout(
        names={
            "qkv": "layers.{layer}.self_attn.in_proj_weight",
            "qkv_bias": "layers.{layer}.self_attn.in_proj_bias",
            "output": "layers.{layer}.self_attn.out_proj.weight",
            "output_bias": "layers.{layer}.self_attn.out_proj.bias",
            "gain": "layers.{layer}.norm1.weight",
            "norm_bias": "layers.{layer}.norm1.bias",
        },
        side="left",
        feed_forward=("layers.*.linear*", "layers.*.norm2.*"),
    )
    found = heads.read(model.state_dict(), layout=layout, n_heads=H)
    x = torch.randn(1, T, D, dtype=torch.float64)
    for l, each in enumerate(model.layers):
        y = each.norm1(x)
        _, maps = each.self_attn(y, y, y, average_attn_weights=False)
        for h in range(H):
            scores = found[l, h].scores(x[0].detach().numpy())
            a = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
            np.testing.assert_allclose(a, maps[0, h].detach().numpy(), rtol=0, atol=PRODUCTS)
        x = each(x)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda a: a.half(), "float16"),
        (lambda a: a.bfloat16(), "bfloat16"),
        (lambda a: a.to("meta"), "meta"),
        (lambda a: a.to_sparse(), "sparse"),
        (lambda a: torch.quantize_per_tensor(a, 0.1, 0, torch.qint8), "quantised"),
        (lambda a: a.to(torch.float8_e4m3fn), "float8"),
        (lambda a: a.to(torch.complex64), "complex64"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # of torch, that such a tensor is an experiment
def test_tensors_of_another_kind_are_listed(change, match):
    weights = nn.MultiheadAttention(D, H).state_dict()
    weights["in_proj_weight"] = change(weights["in_proj_weight"])
    with pytest.raises(TypeError, match=rf"in_proj_weight \({match}"):
        heads.read(weights, n_heads=H)


def test_a_module_instead_of_its_weights_is_refused():
    with pytest.raises(TypeError, match=r"Pass its state_dict\(\)"):
        heads.read(nn.MultiheadAttention(D, H), n_heads=H)

"""A transformer in loops, and its weights in every layout that heads are read from."""

from __future__ import annotations

import numpy as np

from assocmem import heads
from tests.rounding import PRODUCTS

N, T, D, H, LAYERS = 7, 6, 12, 3, 2
SIZE = D // H
ROUNDING = PRODUCTS  # of scores of order 10 in float64


def canonical(rng, *, biases=True, norm="layer"):
    """Random weights by role, each acting from the left, heads as the first axis."""
    weights = {
        "tokens": rng.normal(size=(N, D)),
        "positions": rng.normal(size=(T, D)),
        "outputs": rng.normal(size=(N, D)),
    }
    if norm != "none":
        weights["final_gain"] = rng.uniform(0.5, 1.5, size=D)
        weights["final_bias"] = rng.normal(size=D) * (norm == "layer")
    for l in range(LAYERS):
        for name in ("query", "key", "value"):
            weights[f"{name}.{l}"] = rng.normal(size=(H, SIZE, D)) / 2
            weights[f"{name}_bias.{l}"] = rng.normal(size=(H, SIZE)) * biases
        weights[f"output.{l}"] = rng.normal(size=(H, SIZE, D)) / 2
        weights[f"output_bias.{l}"] = rng.normal(size=D) * biases
        if norm != "none":
            weights[f"gain.{l}"] = rng.uniform(0.5, 1.5, size=D)
            weights[f"norm_bias.{l}"] = rng.normal(size=D) * (norm == "layer")
    return weights


def run_in_loops(w, sequence, *, norm="layer", turn=None):
    """Logits of one sequence, scores (L, H, T, T) and what is written, position by position."""

    def normed(x, gain, bias):
        if norm == "none":
            return x
        centred = x - x.mean() if norm == "layer" else x
        return gain * centred / np.sqrt((centred @ centred) / D + 1e-5) + bias

    stream = [w["tokens"][z] + (w["positions"][t] if turn is None else 0)
              for t, z in enumerate(sequence)]  # fmt: skip
    scores = np.full((LAYERS, H, len(sequence), len(sequence)), np.nan)
    streams = []
    for l in range(LAYERS):
        streams.append(np.array(stream))
        n = [normed(x, w.get(f"gain.{l}"), w.get(f"norm_bias.{l}")) for x in stream]
        added = [w[f"output_bias.{l}"].copy() for _ in stream]
        for h in range(H):
            W_Q, W_K, W_V, W_O = (
                w[f"{name}.{l}"][h] for name in ("query", "key", "value", "output")
            )
            b_Q, b_K, b_V = (w[f"{name}_bias.{l}"][h] for name in ("query", "key", "value"))
            for t in range(len(sequence)):
                q = W_Q @ n[t] + b_Q
                for s in range(len(sequence)):
                    k = W_K @ n[s] + b_K
                    if turn is not None:
                        q_t, k_s = turn(q, t), turn(k, s)
                    else:
                        q_t, k_s = q, k
                    scores[l, h, t, s] = q_t @ k_s / np.sqrt(SIZE)
                a = np.exp(scores[l, h, t, : t + 1] - scores[l, h, t, : t + 1].max())
                a /= a.sum()
                for s in range(t + 1):
                    added[t] += a[s] * W_O.T @ (W_V @ n[s] + b_V)
        stream = [x + change for x, change in zip(stream, added, strict=True)]
    logits = [w["outputs"] @ normed(x, w.get("final_gain"), w.get("final_bias")) for x in stream]
    return np.array(logits), scores, streams


def rows(array):
    """Heads one after the other: (H d_h, d)."""
    return array.reshape(H * SIZE, D)


def gpt2(w, *, conv1d):
    """As nanoGPT has it, or with Conv1D as GPT-2 does."""

    def side(matrix):
        return matrix.T if conv1d else matrix

    names = {
        "transformer.wte.weight": w["tokens"],
        "transformer.wpe.weight": w["positions"],
        "lm_head.weight": w["outputs"],
        "transformer.ln_f.weight": w["final_gain"],
        "transformer.ln_f.bias": w["final_bias"],
    }
    for l in range(LAYERS):
        at = f"transformer.h.{l}"
        fused = np.concatenate([rows(w[f"{name}.{l}"]) for name in ("query", "key", "value")])
        shift = np.concatenate(
            [w[f"{name}_bias.{l}"].ravel() for name in ("query", "key", "value")]
        )
        names |= {
            f"{at}.ln_1.weight": w[f"gain.{l}"],
            f"{at}.ln_1.bias": w[f"norm_bias.{l}"],
            f"{at}.attn.c_attn.weight": side(fused),
            f"{at}.attn.c_attn.bias": shift,
            f"{at}.attn.c_proj.weight": side(rows(w[f"output.{l}"]).T),
            f"{at}.attn.c_proj.bias": w[f"output_bias.{l}"],
            f"{at}.attn.bias": np.ones((1, 1, T, T)),  # the mask of older versions
        }
    return names


def transformer_lens(w):
    names = {
        "embed.W_E": w["tokens"],
        "pos_embed.W_pos": w["positions"],
        "unembed.W_U": w["outputs"].T,
        "ln_final.w": w["final_gain"],
        "ln_final.b": w["final_bias"],
    }
    for l in range(LAYERS):
        at = f"blocks.{l}.attn"
        for letter, name in zip("QKV", ("query", "key", "value"), strict=True):
            names[f"{at}.W_{letter}"] = w[f"{name}.{l}"].swapaxes(1, 2)
            names[f"{at}.b_{letter}"] = w[f"{name}_bias.{l}"]
        names |= {f"{at}.W_O": w[f"output.{l}"], f"{at}.b_O": w[f"output_bias.{l}"]}
        names |= {f"blocks.{l}.ln1.w": w[f"gain.{l}"], f"blocks.{l}.ln1.b": w[f"norm_bias.{l}"]}
        names |= {f"{at}.mask": np.tri(T, dtype=bool), f"{at}.IGNORE": np.array(-np.inf)}
    return names


def transformer_bridge(w):
    names = {
        "embed.weight": w["tokens"],
        "pos_embed.weight": w["positions"],
        "unembed.weight": w["outputs"],
        "ln_final.weight": w["final_gain"],
        "ln_final.bias": w["final_bias"],
    }
    for l in range(LAYERS):
        at = f"blocks.{l}.attn"
        for letter, name in zip("qkv", ("query", "key", "value"), strict=True):
            names[f"{at}.{letter}.weight"] = rows(w[f"{name}.{l}"])
            names[f"{at}.{letter}.bias"] = w[f"{name}_bias.{l}"].ravel()
        names[f"{at}.o.weight"] = rows(w[f"output.{l}"]).T
        names[f"{at}.o.bias"] = w[f"output_bias.{l}"]
        names[f"blocks.{l}.ln1.weight"] = w[f"gain.{l}"]
        names[f"blocks.{l}.ln1.bias"] = w[f"norm_bias.{l}"]
    return names


def by_map(w, *, side):
    """A plain module with names of its own; every matrix is square."""
    names, turned = {}, (lambda a: a) if side == "left" else np.transpose
    for l in range(LAYERS):
        for name in ("query", "key", "value"):
            names[f"block{l}/{name}"] = turned(rows(w[f"{name}.{l}"]))
            names[f"block{l}/{name}/shift"] = w[f"{name}_bias.{l}"].ravel()
        names[f"block{l}/out"] = turned(rows(w[f"output.{l}"]).T)
        names[f"block{l}/out/shift"] = w[f"output_bias.{l}"]
        names |= {f"block{l}/g": w[f"gain.{l}"], f"block{l}/b": w[f"norm_bias.{l}"]}
    names |= {"E": w["tokens"], "P": w["positions"], "U": w["outputs"], "g": w["final_gain"]}
    layout = heads.Layout(
        names={
            **{name: f"block{{layer}}/{name}" for name in ("query", "key", "value")},
            **{
                f"{name}_bias": f"block{{layer}}/{name}/shift" for name in ("query", "key", "value")
            },
            "output": "block{layer}/out",
            "output_bias": "block{layer}/out/shift",
            "gain": "block{layer}/g",
            "norm_bias": "block{layer}/b",
            "tokens": "E",
            "positions": "P",
            "outputs": "U",
            "final_gain": "g",
            "final_bias": "b",
        },
        side=side,
    )
    return names | {"b": w["final_bias"]}, layout


READ = {
    "gpt2": lambda w: heads.read(gpt2(w, conv1d=True), n_heads=H),
    "nanogpt": lambda w: heads.read(gpt2(w, conv1d=False), n_heads=H),
    "transformer_lens": lambda w: heads.read(transformer_lens(w)),
    "transformer_bridge": lambda w: heads.read(transformer_bridge(w), n_heads=H),
    "left": lambda w: heads.read(
        (given := by_map(w, side="left"))[0], layout=given[1], n_heads=H
    ),
    "right": lambda w: heads.read(
        (given := by_map(w, side="right"))[0], layout=given[1], n_heads=H
    ),
}  # fmt: skip
QKV = "transformer.h.1.attn.c_attn.weight"

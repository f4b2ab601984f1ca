"""Heads read from weights: in every layout against loops over the formulas; what is refused."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import assocmem as am
from assocmem import heads
from tests.rounding import CHAINS, PRODUCTS, RUNS, SOLVED

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


@pytest.fixture
def rng():
    return np.random.default_rng()


@pytest.mark.parametrize("layout", READ)
def test_scores_outputs_and_logits_equal_loops_in_every_layout(layout, rng):
    w, sequence = canonical(rng), rng.integers(N, size=T)
    model = READ[layout](w)
    logits, scores, streams = run_in_loops(w, sequence)
    for head in model:
        l, h = head.place
        np.testing.assert_allclose(
            head.scores(streams[l]), scores[l, h], rtol=ROUNDING, atol=ROUNDING
        )
    found, maps = model.run(sequence[None])
    np.testing.assert_allclose(found[0], logits, rtol=RUNS, atol=RUNS)
    assert [a.shape for a in maps] == [(1, H, T, T)] * LAYERS
    # the control: another head, or query and key exchanged, is seen
    assert np.abs(model[0, 0].scores(streams[0]) - scores[0, 1]).max() > 1e-3
    assert np.abs(model[0, 0].scores(streams[0]).T - scores[0, 0]).max() > 1e-3


@pytest.mark.parametrize("layout", ["transformer_lens", "transformer_bridge", "left", "right"])
@pytest.mark.parametrize(("size", "n_heads"), [(5, 3), (2, 3), (12, 1), (1, 12), (3, 2)])
def test_heads_of_any_size(layout, size, n_heads, rng, monkeypatch):
    """Heads that together are wider or narrower than the stream, one head, heads of one number."""
    monkeypatch.setitem(globals(), "SIZE", size)
    monkeypatch.setitem(globals(), "H", n_heads)
    w, sequence = canonical(rng), rng.integers(N, size=T)
    logits, scores, streams = run_in_loops(w, sequence)
    model = READ[layout](w)
    assert [len(layer) for layer in model.layers] == [n_heads] * LAYERS
    for head in model:
        l, h = head.place
        np.testing.assert_allclose(head.scores(streams[l]), scores[l, h], rtol=RUNS, atol=RUNS)
    np.testing.assert_allclose(model.run(sequence[None])[0][0], logits, rtol=SOLVED, atol=SOLVED)


@pytest.mark.parametrize("norm", ["layer", "rms", "none"])
def test_the_two_maps_are_the_scores_and_outputs_up_to_deviations(norm, rng):
    """Attention by the maps alone: scores up to what is the same for all keys of a query."""
    w, sequence = canonical(rng, norm=norm), rng.integers(N, size=T)
    names, layout = by_map(w | {n: np.ones(D) for n in ("final_gain", "final_bias")}
                           | {f"{n}.{l}": np.ones(D) for n in ("gain", "norm_bias")
                              for l in range(LAYERS)} | w, side="left")  # fmt: skip
    model = heads.read(names, layout=layout, n_heads=H, norm=norm)
    _, scores, streams = run_in_loops(w, sequence, norm=norm)
    for head in model:
        l, h = head.place
        x, deviation = streams[l], np.ones((T, 1))
        if norm != "none":
            centred = x - x.mean(axis=1, keepdims=True) if norm == "layer" else x
            deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
        x = x / deviation
        # scores() has a row per value, which here is what the query looks for
        by_map_alone = head.query_key.scores(keys=x, values=x) + x @ head.key_bias
        difference = by_map_alone - scores[l, h]
        spread = difference.max(axis=1) - difference.min(axis=1)
        assert spread.max() < CHAINS
        shift = head.W_O.T @ (head.W_V @ head.norm.bias + head.b_V)
        written = x @ head.output_value.matrix.T + shift
        np.testing.assert_allclose(head.written(streams[l]), written, rtol=0, atol=CHAINS)


@pytest.mark.parametrize("pairs", ["halves", "adjacent"])
@pytest.mark.parametrize("dims", [2, 4])
def test_rotary_heads_are_read_at_each_distance(pairs, dims, rng):
    w, sequence = canonical(rng), rng.integers(N, size=T)

    def turn(x, t):
        """Position by position, pair by pair, with complex numbers."""
        x = x.copy()
        for i in range(dims // 2):
            a, b = (i, i + dims // 2) if pairs == "halves" else (2 * i, 2 * i + 1)
            turned = complex(x[a], x[b]) * np.exp(1j * t * 100.0 ** (-2 * i / dims))
            x[a], x[b] = turned.real, turned.imag
        return x

    names = {
        "gpt_neox.embed_in.weight": w["tokens"],
        "embed_out.weight": w["outputs"],
        "gpt_neox.final_layer_norm.weight": w["final_gain"],
        "gpt_neox.final_layer_norm.bias": w["final_bias"],
    }
    for l in range(LAYERS):
        at = f"gpt_neox.layers.{l}"
        three = ("query", "key", "value")
        names |= {
            f"{at}.input_layernorm.weight": w[f"gain.{l}"],
            f"{at}.input_layernorm.bias": w[f"norm_bias.{l}"],
            f"{at}.attention.query_key_value.weight": np.stack(
                [w[f"{name}.{l}"] for name in three], axis=1
            ).reshape(3 * D, D),
            f"{at}.attention.query_key_value.bias": np.stack(
                [w[f"{name}_bias.{l}"] for name in three], axis=1
            ).ravel(),
            f"{at}.attention.dense.weight": rows(w[f"output.{l}"]).T,
            f"{at}.attention.dense.bias": w[f"output_bias.{l}"],
            f"{at}.attention.rotary_emb.inv_freq": np.ones(dims // 2),
            f"{at}.mlp.dense_h_to_4h.weight": np.ones((4 * D, D)),
        }
    with pytest.raises(ValueError, match=r"rotary: expected .*Rotary\(dims=...\)"):
        heads.read(names, n_heads=H)
    rotary = heads.Rotary(dims=dims, base=100.0, pairs=pairs)
    model = heads.read(names, n_heads=H, rotary=rotary)
    assert model.unread == ("feed-forward layers", "deviations of the norms")
    _, scores, streams = run_in_loops(w, sequence, turn=turn)
    for head in model:
        l, h = head.place
        np.testing.assert_allclose(head.scores(streams[l]), scores[l, h], rtol=0, atol=CHAINS)
    alone = {name: array for name, array in names.items() if "mlp" not in name}
    runs = heads.read(alone, n_heads=H, rotary=rotary)
    logits, _, _ = run_in_loops(w, sequence, turn=turn)
    np.testing.assert_allclose(runs.run(sequence[None])[0][0], logits, rtol=0, atol=RUNS)
    with pytest.raises(ValueError, match="expected a model of attention alone"):
        model.run(sequence[None])
    # the map at a distance: tokens without norms' deviations and biases
    plain = {n: np.zeros_like(a) if n.endswith("bias") else a for n, a in names.items()}
    head = heads.read(plain, n_heads=H, rotary=rotary, norm="none")[1, 2]
    W_Q, W_K = w["query.1"][2], w["key.1"][2]
    wanted = [[turn(W_Q @ x, 5) @ turn(W_K @ y, 2) / 2 for y in w["tokens"]] for x in w["tokens"]]
    found = head.at(3).scores(keys=w["tokens"], values=w["tokens"])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=CHAINS)
    assert np.abs(head.at(2).scores(keys=w["tokens"], values=w["tokens"]) - wanted).max() > 1e-3
    with pytest.raises(ValueError, match="expected a head without rotary positions"):
        head.query_key  # noqa: B018
    with pytest.raises(ValueError, match="expected a model that has them"):
        heads.previous_token(model, (0, 0))
    assert {each.kind for each in heads.find(model).detections} == {"copying"}


def test_stacked_arrays_of_transformer_lens(rng):
    w = canonical(rng)
    each = transformer_lens(w)
    stacked = {"W_E": w["tokens"], "W_pos": w["positions"], "W_U": w["outputs"].T}
    for name in ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V", "b_O"):
        stacked[name] = np.stack([each[f"blocks.{l}.attn.{name}"] for l in range(LAYERS)])
    with pytest.raises(ValueError, match="norm: expected gains"):
        heads.read(stacked)
    model = heads.read(stacked, norm="layer")
    assert np.array_equal(model[1, 2].W_K, w["key.1"][2])
    assert np.array_equal(model[1, 2].norm.gain, np.ones(D))


def test_compositions_are_products_of_the_maps(rng):
    model = READ["nanogpt"](canonical(rng))
    first, second = model[0, 2], model[1, 1]
    OV, A = first.output_value.matrix, second.query_key.matrix
    wanted = {"key": A @ OV, "query": OV.T @ A, "value": second.output_value.matrix @ OV}
    for via, matrix in wanted.items():
        found = heads.composition(second, first, via=via)
        np.testing.assert_allclose(found.matrix, matrix, rtol=0, atol=CHAINS)
        assert found.n_keys == SIZE
    with pytest.raises(ValueError, match="The later one goes first"):
        heads.composition(first, second)


def test_memories_over_atoms_have_the_scores_of_the_maps(rng):
    model = READ["gpt2"](canonical(rng))
    over = model.memory((1, 0), "query_key", values="tokens", keys=("tokens", (0, 1)))
    assert (over.n_values, over.n_keys) == (N, N)
    table = heads.composition(model[1, 0], model[0, 1]).scores(
        keys=model.tokens, values=model.tokens
    )
    np.testing.assert_allclose(over.scores(), table, rtol=0, atol=RUNS)
    copies = model.memory((1, 0), "output_value", values="outputs", keys=model.tokens[:3])
    table = model[1, 0].output_value.scores(keys=model.tokens[:3], values=model.outputs)
    np.testing.assert_allclose(copies.scores(), table, rtol=0, atol=RUNS)


def test_files_and_dtypes(rng, tmp_path):
    names = gpt2(canonical(rng), conv1d=True)
    wanted = heads.read(names, n_heads=H)[1, 1].W_V
    np.savez(tmp_path / "model.npz", **names)
    assert np.array_equal(heads.read(tmp_path / "model.npz", n_heads=H)[1, 1].W_V, wanted)
    swapped = {name: array.astype(">f8") for name, array in names.items()}
    assert np.array_equal(heads.read(swapped, n_heads=H)[1, 1].W_V, wanted)
    single = {name: array.astype(np.float32) for name, array in names.items()}
    found = heads.read(single, n_heads=H)[1, 1].W_V
    assert found.dtype == np.float64
    assert np.array_equal(found, wanted.astype(np.float32))
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file(
        {name: np.ascontiguousarray(array) for name, array in names.items()},
        tmp_path / "model.safetensors",
    )
    assert np.array_equal(
        heads.read(str(tmp_path / "model.safetensors"), n_heads=H)[1, 1].W_V, wanted
    )


def test_ours_are_read(rng):
    task = am.InductionTask(n_tokens=6, length=8, n_triggers=2, predict="all")
    emb = am.FrozenEmbeddings.random(task, width=60, rng=rng)
    W_F = 0.1 * rng.normal(size=(60, 60))
    own = am.induction_head(task, emb, beta=5)
    model = am.FrozenTransformer(emb, **own, W_F=W_F, readout="residual", scale=0.7)
    tokens = task.sample(5, rng=rng).tokens
    found = heads.read(model)
    logits, (first, second) = found.run(tokens)
    np.testing.assert_allclose(logits, model.logits(tokens), rtol=0, atol=CHAINS)
    np.testing.assert_allclose(second[:, 0], model.attention(tokens)[1], rtol=0, atol=PRODUCTS)
    np.testing.assert_allclose(first[:, 0], model.attention(tokens)[0], rtol=0, atol=PRODUCTS)
    np.testing.assert_allclose(
        found[0, 0].query_key.matrix, 0.7 * own["W_K1"].matrix, atol=PRODUCTS
    )
    np.testing.assert_allclose(found[0, 0].output_value.matrix, emb.Phi1, atol=PRODUCTS)
    theory = heads.read(am.FrozenTransformer(emb, **own))
    with pytest.raises(ValueError, match="expected a model of attention alone"):
        theory.run(tokens)


# --- what is refused


def good():
    return gpt2(canonical(np.random.default_rng(0)), conv1d=False)


QKV = "transformer.h.1.attn.c_attn.weight"


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

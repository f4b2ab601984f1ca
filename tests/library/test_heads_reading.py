"""Heads read from weights: in every layout against loops over the formulas; what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
from assocmem import heads
from tests.library import layouts
from tests.library.layouts import (
    LAYERS,
    READ,
    ROUNDING,
    SIZE,
    D,
    H,
    N,
    T,
    by_map,
    canonical,
    gpt2,
    rows,
    run_in_loops,
    transformer_lens,
)
from tests.rounding import CHAINS, PRODUCTS, RUNS, SOLVED


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
    monkeypatch.setattr(layouts, "SIZE", size)
    monkeypatch.setattr(layouts, "H", n_heads)
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

"""FrozenTransformers handed out and taken back; what needs torch is skipped without."""

from __future__ import annotations

import builtins
import json

import numpy as np
import pytest

import assocmem as am
from assocmem import heads
from tests.rounding import PRODUCTS, SINGLE

TASK = am.InductionTask(n_tokens=6, length=8, n_triggers=2)


def model(readout="attention", dtype=np.float64, *, kind="hand-built", seed=None):
    """A model of each kind the library makes, with every weight in use."""
    rng = np.random.default_rng(seed)
    if kind == "three steps":
        run = am.top_down(TASK, am.FrozenEmbeddings.orthonormal(TASK))
        return run.model()
    if kind == "trained":
        task = am.BigramTask(am.Language.uniform(6), length=8, n_triggers=1)
        setting = am.training.published(task, width=40, batch_size=8, rng=0)
        return am.training.train(task, **setting, steps=3, evaluate_on=8).model()
    emb = am.FrozenEmbeddings.random(TASK, width=40, rng=rng).astype(dtype)
    weights = am.induction_head(TASK, emb, beta=5)
    if kind == "arrays":
        weights = {name: rng.normal(size=(40, 40)).astype(dtype) / 6 for name in weights}
    if readout == "residual":
        weights["W_F"] = rng.normal(size=(40, 40)).astype(dtype) / 20
    return am.FrozenTransformer(emb, **weights, scale=1.3, readout=readout)


KINDS = [
    ("attention", np.float64, "hand-built"),
    ("residual", np.float64, "hand-built"),
    ("attention", np.float32, "arrays"),
    ("residual", np.float32, "arrays"),
    ("attention", np.float64, "three steps"),
    ("residual", np.float32, "trained"),
]


def assert_same_bits(one, other):
    assert one.weights.keys() == other.weights.keys()
    for name, weights in one.weights.items():
        found = other.weights[name]
        if isinstance(weights, am.AssociativeMemory):
            for part in ("keys", "values", "coefficients"):
                assert np.array_equal(getattr(weights, part), getattr(found, part))
                assert getattr(weights, part).dtype == getattr(found, part).dtype
        else:
            assert np.array_equal(weights, found)
    for name in ("tokens", "remapped_positions", "values", "Phi1", "W_V2", "outputs"):
        assert np.array_equal(getattr(one.embeddings, name), getattr(other.embeddings, name))
    assert (one.scale, one.readout) == (other.scale, other.readout)
    assert one.embeddings.family == other.embeddings.family
    assert one.embeddings.dtype == other.embeddings.dtype


@pytest.mark.parametrize(("readout", "dtype", "kind"), KINDS)
def test_files_give_the_model_back_bit_for_bit(readout, dtype, kind, tmp_path):
    pytest.importorskip("safetensors")
    given = model(readout, dtype, kind=kind)
    heads.save(given, tmp_path / "m0.5")
    found = heads.load(tmp_path / "m0.5")
    assert_same_bits(given, found)
    tokens = TASK.sample(4, rng=0).tokens
    assert np.array_equal(given.logits(tokens), found.logits(tokens))
    record = json.loads((tmp_path / "m0.5.json").read_text())
    assert record["scale"] == given.scale
    assert record["arrays"]["tokens"] == [str(np.dtype(dtype)), *given.embeddings.tokens.shape]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m0.5.json", "m0.5.safetensors"]


def test_files_that_are_not_ours_are_refused(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    with pytest.raises(ValueError, match="got no file"):
        heads.load(tmp_path / "none")
    safetensors.save_file({"a": np.eye(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"expected a model that heads\.save wrote"):
        heads.load(tmp_path / "other")
    (tmp_path / "torn.safetensors").write_bytes(b"\x08\x00")
    with pytest.raises(ValueError, match="expected a saved model"):
        heads.load(tmp_path / "torn")
    heads.save(model(), tmp_path / "whole")
    whole = (tmp_path / "whole.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="expected a saved model"):
        heads.load(tmp_path / "cut")
    with pytest.raises(ValueError, match="expected a folder that exists"):
        heads.save(model(), tmp_path / "no" / "model")


@pytest.mark.parametrize(("readout", "dtype", "kind"), KINDS)
def test_weights_for_one_head_a_layer_make_the_same_model(readout, dtype, kind):
    given, tokens = model(readout, dtype, kind=kind), TASK.sample(4, rng=0).tokens
    found = heads.read(heads.head_weights(given), n_heads=1, norm="none")
    logits, (first, second) = found.run(tokens)
    rounding = 200 * np.finfo(dtype).eps
    wanted = given.logits(tokens)
    assert np.abs(logits - wanted).max() < rounding * (1 + np.abs(wanted).max())
    for maps, own in zip((first, second), given.attention(tokens), strict=True):
        assert np.abs(maps[:, 0] - own).max() < 10 * rounding


@pytest.mark.parametrize(
    ("call", "package"),
    [
        (lambda folder: heads.to_torch(model()), "torch"),
        (lambda folder: heads.from_torch(object()), "torch"),
        (lambda folder: heads.to_transformer_lens(model()), "torch"),
        (lambda folder: heads.save(model(), folder / "m"), "safetensors"),
        (lambda folder: heads.load(folder / "m"), "safetensors"),
        (lambda folder: heads.read(folder / "m.safetensors"), "safetensors"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(call, package, tmp_path, monkeypatch):
    from assocmem.heads import torch_module

    torch_module.frozen_module.cache_clear()
    (tmp_path / "m.safetensors").write_bytes(b"")
    load = builtins.__import__

    def absent(name, *args, **kwargs):
        if name.split(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=rf"{package}: .*pip install 'assocmem\[interop\]'"):
        call(tmp_path)


# --- with torch


@pytest.mark.parametrize(("readout", "dtype", "kind"), KINDS)
def test_a_torch_module_computes_the_same_and_comes_back(readout, dtype, kind):
    torch = pytest.importorskip("torch")
    given, tokens = model(readout, dtype, kind=kind), TASK.sample(6, rng=0).tokens
    module = heads.to_torch(given)
    assert {n for n, _ in module.named_parameters()} == set(given.weights)
    with torch.no_grad():
        logits = module(torch.tensor(tokens)).numpy()
        maps = [each.numpy() for each in module.attention(torch.tensor(tokens))]
    within = 1e-5 if dtype == np.float32 else 1e-12
    wanted = given.logits(tokens)
    assert logits.dtype == dtype
    np.testing.assert_allclose(logits, wanted, rtol=within, atol=within)
    for found, own in zip(maps, given.attention(tokens), strict=True):
        np.testing.assert_allclose(found, own, rtol=0, atol=within)
    assert np.abs(logits - wanted[::-1]).max() > 100 * within  # it can fail
    back = heads.from_torch(module)
    if kind in ("arrays", "trained"):
        assert_same_bits(given, back)
    else:
        np.testing.assert_allclose(back.logits(tokens), wanted, rtol=within, atol=within)
    again = heads.from_torch(heads.to_torch(back))
    assert_same_bits(back, again)


def test_gradients_in_torch_are_ours():
    torch = pytest.importorskip("torch")
    given, batch = model("residual", kind="arrays"), TASK.sample(8, rng=1)
    module = heads.to_torch(given)
    logits = module(torch.tensor(batch.tokens))[:, -1]
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(batch.targets[:, -1]))
    loss.backward()
    own, gradients = given.loss_and_gradients(batch, ("W_K1", "W_K2", "W_O2", "W_F"))
    assert abs(loss.item() - own) < PRODUCTS
    for name, gradient in gradients.items():
        found = module.get_parameter(name).grad.numpy()
        np.testing.assert_allclose(found, gradient, rtol=0, atol=PRODUCTS)


def test_images_that_are_not_the_matrices_are_not_handed_out():
    pytest.importorskip("torch")
    from dataclasses import replace

    given = model()
    other = replace(given.embeddings, remapped_tokens=given.embeddings.remapped_tokens + 1e-3)
    with pytest.raises(ValueError, match="expected images under Phi1"):
        heads.to_torch(am.FrozenTransformer(other))
    with pytest.raises(TypeError, match=r"Read others with heads\.read"):
        heads.from_torch(given)


@pytest.mark.slow
@pytest.mark.parametrize(("readout", "dtype", "kind"), KINDS)
@pytest.mark.filterwarnings("default")  # of the packages that TransformerLens loads
def test_transformer_lens_computes_the_same(readout, dtype, kind):
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformer_lens")
    given, tokens = model(readout, dtype, kind=kind), TASK.sample(6, rng=0).tokens
    bridge = heads.to_transformer_lens(given)
    with torch.no_grad():
        logits, cache = bridge.run_with_cache(torch.tensor(tokens))
    wanted = given.logits(tokens)
    np.testing.assert_allclose(logits.numpy(), wanted, rtol=SINGLE, atol=SINGLE)
    for l, own in enumerate(given.attention(tokens)):
        found = cache[f"blocks.{l}.attn.hook_pattern"][:, 0].numpy()
        np.testing.assert_allclose(found, own, rtol=0, atol=SINGLE)
    # and back: its state dict and its stacks are read as what they are
    stacks = {name: getattr(bridge, name) for name in ("W_E", "W_pos", "W_U", "b_U")}
    stacks |= {f"{kind}_{x}": getattr(bridge, f"{kind}_{x}") for kind in "Wb" for x in "QKVO"}
    for weights, options in ((bridge.state_dict(), {"n_heads": 1}), (stacks, {})):
        read = heads.read(weights, norm="none", **options)
        np.testing.assert_allclose(read.run(tokens)[0], wanted, rtol=SINGLE, atol=SINGLE)

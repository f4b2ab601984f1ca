"""Top-down on in-context bigrams: an induction head by one step a memory."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am


def test_three_steps_after_the_bigrams_make_an_induction_head():
    task = am.BigramTask(length=24, triggers=[2], loss="all")
    run = am.top_down(task, readout="residual", sequences=4000, evaluate_on=500, rng=0)
    assert run.failure is None
    assert [step.name for step in run.steps] == ["W_F", "W_O2", "W_K2", "W_K1"]
    assert run.recall["W_O2"] == run.recall["W_K2"] == 1
    assert run.recall["W_K1"] > 0.8
    # chance is 1/64; measured 0.9, of about 300 predictions
    assert run.accuracy.value > 0.6
    before = run.steps[-2].evaluation
    assert run.attention > 4 * before.attention
    assert run.accuracy.value > 4 * before.accuracy.value


def test_without_the_bigrams_the_first_step_points_elsewhere():
    task = am.BigramTask(length=24, n_triggers=1, loss="all")
    run = am.top_down(task, readout="attention", evaluate_on=None, rng=0)
    assert run.failed_step == 1
    assert "W_O2 has strength -0.000" in run.failure


def test_a_step_moves_the_block_of_its_memory_alone():
    task = am.BigramTask(am.Language.uniform(4), 6, n_triggers=1)
    emb = am.FrozenEmbeddings.orthonormal(task)
    first = am.gradients.bigram_memory_step("W_O2", am.FrozenTransformer(emb), task)
    assert not first.coefficients[:, 4:].any()
    model = am.FrozenTransformer(emb, W_O2=first)
    second = am.gradients.bigram_memory_step("W_K2", model, task)
    kept = np.zeros_like(second.coefficients, dtype=bool)
    kept[:4, 10:14] = True
    assert not second.coefficients[~kept].any()
    exact = am.gradients.bigram_step(task, "W_K2", first=first.coefficients)["remapped_tokens"]
    np.testing.assert_array_equal(second.coefficients[:4, 10:14], exact)
    with pytest.raises(ValueError, match="Take step 1 first"):
        am.gradients.bigram_memory_step("W_K2", am.FrozenTransformer(emb), task)


def test_the_position_after_the_last_occurrence():
    batch = am.BigramTask(length=30).sample(5, rng=0)
    for tokens, goal in zip(batch.tokens, batch.after_last_occurrence, strict=True):
        for t, token in enumerate(tokens):
            before = [s + 1 for s in range(t) if tokens[s] == token]
            assert goal[t] == (before[-1] if before else -1)


def test_the_divergence_is_that_of_the_metrics(seed):
    task = am.BigramTask(length=16, n_triggers=2, loss="all")
    emb = am.FrozenEmbeddings.random(task, width=32, rng=seed)
    rng = np.random.default_rng(seed)
    weights = {name: rng.normal(size=(32, 32)) for name in ("W_K1", "W_K2", "W_O2", "W_F")}
    model = am.FrozenTransformer(emb, readout="residual", **weights)
    batch = task.sample(5, rng=rng)
    divergence = am.bigram_divergence(model, batch, task.language)
    logits = model.logits(batch.tokens)
    found = []
    for tokens, rows, plain in zip(batch.tokens, logits, ~batch.is_trigger, strict=True):
        for token, row in zip(tokens[plain], rows[plain], strict=True):
            p = np.exp(row - row.max())
            law = task.language.bigram[token]
            found.append(sum(q * np.log(q / r) for q, r in zip(law, p / p.sum(), strict=True) if q))
    assert divergence == pytest.approx(np.mean(found))
    with pytest.raises(TypeError, match="batch"):
        am.bigram_divergence(model, am.InductionTask(65, 16).sample(2, rng=0), task.language)

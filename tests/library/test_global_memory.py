"""W_F as a memory of the global bigrams, by itself."""

import numpy as np
import pytest
from scipy.special import softmax

import assocmem as am
from assocmem.training.metrics import _of_W_F
from tests.rounding import PRODUCTS


def language(n, rng):
    """Bigrams without zeros or ties."""
    return am.Language.from_counts(1 + rng.choice(10**6, size=(n, n), replace=False))


def written(task, logits):
    """W_F over orthonormal atoms with these logits (token, next token)."""
    emb = am.FrozenEmbeddings.orthonormal(task)
    return emb, emb.outputs.T @ logits.T @ emb.tokens


@pytest.mark.parametrize("triggers", [(0,), (1, 3), "random"])
def test_it_is_known_when_the_logits_are_those_of_the_bigrams(triggers):
    rng = np.random.default_rng()
    task = am.BigramTask(language(6, rng), length=8, triggers=triggers, n_triggers=2)
    logits = np.log(task.language.bigram)
    found = _of_W_F(task, *written(task, logits + rng.normal(size=(6, 1))))
    assert found["recall_W_F"] == 1
    assert found["bigram_kl_W_F"] == pytest.approx(0, abs=PRODUCTS)
    flipped = _of_W_F(task, *written(task, -logits))
    assert flipped["recall_W_F"] == 0
    assert flipped["bigram_kl_W_F"] > 0.01


@pytest.mark.parametrize("triggers", [(0,), (1, 3), "random"])
def test_its_divergence_is_that_of_the_definition(triggers):
    """Over tokens that are no fixed triggers, by their frequency; with random ones over all."""
    rng = np.random.default_rng()
    task = am.BigramTask(language(6, rng), length=8, triggers=triggers, n_triggers=2)
    logits, law = rng.normal(size=(6, 6)), task.language.bigram
    plain = [i for i in range(6) if triggers == "random" or i not in triggers]
    predicted, weight = softmax(logits, axis=1), task.language.unigram
    by_hand = sum(weight[i] * (law[i] @ np.log(law[i] / predicted[i])) for i in plain)
    by_hand /= weight[plain].sum()
    found = _of_W_F(task, *written(task, logits))
    assert found["bigram_kl_W_F"] == pytest.approx(by_hand, rel=PRODUCTS)
    right = np.mean([logits[i].argmax() == law[i].argmax() for i in plain])
    assert found["recall_W_F"] == pytest.approx(right)


def test_only_single_maxima_are_asked():
    counts = np.array([[5, 5, 1], [1, 2, 3], [4, 1, 1]])
    task = am.BigramTask(am.Language.from_counts(counts), length=8, n_triggers=1, triggers=(2,))
    assert task.bigram_pairs().tolist() == [[1, 2]]


def test_the_history_has_it_where_W_F_is_trained():
    task = am.BigramTask(length=16, loss="all")
    setting = am.training.published(task, width=16, batch_size=16, rng=0)
    with_it = am.training.train(
        task, **setting, steps=1, trained=("W_K1", "W_K2", "W_O2", "W_F")
    ).history
    assert {"recall_W_F", "bigram_kl_W_F"} <= set(with_it)

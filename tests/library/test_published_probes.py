"""The probes with the published ranges, against their definition in plain products."""

import numpy as np
import pytest

import assocmem as am


@pytest.mark.parametrize("triggers", [(4, 1, 7), "random"])
def test_ranges_are_those_of_the_publication(triggers):
    rng = np.random.default_rng()
    task = am.BigramTask(am.Language.zipf(9), length=7, triggers=triggers, n_triggers=3)
    # in float64, where no two scores are equal but for rounding
    emb = am.training.published(task, width=12, rng=rng, dtype=np.float64)["embeddings"]
    W = {name: rng.normal(size=(12, 12)) for name in ("W_O2", "W_K2", "W_K1")}
    q = task.trigger_tokens
    read = emb.outputs @ W["W_O2"] @ emb.W_V2 @ emb.tokens.T
    asked = emb.tokens[q] @ W["W_K2"] @ emb.Phi1 @ emb.tokens[q].T
    before = emb.positions[1:] @ W["W_K1"] @ emb.positions[:-1].T
    by_hand = {
        "W_O2": np.mean(read.argmax(axis=0) == np.arange(9)),
        "W_K2": np.mean(asked.argmax(axis=1) == np.arange(len(q))),
        "W_K1": np.mean(before.argmax(axis=1) == np.arange(6)),
    }
    probes = am.training.published_probes(task, emb)
    assert {n: p.recall(W[n]) for n, p in probes.items()} == pytest.approx(by_hand)


@pytest.mark.parametrize("triggers", [(4, 1, 7), "random"])
def test_what_is_wanted_is_recalled_where_nothing_overlaps(triggers):
    task = am.BigramTask(am.Language.zipf(9), length=7, triggers=triggers, n_triggers=3)
    probes = am.training.published_probes(task, am.FrozenEmbeddings.orthonormal(task))
    for probe in probes.values():
        assert probe.recall(probe.wanted()) == 1
        assert probe.recall(-probe.wanted()) == 0


def test_other_tasks_are_refused():
    task = am.InductionTask(5, 6)
    with pytest.raises(TypeError, match="task: expected"):
        am.training.published_probes(task, am.FrozenEmbeddings.orthonormal(task))

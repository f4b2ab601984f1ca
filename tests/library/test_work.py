"""Operations are in proportion to what is asked: all ufuncs and products of the passes count."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

import assocmem as am
from assocmem import training
from assocmem.model import passes, streams

BATCH, LENGTH = 24, 64
TASK = am.InductionTask(n_tokens=8, length=LENGTH)
COUNTS = [1, 2, 4, 8, 16, 32, 64]
TOLERANCE = 0.15  # of a share: the one map of layer 1, blocks of keys that end with a query


class Counted(np.ndarray):
    """An array that adds up the operations on it and on all that comes of it."""

    done = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        plain = [x.view(np.ndarray) if isinstance(x, Counted) else x for x in inputs]
        if out is not None:
            options["out"] = tuple(x.view(np.ndarray) if isinstance(x, Counted) else x for x in out)
        result = getattr(ufunc, method)(*plain, **options)
        sizes = [np.size(result), *map(np.size, plain)]
        inner = np.shape(plain[0])[-1] if ufunc in (np.matmul, np.vecdot) else 1
        Counted.done += 2 * np.size(result) * inner if inner > 1 else max(sizes)
        if out is not None:
            return out[0]
        return result.view(Counted) if isinstance(result, np.ndarray) else result


def counted(tables: passes.Tables) -> passes.Tables:
    """The same tables, whose arrays count."""
    for name, value in vars(tables.first).items() if tables.first else ():
        if isinstance(value, np.ndarray):
            setattr(tables.first, name, value.view(Counted))
    arrays = {f.name: getattr(tables, f.name) for f in fields(tables)}
    return replace(
        tables, **{k: v.view(Counted) for k, v in arrays.items() if isinstance(v, np.ndarray)}
    )


@pytest.fixture
def work(monkeypatch):
    """Operations in the passes of a call; tables that depend on the weights alone do not count."""
    buffer = streams.Buffers.__call__
    monkeypatch.setattr(streams.Buffers, "__call__", lambda *given: buffer(*given).view(Counted))
    for model in am.FrozenTransformer, training.TrainingStep:
        tables = model._tables
        monkeypatch.setattr(model, "_tables", lambda *given, of=tables: counted(of(*given)))

    def of(call):
        Counted.done = 0
        call()
        return Counted.done

    return of


def batch_with(predictions: int) -> am.Batch:
    """Sequences with so many positions that carry loss in each, over all of the length."""
    tokens = np.random.default_rng(0).integers(8, size=(BATCH, LENGTH))
    at = np.arange(1, predictions + 1) * LENGTH // predictions - 1
    weights = np.zeros((BATCH, LENGTH))
    weights[:, at] = 1 / (BATCH * predictions)
    return am.Batch(tokens=tokens, targets=tokens % 7, weights=weights)


def deviation(work, call, *, fixed: bool = False) -> float:
    """How far operations are from their share of those at all positions, over that share.

    With ``fixed``, what a single position needs counts once: then the rest is in proportion.
    """
    costs = {asked: work(lambda n=asked: call(batch_with(n))) for asked in COUNTS}
    one = costs[1] if fixed else 0
    first, last = (1, LENGTH) if fixed else (0, LENGTH)
    each = (costs[last] - one) / (last - first)
    return max(abs((costs[n] - one) / (each * (n - first)) - 1) for n in COUNTS if n > first)


def positions(batch: am.Batch) -> np.ndarray:
    return np.flatnonzero(batch.weights[0])


FROZEN = am.FrozenEmbeddings.orthonormal(TASK)
# Layer 1 looks at positions alone, so that it has one map, and is as good as free.
HEAD = am.FrozenTransformer(FROZEN, **am.induction_head(TASK, FROZEN, beta=2.0))
DRAWN = am.FrozenEmbeddings.random(TASK, width=32, rng=0)
WEIGHTS = {name: am.gaussian(32, 32, rng=1) for name in ("W_K1", "W_K2", "W_O2")}
STEP = training.TrainingStep(DRAWN, readout="attention")
OWN_MAPS = am.FrozenTransformer(DRAWN, **WEIGHTS)
ALL_OF_IT = {
    "logits": lambda batch: HEAD.logits(batch.tokens, positions=positions(batch)),
    "loss": HEAD.loss,
    "gradient on W_O2": lambda batch: HEAD.loss_and_memories(batch, ("W_O2",)),
}
BUT_FOR_LAYER_1 = {
    "logits": lambda batch: OWN_MAPS.logits(batch.tokens, positions=positions(batch)),
    "gradients": OWN_MAPS.loss_and_memories,
    "training": lambda batch: STEP.loss_and_gradients(WEIGHTS, batch),
    "prediction": lambda batch: STEP.predict(WEIGHTS, batch.tokens, batch.weights > 0),
}


@pytest.mark.parametrize("what", ALL_OF_IT)
def test_work_is_in_proportion_to_the_positions(work, what):
    assert deviation(work, ALL_OF_IT[what]) < TOLERANCE


@pytest.mark.parametrize("what", BUT_FOR_LAYER_1)
def test_work_behind_layer_1_is_in_proportion_to_the_positions(work, what):
    assert deviation(work, BUT_FOR_LAYER_1[what], fixed=True) < TOLERANCE


@pytest.mark.parametrize("extra", [1, 8])
def test_positions_that_nobody_asked_for_would_be_seen(work, extra, monkeypatch):
    """Even a single one besides those that are asked for."""
    chunks = passes.Tables.chunks
    more = np.arange(LENGTH) % (LENGTH // extra) == 0
    monkeypatch.setattr(passes.Tables, "chunks", lambda t, z, where: chunks(t, z, where | more))
    for what in "loss", "gradient on W_O2":
        assert deviation(work, ALL_OF_IT[what]) > TOLERANCE


def test_sequences_without_loss_cost_nothing(work):
    batch = TASK.sample(BATCH, rng=0)
    some = batch.weights * (np.arange(BATCH) % 4 == 0)[:, None]
    quarter = am.Batch(tokens=batch.tokens, targets=batch.targets, weights=some / some.sum())
    assert work(lambda: HEAD.loss(quarter)) / work(lambda: HEAD.loss(batch)) < 0.25 + TOLERANCE


def test_evaluation_costs_one_position(work):
    batch = TASK.sample(BATCH, rng=0)
    last = work(lambda: HEAD.logits(batch.tokens, positions=[-1]))
    assert work(lambda: am.evaluate(HEAD, batch)) == last


def test_operations_are_those_of_the_products():
    left, right = np.ones((3, 4, 5)).view(Counted), np.ones((5, 7))
    Counted.done = 0
    product = left @ right
    assert Counted.done == 2 * 3 * 4 * 5 * 7
    product += 1
    product.sum(axis=0)
    assert Counted.done == (2 * 5 + 2) * 3 * 4 * 7

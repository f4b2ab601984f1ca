"""Populations up to symmetry: patterns, symmetric tables, the model on a few representatives."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import assocmem as am
from assocmem.model.blocks import BlockTable
from assocmem.model.symmetric import LEARNED, SymmetricTransformer
from assocmem.tasks.symmetry import Patterns, set_partitions
from tests.rounding import PRODUCTS
from validation.symmetry.p1 import random_weights

AGREE = PRODUCTS


@st.composite
def tasks(draw):
    """Small tasks of every kind, with fewer content tokens than positions and with more."""
    length = draw(st.integers(3, 6))
    n_tokens = draw(st.integers(3, {3: 9, 4: 8, 5: 7, 6: 5}[length]))
    if draw(st.booleans()):
        return am.InductionTask(n_tokens, length, "random", "all")
    k = draw(st.integers(1, n_tokens - 2))
    return am.InductionTask(n_tokens, length, k, draw(st.sampled_from(["content", "all"])))


# Patterns


@pytest.mark.parametrize("size", range(1, 7))
@pytest.mark.parametrize("most", [None, 1, 2, 3])
def test_set_partitions_are_all_words_up_to_renaming(size, most):
    def by_first_occurrence(word):
        names = {}
        return tuple(names.setdefault(letter, len(names)) for letter in word)

    words = itertools.product(range(size if most is None else most), repeat=size)
    expected = sorted({by_first_occurrence(word) for word in words})
    assert [tuple(row) for row in set_partitions(size, most).tolist()] == expected


def pattern_of(tokens):
    names = {}
    return tuple(names.setdefault(token, len(names)) for token in tokens[::-1])


@given(tasks())
def test_patterns_count_the_sequences(task):
    patterns = task.patterns()
    every = Counter(pattern_of(row) for row in task.enumerate().tokens.tolist())
    found = [pattern_of(row) for row in patterns.batch.tokens.tolist()]
    assert dict(zip(found, patterns.counts, strict=True)) == every
    assert sum(patterns.counts) == task.n_sequences
    shares = np.array(patterns.counts) / task.n_sequences
    assert np.abs(patterns.batch.weights[:, -1] / shares - 1).max() <= AGREE
    assert patterns.multiplicities.sum(axis=1) == pytest.approx(task.n_outputs, rel=AGREE)
    rows, label = np.arange(len(patterns)), patterns.batch.targets[:, -1]
    assert (patterns.multiplicities[rows, label] == 1).all()


@pytest.mark.parametrize("n", [10, 10**6, 10**40])
def test_the_number_of_patterns_does_not_depend_on_the_vocabulary(n):
    patterns = am.InductionTask(n, 8, 2, "all").patterns()
    assert len(patterns) == 6 * 203  # places, and Bell's number of 6
    assert patterns.representatives.n_tokens == 2 + 7
    assert sum(patterns.counts) == 2 * 6 * (n - 2) ** 6


def test_a_task_with_few_tokens_represents_itself():
    task = am.InductionTask(4, 6, 2)
    patterns = task.patterns()
    assert patterns.representatives == task
    assert (patterns.multiplicities == 1).all()


def test_too_many_patterns_are_refused_with_their_number():
    task = am.InductionTask(10**6, 16)
    count = 14 * int(sympy.bell(14))
    with pytest.raises(ValueError, match=f"got more: {count} patterns of length 16"):
        task.patterns()
    small = am.InductionTask(5, 4)
    with pytest.raises(ValueError, match="4 patterns of length 4 need"):
        small.patterns(8)


def test_a_symbolic_task_has_no_patterns():
    task = am.InductionTask(sympy.Symbol("N"), 4)
    with pytest.raises(TypeError, match="patterns: expected numbers"):
        task.patterns()


def test_mean_is_the_expectation():
    task = am.InductionTask(5, 5, 2)
    patterns, every = task.patterns(), task.enumerate()
    repeats = np.array([len(set(row)) < 4 for row in every.tokens.tolist()])
    assert patterns.mean(patterns.n_different < 3) == pytest.approx(repeats.mean(), rel=AGREE)
    tau = (every.tokens[:, :-1] == every.tokens[:, -1:]).argmax(axis=1)
    small = patterns.batch.tokens
    place = (small[:, :-1] == small[:, -1:]).argmax(axis=1)
    assert patterns.mean(place, where=place > 0) == pytest.approx(tau[tau > 0].mean(), rel=AGREE)
    with pytest.raises(ValueError, match="values, where: expected a number for each of the 15"):
        patterns.mean([1.0, 2.0])
    with pytest.raises(ValueError, match="where: expected a condition that some pattern meets"):
        patterns.mean(place, where=place > 9)


# Tables


@given(tasks(), st.sampled_from(LEARNED), st.integers(0, 2**32))
def test_from_coefficients_inverts_coefficients(task, matrix, seed):
    table = random_weights(task, np.random.default_rng(seed))[matrix]
    again = BlockTable.from_coefficients(task, matrix, table.coefficients())
    assert np.abs(again.coefficients() - table.coefficients()).max() <= AGREE


def test_average_is_the_mean_over_renamings():
    task = am.InductionTask(5, 3, 2, "all")
    given_coefficients = np.random.default_rng().normal(size=(5, 16))
    total, names = 0, []
    for triggers in itertools.permutations((0, 1)):
        names += [[*triggers, *rest] for rest in itertools.permutations((2, 3, 4))]
    for name in map(np.array, names):
        positions = np.arange(5, 8)
        columns = np.concatenate([name, positions, 8 + name, 8 + positions])
        total = total + given_coefficients[np.ix_(name, columns)] / len(names)
    averaged = BlockTable.averaged(task, "W_O2", given_coefficients, task)
    assert np.abs(averaged.coefficients() - total).max() <= AGREE


def test_asymmetric_coefficients_are_refused():
    task = am.InductionTask(5, 4)
    coefficients = am.gradients.first_step(task).coefficients()
    BlockTable.from_coefficients(task, "W_O2", coefficients)
    coefficients[0, 1] += 1e-6
    with pytest.raises(ValueError, match="coefficients: expected the same for all tokens"):
        BlockTable.from_coefficients(task, "W_O2", coefficients)
    coefficients[0, 1] = np.nan
    with pytest.raises(ValueError, match="coefficients: expected finite numbers"):
        BlockTable.from_coefficients(task, "W_O2", coefficients)
    with pytest.raises(ValueError, match=r"coefficients: expected shape \(4, 18\), W_O2"):
        BlockTable.from_coefficients(task, "W_O2", np.ones((18, 4)))


def test_the_table_of_the_first_layer_may_hold_tokens():
    task = am.InductionTask(5, 4, 2)
    emb = am.FrozenEmbeddings.orthonormal(task)
    table = random_weights(task, np.random.default_rng())["W_K1"]
    memory = table.memory(emb)
    assert memory.coefficients.shape == (9, 9)
    assert np.array_equal(memory.matrix[:9, :9], table.coefficients())
    positions = BlockTable(
        task, "W_K1", {("positions", "positions"): table["positions", "positions"]}
    )
    assert positions.memory(emb).coefficients.shape == (4, 4)


# The model


@given(tasks(), st.integers(0, 2**32))
def test_equal_to_the_model_on_the_full_population(task, seed):
    weights = random_weights(task, np.random.default_rng(seed))
    model = SymmetricTransformer(task, **weights)
    loss, tables = model.loss_and_tables(task.patterns())
    emb = am.FrozenEmbeddings.orthonormal(task)
    full = am.FrozenTransformer(emb, **{n: t.memory(emb) for n, t in weights.items()})
    full_loss, memories = full.loss_and_memories(task.enumerate())
    assert loss == pytest.approx(full_loss, rel=AGREE)
    scale = max(np.abs(memory.coefficients).max() for memory in memories.values())
    for name, memory in memories.items():
        gap = np.abs(tables[name].coefficients() - memory.coefficients).max()
        assert gap <= AGREE * scale, name


@pytest.mark.parametrize(
    ("k", "predict"), [*itertools.product([1, 50], ["content", "all"]), ("random", "all")]
)
def test_the_first_step_at_a_million_tokens(k, predict):
    task = am.InductionTask(10**6, 7, k, predict)
    patterns = task.patterns()
    loss, tables = SymmetricTransformer(task).loss_and_tables(patterns)
    assert loss == pytest.approx(math.log(task.n_outputs), rel=AGREE)
    closed = am.gradients.first_step(task)
    small = patterns.representatives  # where only pairs that exist have an entry
    expected, negative = (table.on(small).coefficients() for table in (closed, tables["W_O2"]))
    assert np.abs(expected + negative).max() <= AGREE * np.abs(expected).max()


def test_three_steps_equal_those_on_the_full_population():
    task, margins = am.InductionTask(7, 6), (0.5, 10.0, 5.0)
    run = am.top_down(
        task, margins=margins, gradient="population", blocks="all", evaluate_on=None, rng=0
    )
    exact = am.top_down(task, margins=margins, gradient="exact", blocks="all")
    model = exact.model()
    for name, memory in run.memories.items():
        expected, found = memory.coefficients, model.weights[name].coefficients()
        # the lead by which a step is scaled is a difference of coefficients: it rounds as they do
        assert np.abs(found - expected).max() <= 100 * AGREE * np.abs(expected).max(), name


def test_position_blocks_alone():
    task = am.InductionTask(10**6, 7)
    model = am.top_down(task, gradient="exact").model()
    assert list(model.weights["W_K1"]) == [("positions", "positions")]
    assert repr(model) == f"SymmetricTransformer({task}, non-zero=['W_K1', 'W_K2', 'W_O2'])"
    patterns = task.patterns()
    before, _ = SymmetricTransformer(task).loss_and_tables(patterns, ())
    after, _ = model.loss_and_tables(patterns, ())
    assert after < before


def test_a_step_without_a_lead_is_refused():
    run = am.top_down(am.InductionTask(10**6, 4), gradient="exact")
    assert run.failed_step == 2
    assert run.failure.startswith("the gradient on W_K2 has strength -")


def test_bad_settings_are_refused():
    task = am.InductionTask(7, 6)
    with pytest.raises(ValueError, match="margins: expected three positive numbers"):
        am.top_down(task, margins=(0.5, 10.0), gradient="exact")
    with pytest.raises(ValueError, match="blocks: expected one of"):
        am.top_down(task, blocks="tokens", gradient="exact")
    emb = am.FrozenEmbeddings.orthonormal(task)
    for options in {"embeddings": emb}, {"evaluate_on": 5}, {"pairs": {"W_O2": [[1, 0]]}}:
        with pytest.raises(ValueError, match="embeddings, pairs, evaluate_on: expected none with"):
            am.top_down(task, gradient="exact", **options)
    for options in {"readout": "residual"}, {"sequences": 9}:
        with pytest.raises(ValueError, match="readout, sequences: expected 'attention' and None"):
            am.top_down(task, gradient="exact", **options)
    with pytest.raises(TypeError, match="task: expected an InductionTask, with numeric sizes"):
        am.top_down(am.BigramTask(length=5), gradient="exact")


@pytest.mark.parametrize("blocks", ["position", "all"])
def test_an_exact_run_is_saved_and_read(tmp_path, blocks):
    task = am.InductionTask(40, 6, 2)
    run = am.top_down(task, gradient="exact", blocks=blocks)
    run.save(tmp_path / "run")
    again = am.TopDownRun.load(tmp_path / "run")
    assert (repr(again), again.embeddings) == (repr(run), None)
    for name, table in run.memories.items():
        assert list(table) == list(again.memories[name])
        for block in table:
            found, expected = again.memories[name].block(*block), table.block(*block)
            np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="interval: expected a rate over equally weighted draws"):
        again.accuracy.interval()


def test_only_symmetric_weights_of_the_task_are_taken():
    task = am.InductionTask(6, 5)
    emb, first = am.FrozenEmbeddings.orthonormal(task), am.gradients.first_step(task)
    with pytest.raises(TypeError, match=r"W_O2: expected a BlockTable; got .*alike within a class"):
        SymmetricTransformer(task, W_O2=first.memory(emb))
    with pytest.raises(ValueError, match="W_K2: expected a table of W_K2"):
        SymmetricTransformer(task, W_K2=first)
    with pytest.raises(ValueError, match="W_O2: expected a table of W_O2 for InductionTask"):
        SymmetricTransformer(am.InductionTask(7, 5), W_O2=first)
    with pytest.raises(TypeError, match="task: expected an InductionTask with numeric sizes"):
        SymmetricTransformer(am.InductionTask(sympy.Symbol("N"), 5))
    model = SymmetricTransformer(task)
    with pytest.raises(TypeError, match="patterns: expected Patterns; got InductionBatch"):
        model.loss_and_tables(task.enumerate())
    with pytest.raises(ValueError, match="patterns: expected those of"):
        model.loss_and_tables(am.InductionTask(7, 5).patterns())
    with pytest.raises(ValueError, match="wrt: expected names"):
        model.loss_and_tables(task.patterns(), ("W_F",))


# Multiplicities


@pytest.mark.parametrize("label", [1, 3])
def test_a_class_that_counts_three_times_is_three_classes(label):
    rng = np.random.default_rng()
    task, wide = am.InductionTask(5, 4), am.InductionTask(7, 4)
    small, large = (am.FrozenEmbeddings.orthonormal(t) for t in (task, wide))
    weights = rng.normal(size=(4, 18))
    repeated = np.zeros((6, 22))  # token 4 becomes tokens 4, 5, 6, which no sequence holds
    columns = [0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13, 14, 15, 18, 19, 20, 21]
    repeated[np.ix_(range(6), columns)] = weights[[0, 1, 2, 3, 3, 3]]
    batch = am.Batch(tokens=[[1, 0, 2, 1]], targets=[[-1, -1, -1, label]], weights=[[0, 0, 0, 1]])
    found, gradient = [], []
    for emb, coefficients, counts in ((small, weights, [[1, 1, 1, 3]]), (large, repeated, None)):
        memory = am.AssociativeMemory(
            keys=emb.values, values=emb.outputs, coefficients=coefficients
        )
        model = am.FrozenTransformer(emb, W_O2=memory)
        loss, memories = model.loss_and_memories(batch, ("W_O2",), multiplicities=counts)
        found.append(loss)
        gradient.append(memories["W_O2"].coefficients)
    assert found[0] == pytest.approx(found[1], rel=AGREE)
    summed = np.vstack([gradient[1][:3], gradient[1][3:].sum(axis=0)])[:, columns]
    assert np.abs(gradient[0] - summed).max() <= AGREE


@pytest.mark.parametrize("counts", [[[1.0, 1.0]], [[1, 1, 1, 0]], [[1, 1, 1, np.nan]]])
def test_bad_multiplicities_are_refused(counts):
    task = am.InductionTask(5, 4)
    model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
    batch = task.sample(1, rng=0)
    with pytest.raises(ValueError, match=r"multiplicities: expected (positive|finite) numbers"):
        model.loss_and_memories(batch, multiplicities=counts)


def test_patterns_show_their_number():
    patterns = am.InductionTask(5, 4).patterns()
    assert isinstance(patterns, Patterns)
    assert repr(patterns) == "Patterns(4 patterns of 32 sequences)"

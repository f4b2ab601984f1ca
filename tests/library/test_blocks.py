"""BlockTable: from class coefficients to the full array, entry by entry."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import assocmem as am
from assocmem.model.families import ATOMS, OUTPUTS, POSITIONS, REMAPPED_POSITIONS, TokenBlock

TASKS = [
    am.InductionTask(5, 4, 1),
    am.InductionTask(5, 4, 2),
    am.InductionTask(5, 4, 3),
    am.InductionTask(5, 4, 1, predict="all"),
    am.InductionTask(5, 4, 2, predict="all"),
    am.InductionTask(5, 4, "random", predict="all"),
]
AXES = {"W_O2": ((OUTPUTS,), ATOMS), "W_K2": (ATOMS, ATOMS), "W_K1": ((POSITIONS,), (POSITIONS,))}
cases = pytest.mark.parametrize("task", TASKS, ids=str)
matrices = pytest.mark.parametrize("matrix", AXES)

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=10, deadline=None)


def is_position(family):
    return family in (POSITIONS, REMAPPED_POSITIONS)


def draw_table(seed, task, matrix):
    """A table with random numbers in every block."""
    rng, classes = np.random.default_rng(seed), 1 if task.random_triggers else 2
    blocks = {}
    for row, column in product(*AXES[matrix]):
        rows, columns = (task.length if is_position(f) else classes for f in (row, column))
        block = rng.normal(size=(rows, columns))
        if not is_position(row) and not is_position(column):
            block = TokenBlock(block, rng.normal(size=classes))
        blocks[row, column] = block
    return am.BlockTable(task, matrix, blocks)


def atoms(task, families):
    """(family, token or position) of every row or column, in the order of FrozenEmbeddings."""
    ids = {OUTPUTS: task.outputs}
    for family in ATOMS:
        ids[family] = np.arange(task.length if is_position(family) else task.n_tokens)
    return [(family, int(i)) for family in families for i in ids[family]]


def entry(task, table, row, column):
    """The coefficient of two atoms, as the docstring of BlockTable says."""
    (row_family, i), (column_family, j) = row, column
    block = table[row_family, column_family]

    def index(family, i):
        return i if is_position(family) else int(not task.random_triggers and i >= task.n_triggers)

    if isinstance(block, TokenBlock):
        if i == j:
            return block.same[index(row_family, i)]
        block = block.different
    return block[index(row_family, i), index(column_family, j)]


@cases
@matrices
@few
@given(seed=seeds)
def test_coefficients_entry_by_entry(task, matrix, seed):
    table = draw_table(seed, task, matrix)
    rows, columns = (atoms(task, families) for families in AXES[matrix])
    expected = [[entry(task, table, row, column) for column in columns] for row in rows]
    np.testing.assert_array_equal(table.coefficients(), expected)
    for row, column in table:
        part = [[c[0] == column for c in columns] for _ in rows]
        part = np.array(part) & np.array([[r[0] == row] for r in rows])
        np.testing.assert_array_equal(table.block(row, column).ravel(), np.array(expected)[part])


@cases
@matrices
@few
@given(seed=seeds)
def test_lead_is_that_of_the_full_array(task, matrix, seed):
    """For every cue: the right coefficient minus the largest competing one."""
    table = draw_table(seed, task, matrix)
    full = table.coefficients()
    if matrix == "W_O2":
        cues = [(full[:, k], k - task.outputs[0]) for k in task.contents]
    elif matrix == "W_K2":
        start = task.n_tokens + task.length  # of the keys Φ₁ w_E
        cues = [(full[q, start : start + task.n_tokens], q) for q in task.triggers]
    else:
        cues = [(full[t, : t + 1], t - 1) for t in range(1, task.length - 1)]
    leads = [scores[right] - np.delete(scores, right).max() for scores, right in cues]
    if matrix != "W_K1":
        np.testing.assert_array_equal(leads, [leads[0]] * len(leads))  # by symmetry
    assert table.lead == np.median(leads)


@cases
@matrices
@few
@given(seed=seeds)
def test_memory_is_the_sum_of_outer_products(task, matrix, seed):
    table = draw_table(seed, task, matrix)
    emb = am.FrozenEmbeddings.random(task, width=7, rng=seed)
    vectors = {family: getattr(emb, family) for family in (OUTPUTS, *ATOMS)}
    W_V2 = emb.W_V2 if matrix == "W_O2" else np.eye(emb.width)

    def outer_products(part):
        return sum(
            part(vectors[row]).T
            @ part(table.block(row, column))
            @ (part(vectors[column]) @ part(W_V2).T)
            for row, column in table
        )

    terms = sum(table.coefficients().shape) + emb.width + len(list(table))
    rounding = terms * np.finfo(float).eps * outer_products(abs).max()
    error = abs(table.memory(emb).matrix - outer_products(np.asarray)).max()
    assert error <= rounding
    assert abs(table.memory(emb).matrix.T - outer_products(np.asarray)).max() > rounding


@cases
@matrices
def test_scaling(task, matrix):
    table = draw_table(0, task, matrix)
    for scaled in (4 * table, table * 4, table / 0.25):
        assert isinstance(scaled, am.BlockTable)
        assert list(scaled) == list(table)
        np.testing.assert_array_equal(scaled.coefficients(), 4 * table.coefficients())
        assert scaled.lead == 4 * table.lead


def test_scaling_by_a_symbol():
    lam = sympy.Symbol("lam")
    block = am.gradients.first_step(am.InductionTask(sympy.Symbol("N"), 5))["outputs", "tokens"]
    table = am.BlockTable(TASKS[0], "W_O2", {("outputs", "tokens"): block}) * lam / lam
    assert sympy.simplify(table["outputs", "tokens"].same[1] - block.same[1]) == 0


def test_a_missing_block_is_zero():
    task = TASKS[0]
    table = am.BlockTable(task, "W_K2", {(POSITIONS, POSITIONS): np.ones((4, 4))})
    full, at = table.coefficients(), slice(task.n_tokens, task.n_tokens + task.length)
    assert full.shape == (18, 18)
    assert full[at, at].all()
    assert full.sum() == 16
    with pytest.raises(
        KeyError,
        match=r"block: expected one of \[\('positions', 'positions'\)\].*; got \('tokens', 'posi",
    ):
        table["tokens", "positions"]


def test_repr_names_matrix_task_and_blocks():
    table = am.BlockTable(TASKS[0], "W_K1", {(POSITIONS, POSITIONS): np.eye(4)})
    assert repr(table).startswith("BlockTable(W_K1, InductionTask(n_tokens=5, length=4")
    assert repr(table).endswith("blocks=[('positions', 'positions')])")


# --- what is refused ---------------------------------------------------------------------------


def test_more_than_memory_is_refused():
    table = am.gradients.second_step(am.InductionTask(10**6, 4))
    text = (
        r"max_bytes: .*2000008 x 2000008 .*W_K2, 3\.2e\+13 bytes; got 1073741824.*by class of token"
    )
    with pytest.raises(ValueError, match=text):
        table.coefficients()
    small = am.gradients.second_step(TASKS[0])
    size = small.coefficients().nbytes
    assert small.coefficients(max_bytes=size).nbytes == size
    with pytest.raises(ValueError, match=f"bytes; got {size - 1}"):
        small.coefficients(max_bytes=size - 1)


def test_symbols_have_no_array():
    table = am.gradients.first_step(am.InductionTask(sympy.Symbol("N", positive=True), 4))
    with pytest.raises(
        TypeError, match=r"task: expected integers for n_tokens.*; got .*n_tokens=N"
    ):
        table.coefficients()


@pytest.mark.parametrize("other", [am.InductionTask(6, 4), am.InductionTask(5, 5)], ids=str)
def test_embeddings_of_another_task(other):
    table = am.gradients.first_step(TASKS[0])
    with pytest.raises(ValueError, match=r"embeddings: expected .* = \(5, 4, \d\), .*; got"):
        table.memory(am.FrozenEmbeddings.orthonormal(other))


@pytest.mark.parametrize("name", [("tokens", "Phi1 w"), ("outputs", "tokens")])
def test_a_block_that_does_not_exist(name):
    table = am.gradients.second_step(am.InductionTask(4, 5))
    with pytest.raises(ValueError, match=r"block: expected a row of .* and a column of .*; got"):
        table.block(*name)

"""Population gradients on bigrams, against all sequences and samples run by the reference."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

import assocmem as am
from assocmem.gradients import bigram_predictor, bigram_step, previous_token_step
from assocmem.gradients.bigram_population import ControlVariates, Population
from assocmem.gradients.draws import all_draws
from tests.rounding import FEW
from validation import reference
from validation.bigrams.populations import a_language, merged, parameters, that_predicts

Array = Any


KINDS = ("tokens", "positions", "remapped_tokens", "remapped_positions")


def agree(mine: Array, theirs: Array) -> None:
    assert mine.shape == theirs.shape
    assert np.abs(mine - theirs).max() <= 1e-12 * np.abs(theirs).max()


def edges_of(task: am.BigramTask | am.InductionTask) -> Array:
    """Where each kind of atoms begins and ends."""
    n, length = task.n_tokens, task.length
    return np.cumsum([0, n, length, n, length])


def by_queries(task: am.BigramTask, kind: str, matrix: Array) -> Array:
    """The rows of a d × d matrix that one kind of queries reads, in place."""
    emb, (start, end) = (
        am.FrozenEmbeddings.orthonormal(task),
        edges_of(task)[KINDS.index(kind) :][:2],
    )
    queries = emb.atoms[start:end]
    return queries.T @ queries @ matrix


TASKS = [
    am.BigramTask(a_language(3), 5, n_triggers=1, loss=loss, avoid=avoid, trigger_outputs=outputs)
    for loss in ("triggers", "all")
    for avoid in ("nothing", "trigger")
    for outputs in ("uniform", "bigram")
]
TASKS += [
    am.BigramTask(a_language(4), 6, triggers=[2], loss="triggers"),
    am.BigramTask(a_language(4), 5, triggers=[3, 1], loss="triggers", avoid="trigger"),
    am.BigramTask(a_language(4), 5, triggers=[3, 1], loss="all", trigger_outputs="bigram"),
    am.BigramTask(
        a_language(4), 5, triggers=[0, 1], loss="all", output_tokens=[1, 2], avoid="nothing"
    ),
    am.BigramTask(a_language(3), 5, n_triggers=1, triggers="random", loss="triggers"),
    am.BigramTask(a_language(3), 4, n_triggers=2, triggers="random", loss="all", avoid="nothing"),
    am.BigramTask(a_language(4), 4, n_triggers=2, triggers="random", loss="triggers"),
    am.BigramTask(am.Language.uniform(3), 5, n_triggers=1, trigger_offset=1, loss="all"),
]


@pytest.mark.parametrize("predictor", ["uniform", "bigrams", "any"])
@pytest.mark.parametrize("task", TASKS, ids=range(len(TASKS)))
def test_every_step_equals_the_gradient_on_all_sequences(task, predictor):
    tokens, targets, weights = merged(task)
    n = task.n_tokens
    given = a_language(n, seed=9).bigram if predictor == "any" else predictor
    table = bigram_predictor(task, given)
    W_F, scores = that_predicts(task, table)
    params, emb = parameters(task, W_F=W_F), am.FrozenEmbeddings.orthonormal(task)
    batch = (tokens, targets, weights)
    found = reference.gradients(params, *batch, wrt=("W_F", "W_O2"), readout="residual")
    first = bigram_step(task, "W_O2", predictor=given)
    agree(bigram_step(task, "W_F", predictor=given).memory().matrix, -found["W_F"])
    through = emb.tokens.T @ (scores.T @ first.coefficients) @ emb.values  # rows w_E, by W_F
    agree(first.memory().matrix + through, -found["W_O2"])

    G1 = first.memory().matrix
    (slope,) = reference.gradients(
        params, *batch, wrt=["W_K2"], along=[{"W_O2": G1}], readout="residual"
    ).values()
    for kind in KINDS:
        second = bigram_step(task, "W_K2", predictor=given, queries=kind)
        agree(second.memory().matrix, by_queries(task, kind, -slope))
    if predictor == "uniform":  # the theory's readout has no W_F
        (theirs,) = reference.gradients(params | {"W_F": 0 * W_F}, *batch, wrt=["W_O2"]).values()
        agree(G1, -theirs)


@pytest.mark.parametrize("loss", ["triggers", "all"])
@pytest.mark.parametrize("triggers", ["fixed", "random"])
def test_a_predictor_may_know_the_position(loss, triggers):
    task = am.BigramTask(a_language(3), 5, n_triggers=1, triggers=triggers, loss=loss)
    emb = am.FrozenEmbeddings.orthonormal(task)
    rng = np.random.default_rng(1)
    by_token, by_position = rng.normal(size=(3, 3)), rng.normal(size=(3, 5))
    W_F = emb.outputs.T @ (by_token @ emb.tokens + by_position @ emb.positions)
    scores = by_token[:, None, :] + by_position[:, :, None]  # (k, t, i)
    table = np.exp(scores - np.logaddexp.reduce(scores, axis=0)).transpose(1, 2, 0)
    found = reference.gradients(
        parameters(task, W_F=W_F), *merged(task), wrt=("W_F", "W_O2"), readout="residual"
    )
    for name in "W_F", "W_O2":
        step = bigram_step(task, name, predictor=table)
        agree(step.memory().matrix, -emb.outputs.T @ emb.outputs @ found[name])


def test_the_first_memory_may_be_given():
    task = am.BigramTask(a_language(3), 5, n_triggers=1)
    first = np.random.default_rng(0).normal(size=(3, 16))
    emb = am.FrozenEmbeddings.orthonormal(task)
    G1 = {"W_O2": emb.outputs.T @ first @ emb.values}
    theirs = reference.gradients(parameters(task), *merged(task), wrt=["W_K2"], along=[G1])["W_K2"]
    mine = bigram_step(task, "W_K2", first=first).memory().matrix
    agree(mine, -emb.tokens.T @ emb.tokens @ theirs)


@pytest.mark.parametrize("matrix", ["W_F", "W_O2"])
@pytest.mark.parametrize("loss", ["triggers", "all"])
@pytest.mark.parametrize("outputs", ["uniform", "bigram"])
def test_control_variates_have_mean_zero(matrix, loss, outputs):
    task = am.BigramTask(a_language(4), 6, triggers=[0, 2], trigger_outputs=outputs, loss=loss)
    population = Population(task, bigram_predictor(task, "bigrams"), 2, np.random.default_rng(0))
    draws = all_draws(task, every_token=False)
    variates = ControlVariates(population.task, matrix).of(draws)
    for place in range(2):
        mine = draws.asked == place
        for output in np.unique(draws.outputs[mine, place]):
            rows = mine & (draws.outputs[:, place] == output)  # also given the asked output
            mean = draws.weights[rows] @ variates[rows]
            assert np.abs(mean).max() <= FEW < np.abs(variates).max()


@pytest.mark.parametrize("loss", ["triggers", "all"])
@pytest.mark.parametrize(
    ("matrix", "more"),
    [("W_F", {}), ("W_O2", {}), ("W_K1", {"second": 30.0})]
    + [("W_K2", {"queries": kind}) for kind in KINDS[:2]],
    ids=["W_F", "W_O2", "W_K1", "W_K2", "W_K2 by positions"],
)
@pytest.mark.parametrize("triggers", [[0, 2], "random"])
def test_draws_estimate_what_enumeration_gives(matrix, more, loss, triggers, monkeypatch):
    task = am.BigramTask(a_language(4), 6, n_triggers=2, triggers=triggers, loss=loss)
    if "second" in more:
        more = {"second": more["second"] * np.random.default_rng(5).normal(size=(4, 20))}
    exact = bigram_step(task, matrix, predictor="bigrams", **more)
    table = bigram_predictor(task, "bigrams")
    monkeypatch.setattr("assocmem.gradients.bigram_population.is_enumerated", lambda task: False)
    sets = 200
    drawn = bigram_step(task, matrix, predictor=table, sets=sets, rng=3, **more)
    assert exact.replicates is None
    error = np.sqrt(drawn.standard_errors**2 + (1e-12 * np.abs(exact.coefficients).max()) ** 2)
    z = norm.isf(1e-9 / exact.coefficients.size / 2) * 1.5  # heavier tails than normal at 200 sets
    assert np.abs((drawn.coefficients - exact.coefficients) / error).max() <= z
    # the smallest error that this sees: errors are small beside the coefficients
    assert np.median(drawn.standard_errors) < 0.2 * np.abs(exact.coefficients).max()


@pytest.mark.parametrize("numbers", [1, 3000])
@pytest.mark.parametrize("loss", ["triggers", "all"])
@pytest.mark.parametrize("queries", [{}, *[{"queries": kind} for kind in KINDS[:2]]], ids=str)
def test_sets_are_the_same_together_and_alone(queries, loss, numbers, monkeypatch):
    task = am.BigramTask(a_language(4), 6, n_triggers=2, triggers="random", loss=loss)
    matrix = "W_K2" if queries else "W_O2"
    options = {**queries, "predictor": "bigrams", "sets": 7, "rng": 3}
    monkeypatch.setattr("assocmem.gradients.bigram_population.is_enumerated", lambda task: False)
    together = bigram_step(task, matrix, **options)
    monkeypatch.setattr("assocmem.gradients.bigram_population.CHUNK_NUMBERS", numbers)
    alone = bigram_step(task, matrix, **options)
    agree(together.coefficients, alone.coefficients)
    agree(together.replicates, alone.replicates)


def sampled(task: am.BigramTask, weights: Array, first: Array, name: str) -> tuple[Array, Array]:
    """-∇ from 100 000 sequences and its standard error, as a ratio of sums over 100 batches.

    By the library's backward pass, which knows nothing of chains; that of W_K2, which is linear in
    W_O2 at zero attention up to O(η²), by central differences.
    """
    emb, rng = am.FrozenEmbeddings.orthonormal(task), np.random.default_rng(7)
    steps = (1e-3, -1e-3) if name == "W_K2" else (0.0,)
    models = [
        am.FrozenTransformer(emb, W_F=weights, W_O2=eta * first, readout="residual")
        for eta in steps
    ]
    totals, counts = [], []
    for _ in range(100):
        batch = task.sample(1000, rng=rng)
        count = 1 / batch.weights.max()  # positions with loss, all of the same weight
        found = [-m.loss_and_memories(batch, (name,))[1][name].coefficients for m in models]
        slope = (found[0] - found[1]) / 2e-3 if name == "W_K2" else found[0]
        totals.append(slope * count)
        counts.append(count)
    mean = np.sum(totals, axis=0) / np.sum(counts)
    spread = np.array(totals) - np.array(counts)[:, None, None] * mean
    return mean, spread.std(axis=0, ddof=1) / np.sqrt(len(spread)) / np.mean(counts)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["triggers", "all"])
@pytest.mark.parametrize(
    ("name", "queries"), [("W_F", None), ("W_O2", None), *[("W_K2", kind) for kind in KINDS]]
)
def test_samples_of_characters_agree(loss, name, queries):
    # Entries of many events, all at once; false alarm at most 1e-6 by Student's t of 99 degrees.
    # The other queries with one trigger, whose outputs are averaged over.
    task = am.BigramTask(length=16, n_triggers=5 if queries in (None, "tokens") else 1, loss=loss)
    table = bigram_predictor(task, "bigrams")
    W_F, _ = that_predicts(task, table)
    G1 = bigram_step(task, "W_O2", predictor=table, rng=1)
    given = {"first": G1, "queries": queries} if name == "W_K2" else {}
    mine = bigram_step(task, name, predictor=table, rng=2, **given)
    mean, error = sampled(task, W_F, G1.memory(), name)
    rows = edges_of(task)[KINDS.index(queries or "tokens") :]  # rows w_U are as many as w_E
    part = np.s_[rows[0] : rows[1], : edges_of(task)[-1]]  # the keys over the atoms
    mean, error = mean[part], error[part]
    frequent = np.abs(mean) > np.maximum(5 * error, 1e-15)  # the predictor holds 1e-18 for 0
    if name == "W_F":  # whose entries count pairs of tokens: the error of a hundred, at least
        frequent &= error > 10 / (16 * 100_000)
    if queries == "remapped_tokens":  # rows of rare tokens rest on few sequences: by frequency
        often = task.language.most_frequent()[:12]
        rare = np.setdiff1d(np.arange(task.n_tokens), often)
        frequent[rare] = False
        frequent[:, np.concatenate([rare, edges_of(task)[2] + rare])] = False
    combined = np.hypot(error, mine.standard_errors)[frequent]
    z = np.abs(mine.coefficients - mean)[frequent] / combined
    assert frequent.sum() >= 100
    assert z.max() <= student.isf(1e-6 / 2 / frequent.sum(), 99)


def rare_trigger(epsilon: float, n: int, length: int) -> am.BigramTask:
    """Uniform content, and a trigger 0 that comes with probability ε after whatever token."""
    row = np.full(n, (1 - epsilon) / (n - 1))
    row[0] = epsilon
    return am.BigramTask(am.Language(unigram=row, bigram=[row] * n), length, triggers=[0])


def mixture(n: int, length: int, step: Any) -> Array:
    """Σ_t (t - 2) step(t) / Σ_t (t - 2) over the lengths t = 3..T, padded to T positions."""
    total, mass = 0.0, 0
    for t in range(3, length + 1):
        task = am.InductionTask(n, t, 1, "all")
        table = step(task)
        keys = np.cumsum([0, n, t, n, t])
        padded = [table[:, a:b] for a, b in itertools.pairwise(keys)]
        for i in (1, 3):
            padded[i] = np.pad(padded[i], [(0, 0), (0, length - t)])
        total, mass = total + (t - 2) * np.concatenate(padded, axis=1), mass + t - 2
    return total / mass


def kept(task: am.InductionTask, length: int) -> Array:
    """The atoms of a task among those of one over more positions."""
    n, half = task.n_tokens, np.append(np.arange(task.n_tokens), task.n_tokens + np.arange(length))
    half = half[: n + task.length]
    return np.append(half, n + length + half)


def second_at(task: am.InductionTask, first: Array, length: int, kind: str) -> Array:
    """Rows of the derivative on W_K2 along a first memory over more positions than T."""
    emb, batch = am.FrozenEmbeddings.orthonormal(task), task.enumerate()
    params = reference.parameters(emb.tokens, emb.positions, emb.outputs, emb.Phi1, emb.W_V2)
    along = [{"W_O2": emb.outputs.T @ first[:, kept(task, length)] @ emb.values}]
    batch = (batch.tokens, batch.targets, batch.weights)
    slope = reference.gradients(params, *batch, wrt=["W_K2"], along=along)["W_K2"]
    start, end = edges_of(task)[KINDS.index(kind) :][:2]
    rows = -emb.atoms[start:end] @ slope @ emb.atoms.T
    missing = length - task.length if kind.endswith("positions") else 0
    return np.pad(rows, [(0, missing), (0, 0)])


def test_a_rare_trigger_gives_the_steps_of_the_induction_task():
    # A sequence with loss at t holds the trigger at t and once before, τ uniform in 1..t-2, up to
    # O(ε): InductionTask of length t, with the weight t - 2, the number of its τ.
    n, length = 4, 6
    S1 = mixture(n, length, lambda task: am.gradients.first_step(task).coefficients())
    S2 = [mixture(n, length, partial(second_at, first=S1, length=length, kind=k)) for k in KINDS]
    gaps = []
    for epsilon in (1e-4, 5e-5):
        task = rare_trigger(epsilon, n, length)
        steps = [bigram_step(task, "W_O2")]
        steps += [bigram_step(task, "W_K2", queries=kind) for kind in KINDS]
        gaps.append(
            [
                np.abs(step.coefficients - limit).max() / np.abs(limit).max()
                for step, limit in zip(steps, [S1, *S2], strict=True)
            ]
        )
    np.testing.assert_allclose(np.divide(*gaps), 2, rtol=1e-2)  # proportional to ε
    extrapolated = 2 * np.array(gaps[1]) - gaps[0]
    assert np.abs(extrapolated).max() < 1e-6  # what is left is of order ε²


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"matrix": "W_K3"}, "matrix"),
        ({"matrix": "W_K2", "queries": "outputs"}, "queries"),
        ({"queries": "positions"}, "queries"),
        ({"matrix": "W_K2", "second": np.ones((3, 16))}, "second"),
        ({"matrix": "W_K1", "second": np.ones((3, 3))}, "second"),
        ({"matrix": "W_K1", "predictor": np.full((5, 3, 3), 1 / 3)}, "predictor"),
        ({"predictor": "global"}, "predictor"),
        ({"predictor": np.eye(4)}, "predictor"),
        ({"predictor": np.ones((3, 3))}, "predictor"),
        ({"matrix": "W_K2", "predictor": np.full((5, 3, 3), 1 / 3)}, "predictor"),
        ({"matrix": "W_K2", "first": np.ones((3, 3))}, "first"),
        ({"first": np.ones((3, 16))}, "first"),
        ({"sets": 1}, "sets"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    task = am.BigramTask(a_language(3), 5, n_triggers=1)
    with pytest.raises(ValueError, match=message):
        bigram_step(task, **{"matrix": "W_O2"} | arguments)
    with pytest.raises(ValueError, match="W_F"):
        _ = bigram_step(task, "W_F").lead
    others = bigram_step(task, "W_K2", queries="positions")
    with pytest.raises(ValueError, match="positions"):
        _ = others.lead
    for given in (others, bigram_step(task, "W_O2")):
        with pytest.raises(ValueError, match="second: expected a step on W_K2, by tokens"):
            bigram_step(task, "W_K1", second=given)
    assert repr(others) == "BigramStep(W_K2, queries='positions', exact)"
    with pytest.raises(TypeError, match="task"):
        bigram_step(am.InductionTask(4, 5), "W_O2")


def after_two_steps(task: am.BigramTask) -> tuple[am.FrozenTransformer, dict[str, Array]]:
    """A model with the first two memories, and its matrices."""
    first = bigram_step(task, "W_O2", predictor="bigrams")
    second = bigram_step(task, "W_K2", predictor="bigrams", first=first)
    W_F, _ = that_predicts(task, np.maximum(bigram_predictor(task, "bigrams"), 1e-3))
    weights = {"W_F": W_F, "W_O2": 30 * first.memory().matrix, "W_K2": 1e4 * second.memory().matrix}
    emb = am.FrozenEmbeddings.orthonormal(task)
    return am.FrozenTransformer(emb, readout="residual", **weights), weights


@pytest.mark.parametrize("loss", ["triggers", "all"])
def test_step_three_is_the_gradient_on_all_sequences_and_on_draws(loss):
    task = am.BigramTask(a_language(4), 6, triggers=[2], loss=loss)
    model, weights = after_two_steps(task)
    emb = model.embeddings
    gradient = reference.gradients(
        parameters(task, **weights), *merged(task), wrt=["W_K1"], readout="residual"
    )["W_K1"]
    theirs = -emb.positions @ gradient @ emb.positions.T
    exact = previous_token_step(model, task)
    assert exact.replicates is None
    agree(exact.coefficients, theirs)
    bounded = pytest.MonkeyPatch()
    bounded.setattr("assocmem.gradients.sampled.ENUMERATED_BYTES", 1)
    drawn = previous_token_step(model, task, sequences=40_000, sets=100, rng=1)
    bounded.undo()
    lower = np.tril_indices(6, -1)
    z = np.abs(drawn.coefficients - theirs)[lower] / drawn.standard_errors[lower]
    assert z.max() <= student.isf(1e-6 / 2 / 15, 99)
    assert drawn.standard_errors.max() < 0.2 * np.abs(theirs).max()


def test_the_leads_of_step_three_are_those_of_the_position_before():
    task = am.BigramTask(a_language(3), 4, n_triggers=1)
    table = np.array([[0, 9, 9, 9], [5, 1, 9, 9], [2, 7, 3, 9], [0, 1, 6, 2.0]])
    step = am.gradients.BigramStep(task, "W_K1", table)
    np.testing.assert_array_equal(step.leads[1:], [4, 4, 4])
    assert step.cues.tolist() == [1, 2]
    assert step.recall == 1
    assert step["positions"] is step.coefficients


def test_control_variates_take_noise_away(monkeypatch):
    """The error of the wanted coefficients is less than half of it without them."""
    task = am.BigramTask(length=16, n_triggers=5, loss="all")
    options = {"predictor": "bigrams", "sets": 24, "rng": 5}
    wanted = np.arange(65), np.arange(65)
    error = bigram_step(task, "W_O2", **options).standard_errors[wanted]
    monkeypatch.setattr(ControlVariates, "of", lambda self, draws: np.zeros((len(draws), 162)))
    plain = bigram_step(task, "W_O2", **options).standard_errors[wanted]
    assert np.median(error) < 0.6 * np.median(plain)  # 0.42 to 0.44


def test_leads_are_by_column_for_outputs_and_by_row_for_queries():
    task = am.BigramTask(a_language(4), 5, n_triggers=1)
    first, second = bigram_step(task, "W_O2"), bigram_step(task, "W_K2")
    table, rows = first["tokens"], second["remapped_tokens"]
    for k in range(4):
        others = [j for j in range(4) if j != k]
        assert first.leads[k] == table[k, k] - max(table[j, k] for j in others)
        assert second.leads[k] == rows[k, k] - max(rows[k, j] for j in others)
    assert first.cues.tolist() == [k for k in range(4) if k not in task.trigger_tokens]
    assert second.cues.tolist() == task.trigger_tokens.tolist()
    assert first.lead == np.median(first.leads[first.cues])
    assert first.recall == np.mean(first.leads[first.cues] > 0)


@pytest.mark.parametrize("matrix", ["W_O2", "W_K2", "W_K1"])
@pytest.mark.parametrize("sets", [2, 3, 7])
def test_the_error_of_a_lead_is_the_jackknifes_and_its_bias_that_of_halves(matrix, sets):
    """Each set left out in turn, or half of them kept, and leads of the mean computed anew."""
    rng, task = np.random.default_rng(), am.BigramTask(a_language(4), 6, triggers=[2, 1])
    exact = bigram_step(task, matrix) if matrix != "W_K1" else None
    shape = (task.length,) * 2 if exact is None else exact.coefficients.shape
    replicates = rng.standard_normal((sets, *shape))
    step = am.gradients.BigramStep(task, matrix, replicates.mean(axis=0), replicates)
    for cues in (None, step.cues[:1], step.cues[-2:]):
        chosen = step.cues if cues is None else cues

        def median(kept, chosen=chosen):
            mean = replicates[kept].mean(axis=0)
            return np.median(am.gradients.BigramStep(task, matrix, mean).leads[chosen])

        medians = [median([j for j in range(sets) if j != k]) for k in range(sets)]
        mean = sum(medians) / sets
        variance = (sets - 1) / sets * sum((x - mean) ** 2 for x in medians)
        half = sets // 2
        fewer = [median([(k + j) % sets for j in range(half)]) for k in range(sets)]
        # c / half and c / sets are what the two hold of the bias: c from their difference
        c = (sum(fewer) / sets - np.median(step.leads[chosen])) / (1 / half - 1 / sets)
        bias = c / sets
        np.testing.assert_allclose(
            step.lead_error(cues), (np.sqrt(variance), bias), rtol=1e-9, atol=1e-12
        )
    assert am.gradients.BigramStep(task, matrix, replicates[0]).lead_error() == (0, 0)


def test_the_bias_of_a_lead_is_that_of_the_largest_of_noisy_competitors():
    """W_K2 with one trigger and two competitors of the same mean: E max = sd / √(π sets)."""
    rng, task, sets = np.random.default_rng(), am.BigramTask(a_language(3), 4, triggers=[0]), 16
    found = []
    for _ in range(400):
        replicates = np.zeros((sets, 3, 14))
        replicates[:, 0, 8:10] = rng.standard_normal((sets, 2))  # keys Φ₁ w_E of the others
        step = am.gradients.BigramStep(task, "W_K2", replicates.mean(axis=0), replicates)
        found.append(step.lead_error()[1])
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    # what is taken for c / sets is (√2 - 1) c / √sets: the largest of equals goes like 1 / √sets
    expected = -(np.sqrt(2) - 1) / np.sqrt(np.pi * sets)
    # at 1e-8: their skewness is -1.2, that of their mean -0.06, which makes an alarm likelier
    sampling = student.isf(1e-8, 399) * error
    assert abs(np.mean(found) - expected) < sampling < 0.6 * abs(expected)

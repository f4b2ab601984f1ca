"""The positions of W_K1 to first order in W_K2, against all sequences, samples and their limit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student

import assocmem as am
from assocmem.gradients import bigram_predictor, bigram_step, previous_token_step
from tests.bigrams.test_bigram_steps import TASKS, agree, kept, mixture, rare_trigger
from validation import reference
from validation.bigrams.populations import a_language, merged, parameters, that_predicts

Array = Any


def a_second(task: am.BigramTask) -> tuple[Array, am.AssociativeMemory]:
    """Any rows w_E of W_K2, over all keys, and what they make."""
    emb = am.FrozenEmbeddings.orthonormal(task)
    table = np.random.default_rng(5).normal(size=(task.n_tokens, len(emb.atoms)))
    return table, am.AssociativeMemory(keys=emb.atoms, values=emb.tokens, coefficients=table)


def value_and_slope(
    task: am.BigramTask | am.InductionTask,
    batch: tuple[Array, Array, Array],
    first: Array,
    second: Array,
    **options: Any,
) -> tuple[Array, Array]:
    """Derivatives of -∇ on the positions of W_K1 along W_O2, and along W_K2 besides."""
    emb, found = am.FrozenEmbeddings.orthonormal(task), []
    W_F = options.pop("W_F", np.zeros_like(emb.Phi1))
    params = parameters(task, W_F=W_F)
    for along in ([{"W_O2": first}], [{"W_O2": first}, {"W_K2": second}]):
        gradient = reference.gradients(params, *batch, wrt=["W_K1"], along=along, **options)
        found.append(-emb.positions @ gradient["W_K1"] @ emb.positions.T)
    return found[0], found[1]


LONG = 8  # the task of six positions, where all sequences take seconds


@pytest.mark.parametrize(
    "predictor", [pytest.param("uniform", marks=pytest.mark.slow), "bigrams", "any"]
)
@pytest.mark.parametrize(
    "place", [pytest.param(i, marks=[pytest.mark.slow] * (i == LONG)) for i in range(len(TASKS))]
)
def test_both_orders_equal_those_on_all_sequences(place, predictor):
    task = TASKS[place]
    given = a_language(task.n_tokens, seed=9).bigram if predictor == "any" else predictor
    W_F, _ = that_predicts(task, bigram_predictor(task, given))
    options = {"readout": "attention"} if predictor == "uniform" else {"readout": "residual"}
    if predictor != "uniform":
        options["W_F"] = W_F
    first = bigram_step(task, "W_O2", predictor=given)
    table, second = a_second(task)
    value, slope = value_and_slope(
        task, merged(task), first.memory().matrix, second.matrix, **options
    )
    agree(bigram_step(task, "W_K1", predictor=given).coefficients, value)
    both = bigram_step(task, "W_K1", predictor=given, second=table).coefficients
    agree(both, value + slope)
    with pytest.raises(AssertionError):  # the control: a part in 10^11 of the key path
        agree(both, value + (1 + 1e-11) * slope)


@pytest.mark.parametrize("loss", ["triggers", "all"])
def test_what_is_left_out_is_of_second_order(loss):
    """-∇/η at W_K2 = λ J is A + λ B + O(λ²): halving λ leaves a fourth, and W_O2 an η."""
    task, eta = am.BigramTask(a_language(4), 5, triggers=[2], loss=loss), 1e-6
    first, (table, second) = bigram_step(task, "W_O2"), a_second(task)
    emb = am.FrozenEmbeddings.orthonormal(task)
    gaps = []
    for size in (1e-2, 5e-3):
        model = am.FrozenTransformer(emb, W_O2=eta * first.memory(), W_K2=size * second)
        exact = previous_token_step(model, task)
        assert exact.replicates is None
        mine = bigram_step(task, "W_K1", second=size * table, first=first).coefficients
        gaps.append(exact.coefficients / eta - mine)
    assert np.abs(gaps[0]).max() < 1e-2 * np.abs(mine).max()
    largest = np.abs(gaps[0]) > 0.3 * np.abs(gaps[0]).max()
    np.testing.assert_allclose(gaps[0][largest] / gaps[1][largest], 4, rtol=0.1)


def test_a_rare_trigger_gives_the_third_step_of_the_induction_task():
    # As the first two: the loss at t is InductionTask's of length t, with the weight t - 2.
    n, length = 4, 6
    S1 = mixture(n, length, lambda task: am.gradients.first_step(task).coefficients())
    table, _ = a_second(rare_trigger(0.1, n, length))
    limits: Array = 0
    for t in range(3, length + 1):
        task = am.InductionTask(n, t, 1, "all")
        emb, atoms, batch = (
            am.FrozenEmbeddings.orthonormal(task),
            kept(task, length),
            task.enumerate(),
        )
        found = value_and_slope(
            task,
            (batch.tokens, batch.targets, batch.weights),
            emb.outputs.T @ S1[:, atoms] @ emb.values,
            emb.tokens.T @ table[:, atoms] @ emb.atoms,
        )
        limits = limits + (t - 2) * np.pad(found, [(0, 0), (0, length - t), (0, length - t)])
    limits = limits / sum(t - 2 for t in range(3, length + 1))
    gaps = []
    for epsilon in (1e-4, 5e-5):
        task = rare_trigger(epsilon, n, length)
        value = bigram_step(task, "W_K1").coefficients
        slope = bigram_step(task, "W_K1", second=table).coefficients - value
        gaps.append(
            [
                np.abs(x - y).max() / np.abs(y).max()
                for x, y in zip((value, slope), limits, strict=True)
            ]
        )
    np.testing.assert_allclose(np.divide(*gaps), 2, rtol=1e-2)
    assert np.abs(2 * np.array(gaps[1]) - gaps[0]).max() < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["triggers", "all"])
def test_draws_of_characters_agree(loss):
    """100 000 stratified sequences at W_K2 = ± λ Ĵ₂, whose odd part is that of first order."""
    task, eta, size = am.BigramTask(length=16, n_triggers=1, loss=loss), 1e-6, 1e-2
    table = bigram_predictor(task, "bigrams")
    emb, (W_F, _) = am.FrozenEmbeddings.orthonormal(task), that_predicts(task, table)
    options = {"predictor": table, "first": bigram_step(task, "W_O2", predictor=table)}
    second = bigram_step(task, "W_K2", **options)
    scaled = second.coefficients / second.lead
    given = second.memory()
    written = size * am.AssociativeMemory(keys=given.keys, values=given.values, coefficients=scaled)
    drawn = []
    for signed in (written, -1 * written):
        model = am.FrozenTransformer(
            emb, W_F=W_F, W_O2=eta * options["first"].memory(), W_K2=signed, readout="residual"
        )
        drawn.append(previous_token_step(model, task, sequences=100_000, sets=100, rng=3))
    odd = (drawn[0].replicates - drawn[1].replicates) / (2 * eta * size)
    mean, error = odd.mean(axis=0), odd.std(axis=0, ddof=1) / np.sqrt(len(odd))
    both, value = (
        bigram_step(task, "W_K1", **options, **more) for more in ({"second": scaled}, {})
    )
    mine, seen = both.coefficients - value.coefficients, np.tril_indices(16, -1)
    z = np.abs(mine - mean)[seen] / error[seen]
    assert z.max() <= student.isf(1e-6 / 2 / len(z), 99)
    below = np.arange(2, 16), np.arange(1, 15)  # the wanted entries, what the test could have seen
    assert np.median(error[below] / np.abs(mine[below])) < 0.05

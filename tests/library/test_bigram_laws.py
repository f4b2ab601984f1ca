"""Samples of the bigram task: every conditional distribution, against the definition.

Statistical tests: each count is binomial given what it is conditioned on, its p-value is exact, and
the smallest of a test is multiplied by their number (Bonferroni).
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from assocmem.tasks import BigramTask, Language
from tests.library.bigrams import (
    FALSE_ALARM,
    LANGUAGE,
    SETTINGS,
    TERNARY,
    TINY,
    keys,
    label,
    output_law,
    sequences,
    trigger_law,
)

# --- every conditional distribution --------------------------------------------------------------


def p_values(counts, laws):
    """Exact two-sided p-values of counts (R, N), each binomial given its row's total."""
    totals = counts.sum(axis=1, keepdims=True)
    below, above = stats.binom.cdf(counts, totals, laws), stats.binom.sf(counts - 1, totals, laws)
    return np.minimum(2 * np.minimum(below, above), 1).ravel()


def corrected(p):
    return min(1, p.min() * p.size)


def conditional_p(task, batch):
    """The smallest corrected p-value of each conditional law, given the task's definition."""
    n, z, language = task.n_tokens, sequences(batch), task.language
    found = {"unigram": p_values(np.bincount(z[:, 0], minlength=n)[None], language.unigram)}

    is_trigger = (z[:, :, None] == batch.triggers[:, None, :]).any(axis=2)
    rows = []
    for t in range(task.length):  # given z_t, the next tokens of the sequences are independent
        counts = np.zeros((n, n), int)
        free = ~is_trigger[:, t]
        np.add.at(counts, (z[free, t], z[free, t + 1]), 1)
        rows.append(p_values(counts, language.bigram))
    found["bigram"] = np.concatenate(rows)

    law = trigger_law(task)
    drawn = [tuple(row) for row in batch.triggers.tolist()]
    assert set(drawn) <= set(law)
    counts = np.array([[drawn.count(triggers) for triggers in law]])
    found["triggers"] = p_values(counts, np.array(list(law.values())))

    rows = []
    for triggers in law:
        outputs = batch.outputs[(batch.triggers == triggers).all(axis=1)]
        for k, q in enumerate(triggers):
            counts = np.bincount(outputs[:, k], minlength=n)[None]
            rows.append(p_values(counts, output_law(task, q, triggers)))
        # independent of each other: the first and the last output together
        if len(triggers) > 1:
            joint = np.bincount(outputs[:, 0] * n + outputs[:, -1], minlength=n * n)
            first, last = (output_law(task, q, triggers) for q in (triggers[0], triggers[-1]))
            rows.append(p_values(joint[None], np.outer(first, last).ravel()))
    found["outputs"] = np.concatenate(rows)
    return {name: corrected(p) for name, p in found.items()}


@pytest.mark.parametrize("options", SETTINGS, ids=label)
def test_every_conditional_distribution(options):
    """Four families of comparisons, each at a quarter of the false-alarm probability."""
    task = BigramTask(LANGUAGE, length=6, n_triggers=2, **options)
    found = conditional_p(task, task.sample(20_000, rng=11))
    assert min(found.values()) > FALSE_ALARM / 4, found


def test_triggers_by_frequency_and_offset():
    assert BigramTask(LANGUAGE, n_triggers=2).trigger_tokens.tolist() == [0, 1]
    assert BigramTask(LANGUAGE, n_triggers=2, trigger_offset=2).trigger_tokens.tolist() == [2, 3]
    backwards = Language(unigram=LANGUAGE.unigram[::-1], bigram=LANGUAGE.bigram)
    assert BigramTask(backwards, n_triggers=2, trigger_offset=1).trigger_tokens.tolist() == [3, 2]
    assert BigramTask(LANGUAGE, triggers=[3, 1]).trigger_tokens.tolist() == [3, 1]
    random = BigramTask(TERNARY, n_triggers=2, triggers="random")
    assert random.trigger_tokens.tolist() == [0, 1, 2]
    found = conditional_p(random, random.sample(20_000, rng=5))
    assert found["triggers"] > FALSE_ALARM


def skewed(language, by=0.06):
    """The language with a little of every law moved to the last token."""
    point = np.eye(language.n_tokens)[-1]
    laws = (1 - by) * language.unigram + by * point, (1 - by) * language.bigram + by * point
    return Language(unigram=laws[0], bigram=laws[1])


CONTROLS = [
    ("unigram", {"language": skewed(LANGUAGE)}),
    ("bigram", {"language": skewed(LANGUAGE)}),
    ("triggers", {"language": skewed(LANGUAGE), "triggers": "random"}),
    ("outputs", {"trigger_outputs": "bigram"}),
    ("outputs", {"avoid": "trigger"}),
    ("outputs", {"avoid": "nothing"}),
    ("outputs", {"output_tokens": (2, 3)}),
]


@pytest.mark.parametrize(("name", "change"), CONTROLS)
def test_another_law_is_rejected(name, change):
    task = BigramTask(LANGUAGE, length=6, n_triggers=2)
    other = dataclasses.replace(task, **change)
    if name == "triggers":
        task = dataclasses.replace(task, triggers="random")
    assert conditional_p(task, other.sample(20_000, rng=11))[name] < FALSE_ALARM


def test_dependent_outputs_are_rejected():
    task = BigramTask(LANGUAGE, length=6, n_triggers=2)
    batch = task.sample(20_000, rng=11)
    copied = dataclasses.replace(batch, outputs=batch.outputs[:, [0, 0]])
    assert conditional_p(task, copied)["outputs"] < FALSE_ALARM


@pytest.mark.parametrize("task", TINY)
def test_samples_follow_the_enumerated_law(task):
    law = dataclasses.replace(task, loss="all").enumerate()
    index = {row: i for i, row in enumerate(keys(law))}
    batch = dataclasses.replace(task, loss="all").sample(20_000, rng=3)
    counts = np.bincount([index[row] for row in keys(batch)], minlength=len(index))
    probabilities = law.weights.sum(axis=1)
    assert corrected(p_values(counts[None], probabilities)) > FALSE_ALARM
    # the control: the sequences in another order
    assert corrected(p_values(counts[None], probabilities[::-1])) < FALSE_ALARM


def test_the_loss_of_a_sample_estimates_the_enumerated_one():
    """A ratio of means, whose standard error is the delta method's; 50 000 sequences.

    The test is a z-test, normal to relative order 1/sqrt(50 000); it is taken at 1e-7 for 1e-6.
    """
    task = BigramTask(TERNARY, length=6, n_triggers=2, triggers="random", avoid="nothing")
    batch, law = task.sample(50_000, rng=4), task.enumerate()

    def loss(batch):  # what a prediction might cost
        return (1 + batch.tokens) * np.sqrt(2 + batch.targets)

    exact = (law.weights * loss(law)).sum()
    estimate = (batch.weights * loss(batch)).sum()
    n_losses = batch.is_repeated.sum(axis=1)
    residual = (batch.is_repeated * (loss(batch) - estimate)).sum(axis=1)
    error = residual.std() / n_losses.mean() / np.sqrt(len(batch))
    bound = stats.norm.isf(1e-7 / 2) * error
    assert abs(estimate - exact) < bound
    every = dataclasses.replace(task, loss="all").enumerate()
    assert abs(estimate - (every.weights * loss(every)).sum()) > bound  # the control

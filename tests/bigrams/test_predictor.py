"""What knowing the bigrams means: the mean output law where a token is a trigger, else the rows."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
from assocmem.gradients import bigram_predictor
from validation.bigrams.populations import a_language, kernels

RANDOM = [
    am.BigramTask(a_language(n), length, n_triggers=k, triggers="random", loss="all", avoid=avoid)
    for n, length, k, avoid in ((3, 5, 1, "trigger"), (3, 4, 2, "nothing"), (4, 4, 2, "triggers"))
]


def mixture(task):
    """Over all draws of triggers and outputs: how often a token stands where it is a trigger."""
    n, language = task.n_tokens, task.language
    seen, asked = np.zeros(n), np.zeros((n, n))
    for (triggers, _, chance), (_, kernel) in zip(task._draws(), kernels(task), strict=True):
        law = language.unigram
        rows = language.bigram.copy()
        rows[triggers] = task.output_law(np.array([triggers]))[0]
        for _ in range(task.length):
            seen += chance * law
            asked += chance * law[:, None] * rows
            law = law @ kernel
    return asked / seen[:, None]


@pytest.mark.parametrize("task", RANDOM, ids=range(len(RANDOM)))
def test_with_random_triggers_it_is_the_mixture_over_who_is_a_trigger(task):
    known = bigram_predictor(task, "bigrams")
    np.testing.assert_allclose(known, mixture(task), rtol=0, atol=1e-12)
    assert abs(known - task.language.bigram).max() > 0.01  # the triggers move it


def test_with_fixed_triggers_it_is_the_language_but_for_their_mean_output():
    task = am.BigramTask(a_language(4), 5, triggers=[3, 1], loss="all", trigger_outputs="bigram")
    np.testing.assert_allclose(bigram_predictor(task, "bigrams"), mixture(task), rtol=0, atol=1e-12)

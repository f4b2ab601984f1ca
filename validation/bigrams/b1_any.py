"""Check of B1-any: one trigger in any language, in the limit of long sequences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import assocmem as am
from assocmem._checks import Array
from validation.bigrams.populations import a_language
from validation.runner.cases import Case, Context, agreement

LENGTH = 300
DIGITS = 1e-7  # two differences of sums over T lose T² eps


def check(context: Context) -> Iterator[Case]:
    for n, seed in ((4, 0), (7, 3)):
        language = a_language(n, seed=seed)
        visits, tau = returns(language.bigram, 0)
        others = ~np.eye(n - 1, dtype=bool)
        share = visits / tau[:, None] ** 2  # ν_j(k) / τ_j², row j
        predicted = (np.diagonal(share) - share)[others]
        table = in_the_limit(language)
        measured = (n - 1) * (np.diagonal(table) - table)[1:, 1:][others]
        name = f"limit of the leads, N={n}"
        yield agreement(name, predicted, measured, DIGITS, evidence="estimate").of("a")
        reached = visits / np.diagonal(visits)
        apart = (tau[:, None] > tau * np.sqrt(reached)) | ~others
        over_trigger = np.diagonal(share) > share.mean(axis=0)
        predicted_recall = (apart.all(axis=0) & over_trigger).mean()
        column = np.where(np.eye(n, dtype=bool), -np.inf, table)[:, 1:].max(axis=0)
        recall = np.mean(np.diagonal(table)[1:] > column)
        yield Case(f"outputs recalled, N={n}", predicted_recall, recall, 0).of("b")


def returns(bigram: Array, trigger: int) -> tuple[Array, Array]:
    """ν_o(k) and τ_o over the other tokens, from the chain that ends at the trigger."""
    taboo = np.delete(np.delete(bigram, trigger, axis=0), trigger, axis=1)
    visits = np.linalg.inv(np.eye(len(taboo)) - taboo)
    return visits, 1 + visits.sum(axis=1)


def in_the_limit(language: am.Language) -> Array:
    """G₁ at T → ∞: a position t contributes g + c/t, up to what is geometrically small."""
    sums = []
    for length in (LENGTH - 2, LENGTH - 1, LENGTH):
        task = am.BigramTask(language, length, triggers=[0], loss="all")
        sums.append(length * am.gradients.bigram_step(task, "W_O2", predictor="bigrams")["tokens"])
    before, last = sums[1] - sums[0], sums[2] - sums[1]  # positions T - 1 and T
    return LENGTH * last - (LENGTH - 1) * before

"""Check of B0: one step on W_F stores the bigrams, each token at the pace of its frequency."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import assocmem as am
from assocmem._checks import Array
from validation import reference
from validation.bigrams.populations import a_language, kernels, merged, parameters
from validation.runner.cases import ROUNDING, Case, Context, agreement

NEAR = 1e-6  # of the rows to uniform


def check(context: Context) -> Iterator[Case]:
    for n, length, triggers in ((3, 5, [0]), (4, 4, [3, 1])):
        task = am.BigramTask(a_language(n), length, triggers=triggers, loss="all")
        mass, law = occupied(task)
        where = f"N={n} K={len(triggers)} T={length}"
        predicted = mass * (law - 1 / n).T
        measured = token_block(task, np.zeros((n, n)))
        yield agreement(f"token block of the step, {where}", predicted, measured, ROUNDING).of("a")
        off = np.setdiff1d(range(n), triggers)
        recalled = measured[:, off].argmax(axis=0) == task.language.bigram[off].argmax(axis=1)
        yield Case(f"successors recalled after one step, {where}", 1, recalled.mean(), 0).of("b")
    yield from pace()


def pace() -> Iterator[Case]:
    """Steps on the token block alone, where rows are near uniform."""
    n, length, step, number = 4, 4, 0.5, 30
    rng = np.random.default_rng(1)
    away = rng.normal(size=(n, n))
    away -= away.mean(axis=1, keepdims=True)
    away /= np.abs(away).max()
    language = am.Language(unigram=[0.4, 0.3, 0.2, 0.1], bigram=1 / n + NEAR * away)
    task = am.BigramTask(language, length, n_triggers=1, loss="all")
    mass, _ = occupied(task)
    scores = np.zeros((n, n))
    for _ in range(number):
        scores += step * token_block(task, scores)
    for i in range(1, n):  # 0 is the trigger
        gone = scores[:, i] @ away[i] / (n * NEAR * (away[i] @ away[i]))
        predicted = 1 - (1 - step * mass[i] / n) ** number
        # the Hessian moves by a share of at most N max|F| between 0 and the optimum, F <= N NEAR
        yield Case(
            f"part of the way after {number} steps, token {i}",
            predicted,
            gone,
            n * n * NEAR,
            evidence="bound",
        ).of("c")


def occupied(task: am.BigramTask) -> tuple[Array, Array]:
    """m_i, and the law of the next token, row i, by powers of the kernels."""
    mass, following = np.zeros(task.n_tokens), np.zeros((task.n_tokens, task.n_tokens))
    for chance, kernel in kernels(task):
        law = task.language.unigram
        for _ in range(task.length):
            mass += chance * law / task.length
            following += chance * law[:, None] * kernel / task.length
            law = law @ kernel
    return mass, following / mass[:, None]


def token_block(task: am.BigramTask, scores: Array) -> Array:
    """-∇ on the token block of W_F, output by token, by the reference on all sequences."""
    emb = am.FrozenEmbeddings.orthonormal(task)
    params = parameters(task, W_F=emb.outputs.T @ scores @ emb.tokens)
    gradient = reference.gradients(params, *merged(task), wrt=["W_F"], readout="residual")["W_F"]
    return -emb.outputs @ gradient @ emb.tokens.T

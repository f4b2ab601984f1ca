"""Check of H2: permuting the right answers is not a valid null: its variance is too small."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from assocmem import heads
from validation.heads.models import random_model
from validation.runner import tolerances
from validation.runner.cases import ROUNDING, Case, Context, agreement, between


def check(context: Context) -> Iterator[Case]:
    """H2: all permutations of few atoms; drawn matrices; and tables of random models."""
    yield from enumerated(context)
    yield from (case.of("a") for case in drawn(context))
    yield from (case.of("a") for case in tables(context))


def grams(X: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The centred Gram matrices of cues and answers."""
    centred = (Z - Z.mean(axis=0) for Z in (X, Y))
    G, H = (Z @ Z.T for Z in centred)
    return G, H


def ratio(X: np.ndarray, Y: np.ndarray) -> float:
    """The variance at the true pairing over its mean over all pairings."""
    G, H = grams(X, Y)
    return float((len(X) - 1) * np.sum(G * H) / (np.trace(G) * np.trace(H)))


def enumerated(context: Context) -> Iterator[Case]:
    """H2: the mean over all pairings of at most six cues, exactly."""
    for n, d in ((3, 2), (5, 3), (6, 8)):
        X, Y = context.rng.standard_normal((2, n, d))
        G, H = grams(X, Y)
        orders = list(permutations(range(n)))
        mean = np.mean([np.sum(G * H[np.ix_(order, order)]) for order in orders])
        stated = np.trace(G) * np.trace(H) / (n - 1)
        yield agreement(f"all {len(orders)} pairings of {n} atoms", stated, mean, ROUNDING).of("a")
        # equal eigenvalues: the centred columns of a tight frame
        tight = np.linalg.qr(np.column_stack([np.ones(n), X[:, : n - 2]])).Q[:, 1:]
        least = (n - 1) / tight.shape[1]
        name = f"a tight frame of {n} atoms: (n - 1)/d"
        yield agreement(name, least, ratio(tight, 3 * tight), ROUNDING).of("b")
        name = f"one Gram matrix, n = {n}, d = {d}: between that and n - 1"
        yield between(name, (n - 1) / d, n - 1, ratio(X, X), "bound").of("b")


def drawn(context: Context) -> Iterator[Case]:
    """H2: variances over drawn matrices, at the true pairing and at drawn ones."""
    draws = 40_000 if context.full else 10_000
    settings = ((40, 5, True), (40, 5, False), (12, 30, True))
    tests = 2 * len(settings)
    for n, d, same in settings:
        X = context.rng.standard_normal((n, d))
        Y = X if same else context.rng.standard_normal((n, d))
        A = context.rng.standard_normal((draws, d, d))
        orders = context.rng.permuted(np.tile(np.arange(n), (draws, 1)), axis=1)
        centred = Y - Y.mean(axis=0)
        own = np.einsum("ia,kab,ib->k", X, A, centred, optimize=True)
        other = np.einsum("ia,kab,kib->k", X, A, centred[orders], optimize=True)
        G, H = grams(X, Y)
        name = f"n = {n}, d = {d}, {'one' if same else 'two'} Gram matrices"
        yield tolerances.sample_mean(f"{name}: true pairing", np.sum(G * H), own**2, tests=tests)
        stated = np.trace(G) * np.trace(H) / (n - 1)
        yield tolerances.sample_mean(f"{name}: any pairing", stated, other**2, tests=tests)


def tables(context: Context) -> Iterator[Case]:
    """H2: variances of the induction table of random models, from its own Gram matrices."""
    models = 4000 if context.full else 1000
    own, other = [], []
    for _ in range(models):
        model = random_model(context.rng, uniform=False, coherence=0.0, n=96, length=3, d=16)
        found = heads.induction(model, (0, 0), (1, 0))
        G, H = grams(found.cues, found.answers)
        doubly = found.table() - found.table().mean(axis=1, keepdims=True)
        doubly = doubly - doubly.mean(axis=0)
        # entries of W_K have the variance 1/d; the variance over pairings is Hoeffding's
        own.append(16 * found.null.statistic**2 / np.sum(G * H))
        other.append(16 * np.sum(doubly**2) / (np.trace(G) * np.trace(H)))
    name = "induction tables, n = 96, d = 16"
    yield tolerances.sample_mean(f"{name}: true pairing", 1, own, tests=2)
    yield tolerances.sample_mean(f"{name}: any pairing", 1, other, tests=2)

"""Check of B3-flow: with the bigrams in W_F, W_O2 grows as t G₁, and W_K2 as t²/2 J₂[P G₁]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import assocmem as am
from assocmem._checks import Array
from assocmem._statistics import softmax
from assocmem.gradients import bigram_step
from validation import reference
from validation.bigrams.populations import a_language, merged, parameters
from validation.runner.cases import ROUNDING, Case, Context, agreement, largest

SIZES = ((3, 5, [0]), (4, 4, [3, 1]))  # N, T and triggers
RATES = (2e-4, 1e-4)  # learning rates
UPDATES = 3


class Reading(NamedTuple):
    """What every position of some sequences gives W_O2 to learn from, and its share of the loss."""

    o: Array  # (positions, 2(N+T)): W_O2's input over its atoms
    law: Array  # (positions, N): p̂
    weights: Array  # (positions,)


def check(context: Context) -> Iterator[Case]:
    for n, length, triggers in SIZES:
        task = am.BigramTask(a_language(n), length, triggers=triggers, loss="all")
        rng = np.random.default_rng(5)
        S, A = rng.normal(size=(n, n)), rng.normal(size=(n, 2 * (n + length)))
        where = f"N={n} K={len(triggers)} T={length}"
        G1 = bigram_step(task, "W_O2", predictor=softmax(S.T)).coefficients
        given = read(S, *merged(task)[::2])
        down, slope, second = by_reference(task, S, A)
        table = np.concatenate([G1, S.T @ G1])
        yield agreement(f"rows w_U and w_E, {where}", table, down, ROUNDING).of("a")
        table = -resisted(answers(S, A), given)
        yield agreement(f"what answers take off, {where}", table, slope, ROUNDING).of("b")
        step = bigram_step(task, "W_K2", predictor=softmax(S.T), first=answers(S, A))
        case = agreement(f"second step, {where}", step.coefficients, second, ROUNDING)
        yield case.of("c")
        stiff, curve = curvature(S, given, rounds=2000)
        _, slope, _ = by_reference(task, S, stiff)
        # the rounds end where a unit vector of at most 64 entries moves by 1e-9: the largest entry
        # is 1/8 or more
        yield Case(
            f"curvature along its eigenvector, {where}",
            0,
            largest(slope + curve * stiff) / largest(curve * stiff),
            1e-8,
            evidence="identity",
        ).of("b")
        yield from taken(task, S, where)


def taken(task: am.BigramTask, S: Array, where: str) -> Iterator[Case]:
    """Steps of gradient descent on the reference's loss, all matrices but W_F."""
    p = softmax(S.T)
    G1 = bigram_step(task, "W_O2", predictor=p).coefficients
    J2 = bigram_step(task, "W_K2", predictor=p, first=answers(S, G1)).coefficients
    found = [descended(task, S, rate) for rate in RATES]
    n = UPDATES
    for name, i, size, expected in (
        ("W_O2 over t", 0, n, G1),
        ("W_K2 over t²/2", 1, n * (n - 1) / 2, J2),
    ):
        gaps = [
            tables[i] / (size * rate ** (i + 1)) - expected
            for rate, tables in zip(RATES, found, strict=True)
        ]
        # linear in the rate up to second order, which is the square of what is taken off
        first, limit = (
            largest(gap) / largest(expected) for gap in (gaps[0], 2 * gaps[1] - gaps[0])
        )
        name = f"{name} after {n} updates, {where}"
        yield Case(name, 0, limit, max(4 * first**2, 1e-9), evidence="estimate").of("c")


def read(S: Array, tokens: Array, weights: Array) -> Reading:
    """All positions: o_t holds the means of x¹_s, which holds x_s and the mean of Φ₁ x_r."""
    n, length = len(S), tokens.shape[1]
    until = np.arange(1, length + 1)[:, None]
    x = np.empty((*tokens.shape, n + length))
    x[..., :n], x[..., n:] = np.eye(n)[tokens], np.eye(length)
    means = np.cumsum(x, axis=1) / until
    o = np.concatenate([means, np.cumsum(means, axis=1) / until], axis=2)
    return Reading(
        o.reshape(-1, o.shape[2]),
        softmax(S.T)[tokens].reshape(-1, n),
        weights.ravel() / weights.sum(),
    )


def answers(S: Array, A: Array) -> Array:
    """P A, the logits that W_O2 with the rows A (w_U) and Sᵀ A (w_E) gives its atoms."""
    return A + S @ (S.T @ A)


def resisted(M: Array, given: Reading) -> Array:
    """H[M]: what answers M take off -∇ on W_O2, to first order."""
    logits = given.o @ M.T
    moved = given.law * (logits - np.vecdot(given.law, logits)[:, None])
    return np.asarray((moved * given.weights[:, None]).T @ given.o)


def curvature(S: Array, given: Reading, *, rounds: int = 20) -> tuple[Array, float]:
    """The eigenvector of H P of the largest eigenvalue, by power iteration, and this λ."""
    A = np.arange(len(S))[:, None] + np.ones(given.o.shape[1])
    for _ in range(rounds):
        before = A / np.linalg.norm(A)
        A = resisted(answers(S, before), given)
        curve = float(np.vdot(A, answers(S, before)) / np.vdot(before, answers(S, before)))
        if np.linalg.norm(A - curve * before) < 1e-9 * curve:
            break
    return before, curve


def by_reference(task: am.BigramTask, S: Array, A: Array) -> tuple[Array, Array, Array]:
    """-∇ on W_O2, rows w_U and w_E; of w_U the slope along (A, Sᵀ A); that of W_K2 by tokens."""
    emb, batch = am.FrozenEmbeddings.orthonormal(task), merged(task)
    params = parameters(task, W_F=emb.outputs.T @ S @ emb.tokens)
    along = [{"W_O2": (emb.outputs.T @ A + emb.tokens.T @ (S.T @ A)) @ emb.values}]

    def down(**options: Any) -> dict[str, Array]:
        return reference.gradients(params, *batch, readout="residual", **options)

    rows = np.concatenate([emb.outputs, emb.tokens])
    first = -rows @ down(wrt=["W_O2"])["W_O2"] @ emb.values.T
    moved = down(wrt=["W_O2", "W_K2"], along=along)
    slope = -emb.outputs @ moved["W_O2"] @ emb.values.T
    return first, slope, -emb.tokens @ moved["W_K2"] @ emb.atoms.T


def descended(task: am.BigramTask, S: Array, rate: float) -> tuple[Array, Array]:
    """Rows w_U of W_O2, and tokens of W_K2, after some updates from zero."""
    emb, batch = am.FrozenEmbeddings.orthonormal(task), merged(task)
    params = parameters(task, W_F=emb.outputs.T @ S @ emb.tokens)
    for _ in range(UPDATES):
        gradient = reference.gradients(params, *batch, readout="residual")
        params |= {name: params[name] - rate * W for name, W in gradient.items()}
    return (
        emb.outputs @ params["W_O2"] @ emb.values.T,
        emb.tokens @ params["W_K2"] @ emb.atoms.T,
    )

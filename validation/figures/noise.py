"""Noise: of embeddings at finite width, of the steps written with them, of a head turned at random.

A panel a claim. Lines are exact moments and their limits. Points are moments over draws: of
embeddings, of the reference transformer's gradients, of rotations and of random matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

import assocmem as am
from assocmem.width import gradient_noise
from assocmem.width import moments as step_noise
from assocmem.width.wick import ScoreMoments
from validation.figures.by_claim import (
    CLOSED,
    LIMIT,
    MEASURED,
    OTHERWISE,
    Axis,
    described,
    drawn,
    panels,
    points,
)
from validation.figures.sheets import SYMBOLS, Row, under_way
from validation.heads.h1 import fourth_moment
from validation.heads.h2 import ratio
from validation.runner.cases import Context
from validation.width.w1 import SMALL
from validation.width.w2 import asked
from validation.width.w5 import Measured, Run
from validation.width.written import written

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def data(context: Context, *, seeds: int = 1000) -> list[Row]:
    """The rows of all panels, so many draws for a point."""
    rng = context.rng
    parts: list[Callable[[], list[Row]]] = [
        partial(without_width, seeds, rng),
        partial(fixed_coefficients, seeds, rng),
        partial(true_gradients, seeds // 25, rng),
        partial(rotations, 40 * seeds, rng),
        partial(pairings, 5 * seeds, rng),
    ]
    return [row for part in under_way(parts) for row in part()]


# --- Numbers


def mean_and_error(draws: Any) -> tuple[list[float], float]:
    """The mean of independent draws and two standard errors."""
    draws = np.asarray(draws)
    return [draws.mean()], 2 * draws.std(ddof=1) / sqrt(len(draws))


def without_width(draws: int, rng: np.random.Generator) -> list[Row]:
    """Mean square overlaps of remapped inputs: by two Bartlett factors, and by d x d matrices.

    Each matrix adds one: E ⟨Wx, Wx'⟩² = (1 + 1/d) E ⟨x, x'⟩² + E ‖x‖² ‖x'‖² / d.
    """
    x = np.union1d(np.geomspace(16, 10**9, 60), [64, 256, 10**4, 10**6])
    laws = {
        r"$\langle x, \Phi x' \rangle$": 1 + 0 * x,
        r"$\langle \Phi x, \Phi x' \rangle$": 2 + 1 / x,
        r"$\langle W \Phi x, W \Phi x' \rangle$": 3 + 3 / x + 3 / x**2,
    }
    rows = [row for name, y in laws.items() for row in points("W1", name, CLOSED, x, y)]
    for kind, compressed, widths in (
        (MEASURED, True, (16, 64, 256, 10**4, 10**6, 10**9)),
        (OTHERWISE, False, (16, 64, 256)),
    ):
        for d in widths:
            found = []
            for _ in range(draws if d < 256 or compressed else draws // 4):
                emb = am.FrozenEmbeddings.random(SMALL, width=d, compressed=compressed, rng=rng)
                n = len(emb.inputs)
                plain, image, value = emb.atoms[:n], emb.atoms[n:], emb.values[n:]
                grams = plain @ image.T, image @ image.T, value @ value.T
                off = ~np.eye(n, dtype=bool)
                found.append([d * np.mean(gram[off] ** 2) for gram in grams])
            for name, values in zip(laws, np.transpose(found), strict=True):
                rows += points("W1", name, kind, [d], *mean_and_error(values))
    return rows


def over_limit(scores: Sequence[Any], d: int, limit: float) -> tuple[list[float], float]:
    """d times the total variance of drawn scores, over its limit, with two standard errors."""
    noise = np.asarray(scores) - np.mean(scores, axis=0)
    squares = (noise.reshape(len(noise), -1) ** 2).sum(axis=1) * len(noise) / (len(noise) - 1)
    return mean_and_error(d * squares / limit)


def fixed_coefficients(draws: int, rng: np.random.Generator) -> list[Row]:
    """The noise of the three memories with fixed coefficients, by the width."""
    task = am.InductionTask(n_tokens=8, length=8, n_triggers=2)
    memories = am.top_down(task, evaluate_on=None).memories
    moments = step_noise.recall_moments(task, memories)
    limits = {name: total(each.limit_covariance()) for name, each in moments.items()}
    x, rows = np.geomspace(16, 1024, 25), []
    for name, each in moments.items():
        y = [d * total(each.covariance(d)) / limits[name] for d in x]
        rows += points("W2", SYMBOLS[name], CLOSED, x, y)
    for d in 16, 32, 64, 256:
        scores: dict[str, list[Any]] = {name: [] for name in moments}
        for _ in range(draws):
            emb = am.FrozenEmbeddings.random(task, width=d, rng=rng)
            for name, memory in memories.items():
                W = written(memory, name, emb)
                scores[name].append(asked(W, am.probe(name, task, emb)))
        for name, found in scores.items():
            rows += points("W2", SYMBOLS[name], MEASURED, [d], *over_limit(found, d, limits[name]))
    return rows


def total(covariances: Any) -> float:
    """The sum of all variances."""
    return float(np.trace(covariances, axis1=1, axis2=2).sum())


def true_gradients(draws: int, rng: np.random.Generator) -> list[Row]:
    """The noise of a wanted coefficient of each true gradient over its mean, by the width."""
    task = am.InductionTask(n_tokens=3, length=6)
    S = gradient_noise.first_score_moments(task, am.gradients.first_step(task).coefficients())
    n, t = task.n_tokens + task.length, task.n_tokens + 3  # a position in the middle
    content, trigger = int(task.contents[0]), int(task.triggers[0])
    wanted: dict[str, tuple[ScoreMoments, tuple[int, int], int]] = {
        "$S$": (S, (0, content), 2 * n),
        "$J_2$": (
            S.mapped(gradient_noise.second_step_map(task)), (trigger, n + trigger), 2 * n),
        "$A$": (S.mapped(gradient_noise.value_path_map(task)), (t, t - 1), n),
    }  # fmt: skip
    x, rows = np.union1d(np.geomspace(20, 10**7, 60), [24, 64, 256]), []
    for name, (moments, (i, j), across) in wanted.items():
        at = i * across + j
        y = [sqrt(moments.covariance(d)[0, at, at]) / abs(moments.mean(d)[0, at]) for d in x]
        rows += points("W5", name, CLOSED, x, y)
    for d in 24, 64, 256:
        found = []
        for _ in range(draws):
            emb = am.FrozenEmbeddings.random(task, width=d, rng=rng)
            scores, gradients = Measured(task, emb).first_order()
            tables = scores, gradients["W_K2"], gradients["W_K1"]
            found.append(
                [table[at] for table, (_, at, _) in zip(tables, wanted.values(), strict=True)]
            )
        for name, each in zip(wanted, np.transpose(found), strict=True):
            rows += points("W5", name, MEASURED, [d], *spread(each / each.mean()))
    return rows + whole_runs(task, draws, rng)


def spread(draws: Any) -> tuple[list[float], float]:
    """The standard deviation of draws and two standard errors."""
    squares = (draws - draws.mean()) ** 2
    deviation = draws.std(ddof=1)
    return [deviation], squares.std(ddof=1) / sqrt(len(draws)) / deviation


def whole_runs(task: am.InductionTask, draws: int, rng: np.random.Generator) -> list[Row]:
    """The same of W_K1 after three true steps, where its noise has a limit."""
    run, name, at = Run(task, (0.5, 1, 1)), "coefficients of W_K1", 3 * task.length + 2
    size, label = abs(np.ravel(run.limit[name])[at]), "$W_K^1$ of a run"
    x = np.array([20, 10**5, 10**6, 10**7])
    limit = np.linalg.norm(run.response[name][:, at]) / size
    rows = points("W5", label, LIMIT, x, limit / np.sqrt(x))
    for d in 10**5, 10**6, 10**7:
        noise = np.array([run.noise(d, rng)[1][name][at] for _ in range(draws)])
        (found,), error = spread(noise / size / sqrt(d))
        rows += points("W5", label, OTHERWISE, [d], [found], error)
    return rows


def rotations(draws: int, rng: np.random.Generator) -> list[Row]:
    """The fourth moment of a score over its squared variance, by the dimension and the rank."""
    rows = []

    def equal(d: int, rank: int) -> np.ndarray:
        return np.diag(np.arange(d) < rank).astype(float)

    for rank in 1, 2, 4:
        x = range(max(rank, 2), 17)
        y = [fourth_moment(equal(d, rank)) / (rank / d) ** 2 for d in x]
        rows += points("H1", f"rank {rank}", CLOSED, list(x), y)
    for d in 4, 6, 10, 16:
        turned = stats.ortho_group.rvs(d, size=draws, random_state=rng).reshape(draws, -1)
        left, right = stats.ortho_group.rvs(d, size=2, random_state=rng)
        for rank in 1, 2, 4:
            D = turned @ (left @ equal(d, rank) @ right).T.ravel()  # tr(QB)
            rows += points(
                "H1", f"rank {rank}", MEASURED, [d], *mean_and_error(D**4 / np.mean(D**2) ** 2)
            )
    return rows + points("H1", "normal law", LIMIT, [2, 16], [3, 3])


def pairings(draws: int, rng: np.random.Generator) -> list[Row]:
    """The variance at the true pairing over that at a drawn one, by the number of pairs."""
    d, most, rows = 16, 96, []
    X, other = rng.standard_normal((2, most, d))
    A = rng.standard_normal((draws, d * d))
    x = np.union1d(np.geomspace(4, most, 30).astype(int), [8, 24, 48])
    for name, Y in ("one Gram matrix", X), ("two Gram matrices", other):
        rows += points("H2", name, CLOSED, x, [ratio(X[:n], Y[:n]) for n in x])
        for n in 8, 24, 48, 96:
            cues, answers = X[:n], Y[:n] - Y[:n].mean(axis=0)
            own = (A @ (cues.T @ answers).ravel()) ** 2
            orders = rng.permuted(np.tile(np.arange(n), (draws, 1)), axis=1)
            drawn_pairs = np.einsum("ia,kib->kab", cues, answers[orders], optimize=True)
            any_pairing = np.einsum("kc,kc->k", A, drawn_pairs.reshape(draws, -1)) ** 2
            found = own.mean() / any_pairing.mean()
            spread = [np.std(each) / np.mean(each) for each in (own, any_pairing)]
            error = 2 * found * float(np.hypot(*spread)) / sqrt(draws)
            rows += points("H2", name, MEASURED, [n], [found], error)
    return rows + points("H2", "one Gram matrix", LIMIT, x, (x - 1) / d)


# --- Picture

AXES = {
    "W1": Axis(
        "W1: overlaps of images", "width d", "d × mean square",
        {"xscale": "log", "ylim": (0.6, 4.8)}, "upper right",
        says="Lines: d times the mean square of overlaps of remapped inputs, by hand. Points: two "
        "Bartlett factors. Squares: d × d matrices. Both with two standard errors.",
    ),
    "W2": Axis(
        "W2: fixed coefficients", "width d", "d × variance / its limit", {"xscale": "log"},
        says="Lines: d times the exact variance of all scores that a memory is asked for, over its "
        "limit. Points: embeddings drawn directly, with two standard errors.",
    ),
    "W5": Axis(
        "W5: true gradients", "width d", "noise / mean", {"xscale": "log", "yscale": "log"},
        says="The standard deviation of a wanted coefficient over its mean. Lines: exact, to first "
        "order in step 1. Points: the reference transformer's derivatives on all sequences, "
        "embeddings drawn. Squares: after three true steps, whose limit is dashed. Bars: two "
        "standard errors.",
    ),
    "H1": Axis(
        "H1: turned at random", "dimension d", "$E D^4 / (E D^2)^2$",
        says="Lines: the exact fourth moment of a score of a head whose weights are turned, "
        "singular values equal. Points: drawn rotations, with two standard errors. Dashed: the "
        "normal law.",
    ),
    "H2": Axis(
        "H2: pairs permuted, d = 16", "pairs n", "ratio of variances",
        says=r"Lines: $\rho$ for drawn cues and answers, with one Gram matrix or two. Points: the "
        "variance at the true pairing over that at drawn pairings, over drawn matrices, with two "
        "standard errors. Dashed: the bound $(n - 1)/d$.",
    ),
}  # fmt: skip
PANELS = panels(AXES)


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """A panel a claim."""
    return drawn(rows, PANELS, columns, described("Noise.", AXES))

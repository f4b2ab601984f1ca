"""Nearly orthogonal vectors: how far apart they can be, and what memories over them recall.

A panel a claim. Lines are laws and bounds. Points are vectors and matrices that are drawn or
constructed, and what these recall.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

import assocmem as am
from assocmem import capacity
from validation.capacity.c5 import recalled_in_full
from validation.capacity.draws import law
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
from validation.figures.sheets import Row, under_way
from validation.memory.c1 import drawn_scores
from validation.runner.cases import Context
from validation.vectors.no3 import frames

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def data(context: Context, *, width: int = 32, seeds: int = 1000) -> list[Row]:
    """The rows of all panels: of claim C1 at this width, so many draws for a point."""
    rng = context.rng
    parts: list[Callable[[], list[Row]]] = [
        partial(welch, rng),
        partial(remapped, 2 * seeds, rng),
        partial(score_noise, width, seeds, rng),
        partial(stored, rng),
        partial(error_of_recall, 100 * seeds, rng),
    ]
    return [row for part in under_way(parts) for row in part()]


# --- Numbers


def welch(rng: np.random.Generator) -> list[Row]:
    """The coherence of equiangular frames and of random vectors, by their number."""
    rows = []
    for d in 3, 7, 15:
        x = range(d, 101)
        rows += points("NO3", f"d = {d}", CLOSED, list(x), [am.welch_bound(n, d) for n in x])
        known = [each for name, size, each in frames(rng) if size == d and name != "simplex"]
        for vectors in [np.eye(d + 1) - 1 / (d + 1), conference(2 * d - 1), *known]:
            rows += points("NO3", f"d = {d}", MEASURED, [len(vectors)], [am.coherence(vectors)])
        for n in 4 * d, 6 * d:
            found = np.median([am.coherence(am.sphere(n, d, rng=rng)) for _ in range(101)])
            rows += points("NO3", f"d = {d}", OTHERWISE, [n], [found])
    return rows


def conference(p: int) -> np.ndarray:
    """p + 1 equiangular vectors of (p + 1)/2 dimensions, from the squares of a prime p = 4k + 1."""
    squares = {i * i % p for i in range(1, p)}
    S = np.ones((p + 1, p + 1)) - np.eye(p + 1)
    S[1:, 1:] = [[(i != j) * (1 if (i - j) % p in squares else -1) for j in range(p)]
                 for i in range(p)]  # fmt: skip
    values, vectors = np.linalg.eigh(S)  # S² = p: half of its eigenvalues are √p
    return vectors[:, values > 0]


def remapped(number: int, rng: np.random.Generator) -> list[Row]:
    """Standard deviations of norm and self-overlap under a Gaussian matrix, by the width."""
    x = np.geomspace(8, 512, 13)
    names = "norm", "overlap with itself"
    rows = points("NO4", names[0], CLOSED, x, stats.chi(x).std() / np.sqrt(x))
    rows += points("NO4", names[1], CLOSED, x, 1 / np.sqrt(x))
    for d in 16, 32, 64, 128, 256:
        task = am.InductionTask(n_tokens=d // 4, length=d // 4)
        norms, overlaps = [], []
        for _ in range(2 * number // d):
            emb = am.FrozenEmbeddings.random(task, width=d, family="orthonormal", rng=rng)
            images = np.concatenate([emb.remapped_tokens, emb.remapped_positions])
            norms.append(np.linalg.norm(images, axis=1))
            overlaps.append(np.sum(images * emb.inputs, axis=1))
        for name, values in zip(names, map(np.concatenate, (norms, overlaps)), strict=True):
            spread = values.std(ddof=1)
            rows += points("NO4", name, MEASURED, [d], [spread], spread * sqrt(2 / len(values)))
    return rows


def score_noise(d: int, draws: int, rng: np.random.Generator) -> list[Row]:
    """Variances of the scores and margins of n pairs one to one, by n."""
    rows, names = [], [f"{name}, d = {d}" for name in ("right", "wrong", "margin")]

    def variances(n: int) -> tuple[float, float, float]:
        right = capacity.score_moments(np.eye(n), d)[1]
        margin = capacity.margin_moments(np.eye(n), d, np.arange(n))[1]
        return right[0, 0], right[0, 1], margin[0, 1]

    x = np.unique(np.geomspace(2, 8 * d, 40).astype(int))
    measured = d // 8, d // 2, 2 * d, 4 * d
    x = np.union1d(x, measured)
    for name, y in zip(names, np.transpose([variances(int(n)) for n in x]), strict=True):
        rows += points("C1", name, CLOSED, x, y)
    for n in measured:
        off = ~np.eye(n, dtype=bool)
        squares = []
        for _ in range(draws):
            (noise,) = drawn_scores(np.eye(n), d, "gaussian", 1, rng) - np.eye(n)
            own = np.diagonal(noise)
            found = own, noise[off], (own - noise)[off]
            squares.append([np.mean(each**2) for each in found])
        means, errors = np.mean(squares, axis=0), 2 * np.std(squares, axis=0) / sqrt(draws)
        for name, mean, error in zip(names, means, errors, strict=True):
            rows += points("C1", name, MEASURED, [n], [mean], error)
    return rows


def stored(rng: np.random.Generator) -> list[Row]:
    """How many pairs a matrix recalls in full, at most and found, by the width."""
    x = np.unique(np.geomspace(2, 128, 13).round().astype(int))
    bound = [capacity.storage_bound(int(d)) for d in x]
    rows = points("C5", "any rule", CLOSED, x, bound)
    rows += points("C5", "any rule", LIMIT, x, 2.0 * x**2)
    for d in 2, 4, 8:
        draws = [recalled_in_full(d, d * d, rng) for _ in range(12)]
        for name, found in zip(
            ("cross-entropy", "outer products"), np.transpose(draws), strict=True
        ):
            error = 2 * found.std(ddof=1) / sqrt(len(found))
            rows += points("C5", name, MEASURED, [d], [found.mean()], error)
    return rows


def error_of_recall(draws: int, rng: np.random.Generator) -> list[Row]:
    """The largest error of the probability of recall, from nearly full recall to little."""
    x = np.arange(8, 65, 4)
    rows = points("C7", "bound", CLOSED, x, 1 / (2 * x))
    for d in 8, 16, 32, 64:
        found: dict[str, list[tuple[float, float]]] = {}
        for classes, factor in product((None, 8), (0.4, 0.7, 1, 2)):
            most = factor * capacity.capacity(d, classes=classes)
            n = 8 * max(1, round(most / 8)) if classes else round(most)
            exact, error = law(n, d, draws, rng, classes=classes)
            approximate = {"8 classes" if classes else "one to one":
                           capacity.recall_probability(n, d, classes=classes)}  # fmt: skip
            if not classes:
                approximate["moments of C1"] = with_plain_moments(n, d)
            for name, value in approximate.items():
                found.setdefault(name, []).append((abs(value - exact), 2 * error))
        for name, errors in found.items():
            largest, error = max(errors)
            kind = OTHERWISE if name == "moments of C1" else MEASURED
            rows += points("C7", name, kind, [d], [largest], error)
    return rows


def with_plain_moments(n: int, d: int) -> float:
    """The probability of recall by independent normals with the variances of C1, one to one."""
    right, wrong = sqrt(n + 4 * d + 3) / d, sqrt(n + 2 * d + 2) / d
    z = np.linspace(-8, 8, 4001)
    beaten = stats.norm.logcdf((1 + right * z) / wrong) * (n - 1)
    return float(np.trapezoid(stats.norm.pdf(z) * np.exp(beaten), z))


# --- Picture

AXES = {
    "NO3": Axis(
        "NO3: Welch's bound", "number of vectors n", "coherence",
        {"xscale": "log", "ylim": (-0.05, 1.5), "yticks": (0, 0.25, 0.5, 0.75, 1)}, "upper left",
        says="Lines: the bound, 0 up to n = d. Points: equiangular tight frames (simplices, "
        "icosahedron, conference matrices, 28 lines). Squares: random vectors, the median of 101 "
        "draws.",
    ),
    "NO4": Axis(
        "NO4: remapped vectors", "width d", "standard deviation",
        {"xscale": "log", "yscale": "log"},
        says="Lines: the standard deviations of $\\|Wu\\|$ and of $\\langle Wu, u \\rangle$, "
        "$\\|u\\| = 1$, by their laws. Points: remapped tokens and positions, with two standard "
        "errors.",
    ),
    "C1": Axis(
        "C1: scores and margins", "pairs n", "variance", {"xscale": "log", "yscale": "log"},
        says="Lines: exact variances of n pairs one to one over Gaussian vectors. Points: drawn "
        "memories, with two standard errors.",
    ),
    "C5": Axis(
        "C5: all pairs recalled", "width d", "pairs n", {"xscale": "log", "yscale": "log"},
        says="Solid: no rule recalls more, with probability $1 - 10^{-6}$; dashed: $2 d^2$. "
        "Points: the most that minimised cross-entropy and outer products recall in full, the mean "
        "of 12 draws with two standard errors.",
    ),
    "C7": Axis(
        "C7: Gaussian recall", "width d", "largest error",
        {"xscale": "log", "xticks": (8, 16, 32, 64), "ylim": (0, 0.17)}, "upper right",
        says="Line: 1/(2d). Points: the difference between the approximation and the exact law, "
        "drawn, in absolute value, the largest of four n, with two standard errors. Squares: the "
        "same with the moments of C1.",
    ),
}  # fmt: skip
PANELS = panels(AXES)


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """A panel a claim."""
    return drawn(rows, PANELS, columns, described("Nearly orthogonal vectors.", AXES))

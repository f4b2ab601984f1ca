"""Check of W5: at first order the noise of true gradients is exact; that of runs has a limit.

Measured is the reference transformer on the whole population of a small task: its gradients share
no code with the predictions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np

import assocmem as am
from assocmem.width import gradient_noise as predicted
from assocmem.width.response import linear_response
from validation import reference
from validation.runner import tolerances
from validation.runner.cases import ROUNDING, Case, Context, agreement
from validation.steps.populations import reference_parameters

WIDE = 10**14  # √d (Q - Q(∞)) is normal up to terms that are too small for any case here


def coefficients(matrix: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """The table C of a matrix Σ C_ij atom_i atom_jᵀ, for linearly independent atoms."""
    dual = np.linalg.pinv(atoms)
    table: np.ndarray = dual.T @ matrix @ dual
    return table


class Measured:
    """The reference transformer with given embeddings, on the whole population of a task."""

    def __init__(self, task: am.InductionTask, embeddings: am.FrozenEmbeddings) -> None:
        batch, self.emb = task.enumerate(), embeddings
        self.data = batch.tokens, batch.targets, batch.weights
        self.start = reference_parameters(embeddings, {})

    def descent(
        self, params: reference.Parameters, *names: str, **options: Any
    ) -> list[np.ndarray]:
        """-∇ on the named matrices."""
        gradients = reference.gradients(params, *self.data, wrt=names, **options)
        return [-gradients[name] for name in names]

    def first_order(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """S, and lifted gradients on W_K2 and W_K1 differentiated at η₁ = 0, W_O2 = η₁ G₁."""
        (G1,) = self.descent(self.start, "W_O2")
        J2, A = self.descent(self.start, "W_K2", "W_K1", along=[{"W_O2": G1}])
        return self.emb.outputs @ G1 @ self.emb.values.T, {
            "W_K2": coefficients(J2, self.emb.atoms),
            "W_K1": coefficients(A, self.emb.inputs),
        }

    def three_steps(self, sizes: Sequence[float]) -> dict[str, np.ndarray]:
        """The quantities of `assocmem.width.true_steps`."""
        emb, p, W = self.emb, self.emb.positions, dict(self.start)
        for name, size in zip(("W_O2", "W_K2", "W_K1"), sizes, strict=True):
            (direction,) = self.descent(W, name)
            W[name] = size * direction
        block = coefficients(W["W_K1"], emb.inputs)[-len(p) :, -len(p) :]
        W["W_K1"] = p.T @ block @ p
        return {
            "coefficients of W_K2": coefficients(W["W_K2"], emb.atoms),
            "coefficients of W_K1": block,
            "scores of W_O2": emb.outputs @ W["W_O2"] @ emb.values.T,
            "scores of W_K2": emb.atoms @ W["W_K2"] @ emb.atoms.T,
            "scores of W_K1": p @ W["W_K1"] @ p.T,
            "logits": reference.forward(W, self.data[0])[:, -1],
        }


def whitening(covariance: np.ndarray) -> np.ndarray:
    """Directions along which the noise has variance 1; those with less than 1e-4 of the largest
    variance are left out, where what is dropped at order 1/d could be seen at the width WIDE."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-4 * values[-1]
    whitened: np.ndarray = vectors[:, kept] / np.sqrt(values[kept])
    return whitened


def linear_in_the_first(task: am.InductionTask, rng: np.random.Generator) -> Iterator[Case]:
    """Step 1 has the coefficients of S1, and steps 2 and 3 are maps of S, for any embeddings."""
    C = am.gradients.first_step(task).coefficients()
    maps = {"W_K2": predicted.second_step_map(task), "W_K1": predicted.value_path_map(task)}
    for d in (64, 10**6):
        emb = am.FrozenEmbeddings.random(task, width=d, compressed=True, rng=rng)
        S, gradients = Measured(task, emb).first_order()
        rounding = ROUNDING * np.linalg.cond(emb.atoms) ** 2
        expected = emb.outputs @ emb.outputs.T @ C @ emb.values @ emb.values.T
        yield agreement(f"S, d = {d}: the coefficients of S1", expected, S, rounding)
        for name, table in gradients.items():
            predicted_table = (maps[name] @ S.ravel()).reshape(table.shape)
            yield agreement(f"{name}, d = {d}: a map of S", predicted_table, table, rounding)


def direct_scores(
    task: am.InductionTask, C: np.ndarray, d: int, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """S of many draws, (draws, entries), from its definition: d x d matrices."""
    n = task.n_tokens + task.length

    def gaussians(*shape: int) -> np.ndarray:
        return rng.standard_normal((draws, *shape)) / sqrt(d)

    x, u = gaussians(n, d), gaussians(task.n_outputs, d)
    atoms = np.concatenate([x, x @ gaussians(d, d)], axis=1)
    values = atoms @ gaussians(d, d)
    S = (u @ u.transpose(0, 2, 1)) @ C @ (values @ values.transpose(0, 2, 1))
    return S.reshape(draws, -1)


def exact_moments(
    task: am.InductionTask, chunks: int, rng: np.random.Generator, *, tests: int
) -> Iterator[Case]:
    """Mean and covariance of S and of both gradients at a small width, over direct draws."""
    d = 24
    C = am.gradients.first_step(task).coefficients()
    S = predicted.first_score_moments(task, C)
    scores = np.concatenate([direct_scores(task, C, d, 2000, rng) for _ in range(chunks)])
    mean = S.mean(d)[0]
    noise = scores - mean
    for name, table in (
        ("S", np.eye(C.size)),
        ("W_K2", predicted.second_step_map(task)),
        ("W_K1", predicted.value_path_map(task)),
    ):
        moments = S.mapped(table)
        weights = table.T @ table @ C.ravel()
        along = scores @ weights / (mean @ weights)
        directions = sqrt(d) * whitening(moments.limit_covariance()[0])
        over_limit = np.mean(np.diagonal(directions.T @ moments.covariance(d)[0] @ directions))
        squares = ((noise @ (table.T @ directions)) ** 2).mean(axis=1)
        case = f"{name}, d = {d}"
        yield tolerances.sample_mean(
            f"{case}: mean, along the coefficients", 1.0, along, tests=tests
        )
        yield tolerances.sample_mean(f"{case}: noise / limit", over_limit, squares, tests=tests)


def normals(emb: am.FrozenEmbeddings, d: int) -> np.ndarray:
    """The independent variables of a compressed Gaussian draw, over their standard deviations.

    √d (L - 1) and √d (H - 1) on and below the diagonal, row by row, read off the coordinates (W1).
    """
    n, n_atoms = len(emb.inputs), len(emb.atoms)
    L = np.concatenate([emb.inputs, emb.Phi1[:, :n].T, emb.outputs])
    variables = []
    for factor in (L, emb.W_V2[:n_atoms, :n_atoms].T):
        scaled = sqrt(d) * (factor - np.eye(len(factor)))
        scaled[np.diag_indices(len(factor))] *= sqrt(2)
        variables.append(scaled[np.tril_indices(len(factor))])
    return np.concatenate(variables)


class Run:
    """Three true steps at fixed step sizes: the predicted response, and measured noise."""

    def __init__(
        self, task: am.InductionTask, margins: tuple[float, float, float], family: str = "gaussian"
    ) -> None:
        run = am.top_down(task, margins=margins, gradient="population", evaluate_on=None)
        self.task, self.family, self.sizes = task, family, [step.size for step in run.steps]
        steps = predicted.true_steps(task, self.sizes)
        self.response = linear_response(steps, task, family=family)
        self.limit = Measured(task, am.FrozenEmbeddings.orthonormal(task)).three_steps(self.sizes)

    def noise(
        self, d: int, rng: np.random.Generator | int
    ) -> tuple[am.FrozenEmbeddings, dict[str, np.ndarray]]:
        """One draw, and √d (Q - Q(∞)) of every quantity."""
        emb = am.FrozenEmbeddings.random(
            self.task, width=d, family=self.family, compressed=True, rng=rng
        )
        found = Measured(self.task, emb).three_steps(self.sizes)
        return emb, {name: sqrt(d) * np.ravel(found[name] - Q) for name, Q in self.limit.items()}

    def variances(self, draws: int, rng: np.random.Generator, *, tests: int) -> Iterator[Case]:
        """Noise over many draws, at a width where it is normal."""
        samples = [self.noise(WIDE, rng)[1] for _ in range(draws)]
        for name, R in self.response.items():
            z = np.array([sample[name] for sample in samples]) @ whitening(R.T @ R)
            yield tolerances.mean_square(f"{name}: noise, all directions", 1.0, z, tests=tests)

    def remainders(self, draws: int, rng: np.random.Generator, *, tests: int) -> Iterator[Case]:
        """What the linear response leaves of each draw falls as d^-1/2.

        The two widths share their normals (and, nearly, their χ²), so the exponents hardly vary:
        by 1/√d of the normals, an odd function of them. Terms that would shift their mean stay
        below half a standard error: 1/d of the third order, d of the rounding of Q(∞).
        """
        widths = 10**9, 10**11
        left: dict[str, list[list[float]]] = {name: [] for name in self.response}
        for seed in rng.integers(2**63, size=draws):
            for name in left:
                left[name].append([])
            for d in widths:
                emb, noise = self.noise(d, int(seed))
                for name, R in self.response.items():
                    rest = noise[name] - normals(emb, d) @ R
                    left[name][-1].append(float(np.linalg.norm(rest)))
        for name, pairs in left.items():
            exponents = np.diff(np.log(pairs)).ravel() / np.diff(np.log(widths))
            yield tolerances.sample_mean(f"{name}: remainder", -0.5, exponents, tests=tests)


def check(context: Context) -> Iterator[Case]:
    """W5: small tasks, whose populations are enumerated."""
    full, rng = context.full, context.rng
    small, low = am.InductionTask(n_tokens=3, length=6), (0.5, 1, 1)
    settings: dict[str, tuple[Any, ...]] = {"m = (0.5, 1, 1)": (small, low)}
    if full:
        settings |= {
            "N = 4": (am.InductionTask(n_tokens=4, length=6), low),
            "m = (0.5, 10, 5)": (small, (0.5, 10, 5)),
            "sphere": (small, low, "sphere"),
            "orthonormal": (small, low, "orthonormal"),
        }
    tests = 6 + 2 * 6 * len(settings)
    yield from (case.of("a") for case in linear_in_the_first(small, rng))
    moments = exact_moments(small, 100 if full else 20, rng, tests=tests)
    yield from (case.of("a") for case in moments)
    for name, setting in settings.items():
        run = Run(*setting)
        cases = [*run.variances(1000 if full else 40, rng, tests=tests)]
        if setting[1:] == (low,):  # else third orders are large, or the draw hides its normals
            cases += run.remainders(100 if full else 10, rng, tests=tests)
        yield from (replace(case, case=f"{name}: {case.case}", part="b") for case in cases)
